package blast

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// Find turns the name a person gives into a vertex: a workload as
// namespace/kind/name, or one of sa:namespace/name, user:name, group:name,
// secret:namespace/name, node:name, cluster-admin, internet.
func (f *Facts) Find(name string) (Vertex, error) {
	kind, rest, ok := strings.Cut(name, ":")
	if !ok {
		return f.findPlain(name)
	}
	namespace, own, _ := strings.Cut(rest, "/")
	var t Thing
	switch kind {
	case "sa", "serviceaccount":
		t = Thing{Account, namespace, own}
	case "secret":
		t = Thing{SecretContent, namespace, own}
	case "user":
		return f.known(thingOf(rbac.Subject{Kind: "User", Name: rest}), name)
	case "group":
		t = Thing{Kind: Team, Name: rest}
	case "node":
		t = Thing{Kind: Node, Name: rest}
	default:
		return none, fmt.Errorf("%q: want namespace/kind/name, or sa:, user:, group:, secret:, node: before a name, or cluster-admin, or internet", name)
	}
	return f.known(t, name)
}

func thingOf(s rbac.Subject) Thing {
	if s = s.Normal(); s.Kind == "ServiceAccount" {
		return Thing{Account, s.Namespace, s.Name}
	}
	return Thing{Kind: Person, Name: s.Name}
}

func (f *Facts) known(t Thing, name string) (Vertex, error) {
	if v := f.lookup(t); v != none {
		return v, nil
	}
	return none, fmt.Errorf("%q is not among the input", name)
}

func (f *Facts) findPlain(name string) (Vertex, error) {
	switch name {
	case "cluster-admin":
		return f.Admin(), nil
	case "internet":
		return f.known(Thing{Kind: Outside, Name: "the internet"}, name)
	}
	w, err := f.FindWorkload(name)
	if err != nil {
		return none, err
	}
	return w.Code, nil
}

// FindWorkload finds a workload by namespace/kind/name, in any letter case, or
// by less where that is enough to tell it.
func (f *Facts) FindWorkload(name string) (*Workload, error) {
	want := strings.ToLower(strings.Trim(name, "/"))
	var found []*Workload
	for _, w := range f.Workloads {
		ref := strings.ToLower(w.Ref())
		if ref == want {
			return w, nil
		}
		if strings.HasSuffix(ref, "/"+want) || want == strings.ToLower(w.Namespace+"/"+w.Object.Name) {
			found = append(found, w)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("workload %q is not among the input", name)
	}
	refs := make([]string, 0, len(found))
	for _, w := range found {
		refs = append(refs, w.Ref())
	}
	return nil, fmt.Errorf("workload %q may be %s", name, strings.Join(refs, " or "))
}

// Holder is somebody who may do what was asked.
type Holder struct {
	Subject string     `json:"subject"`
	Scope   string     `json:"scope"`
	Names   []string   `json:"names,omitempty"`
	Proof   []Evidence `json:"evidence"`
	// Workloads act as the subject.
	Workloads []string `json:"workloads,omitempty"`
}

// Question is a request somebody may be allowed.
type Question struct {
	rbac.Request

	// Namespace is where, "" for the whole cluster. AnyNamespace asks for all
	// of them.
	Namespace    string
	AnyNamespace bool
}

// WhoCan lists who may do it, by which binding and rule, and which workloads
// act as them. A right that resourceNames limit is listed with the names,
// unless the question names an object.
func (f *Facts) WhoCan(q Question) []Holder {
	runners := f.runners()
	var out []Holder
	for _, b := range f.RBAC.Bindings {
		if b.Namespace != "" && b.Namespace != q.Namespace && !q.AnyNamespace {
			continue
		}
		for _, r := range b.Grants() {
			names, ok := allows(r, q.Request)
			if !ok {
				continue
			}
			for _, s := range b.Subjects {
				out = append(out, holderOf(s, b, r, names, runners[s.Normal()]))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Holder) int { return cmp.Or(cmp.Compare(a.Subject, b.Subject), cmp.Compare(a.Scope, b.Scope)) })
	return out
}

// allows tells whether a rule allows the request for some object, and which.
func allows(r *rbac.Rule, q rbac.Request) ([]string, bool) {
	if q.Name != "" || len(r.ResourceNames) == 0 {
		return nil, r.Allows(q)
	}
	if q.Verb == "create" && q.Subresource == "" {
		return nil, false
	}
	q.Name = r.ResourceNames[0]
	return r.ResourceNames, r.Allows(q)
}

func holderOf(s rbac.Subject, b *rbac.Binding, r *rbac.Rule, names, workloads []string) Holder {
	h := Holder{Subject: s.String(), Scope: "the whole cluster", Names: names, Workloads: workloads, Proof: []Evidence{evidence(b.Object, "roleRef", "")}}
	if b.Namespace != "" {
		h.Scope = "namespace " + b.Namespace
	}
	if r.Role != nil {
		h.Proof = append(h.Proof, evidence(r.Role, r.Path(), ""))
	} else {
		h.Proof = append(h.Proof, Evidence{Object: "ClusterRole/" + b.RoleName, Note: "built in"})
	}
	return h
}

// runners are the workloads that mount a token of each service account.
func (f *Facts) runners() map[rbac.Subject][]string {
	out := make(map[rbac.Subject][]string)
	for _, w := range f.Workloads {
		for _, p := range w.Pods {
			s := rbac.Subject{Kind: "ServiceAccount", Namespace: w.Namespace, Name: p.Account}
			if p.Token != nil && !slices.Contains(out[s], w.Ref()) {
				out[s] = append(out[s], w.Ref())
			}
		}
	}
	return out
}

// Between is the way from one thing to another.
type Between struct {
	From string `json:"from"`
	To   string `json:"to"`
	// Reached is yes, possible or no.
	Reached string `json:"reached"`
	Path    []Note `json:"path"`
}

// Between finds the easiest way from one vertex to another.
func (g *Graph) Between(from, to Vertex) Between {
	b := Between{From: g.Facts.Thing(from).String(), To: g.Facts.Thing(to).String(), Path: []Note{}}
	reached := g.Reached(from)
	// Who has a pod of a workload has what the target names, if not all of it.
	b.Reached = reached[to].String()
	if reached[to] == Not {
		return b
	}
	for _, h := range g.Path(from, to) {
		b.Path = append(b.Path, h.Note())
	}
	return b
}
