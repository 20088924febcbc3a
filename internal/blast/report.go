package blast

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// Report is the answer in words, for renderers. Objects and trees stay behind.
type Report struct {
	Schema    string         `json:"schema"`
	Workloads []WorkloadNote `json:"workloads"`
	// Before is where things stand, Changes the best edits, each after the ones
	// before it.
	Before  StandingNote `json:"before"`
	Changes []ChangeNote `json:"changes"`
	// Cut closes every way to the whole cluster; Closed tells whether it does.
	// Cuts are that one and those that keep an intruder from other things.
	Cut    []ChangeNote `json:"cut"`
	Closed bool         `json:"closed"`
	Cuts   []CutNote    `json:"cuts"`
	Gaps   []string     `json:"gaps"`
	// Verified is the outcome of asking the API server, nil when it was not.
	Verified *VerifyNote `json:"verified,omitempty"`
}

// Schema names the form of the JSON output.
const Schema = "redoubt.blast/v1"

// WorkloadNote is the answer for one workload.
type WorkloadNote struct {
	Workload  string   `json:"workload"`
	Exposed   []string `json:"exposed"`
	Internet  bool     `json:"internet"`
	Score     int      `json:"score"`
	Admin     string   `json:"clusterAdmin"`
	Hops      int      `json:"shortest,omitempty"`
	Ease      int      `json:"easiest,omitempty"`
	Falls     Counts   `json:"falls"`
	MayFall   Counts   `json:"mayFall"`
	Detailed  bool     `json:"detailed"`
	Shortest  []Note   `json:"shortestPath,omitempty"`
	Easiest   []Note   `json:"easiestPath,omitempty"`
	Gains     []Gain   `json:"gains,omitempty"`
	Rights    []string `json:"apiPermissions,omitempty"`
	Truncated int      `json:"gainsLeftOut,omitempty"`
}

// Note is one step with its evidence.
type Note struct {
	Step       string   `json:"step"`
	Title      string   `json:"title"`
	From       string   `json:"from"`
	Gives      string   `json:"gives"`
	Difficulty string   `json:"difficulty"`
	MITRE      []string `json:"mitre"`
	Control    string   `json:"control,omitempty"`
	Fix        string   `json:"fix,omitempty"`
	Possible   bool     `json:"possible,omitempty"`
	Why        string   `json:"why,omitempty"`
	// Verified is what the API server says of a step that needs rights: agreed,
	// disagreed or unverifiable; empty when it was not asked.
	Verified string     `json:"verified,omitempty"`
	Evidence []Evidence `json:"evidence"`
}

// Evidence is a field that makes a step possible.
type Evidence struct {
	Object string `json:"object,omitempty"`
	Path   string `json:"path,omitempty"`
	File   string `json:"file,omitempty"`
	Line   int32  `json:"line,omitempty"`
	Note   string `json:"note,omitempty"`
}

// Gain is one thing the intruder gets and the way to it.
type Gain struct {
	Kind     string `json:"kind"`
	What     string `json:"what"`
	Possible bool   `json:"possible,omitempty"`
	Path     []Note `json:"path"`
}

// StandingNote counts workloads by what they give away.
type StandingNote struct {
	Admin         int `json:"wholeCluster"`
	AdminPossible int `json:"perhapsWholeCluster"`
	Node          int `json:"node"`
	NodePossible  int `json:"perhapsNode"`
}

// ChangeNote is one edit.
type ChangeNote struct {
	Control string       `json:"control"`
	Fix     string       `json:"fix"`
	Effort  int          `json:"effort"`
	Where   Evidence     `json:"where"`
	Steps   []string     `json:"steps"`
	After   StandingNote `json:"after"`
}

// CutNote is a set of changes that closes every way between two things.
type CutNote struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Changes are empty when there is no way, or none that a change closes.
	Changes []ChangeNote `json:"changes"`
	Closed  bool         `json:"closed"`
	// Smallest is set when it is known that no set of less effort does it.
	Smallest bool `json:"smallest"`
	// Left are the workloads whose ways no change closes.
	Left []string `json:"left,omitempty"`
}

// Limits keep reports of large clusters readable.
type Limits struct {
	// Detailed is the number of workloads with paths and gains, Gains that of
	// gains for each, Changes that of changes.
	Detailed, Gains, Changes int
	// Protect are the things the changes are to keep from an intruder beside the
	// whole cluster and its nodes.
	Protect []Vertex
}

// Report puts the answer into words.
func (g *Graph) Report(limits Limits) *Report {
	answers := g.Answers()
	r := &Report{Schema: Schema, Workloads: make([]WorkloadNote, 0, len(answers)), Changes: []ChangeNote{}, Cut: []ChangeNote{}, Cuts: []CutNote{}, Gaps: []string{}}
	trees := g.adminTrees()
	for i := range answers {
		n := answers[i].note()
		if i < limits.Detailed {
			g.detail(&n, answers[i].Workload, trees, limits.Gains)
		}
		r.Workloads = append(r.Workloads, n)
	}
	before, changes := g.Best(limits.Changes)
	r.Before = before.note()
	for i := range changes {
		r.Changes = append(r.Changes, changes[i].note())
	}
	for _, cut := range g.Cuts(limits.Protect) {
		r.Cuts = append(r.Cuts, cut.note())
	}
	if before.Admin+before.AdminPossible > 0 {
		r.Cut, r.Closed = r.Cuts[0].Changes, r.Cuts[0].Closed
	}
	for _, gap := range g.Facts.Inventory.Gaps {
		r.Gaps = append(r.Gaps, gap.What+": "+gap.Why)
	}
	r.Gaps = append(r.Gaps, g.Facts.unresolved()...)
	return r
}

// Unresolved tells whether it is not known what a binding gives: its role is
// not in the inventory. In a whole cluster such a role does not exist, and the
// binding gives nothing.
func (f *Facts) Unresolved(b *rbac.Binding) bool {
	if !b.Unresolved() {
		return false
	}
	_, unread := f.Inventory.GapFor(b.RoleKind)
	return unread || !f.Inventory.ClusterWide
}

// unresolved names bindings of which it is not known what they give.
func (f *Facts) unresolved() []string {
	var out []string
	for _, b := range f.RBAC.Bindings {
		if f.Unresolved(b) && len(b.Subjects) > 0 {
			out = append(out, fmt.Sprintf("%s: %s %s is not among the input, so what it gives is not known", b.Object.Ref(), b.RoleKind, b.RoleName))
		}
	}
	return out
}

func (s Standing) note() StandingNote {
	return StandingNote{s.Admin, s.AdminPossible, s.Node, s.NodePossible}
}

func (c *Change) note() ChangeNote {
	return ChangeNote{Control: c.Control, Fix: c.Fix, Effort: c.Effort, Where: evidence(c.Object, c.Path, ""), Steps: c.Steps, After: c.After.note()}
}

func (c *Cut) note() CutNote {
	n := CutNote{From: c.From, To: c.To, Changes: []ChangeNote{}, Closed: c.Closed(), Smallest: c.Smallest}
	for i := range c.Changes {
		n.Changes = append(n.Changes, c.Changes[i].note())
	}
	for _, w := range c.Left {
		n.Left = append(n.Left, w.Ref())
	}
	return n
}

func evidence(o *inventory.Object, path, note string) Evidence {
	e := Evidence{Path: path, Note: note}
	if o != nil {
		loc := (&finding.Finding{Object: o, Path: path}).Location()
		e.Object, e.File, e.Line = o.Ref(), loc.File, loc.Line
	}
	return e
}

func (a *Answer) note() WorkloadNote {
	w := a.Workload
	n := WorkloadNote{
		Workload: w.Ref(), Exposed: []string{}, Score: a.Score, Admin: a.Admin.String(), Hops: a.Hops, Ease: a.Ease,
		Falls: a.Sure, MayFall: a.Possible, Internet: w.openness() > 1,
	}
	for _, e := range w.Exposed {
		n.Exposed = append(n.Exposed, e.How+place(e.Object, e.Path))
	}
	slices.Sort(n.Exposed)
	n.Exposed = slices.Compact(n.Exposed)
	return n
}

func place(o *inventory.Object, path string) string {
	if e := evidence(o, path, ""); e.Line > 0 {
		return fmt.Sprintf(" (%s:%d)", e.File, e.Line)
	}
	return ""
}

// adminTrees are the ways to the whole cluster: sure and shortest, sure and
// easiest, and the same with possible moves.
func (g *Graph) adminTrees() [4]tree {
	admin := []Vertex{g.Facts.Admin()}
	return [4]tree{g.toward(admin, sure(hops)), g.toward(admin, sure(ease)), g.toward(admin, hops), g.toward(admin, ease)}
}

// detail adds paths, gains and rights.
func (g *Graph) detail(n *WorkloadNote, w *Workload, trees [4]tree, most int) {
	n.Detailed = true
	for _, k := range []int{0, 2} {
		if trees[k].dist[w.Code] >= 0 {
			n.Shortest = g.notes(g.walk(&trees[k], w.Code))
			n.Easiest = g.notes(g.walk(&trees[k+1], w.Code))
			break
		}
	}
	n.Gains, n.Truncated = g.gains(w, most)
	for _, p := range w.Pods {
		if p.Token != nil {
			n.Rights = append(n.Rights, g.Rights(rbac.Subject{Kind: "ServiceAccount", Namespace: w.Namespace, Name: p.Account})...)
		}
	}
	slices.Sort(n.Rights)
	n.Rights = slices.Compact(n.Rights)
}

func (g *Graph) notes(way []int32) []Note {
	path := g.hopsOf(way)
	out := make([]Note, 0, len(path))
	for i := range path {
		out = append(out, path[i].Note())
	}
	return out
}

// Note puts a hop into words.
func (h *Hop) Note() Note {
	n := Note{
		Step: h.Step.ID, Title: h.Step.Title, From: h.From.String(), Gives: h.To.String(), Difficulty: h.Step.Difficulty.String(),
		MITRE: h.Step.MITRE, Control: h.Step.Control, Fix: h.Step.Fix, Possible: h.Move.Possible, Why: h.Move.Why, Verified: h.Verified, Evidence: []Evidence{},
	}
	if h.Passed != "" {
		n.Gives = "root on " + h.Passed + ", and there " + n.Gives
	}
	if h.Move.Difficulty != 0 {
		n.Difficulty = h.Move.Difficulty.String()
	}
	if grant := h.Move.Grant; grant.Binding != nil {
		n.Evidence = append(n.Evidence, evidence(grant.Binding.Object, "roleRef", ""))
		if grant.Rule.Role != nil {
			n.Evidence = append(n.Evidence, evidence(grant.Rule.Role, grant.Rule.Path(), h.Move.Note))
		} else {
			n.Evidence = append(n.Evidence, Evidence{Object: "ClusterRole/" + grant.Binding.RoleName, Note: h.Move.Note + ", built in"})
		}
		return n
	}
	n.Evidence = append(n.Evidence, evidence(h.Move.Object, h.Move.Path, h.Move.Note))
	return n
}

// gains lists what falls, the worst kinds first, with the easiest way to each.
func (g *Graph) gains(w *Workload, most int) ([]Gain, int) {
	type found struct {
		thing Thing
		way   []int32
		sure  bool
	}
	var all []found
	seen := make(map[Vertex]bool)
	for _, level := range []Certainty{Surely, Possibly} {
		from := g.away(w.Code, level)
		for _, v := range from.order {
			t := g.Facts.Thing(v)
			if seen[v] || t.Kind.Set() || t.Kind == WorkloadCode || v == w.Held || t.Kind == ClusterAdmin {
				continue
			}
			seen[v] = true
			if t.Kind == Account && len(g.out(v)) == 0 || t.Kind == Team {
				continue
			}
			all = append(all, found{t, from.way(g, v), level == Surely})
		}
	}
	slices.SortStableFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(boolInt(b.sure), boolInt(a.sure)), cmp.Compare(weight(a.thing.Kind), weight(b.thing.Kind)), cmp.Compare(len(a.way), len(b.way)),
			cmp.Compare(a.thing.Namespace, b.thing.Namespace), cmp.Compare(a.thing.Name, b.thing.Name))
	})
	left := max(0, len(all)-most)
	out := make([]Gain, 0, len(all)-left)
	for _, f := range all[:len(all)-left] {
		out = append(out, Gain{Kind: f.thing.Kind.String(), What: f.thing.String(), Possible: !f.sure, Path: g.notes(f.way)})
	}
	return out, left
}

func weight(k Kind) int {
	return slices.Index([]Kind{Node, CloudIdentity, SecretContent, Registry, PodHeld, Account, Person, Outside, Outcome}, k)
}

// outward is the search from one vertex.
type outward struct {
	order []Vertex
	by    map[Vertex]int32
}

// away searches from a vertex, nearest first, and stops at the whole cluster.
func (g *Graph) away(from Vertex, level Certainty) outward {
	o := outward{by: map[Vertex]int32{from: unreached}}
	q := newRing()
	dist := map[Vertex]int32{from: 0}
	q.push(from, 0)
	for v, d, ok := q.pop(); ok; v, d, ok = q.pop() {
		if dist[v] != d {
			continue
		}
		dist[v] = -1 - d
		o.order = append(o.order, v)
		edges := g.out(v)
		for i := range edges {
			e := &edges[i]
			if e.possible && level != Possibly {
				continue
			}
			found := d + int32(e.cost)
			if old, known := dist[e.to]; !known || old > found {
				dist[e.to] = found
				o.by[e.to] = g.first[v] + int32(i)
				q.push(e.to, found)
			}
		}
	}
	return o
}

func (o *outward) way(g *Graph, to Vertex) []int32 {
	var out []int32
	for i := o.by[to]; i >= 0; i = o.by[g.edges[i].from] {
		out = append(out, i)
	}
	slices.Reverse(out)
	return out
}

// Rights are what a subject may do, in words, those of its groups included.
func (g *Graph) Rights(s rbac.Subject) []string {
	m := g.Facts.RBAC
	bindings := slices.Clone(m.Held(s))
	for _, name := range s.Groups() {
		bindings = append(bindings, m.Held(rbac.Subject{Kind: "Group", Name: name})...)
	}
	var out []string
	for _, b := range bindings {
		scope := "in the whole cluster"
		if b.Namespace != "" {
			scope = "in namespace " + b.Namespace
		}
		if g.Facts.Unresolved(b) {
			out = append(out, fmt.Sprintf("whatever %s %s allows %s (%s): it is not among the input", b.RoleKind, b.RoleName, scope, b.Object.Ref()))
		}
		for _, r := range b.Grants() {
			if len(r.NonResourceURLs) > 0 {
				if b.Namespace == "" && !slices.Contains(r.Verbs, "*") {
					out = append(out, fmt.Sprintf("%s %s (%s)", strings.Join(r.Verbs, ", "), strings.Join(r.NonResourceURLs, ", "), b.RoleName))
				}
				continue
			}
			out = append(out, ruleWords(r)+" "+scope+" ("+b.RoleKind+" "+b.RoleName+place(b.Object, "roleRef")+")")
		}
	}
	return out
}

func ruleWords(r *rbac.Rule) string {
	if slices.Contains(r.Verbs, "*") && slices.Contains(r.Resources, "*") && slices.Contains(r.APIGroups, "*") {
		return "everything"
	}
	s := strings.Join(r.Verbs, ", ") + " " + strings.Join(r.Resources, ", ")
	if len(r.ResourceNames) > 0 {
		s += " named " + strings.Join(r.ResourceNames, ", ")
	}
	return s
}
