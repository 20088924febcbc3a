package blast

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// Check is one question for the API server: may the user do this?
type Check struct {
	Subject rbac.Subject
	Request Request
	// Namespace is where, "" for everywhere; Name the object, "" for any.
	Namespace, Name string
}

// String is the question in words.
func (c Check) String() string {
	s := c.Request.String()
	if c.Name != "" {
		s += " named " + c.Name
	}
	switch {
	case c.Request.URL != "":
	case c.Namespace != "":
		s += " in namespace " + c.Namespace
	default:
		s += " everywhere"
	}
	return s
}

// Ruling is the server's answer to a [Check].
type Ruling struct {
	Allowed bool
	// Unclear says why there is no answer, Reason why it is as it is; both may
	// be empty.
	Unclear, Reason string
}

// claim is what the graph says of a subject and a step by its rights: that the
// subject can take the step, or that it can not.
type claim struct {
	step    *Step
	subject rbac.Subject
	scope   string
	held    bool
	key     claimKey
	asks    []Check
	// checks are the numbers of what it asks.
	checks []int
}

// claimKey finds the claim behind a move.
type claimKey struct {
	step    *Step
	from    Vertex
	binding *rbac.Binding
	note    string
}

// Verification holds what the graph says of rights against what the API server
// says, which has authorisers of which no object tells.
type Verification struct {
	// Checks are the questions, each once. At most the limit are asked.
	Checks []Check

	g      *Graph
	claims []claim
	index  map[Check]int
	limit  int
}

// Verify lists what to ask the API server to check the steps that need rights:
// whether those who can take one by the graph may do what it takes, and
// whether the accounts of workloads may do what the others take, which they can
// not by the graph.
func (g *Graph) Verify(limit int) *Verification {
	v := &Verification{g: g, index: make(map[Check]int), limit: limit}
	a := newAtlas(g.Steps)
	a.asked = func(step int, h *Holding) { v.held(g.Steps[step], h) }
	g.holdings(a)
	// What workloads act as comes first, in case there is too much to ask.
	used := g.Facts.runners()
	slices.SortStableFunc(v.claims, func(a, b claim) int { return cmp.Compare(len(used[b.subject.Normal()]), len(used[a.subject.Normal()])) })
	v.unheld(used)
	for i := range v.claims {
		for _, c := range v.claims[i].asks {
			v.claims[i].checks = append(v.claims[i].checks, v.number(c))
		}
	}
	return v
}

func (v *Verification) number(c Check) int {
	n, ok := v.index[c]
	if !ok {
		n = len(v.Checks)
		v.index[c] = n
		v.Checks = append(v.Checks, c)
	}
	return n
}

func (v *Verification) held(s *Step, h *Holding) {
	c := claim{step: s, subject: h.owner, scope: h.Namespace, held: true, key: claimKey{s, h.Subject, h.Grant.Binding, h.Note}}
	for _, q := range h.requests {
		check := Check{Subject: h.owner, Request: q.Request, Namespace: h.Namespace}
		if q.names != nil {
			check.Name = q.names[0]
		}
		if q.Cluster || q.URL != "" {
			check.Namespace = ""
		}
		c.asks = append(c.asks, check)
	}
	v.claims = append(v.claims, c)
}

// unheld asks for what the accounts of workloads can not do by the graph: one
// request of each need of each step, in their namespace and everywhere. The
// strongest right comes first.
func (v *Verification) unheld(used map[rbac.Subject][]string) {
	subjects := make([]rbac.Subject, 0, len(used))
	for s := range used {
		subjects = append(subjects, s)
	}
	slices.SortFunc(subjects, func(a, b rbac.Subject) int {
		return cmp.Or(cmp.Compare(len(used[b]), len(used[a])), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	steps := slices.DeleteFunc(slices.Clone(v.g.Steps), func(s *Step) bool { return s == nil || s.Right == nil })
	slices.SortStableFunc(steps, func(a, b *Step) int { return cmp.Compare(boolInt(b.Right.Wild), boolInt(a.Right.Wild)) })
	for _, s := range steps {
		for _, subject := range subjects {
			for _, scope := range []string{"", subject.Namespace} {
				v.never(s, subject, scope)
			}
		}
	}
}

func (v *Verification) never(s *Step, subject rbac.Subject, scope string) {
	c := claim{step: s, subject: subject, scope: scope}
	denied := false
	for _, need := range s.Right.Needs {
		check := Check{Subject: subject, Request: need[0], Namespace: scope}
		if check.Request.Cluster || check.Request.URL != "" {
			check.Namespace = ""
		}
		denied = denied || !v.g.allowed(check)
		c.asks = append(c.asks, check)
	}
	if denied {
		v.claims = append(v.claims, c)
	}
}

// allowed is the answer by the roles and bindings that were read.
func (g *Graph) allowed(c Check) bool {
	if c.Request.URL != "" {
		_, ok := g.Facts.RBAC.AllowedURL(c.Subject.User(), c.Request.Verb, c.Request.URL)
		return ok
	}
	q := rbac.Request{Verb: c.Request.Verb, APIGroup: c.Request.Group, Resource: c.Request.Resource, Subresource: c.Request.Sub, Name: c.Name}
	_, ok := g.Facts.RBAC.Allowed(c.Subject.User(), q, c.Namespace)
	return ok
}

// Ask returns the questions that are within the limit.
func (v *Verification) Ask() []Check { return v.Checks[:min(len(v.Checks), v.limit)] }

// The results for a step.
const (
	Agreed       = "agreed"
	Disagreed    = "disagreed"
	Unverifiable = "unverifiable"
)

// VerifyNote is the outcome of a verification.
type VerifyNote struct {
	// Asked is the number of questions.
	Asked        int `json:"asked"`
	Agreed       int `json:"agreed"`
	Disagreed    int `json:"disagreed"`
	Unverifiable int `json:"unverifiable"`
	// Steps are all that the graph has, and of those it has not the ones on
	// which the server does not agree or was not asked.
	Steps []VerifiedStep `json:"steps"`
}

// VerifiedStep is the outcome for one step of one subject.
type VerifiedStep struct {
	Step    string `json:"step"`
	Title   string `json:"title"`
	Subject string `json:"subject"`
	Scope   string `json:"scope"`
	// Held tells whether the graph has the step.
	Held   bool   `json:"held"`
	Result string `json:"result"`
	Why    string `json:"why,omitempty"`
}

// Judge holds the rulings, in the order of [Verification.Ask], against the
// graph, and marks its steps.
func (v *Verification) Judge(rulings []Ruling) *VerifyNote {
	out := &VerifyNote{Asked: len(rulings), Steps: []VerifiedStep{}}
	v.g.verified = make(map[claimKey]string, len(v.claims))
	for i := range v.claims {
		c := &v.claims[i]
		result, why := v.judge(c, rulings)
		switch result {
		case Agreed:
			out.Agreed++
		case Disagreed:
			out.Disagreed++
		default:
			out.Unverifiable++
		}
		if c.held {
			v.g.verified[c.key] = result
		}
		if c.held || result != Agreed {
			out.Steps = append(out.Steps, VerifiedStep{c.step.ID, c.step.Title, c.subject.String(), scopeWords(c.scope), c.held, result, why})
		}
	}
	slices.SortStableFunc(out.Steps, func(a, b VerifiedStep) int {
		return cmp.Or(cmp.Compare(boolInt(b.Result == Disagreed), boolInt(a.Result == Disagreed)), cmp.Compare(a.Subject, b.Subject))
	})
	return out
}

func (v *Verification) judge(c *claim, rulings []Ruling) (string, string) {
	all, unclear := true, ""
	reason := ""
	for _, k := range c.checks {
		if k >= len(rulings) {
			unclear = fmt.Sprintf("not asked: the bound is %d questions", v.limit)
			continue
		}
		switch r := rulings[k]; {
		case r.Unclear != "":
			unclear = r.Unclear
		case !r.Allowed:
			all = false
			if c.held {
				return Disagreed, "the server refuses: " + v.Checks[k].String() + because(r.Reason)
			}
		default:
			reason = "the server allows, by no role or binding that was read: " + v.Checks[k].String() + because(r.Reason)
		}
	}
	switch {
	case !c.held && !all:
		return Agreed, ""
	case unclear != "":
		return Unverifiable, unclear
	case !c.held:
		return Disagreed, reason
	}
	return Agreed, ""
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func scopeWords(namespace string) string {
	if namespace == "" {
		return "the whole cluster"
	}
	return "namespace " + namespace
}
