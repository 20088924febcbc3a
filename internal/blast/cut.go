package blast

import (
	"cmp"
	"slices"
)

// Cut finds changes that together close every way, the possible ones too, from
// workloads to the whole cluster: the smallest set by effort, from a minimum
// cut, less what turns out not to be needed. The result is empty with false
// when no set of changes does it.
func (g *Graph) Cut() ([]Change, bool) {
	c := g.cuts()
	target := []Vertex{g.Facts.Admin()}
	chosen, ok := c.minimum(target)
	if !ok {
		return nil, false
	}
	for _, k := range chosen {
		c.removed[k] = true
	}
	c.prune(chosen, target)
	var out []Change
	for _, k := range chosen {
		if c.removed[k] {
			out = append(out, c.changes[k])
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int { return cmp.Compare(a.Effort, b.Effort) })
	return out, !c.anyReaches(target)
}

func (c *cuts) anyReaches(target []Vertex) bool {
	reaching := c.reaching(target, Possibly)
	return slices.ContainsFunc(c.g.Facts.Workloads, func(w *Workload) bool { return reaching[w.Code] })
}

// prune gives back changes that are not needed, the hardest first. One change
// may close several moves of the cut, so the cut can hold too many.
func (c *cuts) prune(chosen []int32, target []Vertex) {
	const most = 64
	if len(chosen) > most {
		return
	}
	order := slices.Clone(chosen)
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(c.changes[b].Effort, c.changes[a].Effort) })
	for _, k := range order {
		c.removed[k] = false
		if c.anyReaches(target) {
			c.removed[k] = true
		}
	}
}

// endless is the capacity of what no change takes away.
const endless = 1 << 30

// minimum is a minimum cut between all workloads and the target.
func (c *cuts) minimum(target []Vertex) ([]int32, bool) {
	reaching := c.reaching(target, Possibly)
	n := c.g.size()
	net := &network{first: make([]int32, n+1)}
	for i := range net.first {
		net.first[i] = unreached
	}
	source := n
	for _, w := range c.g.Facts.Workloads {
		if reaching[w.Code] {
			net.arc(source, int(w.Code), endless)
		}
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
	if flow := net.flow(source, int(target[0])); flow >= endless {
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
