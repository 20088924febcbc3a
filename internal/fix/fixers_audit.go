package fix

import (
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// changing are the verbs that change something.
var changing = []string{"create", "update", "patch", "delete", "deletecollection"}

// watched says which requests an audit policy must not drop, by the words of the
// finding, with the resources that record them. Those in secret hold secrets, and
// belong together; of those in changed only changes count.
var watched = []struct {
	what, group     string
	resources       []string
	secret, changed bool
}{
	{what: "Secrets", resources: []string{"secrets", "serviceaccounts/token"}, secret: true},
	{what: "tokens", group: "authentication.k8s.io", resources: []string{"tokenreviews"}, secret: true},
	{what: "commands run in pods", resources: []string{"pods/exec", "pods/attach"}},
	{what: "port forwarding", resources: []string{"pods/portforward", "pods/proxy", "services/proxy"}},
	{what: "debug containers", resources: []string{"pods/ephemeralcontainers"}, changed: true},
	{what: "pods", resources: []string{"pods"}, changed: true},
	{what: "roles and bindings", group: "rbac.authorization.k8s.io", changed: true},
	{what: "admission webhooks", group: "admissionregistration.k8s.io", changed: true},
	{what: "scheduled jobs", group: "batch", changed: true},
	{what: "deletions", group: "apps", changed: true},
	{what: "certificate requests", group: "certificates.k8s.io", changed: true},
}

// auditRules puts rules in front of a policy that record what the finding misses
// without its content. Secrets come first: their content must be in no log.
func auditRules(s *site) ([]edit.Change, error) {
	if s.object.Root.Get("rules").Len() == 0 {
		return nil, nil
	}
	var secret, seen, changed groupList
	said := s.finding.Message
	for _, w := range watched {
		switch {
		case w.secret:
			if strings.Contains(said, "Secrets") || strings.Contains(said, "tokens") {
				secret.add(w.group, w.resources)
			}
		case !strings.Contains(said, w.what):
		case w.changed:
			changed.add(w.group, w.resources)
		default:
			seen.add(w.group, w.resources)
		}
	}
	level := named("level", text("Metadata"))
	var out []edit.Change
	add := func(rule *inventory.Node) {
		out = append(out, edit.Change{Op: edit.Set, Path: "rules[" + edit.Prepend + "]", Value: rule})
	}
	if len(secret.items) > 0 {
		add(dict(level, named("resources", secret.node())))
	}
	if len(seen.items) > 0 {
		add(dict(level, named("resources", seen.node())))
	}
	if len(changed.items) > 0 {
		add(dict(level, named("verbs", strs(changing)), named("resources", changed.node())))
	}
	if strings.Contains(said, "anonymous callers") {
		add(dict(level, named("userGroups", strs([]string{"system:unauthenticated"}))))
	}
	s.effect = "the log grows by a line for each such request; it says who did it and when, and holds no content of theirs"
	return out, nil
}

// groupList are resources by API group, as audit rules have them.
type groupList struct {
	items []groupItem
}

type groupItem struct {
	group     string
	resources []string
}

// add puts resources into the item of their group. A group without resources is
// meant as a whole.
func (l *groupList) add(group string, resources []string) {
	for i := range l.items {
		if l.items[i].group == group && len(resources) > 0 {
			l.items[i].resources = append(l.items[i].resources, resources...)
			return
		}
	}
	l.items = append(l.items, groupItem{group, resources})
}

func (l *groupList) node() *inventory.Node {
	n := &inventory.Node{Kind: inventory.List}
	for _, item := range l.items {
		fields := []*inventory.Node{named("group", text(item.group))}
		if len(item.resources) > 0 {
			fields = append(fields, named("resources", strs(item.resources)))
		}
		n.Items = append(n.Items, *dict(fields...))
	}
	return n
}

// reachable moves rules in front of the one that matches everything, by moving
// that one to the end.
func reachable(s *site) ([]edit.Change, error) {
	rules := s.object.Root.Get("rules")
	for i, r := range rules.All() {
		wide := true
		for _, field := range []string{"users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs"} {
			wide = wide && r.Get(field).Len() == 0
		}
		if !wide {
			continue
		}
		if i == rules.Len()-1 {
			return nil, nil
		}
		s.effect = "the rules behind it begin to count: look at each"
		copied := *r
		copied.Key = ""
		return []edit.Change{{Op: edit.Remove, Path: inventory.JoinIndex("rules", i)}, {Op: edit.Set, Path: "rules[" + edit.Append + "]", Value: &copied}}, nil
	}
	return nil, nil
}
