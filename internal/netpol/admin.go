package netpol

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// actions are the actions of rules, as the two generations of the API spell
// them. Pass leaves the decision to the next tier.
var actions = map[string]map[string]outcomes{
	"AdminNetworkPolicy":         {"Allow": allow, "Deny": deny, "Pass": undecided},
	"BaselineAdminNetworkPolicy": {"Allow": allow, "Deny": deny},
	"ClusterNetworkPolicy":       {"Accept": allow, "Deny": deny, "Pass": undecided},
}

// anyAction are the ways a rule with an action nobody knows may decide.
const anyAction = allow | deny | undecided

// baselineName is the only name a BaselineAdminNetworkPolicy may have.
const baselineName = "default"

// readAdminPolicy reads a cluster-wide policy.
func readAdminPolicy(o *inventory.Object) *policy {
	p := &policy{object: o, tier: adminTier}
	spec := o.Root.Get("spec")
	p.readTier(spec)
	p.readSubject(spec.Get("subject"))
	for _, d := range directions {
		list := spec.Get(d.String())
		if !list.IsNull() && list.Kind != inventory.List {
			p.refuse(d.String() + " is no list")
		}
		for i, n := range list.All() {
			p.rules[d] = append(p.rules[d], p.readAdminRule(n, inventory.JoinIndex("spec."+d.String(), i), d))
		}
		// A policy without rules in a direction does nothing there.
		if len(p.rules[d]) > 0 {
			p.acts[d] = yes
		}
	}
	if p.fault != "" {
		for d := range p.acts {
			p.acts[d] = min(p.acts[d], maybe)
		}
	}
	return p
}

func (p *policy) readTier(spec *inventory.Node) {
	const highest = 1000
	switch p.object.Kind {
	case "BaselineAdminNetworkPolicy":
		p.tier = baselineTier
		if p.object.Name != baselineName {
			p.refuse("a BaselineAdminNetworkPolicy must be named default")
		}
		return
	case "ClusterNetworkPolicy":
		switch t := spec.Get("tier").Str(); t {
		case "Admin":
		case "Baseline":
			p.tier = baselineTier
		default:
			p.refuse(fmt.Sprintf("the tier %q does not exist", t))
		}
	}
	priority, ok := spec.Get("priority").Int()
	if !ok || priority < 0 || priority > highest {
		p.refuse("the priority is no number from 0 to 1000")
	}
	p.priority = priority
}

func (p *policy) readSubject(n *inventory.Node) {
	spaces, pods := n.Get("namespaces"), n.Get("pods")
	p.podsPath = "spec.subject"
	p.spaces, p.pods = everything, everything
	switch {
	case n.Len() != 1 || spaces.IsNull() == pods.IsNull():
		p.refuse("the subject needs one of namespaces and pods")
	case pods.IsNull():
		p.spaces = readSelector(spaces)
	default:
		p.spaces, p.pods = p.readNamespacedPod(pods)
	}
	p.refuse(cmp.Or(p.spaces.fault, p.pods.fault))
}

// readNamespacedPod reads a namespaceSelector with a podSelector.
func (p *policy) readNamespacedPod(n *inventory.Node) (*selector, *selector) {
	for _, field := range n.All() {
		if field.Key != "namespaceSelector" && field.Key != "podSelector" {
			p.refuse(fmt.Sprintf("the field %q is not known", field.Key))
		}
	}
	return readSelector(n.Get("namespaceSelector")), readSelector(n.Get("podSelector"))
}

func (p *policy) readAdminRule(n *inventory.Node, path string, d direction) rule {
	r := rule{path: path}
	action, ok := actions[p.object.Kind][n.Get("action").Str()]
	if !ok {
		action = anyAction
		p.refuse(fmt.Sprintf("%s has the action %q, which does not exist", path, n.Get("action").Text))
	}
	r.action = action
	key := [...]string{egress: "to", ingress: "from"}[d]
	peers := n.Get(key)
	if peers.Len() == 0 || peers.Kind != inventory.List {
		p.refuse(path + "." + key + " is empty")
		r.peers = []peer{{path: path, fault: "no peer is named"}}
	}
	for i, n := range peers.All() {
		r.peers = append(r.peers, p.readAdminPeer(n, inventory.JoinIndex(path+"."+key, i), d)...)
	}
	field, read := "ports", readAdminPort
	if p.object.Kind == "ClusterNetworkPolicy" {
		field, read = "protocols", readProtocol
	}
	ports := n.Get(field)
	if ports.IsNull() {
		r.everyPort = true
	} else if ports.Len() == 0 || ports.Kind != inventory.List {
		p.refuse(path + "." + field + " is empty")
		r.ports = []portRule{{fault: "no port is named"}}
	}
	for _, n := range ports.All() {
		port := read(n)
		if port.fault != "" {
			p.refuse(path + ": " + port.fault)
		}
		r.ports = append(r.ports, port)
	}
	r.gather()
	for _, field := range n.All() {
		if !slices.Contains([]string{"name", "action", key, "ports", "protocols"}, field.Key) {
			// A field of a later version may narrow the rule.
			p.refuse(fmt.Sprintf("%s has the field %q, which is not known", path, field.Key))
		}
	}
	return r
}

// readAdminPeer reads a peer; one with several networks gives several.
func (p *policy) readAdminPeer(n *inventory.Node, path string, d direction) []peer {
	out := peer{path: path, admin: true, pods: everything, spaces: everything}
	fail := func(why string) []peer {
		p.refuse(path + ": " + why)
		out.fault = why
		return []peer{out}
	}
	if n.Len() != 1 || n.Kind != inventory.Map {
		return fail("a peer has one field")
	}
	field := &n.Items[0]
	switch {
	case field.Key == "namespaces":
		out.spaces = readSelector(field)
	case field.Key == "pods":
		out.spaces, out.pods = p.readNamespacedPod(field)
	case field.Key == "nodes" && d == egress:
		out.nodes = readSelector(field)
		out.pods = nil
	case field.Key == "networks" && d == egress && field.Len() > 0:
		return p.readNetworks(field, path)
	case field.Key == "domainNames" && d == egress && field.Len() > 0:
		out.names = field.Strings()
		out.pods = nil
	default:
		return fail(fmt.Sprintf("the field %q is not known", field.Key))
	}
	for _, s := range []*selector{out.spaces, out.pods, out.nodes} {
		if s != nil && s.fault != "" {
			return fail(s.fault)
		}
	}
	return []peer{out}
}

func (p *policy) readNetworks(n *inventory.Node, path string) []peer {
	out := make([]peer, 0, n.Len())
	for i, c := range n.All() {
		one := peer{path: inventory.JoinIndex(path+".networks", i), admin: true}
		cidr, err := readCIDR(c)
		if err != nil {
			one.fault = err.Error()
			p.refuse(one.path + ": " + one.fault)
		}
		one.block = &block{cidr: cidr}
		out = append(out, one)
	}
	return out
}

// readAdminPort reads a port of the first generation: portNumber, portRange or
// namedPort.
func readAdminPort(n *inventory.Node) portRule {
	if n.Len() != 1 || n.Kind != inventory.Map {
		return portRule{fault: "a port has one field"}
	}
	field := &n.Items[0]
	switch field.Key {
	case "namedPort":
		return anyProtocolNamed(field.Str())
	case "portNumber":
		return readRange(field.Get("protocol").StrOr("TCP"), field.Get("port"), field.Get("port"))
	case "portRange":
		return readRange(field.Get("protocol").StrOr("TCP"), field.Get("start"), field.Get("end"))
	}
	return portRule{fault: fmt.Sprintf("the port field %q is not known", field.Key)}
}

// readProtocol reads a port of the second generation.
func readProtocol(n *inventory.Node) portRule {
	if n.Len() != 1 || n.Kind != inventory.Map {
		return portRule{fault: "a protocol has one field"}
	}
	field := &n.Items[0]
	names := map[string]string{"tcp": "TCP", "udp": "UDP", "sctp": "SCTP"}
	if field.Key == "destinationNamedPort" {
		return anyProtocolNamed(field.Str())
	}
	protocol, ok := names[field.Key]
	port := field.Get("destinationPort")
	if !ok || field.Len() != 1 || port.Len() != 1 {
		return portRule{fault: fmt.Sprintf("the protocol field %q is not understood", field.Key)}
	}
	if number := port.Get("number"); number != nil {
		return readRange(protocol, number, number)
	}
	span := port.Get("range")
	return readRange(protocol, span.Get("start"), span.Get("end"))
}

func anyProtocolNamed(name string) portRule {
	if name == "" {
		return portRule{fault: "the named port has no name"}
	}
	return portRule{name: name, protocols: []uint32{0, 1, 2}}
}

func readRange(protocol string, first, end *inventory.Node) portRule {
	number, ok := protocolNumber(protocol)
	if !ok {
		return portRule{fault: fmt.Sprintf("the protocol %q does not exist", protocol)}
	}
	for _, n := range []*inventory.Node{first, end} {
		if n == nil {
			return portRule{fault: "a port number is missing"}
		}
	}
	from, err := readNumber(first)
	if err != nil {
		return portRule{fault: err.Error()}
	}
	to, err := readNumber(end)
	if err != nil {
		return portRule{fault: err.Error()}
	}
	if to < from {
		return portRule{fault: fmt.Sprintf("the port range %d to %d is empty", from, to)}
	}
	return portRule{spans: []span{spanOf(number, from, to)}}
}
