package rbac

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// resources are the built-in resources by API group, from the types of the
// client library, and those without a type.
var resources = sync.OnceValue(func() map[string][]string {
	out := map[string][]string{
		"":                       {"users", "groups", "bindings", "componentstatuses", "services", "pods"},
		"authentication.k8s.io":  {"userextras", "uids", "users", "groups"},
		"certificates.k8s.io":    {"signers"},
		"policy":                 {"podsecuritypolicies"},
		"apiextensions.k8s.io":   {"customresourcedefinitions"},
		"apiregistration.k8s.io": {"apiservices"},
	}
	for kind := range scheme.Scheme.AllKnownTypes() {
		plural, _ := meta.UnsafeGuessKindToResource(kind)
		out[kind.Group] = append(out[kind.Group], plural.Resource)
	}
	return out
})

func builtinGroup(group string) bool {
	_, ok := resources()[group]
	return ok
}

var verbs = []string{
	"*", "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "escalate", "bind", "impersonate",
	"approve", "sign", "attest", "use", "proxy", "head", "post", "put", "options", "connect", "request-serviceaccounts-token-audience",
	"associated-node", "arbitrary-node",
}

// unknownName finds rules that name verbs or resources which do not exist: they
// grant nothing, or match something that is installed later.
func unknownName(inv *inventory.Inventory, report func(finding.Finding)) {
	m := rbac.Of(inv)
	for _, role := range m.Roles {
		if defaultObject(role) {
			continue // made by the API server, for groups that may not be there
		}
		failed := false
		for _, r := range m.Rules(role) {
			if r.Role != role {
				continue
			}
			for path, msg := range unknownNames(r) {
				failed = true
				report(finding.Finding{Verdict: finding.Fail, Object: role, Path: path, Message: msg})
			}
		}
		if !failed {
			report(finding.Finding{Verdict: finding.Pass, Object: role})
		}
	}
}

// unknownNames yields the path of each verb and resource of a rule that does
// not exist, and what that means.
func unknownNames(r *rbac.Rule) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i, v := range r.Verbs {
			known := slices.Contains(verbs, v) || strings.HasPrefix(v, "impersonate:") || !builtinOnly(r)
			if !known && !yield(inventory.JoinIndex(r.Path()+".verbs", i), fmt.Sprintf("no request has the verb %q: the rule grants nothing by it", v)) {
				return
			}
		}
		for i, name := range r.Resources {
			if msg := unknownResource(r, name); msg != "" && !yield(inventory.JoinIndex(r.Path()+".resources", i), msg) {
				return
			}
		}
	}
}

func builtinOnly(r *rbac.Rule) bool {
	return !slices.ContainsFunc(r.APIGroups, func(g string) bool { return g != "*" && !builtinGroup(g) })
}

// unknownResource says what is wrong with a resource of a rule, or nothing.
// Groups that are not built in are not judged.
func unknownResource(r *rbac.Rule, name string) string {
	parent, _, _ := strings.Cut(name, "/")
	if parent == "*" || !builtinOnly(r) || slices.Contains(r.APIGroups, "*") || len(r.APIGroups) == 0 {
		return ""
	}
	for _, g := range r.APIGroups {
		if slices.Contains(resources()[g], parent) {
			return ""
		}
	}
	var elsewhere []string
	for g, names := range resources() {
		if slices.Contains(names, parent) {
			elsewhere = append(elsewhere, fmt.Sprintf("%q", g))
		}
	}
	slices.Sort(elsewhere)
	in := list(quoted(r.APIGroups))
	switch {
	case len(elsewhere) > 0:
		return fmt.Sprintf("there is no %s in API group %s: the rule grants nothing by it. It is in %s", parent, in, list(elsewhere))
	case strings.ToLower(parent) != parent:
		return fmt.Sprintf("resource %q is not in lower case: the rule grants nothing by it", parent)
	}
	for _, g := range r.APIGroups {
		for _, known := range resources()[g] {
			if known == parent+"s" || known == parent+"es" || strings.TrimSuffix(known, "ies")+"y" == parent {
				return fmt.Sprintf("resource %q is the singular: the rule grants nothing by it. Write %s", parent, known)
			}
		}
	}
	return fmt.Sprintf("there is no %s in API group %s: the rule grants nothing, or rights on something that is installed later", parent, in)
}

func quoted(s []string) []string {
	out := make([]string, len(s))
	for i := range s {
		out[i] = fmt.Sprintf("%q", s[i])
	}
	return out
}
