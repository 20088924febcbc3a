package blast

// Map is the graph itself in words, for drawing: all moves, so that taking some
// away shows what is left, and not only what lay on the paths that were told.
type Map struct {
	Things []Thing
	Links  []Link
	// Omitted is the number of moves left out for their number.
	Omitted int
}

// Link is one move. Membership of a set has no step.
type Link struct {
	From, To int
	Note     Note
	// Fix is where a change takes the move away, nil when none does.
	Fix *Evidence
}

// Map lists the moves an intruder in some workload can get to, at most some
// number of them.
func (g *Graph) Map(most int) Map {
	var m Map
	starts := make([]Vertex, 0, len(g.Facts.Workloads))
	for _, w := range g.Facts.Workloads {
		starts = append(starts, w.Code)
	}
	reached := g.Reached(starts...)
	cuts := g.cuts()
	index := make(map[Vertex]int)
	number := func(v Vertex) int {
		n, ok := index[v]
		if !ok {
			n = len(m.Things)
			index[v] = n
			m.Things = append(m.Things, g.Facts.Thing(v))
		}
		return n
	}
	for _, v := range starts {
		number(v)
	}
	for i := range g.edges {
		e := &g.edges[i]
		if reached[e.from] == Not {
			continue
		}
		if len(m.Links) >= most {
			m.Omitted++
			continue
		}
		l := Link{From: number(e.from), To: number(e.to)}
		if g.Steps[e.step] != nil {
			h := g.hop(e)
			l.Note = h.Note()
		} else {
			l.Note = Note{Title: "with it", Possible: e.possible, Why: g.details[e.detail].why}
		}
		if k := cuts.of[i]; k >= 0 {
			where := evidence(cuts.changes[k].Object, cuts.changes[k].Path, "")
			l.Fix = &where
		}
		m.Links = append(m.Links, l)
	}
	return m
}
