package rbac

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/labels"
)

// defaultsText holds the rules of the roles that an API server makes by itself,
// as one of version 1.36 has them: a rule a line, with the fields kind,
// namespace, name, verbs, API groups, resources, names and paths between tabs.
// A test writes it from a real server, and holds older ones against it.
//
//go:embed defaults.txt
var defaultsText string

// core stands for the group without a name.
const core = "-"

// defaults are the rules of the default roles. The roles that are aggregated
// have none of their own.
var defaults = sync.OnceValue(func() map[roleKey][]*Rule {
	out := make(map[roleKey][]*Rule)
	for _, name := range aggregatedDefaults {
		out[roleKey{name: name}] = []*Rule{}
	}
	for line := range strings.Lines(defaultsText) {
		const kind, namespace, name, verbs, groups, resources, names, urls, fields = 0, 1, 2, 3, 4, 5, 6, 7, 8
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != fields || f[kind] == "ClusterRole" && f[namespace] != "" {
			continue
		}
		r := &Rule{
			Verbs: strings.Fields(f[verbs]), APIGroups: strings.Fields(f[groups]), Resources: strings.Fields(f[resources]),
			ResourceNames: strings.Fields(f[names]), NonResourceURLs: strings.Fields(f[urls]),
		}
		for i, g := range r.APIGroups {
			if g == core {
				r.APIGroups[i] = ""
			}
		}
		key := roleKey{f[namespace], f[name]}
		r.Index = len(out[key])
		out[key] = append(out[key], r)
	}
	return out
})

// Builtin tells whether every cluster has a ClusterRole of this name from the
// start.
func Builtin(name string) bool {
	_, ok := defaults()[roleKey{name: name}]
	return ok
}

// aggregateTo is the start of the labels that add a role to a default one.
const aggregateTo = Group + "/aggregate-to-"

// aggregatedDefaults are made of the roles with their label; view is part of
// edit, and edit of admin.
var aggregatedDefaults = []string{"view", "edit", "admin"}

// defaultLabels are the labels the server gives a default role.
func defaultLabels(name string) labels.Set {
	out := labels.Set{"kubernetes.io/bootstrapping": "rbac-defaults"}
	switch name {
	case "view":
		out[aggregateTo+"edit"] = "true"
	case "edit":
		out[aggregateTo+"admin"] = "true"
	}
	if to, ok := strings.CutPrefix(name, "system:aggregate-to-"); ok {
		out[aggregateTo+to] = "true"
	}
	return out
}

// addBuiltin fills in the default roles, before aggregation.
func (m *Model) addBuiltin() {
	m.builtin = make(map[roleKey][]*Rule, len(defaults()))
	for key, rules := range defaults() {
		m.builtin[key] = slices.Clone(rules)
	}
}
