package fix

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// strict has a policy refuse what it only spoke of. Warnings do not go with
// that.
func strict(s *site) ([]edit.Change, error) {
	actions := []string{"Deny"}
	if slices.Contains(s.object.Root.Find("spec", "validationActions").Strings(), "Audit") {
		actions = append(actions, "Audit")
	}
	s.effect = "what violates the policy is refused from then on: look at the violations there are first"
	return s.set("spec.validationActions", strs(actions)), nil
}

// webhookCloses has requests refused while a webhook does not answer.
func webhookCloses(s *site) ([]edit.Change, error) {
	s.effect = "while the webhook does not answer, requests it looks at are refused: run more than one replica of it, and leave its own namespace out"
	return s.each("webhooks", func(at string, n *inventory.Node) []edit.Change {
		if n.Get("failurePolicy").Str() != "Ignore" {
			return nil
		}
		return s.set(at+".failurePolicy", text("Fail"))
	}), nil
}

// webhookUpdates shows a webhook for pods the containers that are added later.
func webhookUpdates(s *site) ([]edit.Change, error) {
	s.effect = "the webhook is asked about containers for debugging, too, and has to understand such requests"
	return s.each("webhooks", func(at string, n *inventory.Node) []edit.Change {
		pods, later := false, false
		for _, r := range n.Get("rules").All() {
			resources, operations := r.Get("resources").Strings(), r.Get("operations").Strings()
			pods = pods || slices.Contains(resources, "pods")
			later = later || (slices.Contains(operations, "UPDATE") || slices.Contains(operations, "*")) &&
				slices.ContainsFunc(resources, func(r string) bool { return r == "pods/ephemeralcontainers" || r == "pods/*" || r == "*/*" })
		}
		if !pods || later {
			return nil
		}
		return []edit.Change{adding(at+".rules", dict(
			named("apiGroups", strs([]string{""})), named("apiVersions", strs([]string{"v1"})), named("operations", strs([]string{"UPDATE"})), named("resources", strs([]string{"pods/ephemeralcontainers"}))))}
	}), nil
}

// bindPolicy adds the binding without which a policy is not in force.
func bindPolicy(s *site) ([]document, error) {
	if s.object.Kind != "ValidatingAdmissionPolicy" || s.object.Root.Find("spec", "paramKind") != nil {
		return nil, errors.New("the policy takes parameters: write the binding with those that are meant")
	}
	s.effect = "the policy is in force from then on, and refuses what violates it"
	return []document{{
		name: "ValidatingAdmissionPolicyBinding/" + s.object.Name,
		text: fmt.Sprintf("apiVersion: %s\nkind: ValidatingAdmissionPolicyBinding\nmetadata:\n  name: %s\nspec:\n  policyName: %s\n  validationActions: [Deny]\n", scalar(s.object.APIVersion), scalar(s.object.Name), scalar(s.object.Name)),
	}}, nil
}

// healthOnly lets requests without credentials ask for the health of the API
// server and nothing else.
func healthOnly(s *site) ([]edit.Change, error) {
	conditions := &inventory.Node{Kind: inventory.List}
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		conditions.Items = append(conditions.Items, *dict(named("path", text(path))))
	}
	s.effect = "requests without credentials reach the health of the API server only: what joins nodes by a public ConfigMap needs another way"
	return append(s.set("anonymous.enabled", boolean("true")), s.set("anonymous.conditions", conditions)...), nil
}

// authorizers has a list of authorisers hold those that are needed, and no way
// past them.
func authorizers(s *site) ([]edit.Change, error) {
	types := make(map[string]bool)
	out := s.each("authorizers", func(at string, n *inventory.Node) []edit.Change {
		types[n.Get("type").Str()] = true
		switch {
		case n.Get("type").Str() == "AlwaysAllow":
			return s.remove(at)
		case n.Get("type").Str() == "Webhook" && n.Find("webhook", "failurePolicy").Str() == "NoOpinion" && n.Find("webhook", "matchConditions").Len() > 0:
			return s.set(at+".webhook.failurePolicy", text("Deny"))
		}
		return nil
	})
	for _, kind := range []string{"Node", "RBAC"} {
		if !types[kind] {
			out = append(out, adding("authorizers", dict(named("type", text(kind)), named("name", text(strings.ToLower(kind))))))
		}
	}
	s.effect = "who has no role, or whom a webhook that fails guards against, is refused from then on"
	return out, nil
}

func kmsEndpoint(s *site) ([]edit.Change, error) {
	var out []edit.Change
	for i, r := range s.object.Root.Get("resources").All() {
		for j, p := range r.Get("providers").All() {
			endpoint := p.Find("kms", "endpoint").Str()
			if p.Get("kms") == nil || strings.HasPrefix(endpoint, "unix:///") || strings.HasPrefix(endpoint, "unix://@") {
				continue
			}
			rest := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(endpoint, "unix:"), "//"), "/")
			if rest == "" || strings.Contains(rest, "://") {
				return nil, errors.New("which socket is meant is not certain: write unix:// and its full path")
			}
			at := inventory.JoinIndex(inventory.JoinIndex("resources", i)+".providers", j)
			out = append(out, s.set(at+".kms.endpoint", text("unix:///"+rest))...)
		}
	}
	return out, nil
}

// encryptSecrets adds Secrets to the first of the encrypted resources.
func encryptSecrets(s *site) ([]edit.Change, error) {
	if s.object.Root.Get("resources").Len() == 0 {
		return nil, errors.New("there is no provider: name one, best kms with apiVersion v2")
	}
	s.effect = "new Secrets are encrypted; write the old ones anew: kubectl get secrets -A -o json | kubectl replace -f -"
	return []edit.Change{adding("resources[0].resources", text("secrets"))}, nil
}
