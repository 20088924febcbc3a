package blast

import (
	"cmp"
	"slices"
)

// Diff is what a change gives away that was not given away before, and what it
// takes back.
type Diff struct {
	Schema string       `json:"schema"`
	More   []DiffResult `json:"more"`
	Less   []DiffResult `json:"less"`
}

// DiffResult is one thing that one workload gives away now or no longer.
type DiffResult struct {
	Workload string `json:"workload"`
	// New is set when the workload was not there before, or is no longer.
	New  bool   `json:"newWorkload,omitempty"`
	What string `json:"what"`
	// Was and Is are no, possible or yes.
	Was  string `json:"was"`
	Is   string `json:"is"`
	Path []Note `json:"path,omitempty"`
}

// DiffSchema names the form of the JSON output.
const DiffSchema = "redoubt.blast.diff/v1"

// Compare says what each workload gives away in after and not in before, or
// not as surely. Users and groups of bindings count, too: a right given to a
// person is given.
func Compare(before, after *Graph) Diff {
	d := Diff{Schema: DiffSchema, More: []DiffResult{}, Less: []DiffResult{}}
	old, now := before.starts(), after.starts()
	// An account that a workload runs as on one side only is looked at on both.
	before.alsoFrom(old, now)
	after.alsoFrom(now, old)
	for _, name := range names(old, now) {
		o, n := before.reach(old, name), after.reach(now, name)
		for _, t := range things(o, n) {
			was, is := certainty(o, t), certainty(n, t)
			if was == is {
				continue
			}
			r := DiffResult{Workload: name.String(), What: t.String(), Was: was.String(), Is: is.String()}
			if is > was {
				_, had := old[name]
				r.New = !had
				to := after.Facts.lookup(t)
				for _, h := range after.Path(now[name], to) {
					r.Path = append(r.Path, h.Note())
				}
				d.More = append(d.More, r)
			} else {
				_, has := now[name]
				r.New = !has
				d.Less = append(d.Less, r)
			}
		}
	}
	return d
}

// certainty is that of a thing; with the whole cluster everything is had.
func certainty(reached map[Thing]Certainty, t Thing) Certainty {
	if reached[Thing{Kind: ClusterAdmin}] == Surely {
		return Surely
	}
	return reached[t]
}

// starts are the things whose reach is compared.
func (g *Graph) starts() map[Thing]Vertex {
	out := make(map[Thing]Vertex)
	for v, t := range g.Facts.vertices.things {
		switch t.Kind { //nolint:exhaustive // the others are reached, not started from
		case WorkloadCode, Person, Team:
			out[t] = Vertex(v)
		case Account:
			// Accounts that no pod of the input runs as can still be used.
			if !g.Facts.used(t) {
				out[t] = Vertex(v)
			}
		}
	}
	return out
}

// alsoFrom adds the starts of another graph that are in this one, too.
func (g *Graph) alsoFrom(starts, other map[Thing]Vertex) {
	for t := range other {
		if v := g.Facts.lookup(t); t.Kind == Account && v != none {
			starts[t] = v
		}
	}
}

// used tells whether a workload runs as the account.
func (f *Facts) used(t Thing) bool {
	return slices.ContainsFunc(f.WorkloadsIn(t.Namespace), func(w *Workload) bool {
		return slices.ContainsFunc(w.Pods, func(p *Pod) bool { return p.Account == t.Name && p.Token != nil })
	})
}

// reach is what a start reaches, sets left out since their members count.
func (g *Graph) reach(starts map[Thing]Vertex, name Thing) map[Thing]Certainty {
	from, ok := starts[name]
	if !ok {
		return nil
	}
	out := make(map[Thing]Certainty)
	reached := g.Reached(from)
	if reached[g.Facts.Admin()] == Surely {
		return map[Thing]Certainty{{Kind: ClusterAdmin}: Surely}
	}
	for v, c := range reached {
		t := g.Facts.Thing(Vertex(v))
		own := t.Kind == PodHeld && t.Namespace == name.Namespace && t.Name == name.Name
		// A set counts for what is in it later, such as Secrets of a namespace of
		// which the input shows none.
		if c == Not || Vertex(v) == from || own || t.Kind == PodsOn || t.Kind == Account && len(g.out(Vertex(v))) == 0 {
			continue
		}
		out[t] = c
	}
	// Who has the code of a workload has what its pods hold: one line is enough.
	for t, c := range out {
		if t.Kind == WorkloadCode && out[Thing{PodHeld, t.Namespace, t.Name}] == c {
			delete(out, Thing{PodHeld, t.Namespace, t.Name})
		}
	}
	return out
}

func names(a, b map[Thing]Vertex) []Thing {
	var out []Thing
	for t := range a {
		out = append(out, t)
	}
	for t := range b {
		if _, ok := a[t]; !ok {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, compareThings)
	return out
}

func things(a, b map[Thing]Certainty) []Thing {
	var out []Thing
	for t := range a {
		out = append(out, t)
	}
	for t := range b {
		if _, ok := a[t]; !ok {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, compareThings)
	return out
}

func compareThings(a, b Thing) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
