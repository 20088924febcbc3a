package netpol

import (
	"fmt"
	"slices"
)

// Allowed says whether from can open a connection to a port of to, and why.
// With the zero port it says whether there is any such port; peers that are no
// workloads have ports of their own then.
//
// From outside, a workload needs a way in: a Service, Ingress, route or host
// port, which [Model.Entries] lists.
func (m *Model) Allowed(from, to Peer, port Port) Answer {
	if from.party == nil || to.party == nil {
		return Answer{Because: []Evidence{{Effect: Unclear, Says: "One end is not known."}}}
	}
	if from.entry && to.Endpoint != nil {
		return m.fromOutside(to, port)
	}
	return m.allowed(from, to, port)
}

func (m *Model) allowed(from, to Peer, port Port) Answer {
	spans, choice, fault := to.listens(port)
	if fault != "" {
		return Answer{Verdict: No, Because: []Evidence{{Effect: Denies, Object: to.object(), Says: fault}}}
	}
	out, in := m.sides(from, to)
	segments := connect(out, in)
	verdict := best(segments, spans)
	if choice && verdict == yes {
		verdict = max(worst(segments, spans), maybe)
	}
	a := Answer{Verdict: verdict.verdict()}
	if verdict != no {
		a.Ports = nameSpans(segments, best(segments, spans), spans)
	}
	a.Because = slices.Concat(m.explain(out, spans), m.explain(in, spans))
	if len(a.Because) == 0 {
		a.Because = []Evidence{{Effect: Open, Says: "No pod is at either end, and network policies are about pods."}}
	}
	if choice && verdict == maybe && best(segments, spans) == yes {
		a.Because = append(a.Because, Evidence{Effect: Unclear, Says: "Policies see the port behind the Service, and it is not known which it is."})
	}
	return a
}

// sides are the way out and the way in; nil where there is no pod.
func (m *Model) sides(from, to Peer) (*side, *side) {
	var out, in *side
	if from.Endpoint != nil {
		c := from.Endpoint.class
		out = m.side(&c.party, c.applied[egress], egress, to.party)
	}
	if to.Endpoint != nil {
		c := to.Endpoint.class
		in = m.side(&c.party, c.applied[ingress], ingress, from.party)
	}
	return out, in
}

// connect says for every port whether a connection gets through both sides in
// one address family.
func connect(out, in *side) []segment {
	open := []segment{{everyPort[0].from, yes}}
	a, b := [families][]segment{open, open}, [families][]segment{open, open}
	if out != nil {
		a = out.evaluate()
	}
	if in != nil {
		b = in.evaluate()
	}
	return join(a, b)
}

// join is true where both sides are in some family.
func join(a, b [families][]segment) []segment {
	return merge(merge(a[ipv4], b[ipv4], least), merge(a[ipv6], b[ipv6], least), greatest)
}

// listens are the ports that are asked for, and whether just one of them
// counts and nobody knows which.
func (p *Peer) listens(port Port) ([]span, bool, string) {
	if port.Any() {
		if p.ports != nil {
			return p.ports, p.choice, ""
		}
		return everyPort, false, ""
	}
	protocol, ok := protocolNumber(port.Protocol)
	if !ok && port.Protocol != "" {
		return nil, false, fmt.Sprintf("There is no protocol %s.", port.Protocol)
	}
	if port.Name != "" {
		spans := p.party.named(port.Name, protocol)
		if len(spans) == 0 {
			return nil, false, fmt.Sprintf("%s has no port named %s.", p.party.name, port.Name)
		}
		return spans, false, ""
	}
	if port.Number < 1 || port.Number > maxPort {
		return nil, false, fmt.Sprintf("There is no port %d.", port.Number)
	}
	number := uint32(port.Number)
	return []span{spanOf(protocol, number, number)}, false, ""
}
