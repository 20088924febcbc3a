package cli

import (
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/netpol"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// link is what is known of a connection; the zero value is none.
type link struct {
	verdict netpol.Verdict
	ports   string
}

var noLink = link{verdict: netpol.No}

// figure is a box of the picture: workloads that have the same neighbours, a
// namespace around such boxes, or something outside of the cluster.
type figure struct {
	kind, title string
	// members are the workloads by their numbers; lines are what is written.
	members []int
	lines   []string
	// among is the connection of the members with each other.
	among link
	// within is the namespace; column counts from the left.
	within *figure
	column int

	x, y, w, h int
}

// The kinds of figures, which are their classes in the style sheet, too.
const (
	workloadFigure  = "workload"
	namespaceFigure = "namespace"
	sideFigure      = "side"
)

// arrow is a connection, or many that are alike, of figures.
type arrow struct {
	from, to *figure
	link
	// both tells that the way back is the same.
	both bool
}

// sketch is a picture without places.
type sketch struct {
	rep    *run.ReachReport
	names  map[string]int
	links  [][]link
	groups []*figure
	spaces []*figure
	left   []*figure
	right  []*figure
	arrows []arrow
}

// sketchReach folds a report into few figures and arrows. No connection is
// lost: figures are of one kind only if all members have the same neighbours.
func sketchReach(rep *run.ReachReport) *sketch {
	s := &sketch{rep: rep, names: make(map[string]int, len(rep.Workloads))}
	for i := range rep.Workloads {
		s.names[rep.Workloads[i].Name] = i
	}
	s.readLinks()
	s.group()
	s.between()
	s.entries()
	s.beyond()
	s.fold()
	s.pair()
	return s
}

func namespaceOf(w *run.ReachWorkload) string {
	namespace, _, _ := strings.Cut(w.Name, "/")
	return namespace
}

// readLinks expands the edges to "every other workload".
func (s *sketch) readLinks() {
	all := s.rep.Workloads
	s.links = make([][]link, len(all))
	for i := range all {
		row := slices.Repeat([]link{noLink}, len(all))
		for _, e := range all[i].Reaches {
			namespace, whole := strings.CutSuffix(e.To, "/*")
			one, exact := s.names[e.To]
			for j := range all {
				if j != i && (e.To == "*" || exact && j == one || whole && namespace == namespaceOf(&all[j])) {
					row[j] = link{e.Verdict, e.Ports}
				}
			}
		}
		s.links[i] = row
	}
}

// outlook is what a workload has beyond the other workloads.
func outlook(w *run.ReachWorkload) string {
	var b strings.Builder
	b.WriteString(namespaceOf(w))
	for _, name := range beyondNames {
		b.WriteString("\x00" + w.Beyond[name].String())
	}
	for _, e := range w.Entries {
		b.WriteString("\x00" + e.From + "\x00" + entryLabel(&e) + "\x00" + e.Verdict.String())
	}
	return b.String()
}

// group gathers workloads of a namespace that have the same neighbours.
func (s *sketch) group() {
	groups := make(map[string][]*figure)
	spaces := make(map[string]*figure)
	for i := range s.rep.Workloads {
		w := &s.rep.Workloads[i]
		namespace := namespaceOf(w)
		space := spaces[namespace]
		if space == nil {
			space = &figure{kind: namespaceFigure, title: namespace}
			spaces[namespace] = space
			s.spaces = append(s.spaces, space)
		}
		key := outlook(w)
		at := slices.IndexFunc(groups[key], func(g *figure) bool { return s.alike(g, i) })
		if at < 0 {
			g := &figure{kind: workloadFigure, within: space, among: noLink}
			at = len(groups[key])
			groups[key] = append(groups[key], g)
			s.groups = append(s.groups, g)
		}
		g := groups[key][at]
		if len(g.members) == 1 {
			g.among = s.links[i][g.members[0]]
		}
		g.members = append(g.members, i)
		g.lines = append(g.lines, strings.TrimPrefix(w.Name, namespace+"/"))
	}
}

// alike tells whether a workload has the neighbours the members of a group
// have, the group itself left out, and knows the members as they know each
// other.
func (s *sketch) alike(g *figure, i int) bool {
	j := g.members[0]
	if s.links[i][j] != s.links[j][i] || len(g.members) > 1 && s.links[i][j] != g.among {
		return false
	}
	for k := range s.links {
		if k != i && k != j && (s.links[i][k] != s.links[j][k] || s.links[k][i] != s.links[k][j]) {
			return false
		}
	}
	return true
}

// between draws the arrows between groups; of all their members one says it.
func (s *sketch) between() {
	for _, from := range s.groups {
		for _, to := range s.groups {
			if from != to {
				s.draw(from, to, s.links[from.members[0]][to.members[0]])
			}
		}
	}
}

func (s *sketch) draw(from, to *figure, l link) {
	if l.verdict != netpol.No {
		s.arrows = append(s.arrows, arrow{from: from, to: to, link: l})
	}
}

func entryLabel(e *run.ReachEntry) string {
	if e.Port == (netpol.Port{}).String() {
		return e.Through
	}
	return e.Through + " " + e.Port
}

// entries draws the ways in, from the left.
func (s *sketch) entries() {
	sides := make(map[string]*figure)
	for _, g := range s.groups {
		var seen []arrow
		for _, e := range s.rep.Workloads[g.members[0]].Entries {
			side := sides[e.From]
			if side == nil {
				side = &figure{kind: sideFigure, lines: []string{sideTitle(e.From)}}
				sides[e.From] = side
				s.left = append(s.left, side)
			}
			at := slices.IndexFunc(seen, func(a arrow) bool { return a.from == side && a.verdict == e.Verdict })
			label := entryLabel(&e)
			switch {
			case at < 0:
				seen = append(seen, arrow{from: side, to: g, link: link{e.Verdict, label}})
			case !slices.Contains(strings.Split(seen[at].ports, ", "), label):
				seen[at].ports += ", " + label
			}
		}
		for _, a := range seen {
			s.draw(a.from, a.to, a.link)
		}
	}
	if len(s.left) == 0 {
		s.left = []*figure{{kind: sideFigure, lines: []string{sideTitle(netpol.OutsideName)}}}
	}
}

// beyond draws the ways out, to the right. What all reach alike is one.
func (s *sketch) beyond() {
	column := func(name string) []netpol.Verdict {
		var out []netpol.Verdict
		for _, g := range s.groups {
			out = append(out, s.rep.Workloads[g.members[0]].Beyond[name])
		}
		return out
	}
	var columns [][]netpol.Verdict
	for _, name := range beyondNames {
		c := column(name)
		at := slices.IndexFunc(columns, func(other []netpol.Verdict) bool { return slices.Equal(c, other) })
		if at < 0 {
			columns = append(columns, c)
			s.right = append(s.right, &figure{kind: sideFigure, lines: []string{sideTitle(name)}})
			for i, v := range c {
				s.draw(s.groups[i], s.right[len(s.right)-1], link{verdict: v})
			}
			continue
		}
		s.right[at].lines = append(s.right[at].lines, sideTitle(name))
	}
}

// sideTitle names for people what is not a workload.
func sideTitle(name string) string {
	switch name {
	case netpol.OutsideName:
		return "outside: the internet"
	case netpol.PrivateName:
		return "private networks"
	case netpol.MetadataName:
		return "metadata service, IPv4"
	case netpol.Metadata6Name:
		return "metadata service, IPv6"
	case netpol.APIServerName:
		return "API server"
	case netpol.KubeletName:
		return "kubelets"
	}
	return name
}

// fold makes one arrow of those that lead to, or come from, all groups of a
// namespace alike.
func (s *sketch) fold() {
	size := make(map[*figure]int)
	for _, g := range s.groups {
		size[g.within]++
	}
	type bundle struct {
		space, other *figure
		link         link
	}
	gather := func(end, other func(*arrow) **figure) {
		count := make(map[bundle]int)
		keys := make([]bundle, len(s.arrows))
		for i := range s.arrows {
			a := &s.arrows[i]
			keys[i] = bundle{(*end(a)).within, *other(a), a.link}
			if keys[i].space != nil && (*other(a)).within != keys[i].space {
				count[keys[i]]++
			}
		}
		var out []arrow
		for i, a := range s.arrows {
			n := count[keys[i]]
			if n < 2 || n < size[keys[i].space] {
				out = append(out, a)
				continue
			}
			*end(&a) = keys[i].space
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
		s.arrows = out
	}
	from, to := func(a *arrow) **figure { return &a.from }, func(a *arrow) **figure { return &a.to }
	gather(to, from)
	gather(from, to)
}

// pair makes one arrow with two heads of a way there and back.
func (s *sketch) pair() {
	at := make(map[arrow]int)
	var out []arrow
	for _, a := range s.arrows {
		if i, ok := at[arrow{from: a.to, to: a.from, link: a.link}]; ok {
			out[i].both = true
			continue
		}
		at[a] = len(out)
		out = append(out, a)
	}
	s.arrows = out
}

// columns places the groups from left to right so that arrows which are sure
// lead to the right; groups in a circle share a column.
func (s *sketch) columns() int {
	next := make(map[*figure][]*figure)
	for _, from := range s.groups {
		for _, to := range s.groups {
			if from != to && s.links[from.members[0]][to.members[0]].verdict == netpol.Yes {
				next[from] = append(next[from], to)
			}
		}
	}
	circles := circlesOf(s.groups, next)
	last := 0
	for _, circle := range slices.Backward(circles) { // those that nothing leads to first
		column := 0
		for _, g := range circle {
			column = max(column, g.column)
		}
		last = max(last, column)
		for _, g := range circle {
			g.column = column
			for _, to := range next[g] {
				if !slices.Contains(circle, to) {
					to.column = max(to.column, column+1)
				}
			}
		}
	}
	return last + 1
}

// circlesOf are the strongly connected components, each after all it leads to
// (Tarjan's algorithm).
func circlesOf(all []*figure, next map[*figure][]*figure) [][]*figure {
	var out [][]*figure
	var stack []*figure
	number, low := make(map[*figure]int), make(map[*figure]int)
	done := make(map[*figure]bool)
	var visit func(f *figure)
	visit = func(f *figure) {
		number[f] = len(number) + 1
		low[f] = number[f]
		stack = append(stack, f)
		for _, to := range next[f] {
			if number[to] == 0 {
				visit(to)
				low[f] = min(low[f], low[to])
			} else if !done[to] {
				low[f] = min(low[f], number[to])
			}
		}
		if low[f] != number[f] {
			return
		}
		at := slices.Index(stack, f)
		circle := slices.Clone(stack[at:])
		stack = stack[:at]
		for _, member := range circle {
			done[member] = true
		}
		out = append(out, circle)
	}
	for _, f := range all {
		if number[f] == 0 {
			visit(f)
		}
	}
	return out
}
