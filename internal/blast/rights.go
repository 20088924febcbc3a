package blast

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// maskWords bounds the number of distinct requests all steps ask for: 64 for
// each word.
const maskWords = 4

type mask [maskWords]uint64

func (m *mask) set(i int) { m[i/64] |= 1 << (i % 64) }

func (m *mask) has(i int) bool { return m[i/64]&(1<<(i%64)) != 0 }

func (m *mask) meets(o *mask) bool {
	return m[0]&o[0]|m[1]&o[1]|m[2]&o[2]|m[3]&o[3] != 0
}

func (m *mask) add(o *mask) {
	for i := range m {
		m[i] |= o[i]
	}
}

// match says that a rule of a role allows one of the requests.
type match struct {
	request int
	rule    *rbac.Rule
	// names limit it, nil for none.
	names []string
}

// atlas numbers the requests of all steps and remembers what each list of
// rules allows of them.
type atlas struct {
	requests []Request
	index    map[Request]int
	// cluster are the requests for which only rights in the whole cluster count.
	cluster mask
	known   map[*rbac.Rule][]match
	steps   []rightStep
	// asked, if set, is told of each holding with its requests, instead of the
	// moves it makes possible.
	asked func(step int, h *Holding)
}

// rightStep is a step with its needs as masks.
type rightStep struct {
	number int
	right  *Right
	needs  []mask
}

// everything is what cluster-admin's rule allows and nothing less does.
var everything = Request{Verb: "*", Group: "*", Resource: "*"}

func newAtlas(steps []*Step) *atlas {
	a := &atlas{index: make(map[Request]int), known: make(map[*rbac.Rule][]match)}
	a.number(everything)
	for i, s := range steps {
		if s == nil || s.Right == nil {
			continue
		}
		rs := rightStep{number: i, right: s.Right, needs: make([]mask, len(s.Right.Needs))}
		for n, need := range s.Right.Needs {
			for _, q := range need {
				rs.needs[n].set(a.number(q))
			}
		}
		a.steps = append(a.steps, rs)
	}
	return a
}

func (a *atlas) number(q Request) int {
	if n, ok := a.index[q]; ok {
		return n
	}
	n := min(len(a.requests), maskWords*64-1)
	a.index[q] = n
	a.requests = append(a.requests, q)
	if q.Cluster || q.URL != "" {
		a.cluster.set(n)
	}
	return n
}

// unnamed are the verbs whose requests carry no name, so that a rule with
// resourceNames never allows them.
func unnamed(q Request) bool { return q.Verb == "create" && q.Sub == "" }

func (a *atlas) matches(rules []*rbac.Rule) []match {
	if len(rules) == 0 {
		return nil
	}
	if m, ok := a.known[rules[0]]; ok && len(rules) == 1 {
		return m
	}
	var out []match
	for _, r := range rules {
		m, ok := a.known[r]
		if !ok {
			m = a.match(r)
			a.known[r] = m
		}
		out = append(out, m...)
	}
	return out
}

func (a *atlas) match(r *rbac.Rule) []match {
	var out []match
	name := ""
	var names []string // nil for none, as an empty list limits nothing
	if len(r.ResourceNames) > 0 {
		name, names = r.ResourceNames[0], r.ResourceNames
	}
	for i, q := range a.requests {
		switch {
		case q.URL != "":
			if r.AllowsURL(q.Verb, q.URL) {
				out = append(out, match{i, r, nil})
			}
		case names != nil && unnamed(q):
		case r.Allows(rbac.Request{Verb: q.Verb, APIGroup: q.Group, Resource: q.Resource, Subresource: q.Sub, Name: name}):
			out = append(out, match{i, r, names})
		}
	}
	return out
}

// scope is what a subject may do in a namespace or everywhere.
type scope struct {
	// free are rights without resourceNames, all also those with.
	free, all mask
	held      []holding
}

type holding struct {
	match

	binding *rbac.Binding
}

// rights runs the steps that need rights over all subjects.
func (g *Graph) rights() { g.holdings(newAtlas(g.Steps)) }

func (g *Graph) holdings(a *atlas) {
	m := g.Facts.RBAC
	for _, s := range g.subjects() {
		bindings := m.Held(s)
		var groups []*rbac.Binding
		for _, name := range s.Groups() {
			groups = append(groups, m.Held(rbac.Subject{Kind: "Group", Name: name})...)
		}
		g.subject(a, s, bindings, groups)
	}
}

// subjects are all that hold rights, one spelling each.
func (g *Graph) subjects() []rbac.Subject {
	var out []rbac.Subject
	for _, s := range g.Facts.RBAC.Subjects() {
		if s.Name != "" && (s.Kind != "ServiceAccount" || s.Namespace != "") {
			out = append(out, s)
		}
	}
	return out
}

// SubjectVertex is the vertex of a subject of RBAC.
func (f *Facts) SubjectVertex(s rbac.Subject) Vertex {
	switch s = s.Normal(); s.Kind {
	case "ServiceAccount":
		return f.Vertex(Account, s.Namespace, s.Name)
	case "Group":
		return f.Vertex(Team, "", s.Name)
	}
	return f.Vertex(Person, "", s.Name)
}

func (g *Graph) subject(a *atlas, s rbac.Subject, own, groups []*rbac.Binding) {
	scopes := make(map[string]*scope, 2)
	at := func(namespace string) *scope {
		sc := scopes[namespace]
		if sc == nil {
			sc = new(scope)
			scopes[namespace] = sc
		}
		return sc
	}
	everywhere := at("")
	a.collect(own, at)
	inherited := make(map[string]*scope, 1)
	a.collect(groups, func(namespace string) *scope {
		sc := inherited[namespace]
		if sc == nil {
			sc = new(scope)
			inherited[namespace] = sc
		}
		return sc
	})
	from := g.Facts.SubjectVertex(s)
	wild := everywhere.free.has(0)
	for _, namespace := range slices.Sorted(maps.Keys(scopes)) {
		sc := scopes[namespace]
		for i := range a.steps {
			if wild && !a.steps[i].right.Wild {
				continue
			}
			h := Holding{Subject: from, Namespace: namespace}
			switch {
			case !a.meets(&a.steps[i], sc, everywhere, inherited, &h):
			case a.asked != nil:
				h.owner = s
				a.asked(a.steps[i].number, &h)
			default:
				a.steps[i].right.Gain(g.Facts, h, g.emitter(a.steps[i].number))
			}
		}
	}
}

func (a *atlas) collect(bindings []*rbac.Binding, at func(string) *scope) {
	for _, b := range bindings {
		for _, m := range a.matches(b.Grants()) {
			if b.Namespace != "" && a.cluster.has(m.request) {
				continue
			}
			sc := at(b.Namespace)
			sc.all.set(m.request)
			if m.names == nil {
				sc.free.set(m.request)
			}
			sc.held = append(sc.held, holding{m, b})
		}
	}
}

// meets tells whether the needs of a step are met in a scope, and fills in the
// evidence. What the whole cluster's rights meet alone is left to that scope.
func (a *atlas) meets(s *rightStep, sc, everywhere *scope, inherited map[string]*scope, h *Holding) bool {
	if !sc.all.meets(&s.needs[0]) && len(s.needs) == 1 {
		return false
	}
	pool := []*scope{sc}
	if h.Namespace != "" {
		pool = append(pool, everywhere)
	}
	if len(s.needs) > 1 {
		for _, namespace := range slices.Compact([]string{h.Namespace, ""}) {
			if more := inherited[namespace]; more != nil {
				pool = append(pool, more)
			}
		}
	}
	var all, own mask
	for _, p := range pool {
		all.add(&p.all)
	}
	own.add(&sc.all)
	touches, alone := false, h.Namespace != ""
	for i := range s.needs {
		if !all.meets(&s.needs[i]) {
			return false
		}
		touches = touches || own.meets(&s.needs[i])
		alone = alone && everywhere.free.meets(&s.needs[i])
	}
	if !touches || alone {
		return false
	}
	return a.evidence(s, pool, h)
}

// evidence picks the grants for the needs; the names of the first need, and of
// others about the same resource, limit the holding.
func (a *atlas) evidence(s *rightStep, pool []*scope, h *Holding) bool {
	var notes []string
	var resource Request
	for i := range s.needs {
		best, names, limited := pick(pool, &s.needs[i])
		if best == nil {
			return false
		}
		q := a.requests[best.request]
		notes = append(notes, q.String())
		if a.asked != nil {
			h.requests = append(h.requests, named{q, slices.Clone(names)})
		}
		if i == 0 {
			h.Grant = rbac.Grant{Rule: best.rule, Binding: best.binding}
			resource = q
		}
		same := i == 0 || q.Group == resource.Group && q.Resource == resource.Resource
		switch {
		case !limited || !same:
		case h.Names == nil:
			h.Names = names
		default:
			h.Names = slices.DeleteFunc(h.Names, func(n string) bool { return !slices.Contains(names, n) })
		}
	}
	if h.Names != nil && len(h.Names) == 0 {
		return false
	}
	slices.SortFunc(h.Names, strings.Compare)
	h.Note = strings.Join(notes, " and ")
	return true
}

// pick returns a holding that meets a need, one without names if there is one,
// else all names.
func pick(pool []*scope, need *mask) (*holding, []string, bool) {
	var best *holding
	var names []string
	for _, p := range pool {
		for i := range p.held {
			h := &p.held[i]
			if !need.has(h.request) {
				continue
			}
			if h.names == nil {
				return h, nil, false
			}
			best = cmp.Or(best, h)
			names = append(names, h.names...)
		}
	}
	slices.Sort(names)
	return best, slices.Compact(names), true
}

// String names the request for people.
func (q Request) String() string {
	if q.URL != "" {
		return q.Verb + " " + q.URL
	}
	s := q.Verb + " " + q.Resource
	if q.Sub != "" {
		s += "/" + q.Sub
	}
	return s
}
