package rbac

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// power is a right that is worth a control of its own.
type power rbac.Power

// powers are the rights judged by control id. A rule with a wildcard resource
// holds all of them and is reported once, by wildcard-rights.
var powers = func() map[string]power {
	out := make(map[string]power, len(rbac.Powers))
	for id, p := range rbac.Powers {
		out[id] = power(p)
	}
	return out
}()

var read = rbac.Reading

// holds returns the verb and resource by which a rule has the power.
func (p power) holds(r *rbac.Rule) (string, bool) {
	for _, t := range p.Targets {
		for _, verb := range rbac.Power(p).Of(t) {
			name := ""
			if len(r.ResourceNames) > 0 {
				name = r.ResourceNames[0]
			}
			if r.Allows(rbac.Request{Verb: verb, APIGroup: t.Group, Resource: t.Resource, Subresource: t.Sub, Name: name}) {
				return verb + " " + t.Name(), true
			}
		}
	}
	return "", false
}

// judged makes the analysis of one power.
func (p power) judged(inv *inventory.Inventory, report func(finding.Finding)) {
	m := rbac.Of(inv)
	for _, role := range m.Roles {
		if exempt(role) {
			report(finding.Finding{Verdict: finding.NotApplicable, Object: role})
			continue
		}
		failed := false
		for _, r := range m.Rules(role) {
			if r.Role != role || r.Wild() {
				continue
			}
			if f, ok := p.judge(m, role, r); ok {
				failed = true
				report(f)
			}
		}
		if !failed {
			report(finding.Finding{Verdict: finding.Pass, Object: role})
		}
	}
}

func (p power) judge(m *rbac.Model, role *inventory.Object, r *rbac.Rule) (finding.Finding, bool) {
	what, ok := p.holds(r)
	bindings := m.BindingsOf(role)
	if !ok || p.Namespace != "" && !reaches(role, bindings, p.Namespace) {
		return finding.Finding{}, false
	}
	f := finding.Finding{Verdict: finding.Fail, Object: role, Path: r.Path()}
	who, scope := holders(bindings, role)
	f.Message = fmt.Sprintf("%s may %s %s, which %s", who, what, scope, p.Gain)
	if who == "" {
		f.Severity = finding.Low
		f.Message = fmt.Sprintf("whoever gets this role may %s, which %s; among the input it is bound to nobody", what, p.Gain)
	}
	if len(r.ResourceNames) > 0 {
		f.Severity = finding.Low
		f.Message += fmt.Sprintf(" (narrowed to %s)", list(r.ResourceNames))
	}
	return f, true
}

// reaches tells whether a role is granted in a namespace.
func reaches(role *inventory.Object, bindings []*rbac.Binding, namespace string) bool {
	if role.Kind == "Role" {
		return role.EffectiveNamespace() == namespace
	}
	return slices.ContainsFunc(bindings, func(b *rbac.Binding) bool { return b.Namespace == "" || b.Namespace == namespace })
}

// holders names who gets a role and where.
func holders(bindings []*rbac.Binding, role *inventory.Object) (string, string) {
	var who, through, where []string
	for _, b := range bindings {
		for _, s := range b.Subjects {
			who = append(who, s.String())
		}
		if len(b.Subjects) > 0 {
			through = append(through, b.Object.Name)
			place := "in the whole cluster"
			if b.Namespace != "" {
				place = "in namespace " + b.Namespace
			}
			where = append(where, place)
		}
	}
	if len(who) == 0 {
		return "", ""
	}
	scope := list(where)
	if role.Kind == "Role" {
		scope = "in namespace " + role.EffectiveNamespace()
	}
	return list(who), scope + " through binding " + list(through)
}

// list joins distinct words, at most five.
func list(words []string) string {
	slices.Sort(words)
	words = slices.Compact(words)
	const most = 5
	if extra := len(words) - most; extra > 0 {
		return strings.Join(words[:most], ", ") + fmt.Sprintf(" and %d more", extra)
	}
	return strings.Join(words, ", ")
}

// exempt are the roles Kubernetes itself creates.
func exempt(role *inventory.Object) bool {
	if role.Labels().Get("kubernetes.io/bootstrapping").Str() != "rbac-defaults" {
		return false
	}
	return strings.HasPrefix(role.Name, "system:") || slices.Contains([]string{"cluster-admin", "admin", "edit", "view"}, role.Name)
}

func analyses() map[string]control.Analysis {
	out := map[string]control.Analysis{
		"wildcard-rights":               wildcardRights,
		"cluster-admin-binding":         clusterAdminBinding,
		"anonymous-binding":             anonymousBinding,
		"everybody-binding":             everybodyBinding,
		"system-masters-binding":        systemMastersBinding,
		"default-account-binding":       defaultAccountBinding,
		"single-user-binding":           singleUserBinding,
		"dangling-role":                 danglingRole,
		"dangling-subject":              danglingSubject,
		"unknown-rbac-name":             unknownName,
		"resource-names-without-effect": resourceNamesWithoutEffect,
		"aggregated-role":               aggregatedRole,
		"cluster-binding-for-namespace": clusterBindingForNamespace,
	}
	for id, p := range powers {
		out[id] = p.judged
	}
	return out
}
