package netpol

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// explain gives the evidence of one side for the ports, tier by tier.
func (m *Model) explain(s *side, spans []span) []Evidence {
	if s == nil {
		return nil
	}
	out, decided := s.explainOrdered(adminTier, spans)
	if !decided {
		more, isolated := s.explainAdditive(spans)
		out = append(out, more...)
		if !isolated {
			more, _ = s.explainOrdered(baselineTier, spans)
			out = append(out, more...)
		}
	}
	out = append(out, s.explainForeign()...)
	restricts := func(e Evidence) bool { return e.Effect == Denies || e.Effect == Unclear }
	if !slices.ContainsFunc(out, func(e Evidence) bool { return restricts(e) || e.Effect == Allows }) {
		out = append(out, s.open())
	}
	if !slices.ContainsFunc(out, restricts) && (!m.blind || s.subject.host) {
		return out
	}
	if m.gap != "" {
		out = append(out, Evidence{Side: s.to.String(), Effect: Unclear, Says: "Policies may be missing: " + m.gap + "."})
	}
	if s.other.host || s.other.node {
		out = append(out, Evidence{Side: s.to.String(), Effect: Unclear, Says: "Between a pod and its own node the API always allows traffic; whether the plugin does is not known."})
	}
	return out
}

// open says that nothing restricts the side.
func (s *side) open() Evidence {
	verb := [...]string{egress: "leave", ingress: "enter"}[s.to]
	e := Evidence{Side: s.to.String(), Effect: Open, Says: fmt.Sprintf("No policy restricts %s of %s: everything may %s.", s.to, s.subject.name, verb)}
	if s.subject.host {
		e.Says = s.subject.name + " uses the network of its node, which policies for pods leave alone."
	}
	return e
}

// match says whether a rule is met on one of the ports.
func (s *side) match(l *liveRule, spans []span) tri {
	ports := no
	switch {
	case overlap(l.spans, spans):
		ports = yes
	case l.unsure:
		ports = maybe
	}
	return min(ports, max(l.pods, s.inBlocks(l)))
}

// inBlocks says whether the other party's address is in a block of the rule.
func (s *side) inBlocks(l *liveRule) tri {
	inside, outside := false, false
	for f := range families {
		if len(l.rule.blocks) == 0 || s.family(f) == no {
			continue
		}
		for _, a := range s.samples(f, [][]run{l.rule.runs[f]}) {
			holds := s.holds(l.rule, a)
			inside, outside = inside || holds, outside || !holds && s.family(f) == yes
		}
	}
	switch {
	case !inside:
		return no
	case outside && !s.other.all:
		return maybe
	}
	return yes
}

// covers tells whether a rule is about all of the ports.
func covers(l *liveRule, spans []span) bool {
	return !slices.ContainsFunc(spans, func(s span) bool {
		return !slices.ContainsFunc(l.spans, func(r span) bool { return r.from <= s.from && s.to <= r.to })
	})
}

var effects = map[outcomes]Effect{allow: Allows, deny: Denies, undecided: Passes}

// explainOrdered lists the rules of a tier that are met, up to the one that
// decides, and whether one does.
func (s *side) explainOrdered(t tier, spans []span) ([]Evidence, bool) {
	var out []Evidence
	for i, a := range s.applied {
		if a.policy.tier != t {
			continue
		}
		for j := range s.live[i] {
			l := &s.live[i][j]
			is := min(s.match(l, spans), a.sel)
			if is == no {
				continue
			}
			e := s.about(a, l, is)
			out = append(out, e)
			if is == yes && covers(l, spans) {
				return out, e.Effect != Passes
			}
		}
	}
	return out, false
}

// about is the evidence of a rule that is met, or may be.
func (s *side) about(a applied, l *liveRule, is tri) Evidence {
	e := Evidence{Side: s.to.String(), Effect: effects[l.rule.action], Object: a.policy.object, Path: l.rule.path}
	if is == maybe {
		verb := map[Effect]string{Allows: "may allow", Denies: "may deny", Passes: "may pass on"}[e.Effect]
		e.Effect = Unclear
		e.Says = fmt.Sprintf("%s %s %s: %s", a.policy.object.Ref(), cmp.Or(verb, "may decide about"), s.traffic(l), s.why(a, l))
	} else {
		verb := map[Effect]string{Allows: "allows", Denies: "denies", Passes: "passes on"}[e.Effect]
		e.Says = fmt.Sprintf("%s %s %s", a.policy.object.Ref(), verb, s.traffic(l))
	}
	e.Says += "."
	return e
}

// traffic names what a rule is about.
func (s *side) traffic(l *liveRule) string {
	ports := "all ports"
	if !l.rule.everyPort {
		names := make([]string, 0, len(l.spans))
		for _, p := range l.spans {
			names = append(names, p.String())
		}
		ports = strings.Join(names, ", ")
		if ports == "" {
			ports = "no port of " + s.destination().name
		}
	}
	if s.to == egress {
		return fmt.Sprintf("%s to %s", ports, s.other.name)
	}
	return fmt.Sprintf("%s from %s", ports, s.other.name)
}

// explainAdditive lists the NetworkPolicies: those that allow, or if none does
// for sure all that select the pod. It also says whether one selects it for
// sure.
func (s *side) explainAdditive(spans []span) ([]Evidence, bool) {
	var allowing, rest []Evidence
	isolated := false
	for i, a := range s.applied {
		if a.policy.tier != networkTier || a.policy.foreign {
			continue
		}
		isolated = isolated || a.sel == yes
		is, l := no, (*liveRule)(nil)
		for j := range s.live[i] {
			if t := s.match(&s.live[i][j], spans); t > is {
				is, l = t, &s.live[i][j]
			}
		}
		switch {
		case is == yes && a.sel == yes:
			allowing = append(allowing, s.about(a, l, yes))
		case is != no:
			rest = append(rest, s.about(a, l, maybe))
		default:
			rest = append(rest, s.refuses(a))
		}
	}
	if len(allowing) > 0 {
		return allowing, true
	}
	return rest, isolated
}

// refuses is the evidence of a policy that selects the pod and has no rule that
// is met.
func (s *side) refuses(a applied) Evidence {
	word := [...]string{egress: "lets it reach", ingress: "lets in"}[s.to]
	e := Evidence{
		Side: s.to.String(), Effect: Denies, Object: a.policy.object, Path: a.policy.podsPath,
		Says: fmt.Sprintf("%s isolates %s for %s, and no rule of it %s %s.", a.policy.object.Ref(), s.subject.name, s.to, word, s.other.name),
	}
	if a.sel == maybe {
		e.Effect = Unclear
		e.Says = fmt.Sprintf("%s may isolate %s for %s: %s.", a.policy.object.Ref(), s.subject.name, s.to, s.whySelected(a))
	}
	return e
}

func (s *side) explainForeign() []Evidence {
	var out []Evidence
	for _, a := range s.applied {
		if a.policy.foreign {
			out = append(out, Evidence{
				Side: s.to.String(), Effect: Unclear, Object: a.policy.object,
				Says: fmt.Sprintf("%s may allow or deny it: %s.", a.policy.object.Ref(), a.policy.fault),
			})
		}
	}
	return out
}

// why says why it can't be told whether a rule is met.
func (s *side) why(a applied, l *liveRule) string {
	if a.sel != yes {
		return s.whySelected(a)
	}
	for i := range l.rule.peers {
		p := &l.rule.peers[i]
		if p.block != nil && p.fault == "" {
			continue
		}
		if p.selects(s.other) == maybe {
			return p.why(s.other)
		}
	}
	if s.inBlocks(l) == maybe {
		return fmt.Sprintf("the address of %s is not known, and %s may hold it", s.other.name, l.rule.blocks[0].cidr)
	}
	for _, p := range l.rule.ports {
		if p.fault != "" {
			return p.fault
		}
	}
	return "the ports are not known"
}

// whySelected says why it can't be told whether a policy is on the pod.
func (s *side) whySelected(a applied) string {
	if a.policy.fault != "" {
		return a.policy.fault
	}
	if s.subject.host {
		return "most plugins ignore policies on pods in the network of their node"
	}
	if a.policy.spaces != nil {
		if keys := a.policy.spaces.openKeys(s.subject.spaceLabels); len(keys) > 0 {
			return openSpace(keys, s.subject)
		}
	}
	return openPod(a.policy.pods.openKeys(&s.subject.labels), s.subject)
}

func openSpace(keys []string, q *party) string {
	return fmt.Sprintf("the input has no Namespace %s, so its label %s is not known", q.namespace, strings.Join(keys, ", "))
}

func openPod(keys []string, q *party) string {
	return fmt.Sprintf("the label %s of %s is set at run time, if at all", strings.Join(keys, ", "), q.name)
}

// why says why it can't be told whether a peer is the party.
func (p *peer) why(q *party) string {
	switch {
	case p.fault != "":
		return p.fault
	case p.nodes != nil:
		return "it selects nodes, and it is not known which"
	case len(p.names) > 0:
		return "it names domains, whose addresses are not known"
	case q.anyNamespace:
		return "it is not known which pod that is"
	}
	if p.spaces != nil {
		if keys := p.spaces.openKeys(q.spaceLabels); len(keys) > 0 {
			return openSpace(keys, q)
		}
	}
	if keys := p.pods.openKeys(&q.labels); len(keys) > 0 {
		return openPod(keys, q)
	}
	return "whether selectors match what is in the network of a node depends on the plugin"
}
