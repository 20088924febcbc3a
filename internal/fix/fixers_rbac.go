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

// rule is a rule of a role while rights are taken out of it.
type rule struct {
	path                     string
	groups, resources, verbs []string
	node                     *inventory.Node
	// taken are the verbs that are taken away, by resource.
	taken map[string][]string
}

// rights takes the rights that the findings on a rule are about out of it: all
// at once, since they share its lists. What is left holds what it held before.
func rights(s *site) ([]edit.Change, error) {
	r, err := s.rule()
	if r == nil || err != nil {
		return nil, err
	}
	role := s.object
	if role.Root.Get("aggregationRule") != nil {
		return nil, errors.New("the rules of this role are gathered from others: change those")
	}
	for i := range s.state.findings {
		f := &s.state.findings[i]
		p, ok := rbac.Powers[f.Control]
		if !ok || f.Control == "pod-log-read" || f.Object != role || f.Path != s.finding.Path || !s.wanted(f) {
			continue
		}
		r.take(p)
	}
	if err := s.heldBack(r); err != nil {
		return nil, err
	}
	if who, _, ok := strings.Cut(s.finding.Message, ", which "); ok {
		s.effect = strings.Replace(who, " may ", " can no longer ", 1)
	}
	return r.without(s), nil
}

// rule is the rule a finding is about.
func (s *site) rule() (*rule, error) {
	n := s.object.Root.At(s.finding.Path)
	if n == nil || n.Get("resources") == nil {
		return nil, nil
	}
	r := &rule{
		path: s.finding.Path, node: n, taken: make(map[string][]string),
		groups: n.Get("apiGroups").Strings(), resources: n.Get("resources").Strings(), verbs: n.Get("verbs").Strings(),
	}
	if slices.Contains(r.verbs, "*") || slices.ContainsFunc(r.resources, func(s string) bool { return strings.Contains(s, "*") }) {
		return nil, errors.New("the rule has a wildcard: write out what is needed, since nobody else knows it")
	}
	return r, nil
}

// take notes the verbs of a power.
func (r *rule) take(p rbac.Power) {
	for _, t := range p.Targets {
		if !slices.Contains(r.groups, t.Group) && !slices.Contains(r.groups, "*") || !slices.Contains(r.resources, t.Name()) {
			continue
		}
		for _, verb := range p.Of(t) {
			if slices.Contains(r.verbs, verb) {
				r.taken[t.Name()] = append(r.taken[t.Name()], verb)
			}
		}
	}
}

// sensible are the verbs that subresources know; others know all.
var sensible = map[string][]string{
	"exec": {"get", "create"}, "attach": {"get", "create"}, "portforward": {"get", "create"}, "log": {"get"}, "token": {"create"},
	"eviction": {"create"}, "binding": {"create"}, "ephemeralcontainers": {"get", "update", "patch"},
}

// kept are the verbs of a resource that mean something and stay.
func (r *rule) kept(resource string) []string {
	_, sub, _ := strings.Cut(resource, "/")
	known := sensible[sub]
	return slices.DeleteFunc(slices.Clone(r.verbs), func(verb string) bool {
		return slices.Contains(r.taken[resource], verb) || known != nil && !slices.Contains(known, verb)
	})
}

// without are the changes that leave a rule with what it keeps. One rule is
// enough where its lists can still say it; else resources that keep other verbs
// get a rule of their own.
func (r *rule) without(s *site) []edit.Change {
	var left, verbs []string
	for _, resource := range r.resources {
		kept := r.kept(resource)
		if len(r.taken[resource]) > 0 && len(kept) == 0 {
			continue
		}
		left = append(left, resource)
		verbs = append(verbs, kept...)
	}
	if len(left) == 0 {
		return s.remove(r.path)
	}
	one := !slices.ContainsFunc(left, func(resource string) bool {
		return slices.ContainsFunc(r.taken[resource], func(verb string) bool { return slices.Contains(verbs, verb) })
	})
	if one && len(verbs) > 0 {
		gone := make(map[string]bool)
		for _, taken := range r.taken {
			for _, verb := range taken {
				gone[verb] = gone[verb] || !slices.Contains(verbs, verb)
			}
		}
		same := slices.DeleteFunc(slices.Clone(r.verbs), func(v string) bool { return gone[v] && harmed(r, left, v) })
		return append(r.drop("resources", r.resources, left), r.drop("verbs", r.verbs, same)...)
	}
	return r.split(left)
}

// harmed tells whether a verb that is taken from some resource would still be
// there for it.
func harmed(r *rule, left []string, verb string) bool {
	return slices.ContainsFunc(left, func(resource string) bool { return slices.Contains(r.taken[resource], verb) })
}

// drop removes the items of a list that are not among those that stay.
func (r *rule) drop(list string, all, stay []string) []edit.Change {
	var out []edit.Change
	for i, item := range all {
		if !slices.Contains(stay, item) {
			out = append(out, edit.Change{Op: edit.Remove, Path: inventory.JoinIndex(r.path+"."+list, i)})
		}
	}
	return out
}

// split leaves the resources in the rule that lose nothing, and gives the others
// rules of their own.
func (r *rule) split(left []string) []edit.Change {
	var stay []string
	var order []string
	groups := make(map[string][]string)
	for _, resource := range left {
		if len(r.taken[resource]) == 0 {
			stay = append(stay, resource)
			continue
		}
		key := strings.Join(r.kept(resource), " ")
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], resource)
	}
	var out []edit.Change
	if len(stay) == 0 {
		stay = groups[order[0]]
		out = r.drop("verbs", r.verbs, strings.Fields(order[0]))
		order = order[1:]
	}
	out = append(out, r.drop("resources", r.resources, stay)...)
	for _, key := range order {
		fields := []*inventory.Node{named("apiGroups", strs(r.groups)), named("resources", strs(groups[key])), named("verbs", strs(strings.Fields(key)))}
		if names := r.node.Get("resourceNames"); names.Len() > 0 {
			fields = append(fields, named("resourceNames", names))
		}
		out = append(out, edit.Change{Op: edit.Set, Path: "rules[" + edit.Append + "]", Value: dict(fields...)})
	}
	return out
}

// heldBack tells why rights are not taken from those who hold them: a program is
// believed to use what its account may, unless somebody says what it uses.
func (s *site) heldBack(r *rule) error {
	m := rbac.Of(s.state.inv)
	for _, b := range m.BindingsOf(s.object) {
		for _, subject := range b.Subjects {
			if subject.Kind == "Group" && strings.HasPrefix(subject.Name, "system:") || subject.Kind == "User" && strings.HasPrefix(subject.Name, "system:") {
				return fmt.Errorf("%s has the right, which components of the cluster may need: decide by hand", subject)
			}
			if subject.Kind != "ServiceAccount" {
				continue
			}
			known := s.rightsOf(subject)
			if len(known) == 0 {
				return fmt.Errorf("a program that runs as %s may need it: say what it does, with --audit-log or under rights in .redoubt.yaml", subject)
			}
			if used := r.used(known); used != "" {
				return fmt.Errorf("%s uses it: %s is among the rights that are known of it", subject, used)
			}
		}
	}
	return nil
}

// used is one of the rights that are taken away and are known to be used, "" if
// there is none.
func (r *rule) used(known []Right) string {
	for _, resource := range slices.Sorted(maps.Keys(r.taken)) {
		for _, verb := range r.taken[resource] {
			if usesRight(known, r.groups, resource, verb) {
				return verb + " " + resource
			}
		}
	}
	return ""
}

// rightsOf is what is known of the rights that an account uses.
func (s *session) rightsOf(subject rbac.Subject) []Right {
	var out []Right
	for _, right := range s.Facts.Rights {
		if subject.Kind == "ServiceAccount" && right.AccountNamespace == subject.Namespace && right.Account == subject.Name {
			out = append(out, right)
		}
	}
	return out
}

func usesRight(known []Right, groups []string, resource, verb string) bool {
	for _, right := range known {
		for _, rule := range right.Rules {
			inGroup := slices.ContainsFunc(rule.APIGroups, func(g string) bool { return slices.Contains(groups, g) || slices.Contains(groups, "*") })
			if inGroup && slices.Contains(rule.Resources, resource) && slices.Contains(rule.Verbs, verb) {
				return true
			}
		}
	}
	return false
}

// withoutSubject takes a subject off a binding.
func withoutSubject(s *site) ([]edit.Change, error) {
	n := s.object.Root.At(s.finding.Path)
	if n == nil {
		return nil, nil
	}
	s.effect = fmt.Sprintf("%s %s no longer has the role; whoever used it through that is refused", strings.ToLower(n.Get("kind").Str()), n.Get("name").Str())
	if s.object.Root.Get("subjects").Len() == 1 {
		s.effect += ". The binding has no subject left: delete it"
	}
	return s.remove(s.finding.Path), nil
}

// rbacName spells a name of a rule as the API does, where the finding says how.
func rbacName(s *site) ([]edit.Change, error) {
	n := s.object.Root.At(s.finding.Path)
	if n == nil {
		return nil, nil
	}
	s.effect = "the rule grants from then on what it names, which it did not before"
	if _, plural, ok := strings.Cut(s.finding.Message, "Write "); ok {
		_, sub, nested := strings.Cut(n.Str(), "/")
		if nested {
			plural += "/" + sub
		}
		return s.set(s.finding.Path, text(plural)), nil
	}
	if lower := strings.ToLower(n.Str()); lower != n.Str() {
		return s.set(s.finding.Path, text(lower)), nil
	}
	base, _, _ := strings.Cut(s.finding.Path, ".resources")
	_, group, ok := strings.Cut(s.finding.Message, "It is in ")
	at := s.object.Root.At(base)
	if !ok || strings.Contains(group, ",") || at.Get("resources").Len() != 1 || at.Get("apiGroups").Len() != 1 {
		return nil, errors.New("which resource is meant is not certain: correct the rule by hand, or remove it")
	}
	return s.set(base+".apiGroups[0]", text(strings.Trim(group, `"`))), nil
}
