package rbac

import (
	"encoding/binary"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// clusterRole is a ClusterRole as aggregation sees it: one of the inventory,
// or a default one, which has no object.
type clusterRole struct {
	name      string
	object    *inventory.Object
	labels    labels.Set
	selectors []labels.Selector
	// from are the roles it is made of.
	from []*clusterRole
}

// aggregate gives ClusterRoles with an aggregationRule the rules of those they
// select, as the controller manager does: over and over until nothing changes,
// since one aggregated role may select another. Cycles end because rules are
// only ever added, each once. In a manifest the rules that stand beside an
// aggregationRule are overwritten, and the default roles take part; in a
// cluster the rules are the outcome and stay.
func (m *Model) aggregate(keepStored func(*inventory.Object) bool) {
	all := m.clusterRoles()
	for _, r := range all {
		if len(r.selectors) == 0 {
			continue
		}
		stored := r.object != nil && keepStored(r.object)
		if !stored {
			m.setRules(r, nil)
		}
		for _, other := range all {
			if (other.object != nil || !stored) && r.selects(other) {
				r.from = append(r.from, other)
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for _, r := range all {
			before := len(m.rulesOf(r))
			for _, source := range r.from {
				m.setRules(r, union(m.rulesOf(r), m.rulesOf(source)))
			}
			changed = changed || len(m.rulesOf(r)) != before
		}
	}
}

// selects tells whether an aggregated role takes the rules of another.
func (r *clusterRole) selects(other *clusterRole) bool {
	return other.name != r.name && slices.ContainsFunc(r.selectors, func(s labels.Selector) bool { return s.Matches(other.labels) })
}

// clusterRoles are those of the inventory, and the default ones that it does
// not hold.
func (m *Model) clusterRoles() []*clusterRole {
	var out []*clusterRole
	for _, o := range m.Roles {
		if o.Kind != "ClusterRole" {
			continue
		}
		r := &clusterRole{name: o.Name, object: o, labels: o.Labels().StringMap()}
		for _, n := range o.Root.Find("aggregationRule", "clusterRoleSelectors").All() {
			if selector, ok := Selector(n); ok {
				r.selectors = append(r.selectors, selector)
			}
		}
		out = append(out, r)
	}
	for _, name := range clusterRoleNames(m.builtin) {
		if _, held := m.rules[roleKey{name: name}]; held {
			continue
		}
		r := &clusterRole{name: name, labels: defaultLabels(name)}
		if slices.Contains(aggregatedDefaults, name) {
			r.selectors = []labels.Selector{labels.SelectorFromSet(labels.Set{aggregateTo + name: "true"})}
		}
		out = append(out, r)
	}
	return out
}

// clusterRoleNames are the names of the ClusterRoles among roles, in order.
func clusterRoleNames(roles map[roleKey][]*Rule) []string {
	var out []string
	for key := range roles {
		if key.namespace == "" {
			out = append(out, key.name)
		}
	}
	slices.Sort(out)
	return out
}

func (m *Model) rulesOf(r *clusterRole) []*Rule {
	if r.object == nil {
		return m.builtin[roleKey{name: r.name}]
	}
	return m.rules[keyOf(r.object)]
}

func (m *Model) setRules(r *clusterRole, rules []*Rule) {
	if r.object == nil {
		m.builtin[roleKey{name: r.name}] = rules
		return
	}
	m.rules[keyOf(r.object)] = rules
}

// Selector reads a label selector. An empty one selects everything, an absent
// or broken one nothing, which the second result tells.
func Selector(n *inventory.Node) (labels.Selector, bool) {
	if n == nil || n.Kind != inventory.Map {
		return labels.Nothing(), false
	}
	s := metav1.LabelSelector{MatchLabels: n.Get("matchLabels").StringMap()}
	for _, e := range n.Get("matchExpressions").All() {
		s.MatchExpressions = append(s.MatchExpressions, metav1.LabelSelectorRequirement{
			Key: e.Get("key").Str(), Operator: metav1.LabelSelectorOperator(e.Get("operator").Str()), Values: e.Get("values").Strings(),
		})
	}
	selector, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		return labels.Nothing(), false
	}
	return selector, true
}

// union appends those of the rules that are not in the list yet.
func union(list, more []*Rule) []*Rule {
	if len(more) == 0 {
		return list
	}
	known := make(map[string]bool, len(list))
	for _, r := range list {
		known[r.content()] = true
	}
	for _, r := range more {
		if key := r.content(); !known[key] {
			known[key] = true
			list = append(list, r)
		}
	}
	return list
}

// content is equal for rules that say the same.
func (r *Rule) content() string {
	var b []byte
	for _, list := range [][]string{r.Verbs, r.APIGroups, r.Resources, r.ResourceNames, r.NonResourceURLs} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, s := range list {
			b = binary.AppendUvarint(b, uint64(len(s)))
			b = append(b, s...)
		}
	}
	return string(b)
}
