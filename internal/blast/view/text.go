// Package view renders what package blast reports: for people, for programs,
// and as a graph. It judges nothing.
package view

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

// Text writes the answer for a person at a terminal.
type Text struct {
	Colour bool
	// Workloads is how many are told about at length.
	Workloads int
}

type printer struct {
	strings.Builder

	colour bool
	// told are the ways that have been printed, with the workload they were
	// printed for.
	told map[string]string
}

// Colours are marked by runes that nothing else uses until all is printed.
const (
	bold   = "\uE0B0"
	red    = "\uE0B1"
	yellow = "\uE0B2"
	green  = "\uE0B3"
	dim    = "\uE0B4"
	reset  = "\uE0B5"

	colourMarks = bold + red + yellow + green + dim + reset
)

// colourCodes turn marks into what a terminal obeys.
var colourCodes = strings.NewReplacer(bold, "\x1b[1m", red, "\x1b[31m", yellow, "\x1b[33m", green, "\x1b[32m", dim, "\x1b[2m", reset, "\x1b[0m")

// line prints a line. Texts of the input can't move the cursor, colour what
// follows or begin a line of their own: only colours of the program pass.
func (p *printer) line(format string, args ...any) {
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = strings.Map(harmlessRune, text)
		}
	}
	fmt.Fprintf(&p.Builder, format+"\n", args...)
}

func harmlessRune(r rune) rune {
	if !unicode.IsPrint(r) && !strings.ContainsRune(colourMarks, r) {
		return unicode.ReplacementChar
	}
	return r
}

// text is what was printed, with colours where their marks stand.
func (p *printer) text() string {
	if p.colour {
		return colourCodes.Replace(p.String())
	}
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(colourMarks, r) {
			return -1
		}
		return r
	}, p.String())
}

func (p *printer) in(colour, s string) string {
	if !p.colour {
		return s
	}
	return colour + s + reset
}

// Question is what the report answers.
const Question = "What permissions have you given me in your cluster if I manage to hack into your application?"

// Render writes the report.
func (t Text) Render(w io.Writer, r *blast.Report) error {
	p := &printer{colour: t.Colour, told: make(map[string]string)}
	p.line("%s\n", p.in(bold, Question))
	p.summary(r)
	var quiet []string
	told := 0
	for i := range r.Workloads {
		n := &r.Workloads[i]
		if harmless(n) || told >= t.Workloads || !n.Detailed {
			quiet = append(quiet, n.Workload)
			continue
		}
		told++
		p.workload(n)
	}
	p.quiet(quiet)
	p.changes(r)
	p.verified(r.Verified)
	for _, gap := range r.Gaps {
		p.line("%s %s", p.in(yellow, "not known:"), gap)
	}
	_, err := io.WriteString(w, p.text())
	return err
}

// harmless tells whether a workload gives away nothing worth a paragraph.
func harmless(n *blast.WorkloadNote) bool {
	if n.Admin != "no" {
		return false
	}
	for _, g := range n.Gains {
		connects := len(g.Path) == 1 && g.Path[0].Step == "reachable-workloads"
		if !connects && (g.Kind != "outcome" || !g.Possible) {
			return false
		}
	}
	return true
}

func (p *printer) summary(r *blast.Report) {
	open := 0
	for i := range r.Workloads {
		if len(r.Workloads[i].Exposed) > 0 {
			open++
		}
	}
	p.line("%s, %d open to the outside.", count(len(r.Workloads), "workload"), open)
	b := r.Before
	if b.Admin+b.AdminPossible+b.Node+b.NodePossible == 0 {
		p.line("%s\n", p.in(green, "From none of them do I get the cluster or a node."))
		return
	}
	p.line("The whole cluster is mine from %s; root on a node from %s.\n", fromSome(b.Admin, b.AdminPossible), fromSome(b.Node, b.NodePossible))
}

// fromSome counts workloads, the doubtful ones apart.
func fromSome(sure, perhaps int) string {
	switch {
	case perhaps == 0 && sure == 0:
		return "none of them"
	case perhaps == 0:
		return fmt.Sprintf("%d of them", sure)
	case sure == 0:
		return fmt.Sprintf("perhaps %d of them", perhaps)
	}
	return fmt.Sprintf("%d of them, perhaps from %d more", sure, perhaps)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (p *printer) workload(n *blast.WorkloadNote) {
	p.line("%s  %s", p.in(bold, n.Workload), p.in(dim, fmt.Sprintf("score %d", n.Score)))
	switch {
	case n.Internet:
		p.line("  %s by %s", p.in(red, "open to the internet"), strings.Join(n.Exposed, ", "))
	case len(n.Exposed) > 0:
		p.line("  %s by %s", p.in(yellow, "open to the network of the nodes"), strings.Join(n.Exposed, ", "))
	}
	p.line("  You have given me %s.", p.verdict(n))
	first := p.way(n)
	if len(n.Rights) > 0 {
		p.line("  The API server lets me:")
		p.list(n.Rights, "    ")
	}
	if n.Admin != "yes" {
		p.gains(n, first == "")
	}
	p.line("")
}

// way prints the easiest way to the whole cluster, or the workload that has
// the same one.
func (p *printer) way(n *blast.WorkloadNote) string {
	if len(n.Easiest) == 0 {
		return ""
	}
	var key strings.Builder
	for i := range n.Easiest {
		s := &n.Easiest[i]
		fmt.Fprintf(&key, "%s %s", s.Step, s.Gives)
	}
	if n.Easiest[0].Step == "mounted-token" || len(n.Easiest[0].Evidence) > 0 && strings.HasSuffix(n.Workload, n.Easiest[0].Evidence[0].Object) {
		key.WriteString(n.Workload)
	}
	if first, ok := p.told[key.String()]; ok {
		p.line("    the same way as from %s", first)
		return first
	}
	p.told[key.String()] = n.Workload
	p.path(n.Easiest, "    ")
	return ""
}

func (p *printer) verdict(n *blast.WorkloadNote) string {
	switch n.Admin {
	case "yes":
		return p.in(red, "the whole cluster") + ", in " + count(n.Hops, "step")
	case "possible":
		return "perhaps " + p.in(red, "the whole cluster") + ", in " + count(n.Hops, "step") + besides(n)
	}
	if s := counts(n.Falls); s != "" {
		return s
	}
	if s := counts(n.MayFall); s != "" {
		return "perhaps " + s
	}
	return "nothing I could use"
}

func besides(n *blast.WorkloadNote) string {
	if s := counts(n.Falls); s != "" {
		return ", and for sure " + s
	}
	return ""
}

// counts puts numbers into words.
func counts(c blast.Counts) string {
	var out []string
	add := func(n int, what string) {
		if n > 0 {
			out = append(out, count(n, what))
		}
	}
	add(c.Nodes, "node")
	if c.Clouds > 0 {
		out = append(out, strings.Replace(count(c.Clouds, "cloud identity"), "identitys", "identities", 1))
	}
	add(c.Workloads, "other workload")
	add(c.Secrets, "Secret")
	add(c.Registry, "registry credential")
	add(c.Outside, "outside system")
	add(c.Accounts, "service account")
	return strings.Join(out, ", ")
}

// most is how many lines a list gets.
const most = 12

func (p *printer) list(lines []string, indent string) {
	for i, s := range lines {
		if i == most && len(lines) > most+1 {
			p.line("%sand %d more", indent, len(lines)-most)
			return
		}
		p.line("%s%s", indent, s)
	}
}

// gains prints what falls on the way, equal ways in one line. Where the same
// has been told for another workload, only what is sure is told again.
func (p *printer) gains(n *blast.WorkloadNote, whole bool) { //nolint:revive // see the comment
	type group struct {
		how, why string
		possible bool
		what     []string
	}
	var groups []*group
	index := make(map[string]*group)
	for i := range n.Gains {
		g := &n.Gains[i]
		if len(g.Path) == 0 || g.Possible && !whole || g.Kind == "service-account" && len(n.Rights) > 0 && len(g.Path) == 1 {
			continue
		}
		how := via(g.Path) + where(&g.Path[len(g.Path)-1])
		key := fmt.Sprint(g.Kind, how, g.Possible)
		if index[key] == nil {
			index[key] = &group{how: how, why: whyOf(g.Path), possible: g.Possible}
			groups = append(groups, index[key])
		}
		index[key].what = append(index[key].what, g.What)
	}
	if len(groups) > 0 {
		p.line("  Mine on the way:")
	}
	for i, g := range groups {
		if i == most {
			p.line("    and more; redoubt blast --workload %s -o json shows all", n.Workload)
			return
		}
		perhaps := ""
		if g.possible {
			perhaps = p.in(yellow, "perhaps ")
		}
		p.line("    %s%s: %s", perhaps, someOf(g.what), g.how)
		if g.why != "" {
			p.line("      %s", p.in(dim, g.why))
		}
	}
}

// someOf names the first few of a list.
func someOf(list []string) string {
	const few = 4
	if len(list) <= few+1 {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
}

// via says how in the titles of the steps.
func via(path []blast.Note) string {
	titles := make([]string, len(path))
	for i := range path {
		titles[i] = path[i].Title
	}
	return strings.Join(titles, ", then ")
}

func whyOf(path []blast.Note) string {
	for i := range path {
		if path[i].Why != "" {
			return path[i].Why
		}
	}
	return ""
}

func where(n *blast.Note) string {
	for _, e := range n.Evidence {
		if e.File != "" {
			return fmt.Sprintf(" (%s:%d)", e.File, e.Line)
		}
	}
	return ""
}

// path prints steps with their evidence.
func (p *printer) path(path []blast.Note, indent string) {
	for i := range path {
		n := &path[i]
		p.line("%s%d. From %s the intruder %s: %s", indent, i+1, n.From, n.Title, p.in(bold, n.Gives))
		for _, e := range n.Evidence {
			if s := evidence(&e); s != "" {
				p.line("%s   %s", indent, p.in(dim, s))
			}
		}
		if n.Possible && n.Why != "" {
			p.line("%s   %s %s", indent, p.in(yellow, "perhaps:"), n.Why)
		}
		if s := agrees(n); s != "" {
			p.line("%s   %s", indent, p.in(dim, s))
		}
	}
}

func evidence(e *blast.Evidence) string {
	var out []string
	if e.File != "" {
		out = append(out, fmt.Sprintf("%s:%d", e.File, e.Line))
	}
	if e.Object != "" {
		out = append(out, e.Object)
	}
	if e.Path != "" && e.Object != "" {
		out = append(out, e.Path)
	}
	if e.Note != "" {
		out = append(out, "("+e.Note+")")
	}
	return strings.Join(out, "  ")
}

func (p *printer) quiet(quiet []string) {
	if len(quiet) == 0 {
		return
	}
	p.line("%s", p.in(bold, "And from the rest ("+count(len(quiet), "workload")+")"))
	p.line("  %s: nothing I could use on its own, or less than from those above.\n", strings.Join(quiet[:min(len(quiet), most)], ", ")+rest(len(quiet)))
}

func rest(n int) string {
	if n <= most {
		return ""
	}
	return fmt.Sprintf(" and %d more", n-most)
}

func (p *printer) changes(r *blast.Report) {
	if len(r.Changes) == 0 {
		return
	}
	p.line("%s", p.in(bold, "Make "+countWord(len(r.Changes), "this change", "these changes")+" first"))
	before := r.Before
	for i := range r.Changes {
		c := &r.Changes[i]
		p.line("  %d. %s: %s", i+1, whereOf(&c.Where), c.Fix)
		p.line("     %s", p.in(dim, control(c.Control)+"no longer: the intruder "+strings.Join(c.Steps[:min(len(c.Steps), 3)], "; ")))
		p.line("     whole cluster: %s; a node: %s", fall(before.Admin, before.AdminPossible, c.After.Admin, c.After.AdminPossible), fall(before.Node, before.NodePossible, c.After.Node, c.After.NodePossible))
		before = c.After
	}
	p.cuts(r.Cuts)
	p.line("")
}

// cuts prints the sets of changes that close every way. One that serves for
// several things is printed once.
func (p *printer) cuts(cuts []blast.CutNote) {
	var order []*blast.CutNote
	targets := make(map[*blast.CutNote][]string)
	for i := range cuts {
		c := &cuts[i]
		target := "to " + c.To
		if c.From != cuts[0].From {
			target = "from " + c.From + " " + target
		}
		at := slices.IndexFunc(order, func(o *blast.CutNote) bool {
			return slices.Equal(o.Left, c.Left) && slices.EqualFunc(o.Changes, c.Changes, func(a, b blast.ChangeNote) bool { return a.Where == b.Where && a.Fix == b.Fix })
		})
		if at < 0 {
			at = len(order)
			order = append(order, c)
		}
		// What is closed from everywhere is closed from the outside, too.
		if !slices.Contains(targets[order[at]], "to "+c.To) {
			targets[order[at]] = append(targets[order[at]], target)
		}
	}
	for _, c := range order {
		p.cut(c, strings.Join(targets[c], ", and "))
	}
}

func (p *printer) cut(c *blast.CutNote, target string) {
	if len(c.Changes) > 0 {
		lead := "This change closes"
		if n := len(c.Changes); n > 1 {
			lead = fmt.Sprintf("These %d changes together close", n)
		}
		if !c.Closed {
			lead += ", but for some,"
		}
		p.line("  %s", p.in(green, lead+" every way "+target+":"))
		for k := range c.Changes {
			if k == most {
				p.line("     and %d more (-o json lists all)", len(c.Changes)-most)
				break
			}
			p.line("     %s: %s", whereOf(&c.Changes[k].Where), c.Changes[k].Fix)
		}
	}
	if !c.Closed {
		p.line("  No set of changes closes every way %s: nothing can be changed about those from %s.", target, someOf(c.Left))
	}
}

func control(id string) string {
	if id == "" {
		return ""
	}
	return "control " + id + "; "
}

func countWord(n int, one, several string) string {
	if n == 1 {
		return one
	}
	return fmt.Sprintf("%s (%d)", several, n)
}

func whereOf(e *blast.Evidence) string {
	s := e.Object
	if e.File != "" {
		s += fmt.Sprintf(" (%s:%d)", e.File, e.Line)
	}
	if s == "" {
		return "the cluster"
	}
	return s
}

func fall(sure, perhaps, sureAfter, perhapsAfter int) string {
	one := func(sure, perhaps int) string {
		if perhaps == 0 {
			return strconv.Itoa(sure)
		}
		return fmt.Sprintf("%d + %d perhaps", sure, perhaps)
	}
	a, b := one(sure, perhaps), one(sureAfter, perhapsAfter)
	if a == b {
		return a + " workloads, as before"
	}
	return a + " -> " + b + " workloads"
}
