package netpol

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// service is a Service as far as it sends connections to pods.
type service struct {
	object    *inventory.Object
	namespace string
	name      string
	kind      string
	selector  map[string]string
	ports     []servicePort
	// internal is set for a load balancer with a private address.
	internal bool
	// local is set when the address of the caller stays visible.
	local  bool
	ranges []netip.Prefix
	// fault says why the source ranges are not understood.
	fault string
}

// servicePort is a port of a Service.
type servicePort struct {
	name     string
	protocol string
	number   int
	// target is a number, or a name of a container port.
	target   int
	named    string
	nodePort bool
	path     string
}

func (m *Model) readServices() {
	for _, o := range m.inv.Kind("Service", "") {
		m.services = append(m.services, readService(o))
	}
}

func readService(o *inventory.Object) *service {
	spec := o.Root.Get("spec")
	s := &service{
		object: o, namespace: o.EffectiveNamespace(), name: o.Name, kind: spec.Get("type").StrOr("ClusterIP"),
		selector: spec.Get("selector").StringMap(), internal: isInternal(o), local: spec.Get("externalTrafficPolicy").Str() == "Local",
	}
	for i, n := range spec.Get("ports").All() {
		p := servicePort{name: n.Get("name").Str(), protocol: n.Get("protocol").StrOr("TCP"), path: inventory.JoinIndex("spec.ports", i)}
		number, err := readNumber(portNode(n))
		if _, ok := protocolNumber(p.protocol); err != nil || !ok {
			continue
		}
		p.number = int(number)
		p.target = p.number
		if t := n.Get("targetPort"); !t.IsNull() {
			if p.named = t.Str(); p.named == "" {
				if number, err = readNumber(t); err != nil {
					continue
				}
				p.target = int(number)
			}
		}
		p.nodePort = s.kind == "NodePort" || s.kind == "LoadBalancer" && !spec.Get("allocateLoadBalancerNodePorts").False()
		s.ports = append(s.ports, p)
	}
	for _, n := range spec.Get("loadBalancerSourceRanges").All() {
		p, err := netip.ParsePrefix(strings.TrimSpace(n.Str()))
		if err != nil {
			s.fault = fmt.Sprintf("%q is no range of addresses", n.Text)
			continue
		}
		s.ranges = append(s.ranges, p.Masked())
	}
	return s
}

// internalMarks are annotations that give a load balancer a private address,
// with the value that does, lower case; "" for any but false.
var internalMarks = map[string]string{
	"service.beta.kubernetes.io/aws-load-balancer-internal":              "",
	"service.beta.kubernetes.io/aws-load-balancer-scheme":                "internal",
	"service.beta.kubernetes.io/azure-load-balancer-internal":            "true",
	"networking.gke.io/load-balancer-type":                               "internal",
	"cloud.google.com/load-balancer-type":                                "internal",
	"service.beta.kubernetes.io/openstack-internal-load-balancer":        "true",
	"service.beta.kubernetes.io/oci-load-balancer-internal":              "true",
	"service.kubernetes.io/ibm-load-balancer-cloud-provider-ip-type":     "private",
	"service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type": "intranet",
}

func isInternal(o *inventory.Object) bool {
	for _, a := range o.Annotations().All() {
		want, known := internalMarks[a.Key]
		value := strings.ToLower(a.Text)
		if known && (value == want || want == "" && value != "false" && value != "") {
			return true
		}
	}
	return false
}

// backends are the workloads a Service selects, for sure or perhaps. A Service
// without a selector has endpoints somebody else writes.
func (m *Model) backends(s *service) []backend {
	if len(s.selector) == 0 || s.kind == "ExternalName" {
		return nil
	}
	sel := new(selector)
	for k, v := range s.selector {
		sel.requirements = append(sel.requirements, requirement{key: k, is: in, values: []string{v}})
	}
	var out []backend
	for _, e := range m.endpoints {
		if e.Namespace != s.namespace {
			continue
		}
		if t := sel.match(&e.class.labels); t != no {
			out = append(out, backend{e, t})
		}
	}
	return out
}

type backend struct {
	endpoint *Endpoint
	is       tri
}

// targets are the ports of a workload behind a port of a Service. As kube-proxy
// does, the first container port of the name counts.
func (p *servicePort) targets(e *Endpoint) (Port, bool) {
	if p.named == "" {
		return Port{Protocol: p.protocol, Number: p.target}, true
	}
	i := slices.IndexFunc(e.Ports, func(c ContainerPort) bool { return c.Name == p.named && c.Protocol == p.protocol })
	if i < 0 {
		return Port{}, false
	}
	return Port{Protocol: p.protocol, Number: e.Ports[i].Number}, true
}

// Target is a workload behind a Service, with the port it gets connections on.
type Target struct {
	Endpoint *Endpoint
	Port     Port
}

// Service returns what is behind a Service of a namespace: for each workload
// and each port of the Service, or just the one asked for, the port of the
// workload. It also returns the Service, nil if there is none.
func (m *Model) Service(namespace, name string, port Port) ([]Target, *inventory.Object) {
	i := slices.IndexFunc(m.services, func(s *service) bool { return s.namespace == namespace && s.name == name })
	if i < 0 {
		return nil, nil
	}
	s := m.services[i]
	var out []Target
	for _, b := range m.backends(s) {
		for j := range s.ports {
			p := &s.ports[j]
			if !p.answers(port) {
				continue
			}
			if t, ok := p.targets(b.endpoint); ok {
				out = append(out, Target{b.endpoint, t})
			}
		}
	}
	return out, s.object
}

// answers tells whether the port of the Service is the one asked for.
func (p *servicePort) answers(port Port) bool {
	protocol := port.Protocol
	if protocol == "" {
		protocol = "TCP"
	}
	return port.Any() || p.protocol == protocol && (port.Name != "" && port.Name == p.name || port.Number == p.number)
}
