package netpol

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Peer is one end of a connection: a workload, or a place outside the pods.
// The zero value is nobody, with whom nothing can be told.
type Peer struct {
	// Name is for people, and what [Model.Find] understands.
	Name string
	// Endpoint is the workload, nil for all others.
	Endpoint *Endpoint

	party *party
	// ports are those the peer listens on, if it is known.
	ports []span
	// choice is set when the peer listens on one of the ports, and nobody
	// knows which.
	choice bool
	// entry is set for the outside, which needs a way in.
	entry bool
}

// Of makes a peer of a workload.
func Of(e *Endpoint) Peer { return Peer{Name: e.Name, Endpoint: e, party: &e.class.party} }

// object is the workload's, or nil.
func (p *Peer) object() *inventory.Object {
	if p.Endpoint == nil {
		return nil
	}
	return p.Endpoint.Template.Object
}

// The names of the peers that are no workloads.
const (
	OutsideName   = "outside"
	PrivateName   = "private"
	MetadataName  = "metadata"
	Metadata6Name = "metadata6"
	APIServerName = "apiserver"
	KubeletName   = "kubelet"
)

const (
	httpPort    = 80
	kubeletPort = 10250
)

// Outside is the internet: any public address.
func Outside() Peer {
	p := party{name: "the internet", all: true}
	for f := range p.addresses {
		p.addresses[f] = addresses{yes, public[f]}
	}
	return Peer{Name: OutsideName, party: &p, entry: true}
}

// Private are the private networks around the cluster: any private address
// that is no pod's.
func Private() Peer {
	p := party{name: "private networks", all: true}
	for f := range p.addresses {
		p.addresses[f] = addresses{yes, private[f]}
	}
	return Peer{Name: PrivateName, party: &p}
}

// Metadata is the metadata service of the cloud, by IPv4.
func Metadata() Peer {
	return metadata(MetadataName, "169.254.169.254/32")
}

// Metadata6 is the metadata service of the cloud, by IPv6.
func Metadata6() Peer {
	return metadata(Metadata6Name, "fd00:ec2::254/128")
}

func metadata(name, address string) Peer {
	all := prefixes(address)
	p := party{name: "the metadata service at " + all[0].Addr().String(), addresses: exactly(all)}
	return Peer{Name: name, party: &p, ports: []span{spanOf(0, httpPort, httpPort)}}
}

// Addresses is a range of addresses: what any of them can do. Meant are the
// addresses as such, not workloads that may have them.
func Addresses(p netip.Prefix) Peer {
	return Peer{Name: p.String(), party: &party{name: p.String(), addresses: exactly([]netip.Prefix{p.Masked()}), all: true}}
}

// Kubelet is the kubelet of any node, that of the pod's own included.
func Kubelet() Peer {
	p := party{name: "a kubelet", node: true, addresses: anywhere()}
	return Peer{Name: KubeletName, party: &p, ports: []span{spanOf(0, kubeletPort, kubeletPort)}}
}

// APIServer is the API server, behind its Service.
func (m *Model) APIServer() Peer {
	return Peer{Name: APIServerName, party: &m.api, ports: m.apiPorts, choice: true}
}

// WellKnown are the peers that are no workloads.
func (m *Model) WellKnown() []Peer {
	return []Peer{Outside(), Private(), Metadata(), Metadata6(), m.APIServer(), Kubelet()}
}

// readAPIServer finds out what is known of the API server. If nothing is, it
// may be a pod in the network of a control plane node, as kubeadm makes it, or
// a machine with any address.
func (m *Model) readAPIServer() {
	const secure, direct = 443, 6443
	m.api = party{
		name: "the API server", pod: true, host: true, managed: true, namespace: "kube-system", spaceLabels: &m.namespaceOf("kube-system").labels,
		labels: labelSet{known: map[string]string{"component": "kube-apiserver", "tier": "control-plane"}}, addresses: anywhere(),
	}
	m.apiPorts = []span{spanOf(0, secure, secure), spanOf(0, direct, direct)}
	var at []netip.Prefix
	var ports []span
	for _, o := range m.inv.Kind("EndpointSlice", "discovery.k8s.io") {
		if o.EffectiveNamespace() == "default" && o.Labels().Get("kubernetes.io/service-name").Str() == "kubernetes" {
			for _, e := range o.Root.Get("endpoints").All() {
				at = append(at, parseAddresses(e.Get("addresses").Strings())...)
			}
			ports = append(ports, slicePorts(o.Root.Get("ports"))...)
		}
	}
	if len(at) > 0 && len(ports) > 0 {
		m.api.addresses, m.apiPorts = exactly(at), ports
	}
}

func slicePorts(n *inventory.Node) []span {
	var out []span
	for _, p := range n.All() {
		protocol, ok := protocolNumber(p.Get("protocol").StrOr("TCP"))
		if number, err := readNumber(portNode(p)); err == nil && ok {
			out = append(out, spanOf(protocol, number, number))
		}
	}
	return out
}

// portNode is the port field, never nil.
func portNode(n *inventory.Node) *inventory.Node {
	if p := n.Get("port"); p != nil {
		return p
	}
	return new(inventory.Node)
}

func parseAddresses(texts []string) []netip.Prefix {
	var out []netip.Prefix
	for _, t := range texts {
		if a, err := netip.ParseAddr(t); err == nil && a.Zone() == "" {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
		}
	}
	return out
}

// stranger is a pod of which nothing is known, such as that of an ingress
// controller; perhaps it is no pod at all.
func stranger(name string) *party {
	return &party{
		name: name, pod: true, anyNamespace: true, spaceLabels: &labelSet{open: true}, labels: labelSet{open: true}, addresses: anywhere(),
	}
}

// NotFoundError says that a name stands for no peer, or for several.
type NotFoundError struct {
	Name string
	// Candidates are the workloads it may mean.
	Candidates []string
}

// Error lists the candidates.
func (e *NotFoundError) Error() string {
	if len(e.Candidates) == 0 {
		return fmt.Sprintf("%q is neither a workload of the input, nor a Service, an address, or one of %s", e.Name,
			strings.Join([]string{OutsideName, PrivateName, MetadataName, Metadata6Name, APIServerName, KubeletName}, ", "))
	}
	return fmt.Sprintf("%q may mean %s", e.Name, strings.Join(e.Candidates, ", "))
}

// Find returns the peers a name stands for: a well-known peer, an address or
// range, or a workload by namespace/kind/name, namespace/name, kind/name or
// name. Case counts only in names. A name that fits several workloads is
// refused.
func (m *Model) Find(name string) (Peer, error) {
	for _, p := range m.WellKnown() {
		if p.Name == name {
			return p, nil
		}
	}
	if name == "internet" {
		return Outside(), nil
	}
	if p, err := netip.ParsePrefix(name); err == nil && !p.Addr().Is4In6() {
		return Addresses(p), nil
	}
	if a, err := netip.ParseAddr(name); err == nil && a.Zone() == "" {
		return Addresses(netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())), nil
	}
	var found []*Endpoint
	for _, e := range m.endpoints {
		if e.Name == name {
			return Of(e), nil
		}
		if e.is(name) {
			found = append(found, e)
		}
	}
	if len(found) == 1 {
		return Of(found[0]), nil
	}
	missing := &NotFoundError{Name: name}
	for _, e := range found {
		missing.Candidates = append(missing.Candidates, e.Name)
	}
	return Peer{}, missing
}

// is tells whether a short name fits the workload.
func (e *Endpoint) is(name string) bool {
	o := e.Template.Object
	parts := strings.Split(name, "/")
	const whole = 3
	switch len(parts) {
	case 1:
		return parts[0] == o.Name
	case whole:
		return parts[0] == e.Namespace && strings.EqualFold(parts[1], o.Kind) && parts[2] == o.Name
	case whole - 1:
		return parts[1] == o.Name && (parts[0] == e.Namespace || strings.EqualFold(parts[0], o.Kind))
	}
	return false
}
