package blast

// tree holds, for every vertex, the way to a target.
type tree struct {
	// dist is the length, -1 where there is no way; next the first move.
	dist []int32
	next []int32
}

// unreached marks vertices from which no way leads to the target.
const unreached = -1

// measure is the length of a move; negative closes it.
type measure func(i int32, e *edge) int

// hops counts steps: membership of a set is none.
func hops(_ int32, e *edge) int {
	if e.step == 0 {
		return 0
	}
	return 1
}

// ease adds up difficulties.
func ease(_ int32, e *edge) int { return int(e.cost) }

// sure closes the moves of which it is not known whether they work.
func sure(m measure) measure {
	return func(i int32, e *edge) int {
		if e.possible {
			return unreached
		}
		return m(i, e)
	}
}

// toward finds the ways of all vertices to the nearest target. Lengths of
// moves are at most 63, so a ring of buckets does for a queue.
func (g *Graph) toward(targets []Vertex, length measure) tree {
	t := tree{make([]int32, g.size()), make([]int32, g.size())}
	for i := range t.dist {
		t.dist[i], t.next[i] = unreached, unreached
	}
	q := newRing()
	for _, v := range targets {
		t.dist[v] = 0
		q.push(v, 0)
	}
	for v, d, ok := q.pop(); ok; v, d, ok = q.pop() {
		if t.dist[v] != d {
			continue
		}
		for _, i := range g.in(v) {
			e := &g.edges[i]
			l := length(i, e)
			if l < 0 {
				continue
			}
			if old, found := t.dist[e.from], d+int32(l); old < 0 || found < old { //nolint:gosec // at most 63
				t.dist[e.from], t.next[e.from] = found, i
				q.push(e.from, found)
			}
		}
	}
	return t
}

const ringSize = 64

// ring is a bucket queue for lengths that grow by less than its size.
type ring struct {
	buckets [ringSize][]Vertex
	now     int32
	count   int
}

func newRing() *ring { return new(ring) }

func (r *ring) push(v Vertex, d int32) {
	r.buckets[d%ringSize] = append(r.buckets[d%ringSize], v)
	r.count++
}

func (r *ring) pop() (Vertex, int32, bool) {
	if r.count == 0 {
		return none, 0, false
	}
	for len(r.buckets[r.now%ringSize]) == 0 {
		r.now++
	}
	b := &r.buckets[r.now%ringSize]
	v := (*b)[len(*b)-1]
	*b = (*b)[:len(*b)-1]
	r.count--
	return v, r.now, true
}

// walk follows a tree from a vertex to its target.
func (g *Graph) walk(t *tree, from Vertex) []int32 {
	var out []int32
	for v := from; t.next[v] >= 0; v = g.edges[t.next[v]].to {
		out = append(out, t.next[v])
	}
	return out
}

// Hop is one step of a path as people read it: the sets passed on the way are
// left out.
type Hop struct {
	Step *Step
	From Thing
	To   Thing
	Move Move
	// Passed names the set of nodes through which a step reaches a pod.
	Passed string
	// Verified is what the API server says of it, "" when it was not asked.
	Verified string
}

// hopsOf turns the moves of a way into hops. A hop ends where the next step
// begins, so that "read every Secret of shop" ends at the Secret that is used.
// A way that needs nobody's mistake between two things, such as from the code
// of a pod to what the pod holds, is no hop.
func (g *Graph) hopsOf(way []int32) []Hop {
	var out []Hop
	for _, i := range way {
		e := &g.edges[i]
		if e.step == 0 {
			if n := len(out); n > 0 {
				g.pass(&out[n-1], e)
			}
			continue
		}
		out = append(out, g.hop(e))
	}
	return out
}

func (g *Graph) hop(e *edge) Hop {
	h := Hop{Step: g.Steps[e.step], From: g.Facts.Thing(e.from), To: g.Facts.Thing(e.to), Move: g.move(e)}
	h.Verified = g.verified[claimKey{h.Step, e.from, h.Move.Grant.Binding, h.Move.Note}]
	return h
}

// pass moves the end of a hop on, to a member of the set it ended in.
func (g *Graph) pass(h *Hop, e *edge) {
	set := g.Facts.Thing(e.from)
	h.To = g.Facts.Thing(e.to)
	if set.Kind == NodesWhere && h.To.Kind == PodHeld {
		h.Passed = set.String()
	}
	if e.possible && !h.Move.Possible {
		h.Move.Possible, h.Move.Why = true, g.details[e.detail].why
	}
}

// Path finds the way from a vertex to another, the easiest one that is sure,
// else the easiest at all.
func (g *Graph) Path(from, to Vertex) []Hop {
	for _, m := range []measure{sure(ease), ease} {
		t := g.toward([]Vertex{to}, m)
		if t.dist[from] >= 0 {
			return g.hopsOf(g.walk(&t, from))
		}
	}
	return nil
}

// Reached tells what can be reached from a vertex: 0 not, 1 possibly, 2 surely.
func (g *Graph) Reached(from ...Vertex) []Certainty {
	out := make([]Certainty, g.size())
	for _, level := range []Certainty{Surely, Possibly} {
		stack := append([]Vertex(nil), from...)
		seen := make([]bool, g.size())
		for _, v := range from {
			seen[v] = true
		}
		for len(stack) > 0 {
			v := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			out[v] = max(out[v], level)
			edges := g.out(v)
			for i := range edges {
				if e := &edges[i]; !seen[e.to] && (level == Possibly || !e.possible) {
					seen[e.to] = true
					stack = append(stack, e.to)
				}
			}
		}
	}
	return out
}

// Certainty is how well something is known to work for the intruder.
type Certainty uint8

// The certainties. The zero value is that nothing says so.
const (
	Not Certainty = iota
	Possibly
	Surely
)

// String is the certainty in a word.
func (c Certainty) String() string { return [...]string{"no", "possible", "yes"}[c] }
