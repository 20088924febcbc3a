package netpol

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// Isolation says how far a namespace is closed in one direction.
type Isolation struct {
	// DefaultDeny is whether a pod without labels of its own, such as one that
	// is added tomorrow, is closed to strangers.
	DefaultDeny Verdict
	// Isolated counts the workloads some policy isolates for sure, of all
	// Workloads; host-network pods never are.
	Isolated, Workloads int
	Because             []Evidence
}

// NamespaceIsolation is the isolation of a namespace in both directions.
type NamespaceIsolation struct {
	Name            string
	Ingress, Egress Isolation
}

// Isolation reports the namespaces that have workloads or are in the input, by
// name.
func (m *Model) Isolation() []NamespaceIsolation {
	used := make(map[string][]*Endpoint)
	for _, e := range m.endpoints {
		used[e.Namespace] = append(used[e.Namespace], e)
	}
	for name, n := range m.namespaces {
		if n.object != nil && used[name] == nil {
			used[name] = nil
		}
	}
	out := make([]NamespaceIsolation, 0, len(used))
	for _, name := range slices.Sorted(maps.Keys(used)) {
		out = append(out, NamespaceIsolation{
			Name: name, Ingress: m.isolation(name, used[name], ingress), Egress: m.isolation(name, used[name], egress),
		})
	}
	return out
}

// isolation asks what happens between a new pod of the namespace and somebody
// no policy names.
func (m *Model) isolation(name string, workloads []*Endpoint, d direction) Isolation {
	bare := &party{name: "a pod without labels in " + name, pod: true, namespace: name, spaceLabels: &m.namespaces[name].labels, addresses: m.podAddress}
	nobody := &party{
		name: "somebody no policy names", pod: true, spaceLabels: new(labelSet), unlisted: true,
		addresses: [families]addresses{{yes, []netip.Prefix{unicast[ipv4][0]}}, {yes, []netip.Prefix{unicast[ipv6][0]}}},
	}
	var on []applied
	for _, p := range m.policies {
		if sel := p.selects(bare, d); sel != no {
			on = append(on, applied{p, sel})
		}
	}
	s := m.side(bare, on, d, nobody)
	segments := join(s.evaluate(), [families][]segment{{{everyPort[0].from, yes}}, {{everyPort[0].from, yes}}})
	out := Isolation{Workloads: len(workloads), Because: m.explain(s, everyPort)}
	switch best(segments, everyPort) {
	case no:
		out.DefaultDeny = Yes
	case yes:
		out.DefaultDeny = No
	case maybe:
	}
	for _, e := range workloads {
		if slices.ContainsFunc(e.class.applied[d], func(a applied) bool { return a.sel == yes && a.policy.tier == networkTier }) {
			out.Isolated++
		}
	}
	return out
}

// Idle are policies that do nothing as the input stands: they select no
// workload, or none of their rules names any workload or address.
func (m *Model) Idle() []Evidence {
	var out []Evidence
	for _, p := range m.policies {
		if p.foreign {
			continue
		}
		if p.fault != "" {
			out = append(out, Evidence{
				Effect: Unclear, Object: p.object, Path: p.podsPath, Says: fmt.Sprintf("%s is not understood: %s.", p.object.Ref(), p.fault),
			})
			continue
		}
		selected := slices.ContainsFunc(m.classes, func(c *class) bool { return p.selects(&c.party, egress) != no || p.selects(&c.party, ingress) != no })
		if !selected {
			out = append(out, Evidence{Object: p.object, Path: p.podsPath, Effect: Open, Says: p.object.Ref() + " selects no workload of the input."})
			continue
		}
		for _, d := range directions {
			out = append(out, m.idleRules(p, d)...)
		}
	}
	return out
}

func (m *Model) idleRules(p *policy, d direction) []Evidence {
	var out []Evidence
	for i := range p.rules[d] {
		r := &p.rules[d][i]
		if p.acts[d] == no {
			out = append(out, Evidence{
				Side: d.String(), Effect: Open, Object: p.object, Path: r.path,
				Says: fmt.Sprintf("%s has %s rules without effect: policyTypes leaves %s out.", p.object.Ref(), d, d),
			})
			break
		}
		if r.everyone || slices.ContainsFunc(r.peers, m.names) {
			continue
		}
		out = append(out, Evidence{
			Side: d.String(), Effect: Open, Object: p.object, Path: r.path, Says: fmt.Sprintf("%s %s names no workload of the input.", p.object.Ref(), r.path),
		})
	}
	return out
}

// names tells whether a peer means anything of the input, or something beyond
// it.
func (m *Model) names(p peer) bool {
	if p.pods == nil || p.fault != "" {
		return true
	}
	if p.spaces != nil && !slices.ContainsFunc(m.classes, func(c *class) bool { return p.spaces.match(c.spaceLabels) != no }) {
		// The namespace may be set up elsewhere.
		return true
	}
	return slices.ContainsFunc(m.classes, func(c *class) bool { return p.selects(&c.party) != no })
}
