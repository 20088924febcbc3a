package blast

import (
	"cmp"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// Graph is all moves between all vertices.
type Graph struct {
	Facts *Facts
	// Steps are the steps the moves were found with; number 0 is membership of
	// a set, which is no step.
	Steps []*Step

	edges   []edge
	details []detail
	// first is where the moves of a vertex begin in edges, which are sorted by
	// their start.
	first []int32
	// back lists the edges into a vertex, backFirst where they begin.
	back, backFirst []int32
	// verified is what the API server says of steps by rights.
	verified map[claimKey]string
}

// edge is a move as the graph keeps it.
type edge struct {
	from, to Vertex
	detail   int32
	step     uint8
	cost     uint8
	possible bool
}

// detail is the evidence of moves, shared by those with the same.
type detail struct {
	object *inventory.Object
	path   string
	note   string
	why    string
	grant  rbac.Grant
	effort int
}

// Build finds the moves of all steps.
func Build(f *Facts, steps []*Step) *Graph {
	g := &Graph{Facts: f, Steps: append([]*Step{nil}, steps...)}
	for i, s := range g.Steps {
		if s == nil {
			continue
		}
		emit := g.emitter(i)
		switch {
		case s.Workload != nil:
			for _, w := range f.Workloads {
				s.Workload(f, w, emit)
			}
		case s.World != nil:
			s.World(f, emit)
		}
	}
	g.rights()
	g.members()
	g.finish()
	return g
}

// emitter takes the moves of a step.
func (g *Graph) emitter(step int) Emit {
	return func(m Move) {
		if m.From == m.To || m.From < 0 || m.To < 0 || m.From == 0 {
			return
		}
		d := detail{m.Object, m.Path, m.Note, m.Why, m.Grant, m.Effort}
		if n := len(g.details); n == 0 || g.details[n-1] != d {
			g.details = append(g.details, d)
		}
		cost := m.Difficulty
		if cost == 0 && g.Steps[step] != nil {
			cost = g.Steps[step].Difficulty
		}
		e := edge{from: m.From, to: m.To, detail: int32(len(g.details) - 1), step: uint8(step), possible: m.Possible} //nolint:gosec // steps are few, details bounded by the input
		if cost > 0 {
			e.cost = uint8(cost.Cost()) //nolint:gosec // at most 40
		}
		g.edges = append(g.edges, e)
	}
}

// members adds what the sets contain. Sets may bring in further sets, so the
// list of vertices grows while it is walked.
func (g *Graph) members() {
	f := g.Facts
	emit := g.emitter(0)
	for _, w := range f.Workloads {
		emit(Move{From: w.Code, To: w.Held})
	}
	for v := Vertex(0); int(v) < len(f.vertices.things); v++ {
		t := f.vertices.things[v]
		switch {
		case !t.Kind.Set():
		case t.Kind == NodesWhere || t.Kind == PodsOn:
			g.nodeMembers(v, t, emit)
		case t.Namespace == "":
			for _, namespace := range f.Namespaces {
				emit(Move{From: v, To: f.All(t.Kind, namespace)})
			}
		default:
			for _, to := range f.membersOf(t) {
				emit(Move{From: v, To: to})
			}
		}
	}
}

func (f *Facts) membersOf(t Thing) []Vertex {
	var out []Vertex
	switch t.Kind { //nolint:exhaustive // only sets of a namespace have these members
	case SecretsOf:
		for _, s := range f.SecretsIn(t.Namespace) {
			out = append(out, s.Vertex)
		}
	case WorkloadsOf:
		for _, w := range f.WorkloadsIn(t.Namespace) {
			out = append(out, w.Code)
		}
	case AccountsOf:
		for _, name := range f.AccountsIn(t.Namespace) {
			out = append(out, f.Vertex(Account, t.Namespace, name))
		}
	}
	return out
}

// Why a move between nodes and pods of manifests may not work.
const (
	whySameNode     = "if one of its pods runs on the same node"
	whyScheduled    = "if the scheduler puts one of its pods there"
	whyControlPlane = "if control-plane nodes are part of the cluster and not hidden by its provider"
)

func (g *Graph) nodeMembers(v Vertex, t Thing, emit Emit) {
	f := g.Facts
	switch {
	case t.Kind == NodesWhere && t.Name == "":
		for _, n := range f.Nodes {
			emit(g.toNode(v, n, ""))
		}
		f.everywhere(v, emit)
	case t.Kind == NodesWhere:
		for _, w := range f.WorkloadsIn(t.Namespace) {
			if w.hub != v {
				continue
			}
			for _, n := range w.Nodes {
				emit(g.toNode(v, n, ""))
			}
			for _, n := range w.NodesPossible {
				emit(g.toNode(v, n, whyScheduled))
			}
			if w.Everywhere {
				f.everywhere(v, emit)
			}
		}
	default:
		g.podMembers(v, t, emit)
	}
}

func (g *Graph) toNode(v Vertex, n *ClusterNode, why string) Move {
	m := Move{From: v, To: n.Vertex, Object: n.Object, Possible: why != "", Why: why}
	if n.ControlPlane && !g.Facts.NodesKnown && !m.Possible {
		m.Possible, m.Why = true, whyControlPlane
	}
	return m
}

// everywhere adds what all pods hold: where no nodes are known, a set of all
// nodes still has all pods.
func (f *Facts) everywhere(v Vertex, emit Emit) {
	if f.NodesKnown {
		return
	}
	for _, w := range f.Workloads {
		emit(Move{From: v, To: w.Held})
	}
}

func (g *Graph) podMembers(v Vertex, t Thing, emit Emit) {
	f := g.Facts
	if n := f.nodeAt[f.lookup(Thing{Kind: Node, Name: t.Name})]; n != nil {
		for _, w := range f.OnNode(n) {
			m := Move{From: v, To: w.Held}
			if !f.NodesKnown && !w.Everywhere {
				m.Possible, m.Why = true, whySameNode
			} else if !slices.Contains(w.Nodes, n) && !w.Everywhere {
				m.Possible, m.Why = true, whyScheduled
			}
			emit(m)
		}
		return
	}
	if w := f.neighbourhood[v]; w != nil {
		for _, n := range w.NodesOf() {
			emit(Move{From: v, To: n.Pods})
		}
	}
}

func (f *Facts) lookup(t Thing) Vertex {
	if v, ok := f.vertices.index[t]; ok {
		return v
	}
	return none
}

// OnNode are the workloads that run or may run on a node.
func (f *Facts) OnNode(n *ClusterNode) []*Workload {
	if f.onNodes == nil {
		f.onNodes = make(map[*ClusterNode][]*Workload, len(f.Nodes))
		for _, w := range f.Workloads {
			for _, n := range w.NodesOf() {
				f.onNodes[n] = append(f.onNodes[n], w)
			}
		}
	}
	return f.onNodes[n]
}

// finish sorts the moves and builds the indexes.
func (g *Graph) finish() {
	slices.SortStableFunc(g.edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.step, b.step), cmp.Compare(boolInt(a.possible), boolInt(b.possible)))
	})
	n := len(g.Facts.vertices.things)
	g.first = make([]int32, n+1)
	g.backFirst = make([]int32, n+1)
	for i := range g.edges {
		g.first[g.edges[i].from+1]++
		g.backFirst[g.edges[i].to+1]++
	}
	for v := range n {
		g.first[v+1] += g.first[v]
		g.backFirst[v+1] += g.backFirst[v]
	}
	g.back = make([]int32, len(g.edges))
	next := slices.Clone(g.backFirst)
	for i := range g.edges {
		to := g.edges[i].to
		g.back[next[to]] = int32(i)
		next[to]++
	}
}

func boolInt(b bool) int { //nolint:revive // a conversion
	if b {
		return 1
	}
	return 0
}

// out are the moves from a vertex.
func (g *Graph) out(v Vertex) []edge { return g.edges[g.first[v]:g.first[v+1]] }

// in are the numbers of the moves to a vertex.
func (g *Graph) in(v Vertex) []int32 { return g.back[g.backFirst[v]:g.backFirst[v+1]] }

// size is the number of vertices.
func (g *Graph) size() int { return len(g.first) - 1 }

// Moves are all moves of a step, by its id, in order.
func (g *Graph) Moves(step string) []Move {
	var out []Move
	for i := range g.edges {
		if s := g.Steps[g.edges[i].step]; s != nil && s.ID == step {
			out = append(out, g.move(&g.edges[i]))
		}
	}
	return out
}

func (g *Graph) move(e *edge) Move {
	d := &g.details[e.detail]
	return Move{From: e.from, To: e.to, Possible: e.possible, Why: d.why, Object: d.object, Path: d.path, Note: d.note, Grant: d.grant}
}
