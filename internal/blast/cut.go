package blast

import (
	"cmp"
	"slices"
)

// Cut is a set of changes that closes ways from some workloads to some targets.
type Cut struct {
	// From and To say between what.
	From, To string
	Changes  []Change
	// Left are the workloads whose ways no change closes.
	Left []*Workload
	// Smallest is set when no set of less effort does it. It is unset where the
	// search for one was given up for its size.
	Smallest bool
}

// Closed tells whether every way is closed.
func (c *Cut) Closed() bool { return len(c.Left) == 0 }

// Cut finds changes that together close every way, the possible ones too, from
// the workloads to the targets: the set of the least effort. Workloads from
// which a way leads that no change takes away are left out, and named.
func (g *Graph) Cut(from []*Workload, targets []Vertex) Cut {
	return g.cuts().cut(from, targets)
}

// The ends of cuts in words.
const (
	fromAll  = "all workloads"
	fromOpen = "workloads open to the outside"
	toNodes  = "a node"
)

// Cuts are the sets of changes that close every way from all workloads to the
// whole cluster, first, and from those open to the outside, or all where none
// is, to the whole cluster, to nodes and to what else is to be protected. Ways
// that do not exist need none.
func (g *Graph) Cuts(protect []Vertex) []*Cut {
	c := g.cuts()
	admin := g.Facts.Admin()
	all := g.Facts.Workloads
	open := slices.DeleteFunc(slices.Clone(all), func(w *Workload) bool { return !w.Open() })
	var out []*Cut
	add := func(from string, workloads []*Workload, to string, targets ...Vertex) {
		cut := c.cut(workloads, append(targets, admin))
		cut.From, cut.To = from, to
		out = append(out, &cut)
	}
	whole := g.Facts.Thing(admin).String()
	add(fromAll, all, whole)
	from := fromOpen
	if len(open) == 0 {
		from, open = fromAll, all
	} else if len(open) < len(all) {
		add(from, open, whole)
	}
	var nodes []Vertex
	for _, n := range g.Facts.Nodes {
		nodes = append(nodes, n.Vertex)
	}
	add(from, open, toNodes, nodes...)
	for _, v := range protect {
		if v != admin {
			add(from, open, g.Facts.Thing(v).String(), v)
		}
	}
	return out
}

func (c *cuts) cut(from []*Workload, targets []Vertex) Cut {
	var out Cut
	p := problem{cuts: c, targets: targets}
	hopeless := c.reachingOver(targets, func(i int32) bool { return c.of[i] < 0 })
	for _, w := range from {
		if hopeless[w.Code] {
			out.Left = append(out.Left, w)
		} else {
			p.sources = append(p.sources, w.Code)
		}
	}
	clear(c.removed)
	chosen, smallest := p.solve()
	clear(c.removed)
	out.Smallest = smallest
	for _, k := range chosen {
		out.Changes = append(out.Changes, c.changes[k])
	}
	slices.SortStableFunc(out.Changes, func(a, b Change) int { return cmp.Compare(a.Effort, b.Effort) })
	return out
}

// problem is to part sources from targets.
type problem struct {
	*cuts

	sources, targets []Vertex
	// base are changes that are made already; nil for none.
	base []bool
}

// reset undoes all changes but those made already.
func (p *problem) reset() {
	clear(p.removed)
	copy(p.removed, p.base)
}

// solve finds the changes. A minimum cut is a good answer soon; it counts a
// change once for each place it acts from, so a search for less effort follows
// where the graph is small enough.
func (p *problem) solve() ([]int32, bool) {
	if !p.anyReaches() {
		return nil, true
	}
	chosen, ok := p.minimum()
	if !ok {
		return nil, false
	}
	for _, k := range chosen {
		p.removed[k] = true
	}
	chosen = p.prune(chosen)
	const manyEdges = 300_000
	if len(p.g.edges) > manyEdges {
		return chosen, false
	}
	return p.smallest(chosen)
}

func (p *problem) anyReaches() bool {
	reaching := p.reaching(p.targets, Possibly)
	return slices.ContainsFunc(p.sources, func(v Vertex) bool { return reaching[v] })
}

// prune gives back changes that are not needed, the hardest first. One change
// may close several moves of the cut, so the cut can hold too many.
func (p *problem) prune(chosen []int32) []int32 {
	const most = 64
	if len(chosen) > most {
		return chosen
	}
	order := slices.Clone(chosen)
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(p.changes[b].Effort, p.changes[a].Effort) })
	for _, k := range order {
		p.removed[k] = false
		if p.anyReaches() {
			p.removed[k] = true
		}
	}
	return slices.DeleteFunc(chosen, func(k int32) bool { return !p.removed[k] })
}

// endless is the capacity of what no change takes away.
const endless = 1 << 30

// minimum is a minimum cut between the sources and the targets.
func (p *problem) minimum() ([]int32, bool) {
	c := p.cuts
	reaching := c.reaching(p.targets, Possibly)
	n := c.g.size()
	net := &network{first: make([]int32, n+2)} // a source and a sink besides
	for i := range net.first {
		net.first[i] = unreached
	}
	source, sink := n, n+1
	for _, v := range p.sources {
		if reaching[v] {
			net.arc(source, int(v), endless)
		}
	}
	for _, v := range p.targets {
		net.arc(int(v), sink, endless)
	}
	// Moves that one change takes away from one place go through one gate.
	type gate struct {
		from   Vertex
		change int32
	}
	gates := make(map[gate]int)
	changeOf := make(map[int]int32)
	for i := range c.g.edges {
		e := &c.g.edges[i]
		if !reaching[e.from] || !reaching[e.to] {
			continue
		}
		k := c.of[i]
		if !c.open(int32(i)) {
			continue
		}
		if k < 0 {
			net.arc(int(e.from), int(e.to), endless)
			continue
		}
		key := gate{e.from, k}
		at, ok := gates[key]
		if !ok {
			at = net.vertex()
			gates[key] = at
			changeOf[len(net.arcs)] = k
			net.arc(int(e.from), at, c.changes[k].Effort)
		}
		net.arc(at, int(e.to), endless)
	}
	if flow := net.flow(source, sink); flow >= endless {
		return nil, false
	}
	return net.cut(source, changeOf), true
}

// network is a flow network with arcs in pairs: the second of a pair leads back.
type network struct {
	first []int32
	arcs  []flowArc
	level []int32
	next  []int32
}

type flowArc struct {
	to, after int32
	capacity  int
}

func (n *network) vertex() int {
	n.first = append(n.first, unreached)
	return len(n.first) - 1
}

func (n *network) arc(from, to, capacity int) {
	for _, a := range [...]struct{ from, to, capacity int }{{from, to, capacity}, {to, from, 0}} {
		n.arcs = append(n.arcs, flowArc{int32(a.to), n.first[a.from], a.capacity}) //nolint:gosec // bounded by memory
		n.first[a.from] = int32(len(n.arcs) - 1)                                   //nolint:gosec // bounded by memory
	}
}

// flow is Dinic's algorithm. It ends early when the flow is endless.
func (n *network) flow(source, sink int) int {
	total := 0
	for n.levels(source) && n.level[sink] >= 0 {
		n.next = slices.Clone(n.first)
		for {
			pushed := n.push(source, sink)
			if pushed == 0 {
				break
			}
			total += pushed
			if total >= endless {
				return endless
			}
		}
	}
	return total
}

// levels numbers vertices by their distance from the source.
func (n *network) levels(source int) bool {
	n.level = make([]int32, len(n.first))
	for i := range n.level {
		n.level[i] = unreached
	}
	n.level[source] = 0
	queue := []int32{int32(source)} //nolint:gosec // fits
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		for a := n.first[v]; a >= 0; a = n.arcs[a].after {
			if to := n.arcs[a].to; n.arcs[a].capacity > 0 && n.level[to] < 0 {
				n.level[to] = n.level[v] + 1
				queue = append(queue, to)
			}
		}
	}
	return true
}

// push finds one way with room along rising levels and fills it.
func (n *network) push(source, sink int) int {
	var way []int32
	v := int32(source)     //nolint:gosec // fits
	for v != int32(sink) { //nolint:gosec // fits
		a := n.next[v]
		for a >= 0 && (n.arcs[a].capacity == 0 || n.level[n.arcs[a].to] != n.level[v]+1) {
			a = n.arcs[a].after
		}
		n.next[v] = a
		if a >= 0 {
			way = append(way, a)
			v = n.arcs[a].to
			continue
		}
		if len(way) == 0 {
			return 0
		}
		// A dead end: step back and never come here again.
		last := way[len(way)-1]
		way = way[:len(way)-1]
		v = n.arcs[last^1].to
		n.next[v] = n.arcs[last].after
	}
	room := endless
	for _, a := range way {
		room = min(room, n.arcs[a].capacity)
	}
	for _, a := range way {
		n.arcs[a].capacity -= room
		n.arcs[a^1].capacity += room
	}
	return room
}

// cut are the changes whose gates lead out of what the source still reaches.
func (n *network) cut(source int, changeOf map[int]int32) []int32 {
	n.levels(source)
	var out []int32
	for a, k := range changeOf {
		from, to := n.arcs[a^1].to, n.arcs[a].to
		if n.level[from] >= 0 && n.level[to] < 0 {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
