package netpol

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// direction is the way of a connection as a pod sees it.
type direction int

const (
	egress direction = iota
	ingress
)

var directions = [...]direction{egress, ingress}

// String is the word of the API.
func (d direction) String() string { return [...]string{"egress", "ingress"}[d] }

// tier says when policies are asked.
type tier int

const (
	adminTier tier = iota
	networkTier
	baselineTier
)

// policy is a policy of any kind.
type policy struct {
	object   *inventory.Object
	tier     tier
	priority int64
	// namespace is that of a NetworkPolicy; the others name namespaces.
	namespace string
	spaces    *selector
	pods      *selector
	podsPath  string
	acts      [2]tri
	rules     [2][]rule
	// fault says why it can't be told what the policy does, or that the API
	// server refuses it.
	fault string
	// foreign is set for kinds this package does not read.
	foreign bool
}

// rule is one rule of a policy.
type rule struct {
	path   string
	action outcomes
	peers  []peer
	// everyone is set for a rule without peers.
	everyone bool
	ports    []portRule
	// everyPort is set for a rule without ports.
	everyPort bool
	// blocks are those of all peers, and runs their addresses by family.
	blocks []*block
	runs   [families][]run
}

// peer is one entry of a rule's from or to.
type peer struct {
	path string
	// spaces is nil for the policy's own namespace, which own names.
	own    string
	spaces *selector
	pods   *selector
	block  *block
	nodes  *selector
	// names are domain names.
	names []string
	// admin is set in cluster-wide policies, which leave out host-network pods.
	admin bool
	fault string
}

// portRule is one entry of a rule's ports.
type portRule struct {
	spans []span
	// name is a named port, of the protocols.
	name      string
	protocols []uint32
	fault     string
}

func (m *Model) readPolicies() {
	for _, o := range m.inv.Kind("NetworkPolicy", networkingGroup, "extensions") {
		m.policies = append(m.policies, readNetworkPolicy(o))
	}
	for _, kind := range []string{"AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"} {
		for _, o := range m.inv.Kind(kind, AdminGroup) {
			m.policies = append(m.policies, readAdminPolicy(o))
		}
	}
	for _, o := range m.inv.Objects {
		if scope, ok := foreignKinds[o.Group()+"/"+o.Kind]; ok {
			m.policies = append(m.policies, &policy{
				object: o, foreign: true, namespace: o.EffectiveNamespace(), spaces: scope, pods: everything, acts: [2]tri{maybe, maybe},
				fault: "policies of the kind " + o.Kind + " are not evaluated",
			})
		}
	}
	slices.SortStableFunc(m.policies, func(a, b *policy) int {
		return cmp.Or(cmp.Compare(a.tier, b.tier), cmp.Compare(a.priority, b.priority))
	})
}

// everything selects all.
var everything = new(selector)

// foreignKinds are policies of network plugins. They may allow and deny, so
// what they touch is unknown. Those with a selector concern every namespace.
var foreignKinds = map[string]*selector{
	"cilium.io/CiliumNetworkPolicy":                nil,
	"cilium.io/CiliumClusterwideNetworkPolicy":     everything,
	"crd.projectcalico.org/NetworkPolicy":          nil,
	"crd.projectcalico.org/GlobalNetworkPolicy":    everything,
	"projectcalico.org/NetworkPolicy":              nil,
	"projectcalico.org/GlobalNetworkPolicy":        everything,
	"projectcalico.org/StagedNetworkPolicy":        nil,
	"crd.antrea.io/NetworkPolicy":                  nil,
	"crd.antrea.io/ClusterNetworkPolicy":           everything,
	"k8s.ovn.org/EgressFirewall":                   nil,
	"network.openshift.io/EgressNetworkPolicy":     nil,
	"networking.k8s.aws/PolicyEndpoint":            nil,
	"networking.k8s.aws/ApplicationNetworkPolicy":  nil,
	"networking.k8s.aws/ClusterNetworkPolicy":      everything,
	"networking.gke.io/FQDNNetworkPolicy":          nil,
	"kuma.io/MeshTrafficPermission":                nil,
	"policy.networking.k8s.io/ExternalNetworkSets": everything,
}

// ForeignKinds are the kinds this package knows of and does not evaluate, each
// named as Kind.group: what has to be read to know that there is something to
// doubt.
func ForeignKinds() []string {
	var out []string
	for name := range foreignKinds {
		group, kind, _ := strings.Cut(name, "/")
		out = append(out, kind+"."+group)
	}
	for _, name := range foreignEntries {
		group, kind, _ := strings.Cut(name, "/")
		out = append(out, kind+"."+group)
	}
	slices.Sort(out)
	return out
}

// foreignPolicies are the kinds of policies that are not evaluated.
func foreignPolicies() []string {
	out := make([]string, 0, len(foreignKinds))
	for name := range foreignKinds {
		_, kind, _ := strings.Cut(name, "/")
		out = append(out, kind)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

var errRefused = errors.New("the API server refuses the policy")

func readNetworkPolicy(o *inventory.Object) *policy {
	spec := o.Root.Get("spec")
	p := &policy{object: o, tier: networkTier, namespace: o.EffectiveNamespace(), podsPath: "spec.podSelector"}
	if !spec.IsNull() && spec.Kind != inventory.Map {
		p.fault = "spec is no object"
	}
	p.pods = readSelector(spec.Get("podSelector"))
	p.refuse(p.pods.fault)
	for _, d := range directions {
		list := spec.Get(d.String())
		if !list.IsNull() && list.Kind != inventory.List {
			p.refuse(d.String() + " is no list")
		}
		for i, n := range list.All() {
			p.rules[d] = append(p.rules[d], p.readRule(n, inventory.JoinIndex("spec."+d.String(), i), d))
		}
	}
	p.readTypes(spec)
	for _, d := range directions {
		list := spec.Get(d.String())
		switch {
		case !spec.IsNull() && spec.Kind != inventory.Map || !list.IsNull() && list.Kind != inventory.List:
			p.acts[d] = maybe
		case p.fault != "":
			p.acts[d] = min(p.acts[d], maybe)
		}
	}
	return p
}

func (p *policy) refuse(why string) {
	if why != "" && p.fault == "" {
		p.fault = why
	}
}

func (p *policy) readTypes(spec *inventory.Node) {
	types := spec.Get("policyTypes")
	if !types.IsNull() && types.Kind != inventory.List {
		p.acts = [2]tri{yes, yes}
		p.refuse("policyTypes is no list")
		return
	}
	if types.Len() == 0 {
		p.acts[ingress] = yes
		if spec.Get("egress").Len() > 0 {
			p.acts[egress] = yes
		}
		return
	}
	for _, t := range types.All() {
		switch t.Str() {
		case "Ingress":
			p.acts[ingress] = yes
		case "Egress":
			p.acts[egress] = yes
		default:
			p.acts = [2]tri{yes, yes}
			p.refuse(fmt.Sprintf("policyTypes has %q, only Ingress and Egress exist", t.Text))
		}
	}
}

func (p *policy) readRule(n *inventory.Node, path string, d direction) rule {
	r := rule{path: path, action: allow}
	if !n.IsNull() && n.Kind != inventory.Map {
		p.refuse(path + " is no object")
	}
	key := [...]string{egress: "to", ingress: "from"}[d]
	peers, ports := n.Get(key), n.Get("ports")
	for field, list := range map[string]*inventory.Node{key: peers, "ports": ports} {
		if !list.IsNull() && list.Kind != inventory.List {
			p.refuse(path + "." + field + " is no list")
		}
	}
	r.everyone, r.everyPort = peers.Len() == 0, ports.Len() == 0
	for i, n := range peers.All() {
		r.peers = append(r.peers, p.readPeer(n, inventory.JoinIndex(path+"."+key, i)))
	}
	for _, n := range ports.All() {
		port, err := readPort(n)
		if err != nil {
			port.fault = err.Error()
			p.refuse(path + ": " + port.fault)
		}
		r.ports = append(r.ports, port)
	}
	r.gather()
	return r
}

// gather puts the blocks of the peers together.
func (r *rule) gather() {
	for i := range r.peers {
		if p := &r.peers[i]; p.block != nil && p.fault == "" {
			r.blocks = append(r.blocks, p.block)
		}
	}
	for f := range r.runs {
		r.runs[f] = runs(r.blocks, f)
	}
}

func (p *policy) readPeer(n *inventory.Node, path string) peer {
	out := peer{path: path, own: p.namespace}
	spaces, pods, ip := n.Get("namespaceSelector"), n.Get("podSelector"), n.Get("ipBlock")
	if !spaces.IsNull() {
		out.spaces = readSelector(spaces)
		out.fault = out.spaces.fault
	}
	out.pods = readSelector(pods)
	out.fault = cmp.Or(out.fault, out.pods.fault)
	switch {
	case !ip.IsNull() && (!spaces.IsNull() || !pods.IsNull()):
		out.fault = "an ipBlock stands beside a selector"
	case !ip.IsNull():
		b, err := readBlock(ip)
		if err != nil {
			out.fault = err.Error()
		}
		out.pods, out.block = nil, b
	case spaces.IsNull() && pods.IsNull():
		out.fault = "the peer is empty"
	}
	if out.fault != "" {
		p.refuse(path + ": " + out.fault)
	}
	return out
}

func readBlock(n *inventory.Node) (*block, error) {
	cidr, err := readCIDR(n.Get("cidr"))
	if err != nil {
		return nil, err
	}
	b := &block{cidr: cidr}
	except := n.Get("except")
	if !except.IsNull() && except.Kind != inventory.List {
		return b, fmt.Errorf("except is no list: %w", errRefused)
	}
	for _, e := range except.All() {
		hole, err := readCIDR(e)
		if err != nil {
			return b, err
		}
		if familyOf(hole) != familyOf(cidr) || !cidr.Overlaps(hole) || hole.Bits() <= cidr.Bits() {
			return b, fmt.Errorf("%s is not within %s: %w", hole, cidr, errRefused)
		}
		b.except = append(b.except, hole)
	}
	return b, nil
}

func readCIDR(n *inventory.Node) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(n.Str())
	if err != nil || p.Addr().Is4In6() {
		return p, fmt.Errorf("%q is no range of addresses: %w", n.Str(), errRefused)
	}
	return p.Masked(), nil
}

func readPort(n *inventory.Node) (portRule, error) {
	if !n.IsNull() && n.Kind != inventory.Map {
		return portRule{}, fmt.Errorf("a port is no object: %w", errRefused)
	}
	protocol, ok := protocolNumber(n.Get("protocol").StrOr("TCP"))
	if p := n.Get("protocol"); !ok || !p.IsNull() && p.Kind != inventory.String {
		return portRule{}, fmt.Errorf("the protocol %q does not exist: %w", p.Text, errRefused)
	}
	port, end := n.Get("port"), n.Get("endPort")
	if port.IsNull() {
		if !end.IsNull() {
			return portRule{}, fmt.Errorf("endPort stands without port: %w", errRefused)
		}
		return portRule{spans: []span{everyPort[protocol]}}, nil
	}
	if name := port.Str(); name != "" {
		if len(validation.IsValidPortName(name)) > 0 || !end.IsNull() {
			return portRule{}, fmt.Errorf("the port %q is no port name, or has an endPort: %w", name, errRefused)
		}
		return portRule{name: name, protocols: []uint32{protocol}}, nil
	}
	from, err := readNumber(port)
	if err != nil {
		return portRule{}, err
	}
	to := from
	if !end.IsNull() {
		if to, err = readNumber(end); err != nil {
			return portRule{}, err
		}
	}
	if to < from {
		return portRule{}, fmt.Errorf("endPort %d is below port %d: %w", to, from, errRefused)
	}
	return portRule{spans: []span{spanOf(protocol, from, to)}}, nil
}

func readNumber(n *inventory.Node) (uint32, error) {
	v, ok := n.Int()
	if !ok || v < 1 || v > maxPort {
		return 0, fmt.Errorf("%q is no port number: %w", n.Text, errRefused)
	}
	return uint32(v), nil
}
