package fix

import (
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// changing are the verbs that change something.
var changing = []string{"create", "update", "patch", "delete", "deletecollection"}

// watched says which rule sees what an audit policy must not drop, by the words
// of the finding. Rules without verbs see all.
var watched = []struct {
	what, group string
	resources   []string
	verbs       []string
}{
	{"Secrets", "", []string{"secrets"}, nil},
	{"tokens", "", []string{"serviceaccounts/token"}, nil},
	{"tokens under review", "authentication.k8s.io", []string{"tokenreviews"}, nil},
	{"commands run in pods", "", []string{"pods/exec", "pods/attach"}, nil},
	{"port forwarding", "", []string{"pods/portforward", "pods/proxy", "services/proxy"}, nil},
	{"debug containers", "", []string{"pods/ephemeralcontainers"}, changing},
	{"new pods", "", []string{"pods"}, changing},
	{"pods in kube-system", "", []string{"pods"}, changing},
	{"roles and bindings", "rbac.authorization.k8s.io", nil, changing},
	{"admission webhooks", "admissionregistration.k8s.io", nil, changing},
	{"scheduled jobs", "batch", nil, changing},
	{"deletions", "apps", nil, changing},
	{"certificate requests", "certificates.k8s.io", nil, changing},
}

// auditRules puts rules in front of a policy that record what the finding misses
// without its content. Secrets come first: their content must be in no log.
func auditRules(s *site) ([]edit.Change, error) {
	if s.object.Root.Get("rules").Len() == 0 {
		return nil, nil
	}
	secret, other := new(inventory.Node), new(inventory.Node)
	secret.Kind, other.Kind = inventory.List, inventory.List
	seen := make(map[string]bool)
	for _, w := range watched {
		if !strings.Contains(s.finding.Message, w.what) && !(strings.Contains(s.finding.Message, "Secrets") || strings.Contains(s.finding.Message, "tokens")) || len(w.verbs) > 0 && !strings.Contains(s.finding.Message, w.what) {
			continue
		}
		item := dict(named("group", text(w.group)))
		if len(w.resources) > 0 {
			item.Items = append(item.Items, *named("resources", strs(w.resources)))
		}
		id := string(item.JSON())
		if seen[id] {
			continue
		}
		seen[id] = true
		if len(w.verbs) == 0 {
			secret.Items = append(secret.Items, *item)
		} else {
			other.Items = append(other.Items, *item)
		}
	}
	metadata := named("level", text("Metadata"))
	var out []edit.Change
	add := func(rule *inventory.Node) {
		out = append(out, edit.Change{Op: edit.Set, Path: "rules[" + edit.Prepend + "]", Value: rule})
	}
	if secret.Len() > 0 {
		add(dict(metadata, named("resources", secret)))
	}
	if other.Len() > 0 {
		add(dict(metadata, named("verbs", strs(changing)), named("resources", other)))
	}
	if strings.Contains(s.finding.Message, "anonymous callers") {
		add(dict(metadata, named("userGroups", strs([]string{"system:unauthenticated"}))))
	}
	s.effect = "the log grows by a line for each such request; it says who did it and when, and holds no content of theirs"
	return out, nil
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
