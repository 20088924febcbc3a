package rbac

import (
	"encoding/binary"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// aggregate gives ClusterRoles with an aggregationRule the rules of those they
// select, as the controller manager does: over and over until nothing changes,
// since one aggregated role may select another. Cycles end because rules are
// only ever added, each once. In a manifest the rules that stand beside an
// aggregationRule are overwritten; in a cluster they are the outcome and stay.
func (m *Model) aggregate(keepStored func(*inventory.Object) bool) {
	type aggregated struct {
		role    *inventory.Object
		sources []*inventory.Object
	}
	var all []aggregated
	for _, o := range m.Roles {
		if o.Kind != "ClusterRole" || o.Root.Find("aggregationRule", "clusterRoleSelectors").Len() == 0 {
			continue
		}
		all = append(all, aggregated{o, m.selected(o)})
		if !keepStored(o) {
			m.rules[keyOf(o)] = nil
		}
	}
	for changed := true; changed; {
		changed = false
		for _, a := range all {
			key := keyOf(a.role)
			before := len(m.rules[key])
			for _, source := range a.sources {
				m.rules[key] = union(m.rules[key], m.rules[keyOf(source)])
			}
			changed = changed || len(m.rules[key]) != before
		}
	}
}

// selected are the ClusterRoles that the aggregation rule of a role selects,
// the role itself left out.
func (m *Model) selected(role *inventory.Object) []*inventory.Object {
	var out []*inventory.Object
	for _, n := range role.Root.Find("aggregationRule", "clusterRoleSelectors").All() {
		selector, ok := Selector(n)
		if !ok {
			continue
		}
		for _, other := range m.Roles {
			if other.Kind == "ClusterRole" && other.Name != role.Name && !slices.Contains(out, other) &&
				selector.Matches(labels.Set(other.Labels().StringMap())) {
				out = append(out, other)
			}
		}
	}
	return out
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
