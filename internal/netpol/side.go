package netpol

import (
	"net/netip"
	"slices"
	"strings"
)

// applied is a policy that selects a class, for sure or perhaps, in one
// direction.
type applied struct {
	policy *policy
	sel    tri
}

// apply finds the policies of every class.
func (m *Model) apply() {
	in := make(map[string][]*class)
	for _, c := range m.classes {
		in[c.namespace] = append(in[c.namespace], c)
	}
	for _, p := range m.policies {
		for _, c := range m.candidates(p, in) {
			for _, d := range directions {
				if sel := p.selects(&c.party, d); sel != no {
					c.applied[d] = append(c.applied[d], applied{p, sel})
				}
			}
		}
	}
}

// candidates are the classes a policy may select.
func (m *Model) candidates(p *policy, in map[string][]*class) []*class {
	if p.spaces == nil {
		return in[p.namespace]
	}
	return m.classes
}

// selects tells whether the policy acts on a pod in a direction.
func (p *policy) selects(q *party, d direction) tri {
	out := p.acts[d]
	if p.spaces == nil && p.namespace != q.namespace {
		return no
	}
	if out != no && p.spaces != nil {
		out = min(out, p.spaces.match(q.spaceLabels))
	}
	if out != no {
		out = min(out, p.pods.match(&q.labels))
	}
	if q.host {
		// Cluster-wide policies leave out pods in the network of the node. For
		// NetworkPolicy the API leaves it to the plugin.
		if p.tier != networkTier {
			return no
		}
		out = min(out, maybe)
	}
	return out
}

// side is one end of a connection: a pod, the policies on it, and who is at
// the other end.
type side struct {
	subject *party
	to      direction
	other   *party
	applied []applied
	gap     bool
	blind   bool
	// live are the rules of each policy that may match, by position in applied.
	live [][]liveRule
	// matches is where decide notes which rules match.
	matches [][]tri
}

// liveRule is a rule seen with a certain party at the other end.
type liveRule struct {
	rule *rule
	// pods says whether the peers other than blocks match.
	pods  tri
	spans []span
	// unsure is set when it can't be told which ports the rule means.
	unsure bool
}

func (m *Model) side(subject *party, policies []applied, d direction, other *party) *side {
	s := &side{subject: subject, to: d, other: other, applied: policies, gap: m.gap != "", blind: m.blind, live: make([][]liveRule, len(policies))}
	for i, a := range policies {
		rules := a.policy.rules[d]
		for j := range rules {
			if l := s.see(&rules[j]); l.pods != no || len(rules[j].blocks) > 0 {
				s.live[i] = append(s.live[i], l)
			}
		}
	}
	return s
}

// see looks at a rule with the other party in view.
func (s *side) see(r *rule) liveRule {
	l := liveRule{rule: r}
	if r.everyone {
		l.pods = yes
	}
	for i := range r.peers {
		p := &r.peers[i]
		l.pods = max(l.pods, p.selects(s.other))
	}
	l.spans, l.unsure = r.spans(s.destination())
	return l
}

// destination is the party the port is opened at.
func (s *side) destination() *party {
	if s.to == ingress {
		return s.subject
	}
	return s.other
}

// spans are the ports of the rule at a destination, and whether there may be
// others.
func (r *rule) spans(destination *party) ([]span, bool) {
	if r.everyPort {
		return everyPort, false
	}
	var out []span
	unsure := false
	for i := range r.ports {
		p := &r.ports[i]
		unsure = unsure || p.fault != "" || p.name != "" && destination.anyNamespace
		out = append(out, p.spans...)
		for _, protocol := range p.protocols {
			out = append(out, destination.named(p.name, protocol)...)
		}
	}
	return out, unsure
}

// selects tells whether a peer of a rule, other than a block, is the party.
func (p *peer) selects(q *party) tri {
	switch {
	case p.fault != "":
		return maybe
	case p.block != nil:
		return no
	case p.nodes != nil:
		return p.selectsNode(q)
	case len(p.names) > 0:
		return p.selectsName(q)
	case !q.pod:
		return no
	case q.anyNamespace:
		return maybe
	}
	out := no
	if p.spaces != nil {
		out = p.spaces.match(q.spaceLabels)
	} else if q.namespace == p.own {
		out = yes
	}
	if out != no {
		out = min(out, p.pods.match(&q.labels))
	}
	if q.host {
		if p.admin {
			return no
		}
		out = min(out, maybe)
	}
	return out
}

func (p *peer) selectsNode(q *party) tri {
	switch {
	case q.unlisted || q.pod && !q.host && !q.anyNamespace:
		return no
	case (q.host || q.node) && !q.anyNamespace && len(p.nodes.requirements) == 0 && !q.managed:
		return yes
	}
	return maybe
}

// selectsName is about domain names, which may stand for any address. Those of
// pods are only had by names of the cluster's own domain.
func (p *peer) selectsName(q *party) tri {
	inCluster := slices.ContainsFunc(p.names, func(n string) bool {
		n = strings.TrimSuffix(n, ".")
		return strings.HasSuffix(n, "cluster.local") || strings.HasSuffix(n, ".svc")
	})
	if q.unlisted || q.pod && !q.host && !q.anyNamespace && !inCluster {
		return no
	}
	return maybe
}

// maxWork bounds what one side may cost: samples of addresses, or ports, times
// rules.
const maxWork = 20_000_000

// evaluate says for every port whether the side lets the connection through,
// for each address family.
func (s *side) evaluate() [families][]segment {
	from := starts(s.ports())
	var out [families][]segment
	for f := range out {
		has := s.family(f)
		segments := make([]segment, len(from))
		for i := range from {
			segments[i] = segment{from: from[i], is: no}
		}
		if has != no {
			s.fill(segments, s.samples(f, s.runs(f)))
		}
		for i := range segments {
			segments[i].is = min(segments[i].is, has)
		}
		out[f] = shrink(segments)
	}
	return out
}

// family tells whether a connection of the address family is possible at all.
// Who names an IPv6 address wants to know about the policies, not whether the
// pod has one.
func (s *side) family(f int) tri {
	own, other := s.subject.addresses[f].has, s.other.addresses[f].has
	if own == maybe && !s.other.pod && s.other.addresses[ipv4].has == no {
		return other
	}
	return min(own, other)
}

// ports are those of all rules that count.
func (s *side) ports() []span {
	var out []span
	for _, rules := range s.live {
		for i := range rules {
			if !rules[i].rule.everyPort {
				out = append(out, rules[i].spans...)
			}
		}
	}
	return out
}

// runs are the addresses in the blocks of each rule that counts.
func (s *side) runs(f int) [][]run {
	var out [][]run
	for _, rules := range s.live {
		for i := range rules {
			if list := rules[i].rule.runs[f]; len(list) > 0 {
				out = append(out, list)
			}
		}
	}
	return out
}

func (s *side) samples(f int, lists [][]run) []netip.Addr {
	within := s.other.addresses[f].prefixes
	if len(lists) == 0 || s.other.unlisted {
		return []netip.Addr{within[0].Addr()}
	}
	return samples(within, lists)
}

func (s *side) fill(segments []segment, sample []netip.Addr) {
	rules := 1
	for _, l := range s.live {
		rules += len(l)
	}
	if len(sample)*rules > maxWork || len(segments)*rules > maxWork {
		for i := range segments {
			segments[i].is = maybe
		}
		return
	}
	union := make([]outcomes, len(segments))
	sure := make([]bool, len(segments))
	seen := make(map[string]bool)
	for _, a := range sample {
		peers := s.peersAt(a)
		if seen[string(peers)] {
			continue
		}
		seen[string(peers)] = true
		for i := range segments {
			o := s.decide(peers, segments[i].from)
			union[i] |= o
			sure[i] = sure[i] || o.settle() == yes
		}
	}
	for i := range segments {
		segments[i].is = union[i].settle()
		if s.other.all && sure[i] {
			segments[i].is = yes
		}
	}
}

// peersAt says for each live rule, in order, whether its peers match when the
// other party has the address.
func (s *side) peersAt(a netip.Addr) []byte {
	var out []byte
	for _, rules := range s.live {
		for i := range rules {
			t := rules[i].pods
			if t != yes && s.holds(rules[i].rule, a) {
				t = yes
			}
			out = append(out, byte(t))
		}
	}
	return out
}

// holds tells whether a block of the rule holds the address.
func (s *side) holds(r *rule, a netip.Addr) bool {
	if s.other.unlisted {
		return slices.ContainsFunc(r.blocks, func(b *block) bool { return b.cidr.Bits() == 0 && b.cidr.Addr().Is4() == a.Is4() })
	}
	family := ipv6
	if a.Is4() {
		family = ipv4
	}
	return holds(r.runs[family], a)
}

// decide asks the tiers in turn about one address and port.
func (s *side) decide(peers []byte, port uint32) outcomes {
	if s.matches == nil {
		s.matches = make([][]tri, len(s.live))
	}
	matches := s.matches
	n := 0
	foreign := false
	for i, rules := range s.live {
		matches[i] = matches[i][:0]
		foreign = foreign || s.applied[i].policy.foreign
		for j := range rules {
			t := no
			if contains(rules[j].spans, port) {
				t = yes
			} else if rules[j].unsure {
				t = maybe
			}
			matches[i] = append(matches[i], min(t, tri(peers[n])))
			n++
		}
	}
	out := s.ordered(adminTier, matches)
	if out&undecided != 0 {
		out = out&^undecided | s.additive(matches)
	}
	if out&undecided != 0 {
		out = out&^undecided | s.ordered(baselineTier, matches)
	}
	if out&undecided != 0 {
		out = out&^undecided | allow
	}
	if foreign {
		out |= allow | deny
	}
	if s.blind && !s.subject.host {
		out |= allow | deny
	}
	if out&deny != 0 && (s.gap || s.other.host || s.other.node) {
		// A policy that is missing may allow it, and traffic between a pod and
		// its own node is always allowed.
		out |= allow
	}
	return out
}

// ordered evaluates the cluster-wide policies of a tier, by priority: the first
// rule that matches decides. Among policies of the same priority any may be
// the one.
func (s *side) ordered(t tier, matches [][]tri) outcomes {
	var out outcomes
	for i := 0; i < len(s.applied); {
		if s.applied[i].policy.tier != t {
			i++
			continue
		}
		level := undecided
		decided := outcomes(0)
		priority := s.applied[i].policy.priority
		for ; i < len(s.applied) && s.applied[i].policy.tier == t && s.applied[i].policy.priority == priority; i++ {
			one, open := s.first(i, matches[i])
			decided |= one
			if !open {
				level = 0
			}
		}
		out |= decided
		if level == 0 {
			return out
		}
	}
	return out | undecided
}

// first gives the ways the policy may decide by its first matching rule, and
// whether it may be that none matches.
func (s *side) first(i int, matches []tri) (outcomes, bool) {
	var out outcomes
	for j, t := range matches {
		t = min(t, s.applied[i].sel)
		if t == no {
			continue
		}
		action := s.live[i][j].rule.action
		out |= action
		if t == yes {
			return out, false
		}
	}
	return out, true
}

// additive evaluates the NetworkPolicies: a pod none selects is left to the
// next tier, one that is selected may do what any rule allows.
func (s *side) additive(matches [][]tri) outcomes {
	// certain: some policy selects the pod for sure. free: one of those allows.
	// refuses: some policy that may select it may have no rule for it.
	certain, free, mayAllow, refuses := false, false, false, false
	found := false
	for i, a := range s.applied {
		if a.policy.tier != networkTier || a.policy.foreign {
			continue
		}
		match := no
		for _, t := range matches[i] {
			match = max(match, t)
		}
		found = true
		certain = certain || a.sel == yes
		free = free || a.sel == yes && match == yes
		mayAllow = mayAllow || match != no
		refuses = refuses || match != yes
	}
	if free {
		return allow
	}
	var out outcomes
	if !certain {
		out |= undecided
	}
	if mayAllow {
		out |= allow
	}
	if found && refuses {
		out |= deny
	}
	return out
}
