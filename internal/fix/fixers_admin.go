package fix

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// binding is the binding a finding is about.
func (s *site) binding() *rbac.Binding {
	for _, b := range rbac.Of(s.state.inv).Bindings {
		if b.Object == s.object {
			return b
		}
	}
	return nil
}

// known are the rights of the one account of a binding, by namespace.
func (s *site) known() (map[string][]RightRule, error) {
	b := s.binding()
	if b == nil || len(b.Subjects) == 0 {
		return nil, nil
	}
	if len(b.Subjects) > 1 {
		return nil, errors.New("the binding has several subjects, which may need different rights: give each one of its own first")
	}
	rights := s.rightsOf(b.Subjects[0])
	switch {
	case b.Subjects[0].Kind != "ServiceAccount":
		return nil, fmt.Errorf("what %s needs is for a person to say: bind a role that holds it, and keep a way in for emergencies", b.Subjects[0])
	case len(rights) == 0:
		return nil, fmt.Errorf("what %s does with the API server is not known: name the audit log of the API server with --audit-log, or write it down under rights in .redoubt.yaml", b.Subjects[0])
	}
	out := make(map[string][]RightRule)
	for _, right := range rights {
		out[right.Namespace] = append(out[right.Namespace], right.Rules...)
	}
	return out, nil
}

// leastRole binds the one account of a binding to roles with what it is known to
// use, in the place of a role that holds more.
func leastRole(s *site) ([]edit.Change, error) {
	byNamespace, err := s.known()
	if byNamespace == nil || err != nil {
		return nil, err
	}
	b := s.binding()
	name := s.freeRole(s.object.Name)
	if b.Namespace != "" {
		rules := append(slices.Clone(byNamespace[b.Namespace]), byNamespace[""]...)
		if len(rules) == 0 {
			return nil, fmt.Errorf("%s is not known to use anything in namespace %s: the binding may be removed", b.Subjects[0], b.Namespace)
		}
		s.role("Role", name, b.Namespace, rules)
		s.reapply()
		return s.refer("Role", name), nil
	}
	namespaces := slices.Sorted(maps.Keys(byNamespace))
	first := namespaces[0]
	if _, own := byNamespace[b.Subjects[0].Namespace]; own && first != "" {
		first = b.Subjects[0].Namespace
	}
	s.reapply()
	var out []edit.Change
	if first == "" {
		s.role("ClusterRole", name, "", byNamespace[""])
		out = s.refer("ClusterRole", name)
	} else {
		s.role("Role", name, first, byNamespace[first])
		out = append(s.set("kind", text("RoleBinding")), s.set("metadata.namespace", text(first))...)
		out = append(out, s.refer("Role", name)...)
	}
	for _, namespace := range namespaces {
		if namespace == first {
			continue
		}
		s.role("Role", name, namespace, byNamespace[namespace])
		s.documents = append(s.documents, document{name: "RoleBinding/" + name + " in " + namespace, text: fmt.Sprintf(
			"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata:\n  name: %s\n  namespace: %s\nroleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: %s\nsubjects:\n  - kind: ServiceAccount\n    name: %s\n    namespace: %s\n",
			scalar(name), scalar(namespace), scalar(name), scalar(b.Subjects[0].Name), scalar(b.Subjects[0].Namespace))})
	}
	return out, nil
}

// refer names another role in the binding.
func (s *site) refer(kind, name string) []edit.Change {
	return append(s.set("roleRef.kind", text(kind)), s.set("roleRef.name", text(name))...)
}

// reapply says what it takes to change a binding in a cluster.
func (s *site) reapply() {
	b := s.binding()
	s.effect = fmt.Sprintf("%s keeps the rights that are known of it, and is refused all else", b.Subjects[0])
	s.steps = append(s.steps, fmt.Sprintf("kubectl delete %s %s%s   # the role of a binding can't be changed in place: delete it, then apply the new one",
		strings.ToLower(s.object.Kind), s.object.Name, inNamespace(s.object)))
}

// freeRole is a name that no role has.
func (s *site) freeRole(name string) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(rbac.Of(s.state.inv).Roles, func(o *inventory.Object) bool { return o.Name == name })
	}
	if !taken(name) {
		return name
	}
	return name + "-least"
}

// role adds a role that holds rules.
func (s *site) role(kind, name, namespace string, rules []RightRule) {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata:\n  name: %s\n", kind, scalar(name))
	if namespace != "" {
		fmt.Fprintf(&b, "  namespace: %s\n", scalar(namespace))
	}
	b.WriteString("rules:\n")
	for _, r := range rules {
		if len(r.NonResourceURLs) > 0 {
			fmt.Fprintf(&b, "  - nonResourceURLs: %s\n    verbs: %s\n", bracketed(r.NonResourceURLs), bracketed(r.Verbs))
			continue
		}
		fmt.Fprintf(&b, "  - apiGroups: %s\n    resources: %s\n", bracketed(r.APIGroups), bracketed(r.Resources))
		if len(r.ResourceNames) > 0 {
			fmt.Fprintf(&b, "    resourceNames: %s\n", bracketed(r.ResourceNames))
		}
		fmt.Fprintf(&b, "    verbs: %s\n", bracketed(r.Verbs))
	}
	s.documents = append(s.documents, document{name: kind + "/" + name, text: b.String()})
}

func bracketed(all []string) string {
	out := make([]string, len(all))
	for i, item := range all {
		out[i] = scalar(item)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// inOneNamespace makes a binding for the whole cluster one of the namespace in
// which its accounts are known to work.
func inOneNamespace(s *site) ([]edit.Change, error) {
	b := s.binding()
	if b == nil || len(b.Subjects) == 0 {
		return nil, nil
	}
	namespace := b.Subjects[0].Namespace
	for _, subject := range b.Subjects {
		known := s.rightsOf(subject)
		if len(known) == 0 {
			return nil, fmt.Errorf("whether %s works in its own namespace only is not known: say what it does, with --audit-log or under rights in .redoubt.yaml", subject)
		}
		if slices.ContainsFunc(known, func(r Right) bool { return r.Namespace != namespace }) {
			return nil, fmt.Errorf("%s works outside of namespace %s, too", subject, namespace)
		}
	}
	s.reapply()
	return append(s.set("kind", text("RoleBinding")), s.set("metadata.namespace", text(namespace))...), nil
}

// knownRules writes out the rules of a role whose wildcards one account has.
func knownRules(s *site) ([]edit.Change, error) {
	bindings := rbac.Of(s.state.inv).BindingsOf(s.object)
	if len(bindings) != 1 || len(bindings[0].Subjects) != 1 {
		return nil, errors.New("the role is not that of one account: write out what is needed, since nobody else knows it")
	}
	if s.object.Root.Get("aggregationRule") != nil {
		return nil, errors.New("the rules of this role are gathered from others: change those")
	}
	b := bindings[0]
	known := s.rightsOf(b.Subjects[0])
	rules := &inventory.Node{Kind: inventory.List}
	for _, right := range known {
		if right.Namespace != b.Namespace {
			return nil, fmt.Errorf("%s works in %s, which the binding does not say: make a role and a binding for each namespace by hand", b.Subjects[0], orEverywhere(right.Namespace))
		}
		for _, r := range right.Rules {
			rules.Items = append(rules.Items, *r.node())
		}
	}
	if rules.Len() == 0 {
		return nil, fmt.Errorf("what %s does with the API server is not known: name the audit log of the API server with --audit-log, or write it down under rights in .redoubt.yaml", b.Subjects[0])
	}
	s.effect = fmt.Sprintf("%s keeps the rights that are known of it, and is refused all else", b.Subjects[0])
	return s.set("rules", rules), nil
}

func orEverywhere(namespace string) string {
	if namespace == "" {
		return "the whole cluster"
	}
	return "namespace " + namespace
}

func (r *RightRule) node() *inventory.Node {
	var fields []*inventory.Node
	for _, f := range []struct {
		name string
		all  []string
	}{
		{"apiGroups", r.APIGroups}, {"resources", r.Resources}, {"resourceNames", r.ResourceNames}, {"nonResourceURLs", r.NonResourceURLs}, {"verbs", r.Verbs},
	} {
		if len(f.all) > 0 {
			fields = append(fields, named(f.name, strs(f.all)))
		}
	}
	return dict(fields...)
}

// notAggregated takes the label off that adds a role to others.
func notAggregated(s *site) ([]edit.Change, error) {
	s.effect = "the holders of the role that it was added to lose these rights"
	if s.object.Labels().Len() == 1 {
		return s.remove("metadata.labels"), nil
	}
	return s.remove(s.finding.Path), nil
}
