package blast

import (
	"cmp"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Change is one edit that takes moves away: a field of an object, a rule of a
// role, or a binding.
type Change struct {
	Control, Fix string
	Effort       int
	Object       *inventory.Object
	Path         string
	// Steps are the titles of what is no longer possible.
	Steps []string
	// After is the standing once this change and those before it are made.
	After Standing
}

// Standing says how many workloads give away how much: an intruder in them
// gets the whole cluster, or a node.
type Standing struct {
	Admin, AdminPossible, Node, NodePossible int

	harm int
}

// changeKey tells changes apart.
type changeKey struct {
	object *inventory.Object
	path   string
	fix    string
}

// cuts numbers the changes that take moves away.
type cuts struct {
	g       *Graph
	changes []Change
	// of is the change that takes a move away, -1 for none.
	of      []int32
	removed []bool
}

func (g *Graph) cuts() *cuts {
	c := &cuts{g: g, of: make([]int32, len(g.edges))}
	index := make(map[changeKey]int32)
	byDetail := make(map[[2]int32]int32)
	for i := range g.edges {
		e := &g.edges[i]
		s := g.Steps[e.step]
		c.of[i] = -1
		if s == nil || s.Fix == "" {
			continue
		}
		seen := [2]int32{e.detail, int32(e.step)}
		n, ok := byDetail[seen]
		if !ok {
			n = c.number(index, s, &g.details[e.detail])
			byDetail[seen] = n
		}
		c.of[i] = n
	}
	c.removed = make([]bool, len(c.changes))
	return c
}

func (c *cuts) number(index map[changeKey]int32, s *Step, d *detail) int32 {
	change := describe(s, d)
	key := changeKey{change.Object, change.Path, change.Fix}
	if d.grant.Rule != nil {
		key.fix = ""
	}
	n, ok := index[key]
	if !ok {
		n = int32(len(c.changes)) //nolint:gosec // at most one for each piece of evidence
		index[key] = n
		c.changes = append(c.changes, change)
	}
	at := &c.changes[n]
	at.Effort = max(at.Effort, change.Effort)
	if !slices.Contains(at.Steps, s.Title) {
		at.Steps = append(at.Steps, s.Title)
	}
	return n
}

// describe says what to edit to take a move away.
func describe(s *Step, d *detail) Change {
	const usual = 2
	change := Change{Control: s.Control, Fix: s.Fix, Effort: cmp.Or(d.effort, s.Effort, usual), Object: d.object, Path: d.path}
	if r := d.grant.Rule; r != nil {
		change.Object, change.Path = d.grant.Binding.Object, "roleRef"
		if r.Role != nil && !r.Wild() {
			change.Object, change.Path = r.Role, r.Path()
		}
	}
	return change
}

// open is a measure that leaves out what has been removed.
func (c *cuts) open(i int32) bool { return c.of[i] < 0 || !c.removed[c.of[i]] }

// goals are what harm is counted by: surely reached, possibly reached.
type goal struct {
	targets        []Vertex
	surely, perhap int
}

func (g *Graph) goals() []goal {
	admin, nodes, sets, clouds := goal{surely: 100, perhap: 50}, goal{surely: 20, perhap: 8}, goal{surely: 6, perhap: 2}, goal{surely: 10, perhap: 4}
	for v, t := range g.Facts.vertices.things {
		switch v := Vertex(v); t.Kind { //nolint:exhaustive // the rest is no goal
		case ClusterAdmin:
			// Who has the whole cluster has its nodes and Secrets, too.
			for _, g := range []*goal{&admin, &nodes, &sets, &clouds} {
				g.targets = append(g.targets, v)
			}
		case Node:
			nodes.targets = append(nodes.targets, v)
		case SecretsOf, AccountsOf, WorkloadsOf:
			sets.targets = append(sets.targets, v)
		case CloudIdentity:
			clouds.targets = append(clouds.targets, v)
		}
	}
	return []goal{admin, nodes, sets, clouds}
}

// standing counts the harm with some changes made.
func (c *cuts) standing(goals []goal) Standing {
	var s Standing
	for k := range goals {
		surely, perhaps := c.reaching(goals[k].targets, Surely), c.reaching(goals[k].targets, Possibly)
		nSure, nPerhaps := 0, 0
		for _, w := range c.g.Facts.Workloads {
			weight := [...]int{1, 2, 4}[w.openness()]
			switch {
			case surely[w.Code]:
				nSure++
				s.harm += weight * goals[k].surely
			case perhaps[w.Code]:
				nPerhaps++
				s.harm += weight * goals[k].perhap
			}
		}
		switch k {
		case 0:
			s.Admin, s.AdminPossible = nSure, nPerhaps
		case 1:
			s.Node, s.NodePossible = nSure, nPerhaps
		}
	}
	return s
}

// reaching marks the vertices from which a target is reached.
func (c *cuts) reaching(targets []Vertex, level Certainty) []bool {
	return c.reachingOver(targets, func(i int32) bool { return (level == Possibly || !c.g.edges[i].possible) && c.open(i) })
}

// reachingOver does so over some of the moves.
func (c *cuts) reachingOver(targets []Vertex, open func(i int32) bool) []bool {
	seen := make([]bool, c.g.size())
	stack := slices.Clone(targets)
	for _, v := range targets {
		seen[v] = true
	}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, i := range c.g.in(v) {
			if e := &c.g.edges[i]; !seen[e.from] && open(i) {
				seen[e.from] = true
				stack = append(stack, e.from)
			}
		}
	}
	return seen
}

// Best are the changes, at most n, that take the most away, each chosen after
// those before it and verified by going over the graph again.
func (g *Graph) Best(n int) (Standing, []Change) {
	c := g.cuts()
	goals := g.goals()
	before := c.standing(goals)
	now := before
	var out []Change
	for len(out) < n && now.harm > 0 {
		best, after, value := -1, now, 0
		for _, k := range c.candidates(goals) {
			c.removed[k] = true
			s := c.standing(goals)
			c.removed[k] = false
			// A change is worth what it takes away, less where it is hard to make.
			const ease = 3
			if v := (now.harm - s.harm) * 100 / (ease + c.changes[k].Effort); v > value {
				best, after, value = k, s, v
			}
		}
		chosen := []int32{int32(best)}
		if best < 0 {
			// No change helps by itself where there is another way.
			chosen = c.together(goals, n-len(out))
		}
		if len(chosen) == 0 {
			break
		}
		for _, k := range chosen {
			c.removed[k] = true
			now = after
			if best < 0 {
				now = c.standing(goals)
			}
			change := c.changes[k]
			change.After = now
			out = append(out, change)
		}
	}
	return before, out
}

// together finds changes, at most some number of them, that do together what
// none of them does alone: they close every way to a goal from workloads whose
// ways can be closed.
func (c *cuts) together(goals []goal, most int) []int32 {
	base := slices.Clone(c.removed)
	defer copy(c.removed, base)
	for i := range goals {
		for _, certainty := range []Certainty{Surely, Possibly} {
			reaching := c.reaching(goals[i].targets, certainty)
			for _, w := range c.g.Facts.Workloads {
				if !reaching[w.Code] {
					continue
				}
				p := problem{cuts: c, targets: goals[i].targets, sources: []Vertex{w.Code}, base: base}
				if chosen, _ := p.solve(); len(chosen) > 0 && len(chosen) <= most {
					return chosen
				}
				copy(c.removed, base)
				break // one workload will do: the search is not for free
			}
		}
	}
	return nil
}

// candidates are the changes on the easiest ways of workloads to the goals,
// the most travelled first. In large graphs only some are tried.
func (c *cuts) candidates(goals []goal) []int {
	const manyEdges, few, many = 20_000, 12, 150
	count := make(map[int]int)
	for _, goal := range goals {
		for _, level := range []measure{sure(ease), ease} {
			t := c.g.toward(goal.targets, c.measure(level))
			c.travelled(&t, goal.surely, count)
		}
	}
	out := make([]int, 0, len(count))
	for k := range count {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b int) int { return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b)) })
	limit := many
	if len(c.g.edges) > manyEdges {
		limit = few
	}
	return out[:min(len(out), limit)]
}

// travelled adds up how much goes over each change along a tree: the weight of
// all workloads is passed down from the far ends to the target.
func (c *cuts) travelled(t *tree, weight int, count map[int]int) {
	flow := make([]int, c.g.size())
	order := make([]Vertex, 0, c.g.size())
	for v := range t.dist {
		if t.dist[v] >= 0 {
			order = append(order, Vertex(v))
		}
	}
	for _, w := range c.g.Facts.Workloads {
		if t.dist[w.Code] >= 0 {
			flow[w.Code] += weight * [...]int{1, 2, 4}[w.openness()]
		}
	}
	for _, v := range c.g.farthestFirst(t, order) {
		i := t.next[v]
		if i < 0 || flow[v] == 0 {
			continue
		}
		if k := c.of[i]; k >= 0 {
			count[int(k)] += flow[v]
		}
		flow[c.g.edges[i].to] += flow[v]
	}
}

// farthestFirst orders vertices so that each comes before the next on its way.
// Moves of length 0 make distance alone too coarse, so depth in the tree counts.
func (g *Graph) farthestFirst(t *tree, order []Vertex) []Vertex {
	depth := make([]int32, g.size())
	for i := range depth {
		depth[i] = unreached
	}
	for _, v := range order {
		var chain []Vertex
		for u := v; depth[u] < 0; u = g.edges[t.next[u]].to {
			if t.next[u] < 0 {
				depth[u] = 0
				break
			}
			chain = append(chain, u)
		}
		for _, u := range slices.Backward(chain) {
			depth[u] = depth[g.edges[t.next[u]].to] + 1
		}
	}
	slices.SortFunc(order, func(a, b Vertex) int { return cmp.Or(cmp.Compare(depth[b], depth[a]), cmp.Compare(a, b)) })
	return order
}

// measure closes what has been removed.
func (c *cuts) measure(m measure) measure {
	return func(i int32, e *edge) int {
		if !c.open(i) {
			return unreached
		}
		return m(i, e)
	}
}
