package netpol

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Entry is a way from outside to a workload.
type Entry struct {
	// Through says what opens the way: LoadBalancer, NodePort, external
	// address, Ingress, HTTPRoute, host port, host network.
	Through string
	// Object and Path are what opens it.
	Object *inventory.Object
	Path   string
	// From is who can use it: outside or private.
	From string
	To   *Endpoint
	// Port is that of the workload.
	Port    Port
	Verdict Verdict
	Because []Evidence
}

// doubt is why an entry may be none, "" if it is one.
type doubt string

const (
	nodeDoubt  doubt = "Whether the addresses of nodes can be reached from outside is not known."
	ownerDoubt doubt = "A cloud may route the address to the cluster or not."
)

func (m *Model) findEntries() {
	for _, s := range m.services {
		m.serviceEntries(s)
	}
	for _, e := range m.endpoints {
		m.hostEntries(e)
	}
	m.findControllers()
	m.ingressEntries()
	m.routeEntries()
	for i := range m.entries {
		e := &m.entries[i]
		e.Because = append([]Evidence{{
			Side: "entry", Effect: Open, Object: e.Object, Path: e.Path, Says: fmt.Sprintf("%s: %s leads to %s on %s.", e.Through, e.Object.Ref(), e.To.Name, e.Port),
		}}, e.Because...)
	}
	slices.SortStableFunc(m.entries, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.To.Name, b.To.Name), cmp.Compare(a.Through, b.Through), cmp.Compare(a.Object.Ref(), b.Object.Ref()), cmp.Compare(a.Port.Number, b.Port.Number))
	})
}

// enter adds a way in for those who come as one of the callers: if all get
// through it is open, if none does it is closed.
func (m *Model) enter(e Entry, doubts []doubt, callers ...Peer) {
	to := Of(e.To)
	verdicts := make([]Verdict, 0, len(callers))
	for _, caller := range callers {
		a := m.allowed(caller, to, e.Port)
		verdicts = append(verdicts, a.Verdict)
		for _, why := range a.Because {
			if !slices.Contains(e.Because, why) {
				e.Because = append(e.Because, why)
			}
		}
	}
	e.Verdict = verdicts[0]
	if slices.ContainsFunc(verdicts, func(v Verdict) bool { return v != e.Verdict }) {
		e.Verdict = Unknown
	}
	for _, d := range doubts {
		if d == "" {
			continue
		}
		e.Because = append(e.Because, Evidence{Side: "entry", Effect: Unclear, Says: string(d)})
		if e.Verdict == Yes {
			e.Verdict = Unknown
		}
	}
	m.entries = append(m.entries, e)
}

// fromNode is a caller whose address a node has replaced by its own.
func fromNode() Peer {
	return Peer{Name: "a node", party: &party{name: "a node, whose address the Service puts in place of the caller's", node: true, addresses: anywhere()}}
}

func (m *Model) serviceEntries(s *service) {
	balanced := s.kind == "LoadBalancer"
	external := s.object.Root.Find("spec", "externalIPs").Len() > 0
	if !balanced && !external && s.kind != "NodePort" {
		return
	}
	for _, b := range m.backends(s) {
		for i := range s.ports {
			p := &s.ports[i]
			port, ok := p.targets(b.endpoint)
			if !ok {
				continue
			}
			e := Entry{Object: s.object, Path: p.path, From: OutsideName, To: b.endpoint, Port: port}
			perhaps := selectedDoubt(s, b)
			if balanced {
				m.balancerEntry(s, e, perhaps)
			}
			if p.nodePort {
				e.Through = "NodePort"
				m.enter(e, []doubt{perhaps, nodeDoubt}, s.callers(Outside())...)
			}
			if external {
				e.Through = "external address"
				m.enter(e, []doubt{perhaps, ownerDoubt}, s.callers(Outside())...)
			}
		}
	}
}

// balancerEntry is the way through a load balancer, unless its source ranges
// leave nobody.
func (m *Model) balancerEntry(s *service, e Entry, perhaps doubt) {
	e.Through = "LoadBalancer"
	from := Outside()
	if s.internal {
		from, e.From = Private(), PrivateName
	}
	from, unclear := s.within(from)
	if from.party != nil {
		m.enter(e, []doubt{perhaps, unclear}, s.callers(from)...)
	}
}

// callers are whom the pods see: the caller, or a node in its place.
func (s *service) callers(from Peer) []Peer {
	if s.local {
		return []Peer{from}
	}
	return []Peer{from, fromNode()}
}

func selectedDoubt(s *service, b backend) doubt {
	if b.is == yes {
		return ""
	}
	return doubt(fmt.Sprintf("Whether %s selects %s depends on labels that are set at run time.", s.object.Ref(), b.endpoint.Name))
}

// within restricts callers to the source ranges of a load balancer; nobody is
// left if no public address is among them.
func (s *service) within(from Peer) (Peer, doubt) {
	if s.fault != "" {
		return from, doubt(fmt.Sprintf("loadBalancerSourceRanges: %s.", s.fault))
	}
	if len(s.ranges) == 0 {
		return from, ""
	}
	p := *from.party
	found := false
	for f := range p.addresses {
		var left []netip.Prefix
		for _, r := range s.ranges {
			for _, own := range p.addresses[f].prefixes {
				switch {
				case !r.Overlaps(own):
				case r.Bits() > own.Bits():
					left = append(left, r)
				default:
					left = append(left, own)
				}
			}
		}
		p.addresses[f] = addresses{no, disjoint(left)}
		if len(left) > 0 {
			p.addresses[f].has = yes
			found = true
		}
	}
	if !found {
		return Peer{}, ""
	}
	p.name = from.party.name + " (" + s.ranges[0].String() + "…)"
	return Peer{Name: from.Name, party: &p}, ""
}

// behind enters the pods behind a port of a Service on behalf of a proxy.
func (m *Model) behind(e Entry, namespace string, ref reference, doubts ...doubt) {
	i := slices.IndexFunc(m.services, func(s *service) bool { return s.namespace == namespace && s.name == ref.name })
	if i < 0 {
		return
	}
	s := m.services[i]
	proxy := Peer{Name: "proxy", party: stranger("the proxy of " + e.Object.Ref())}
	through := m.controllersOf(e.Object)
	for _, b := range m.backends(s) {
		for j := range s.ports {
			p := &s.ports[j]
			if !ref.port.Any() && (ref.port.Name != "" && ref.port.Name != p.name || ref.port.Name == "" && ref.port.Number != p.number) {
				continue
			}
			if port, ok := p.targets(b.endpoint); ok {
				one := e
				one.To, one.Port = b.endpoint, port
				m.enter(one, append([]doubt{selectedDoubt(s, b)}, doubts...), proxy)
				m.relay(&m.entries[len(m.entries)-1], through)
			}
		}
	}
}

// reference names a port of a Service.
type reference struct {
	name string
	port Port
}

func (m *Model) ingressEntries() {
	for _, o := range m.inv.Kind("Ingress", networkingGroup, "extensions") {
		spec := o.Root.Get("spec")
		enter := func(backend *inventory.Node, path string) {
			if ref := ingressBackend(backend); ref.name != "" {
				m.behind(Entry{Through: "Ingress", Object: o, Path: path, From: OutsideName}, o.EffectiveNamespace(), ref)
			}
		}
		enter(spec.Get("defaultBackend"), "spec.defaultBackend")
		enter(spec.Get("backend"), "spec.backend")
		for i, r := range spec.Get("rules").All() {
			for j, p := range r.Find("http", "paths").All() {
				enter(p.Get("backend"), inventory.JoinIndex(inventory.JoinIndex("spec.rules", i)+".http.paths", j)+".backend")
			}
		}
	}
}

// ingressBackend reads a backend of the current and of the first API version.
func ingressBackend(n *inventory.Node) reference {
	if s := n.Get("service"); s != nil {
		number, _ := s.Find("port", "number").Int()
		return reference{s.Get("name").Str(), Port{Name: s.Find("port", "name").Str(), Number: int(number)}}
	}
	number, _ := n.Get("servicePort").Int()
	return reference{n.Get("serviceName").Str(), Port{Name: n.Get("servicePort").Str(), Number: int(number)}}
}

// hostEntries are ports a pod opens on its node.
func (m *Model) hostEntries(e *Endpoint) {
	o := e.Template.Object
	if e.HostNetwork {
		ports := e.Ports
		if len(ports) == 0 {
			ports = []ContainerPort{{Path: e.Template.SpecPath() + ".hostNetwork"}}
		}
		for _, p := range ports {
			m.enter(Entry{
				Through: "host network", Object: o, Path: p.Path, From: OutsideName, To: e, Port: Port{Protocol: p.Protocol, Number: p.Number},
			}, []doubt{nodeDoubt}, Outside())
		}
		return
	}
	for _, p := range e.Ports {
		if p.HostPort > 0 {
			m.enter(Entry{
				Through: "host port", Object: o, Path: p.Path + ".hostPort", From: OutsideName, To: e, Port: Port{Protocol: p.Protocol, Number: p.Number},
			}, []doubt{nodeDoubt}, Outside(), fromNode())
		}
	}
}

// foreignEntries are kinds of proxies that are not followed; what is in their
// namespace may be reached through them.
var foreignEntries = []string{
	"traefik.io/IngressRoute", "traefik.io/IngressRouteTCP", "traefik.io/IngressRouteUDP", "traefik.containo.us/IngressRoute",
	"projectcontour.io/HTTPProxy", "networking.istio.io/VirtualService", "networking.istio.io/Gateway", "route.openshift.io/Route",
	"getambassador.io/Mapping", "configuration.konghq.com/TCPIngress", "configuration.konghq.com/UDPIngress",
	"apisix.apache.org/ApisixRoute", "k8s.nginx.org/VirtualServer", "k8s.nginx.org/TransportServer", "serving.knative.dev/Service",
}

// fromOutside asks the entries of a workload.
func (m *Model) fromOutside(to Peer, port Port) Answer {
	spans, _, fault := to.listens(port)
	if fault != "" {
		return Answer{Verdict: No, Because: []Evidence{{Effect: Denies, Object: to.object(), Says: fault}}}
	}
	best := Answer{Verdict: No}
	var ports []string
	for i := range m.entries {
		e := &m.entries[i]
		at, _, fault := to.listens(e.Port)
		if e.To != to.Endpoint || e.From != OutsideName || fault != "" || !overlap(at, spans) {
			continue
		}
		if rank(e.Verdict) > rank(best.Verdict) {
			best.Verdict, best.Because, ports = e.Verdict, nil, nil
		}
		if e.Verdict == best.Verdict {
			best.Because = append(best.Because, e.Because...)
			if name := nameSpans([]segment{{everyPort[0].from, yes}}, yes, at); e.Verdict != No && !slices.Contains(ports, name) {
				ports = append(ports, name)
			}
		}
	}
	best.Ports = strings.Join(ports, ", ")
	if best.Verdict == Yes {
		return best
	}
	for _, why := range m.perhapsOutside(to.Endpoint) {
		best.Verdict = Unknown
		best.Because = append(best.Because, why)
	}
	if len(best.Because) == 0 {
		best.Because = []Evidence{{
			Side: "entry", Effect: Denies, Object: to.object(), Says: "No Service, Ingress, route or host port of the input leads to it from outside.",
		}}
	}
	return best
}

// perhapsOutside are the reasons for which there may be a way in that was not
// seen.
func (m *Model) perhapsOutside(e *Endpoint) []Evidence {
	var out []Evidence
	for _, kind := range []string{"Service", "Ingress", "HTTPRoute", "Gateway"} {
		if g, ok := m.inv.GapFor(kind); ok {
			out = append(out, Evidence{Side: "entry", Effect: Unclear, Says: "Ways in may be missing: " + g.What + ": " + g.Why + "."})
			break
		}
	}
	for _, name := range foreignEntries {
		group, kind, _ := strings.Cut(name, "/")
		for _, o := range m.inv.Kind(kind, group) {
			if o.EffectiveNamespace() == e.Namespace {
				out = append(out, Evidence{Side: "entry", Effect: Unclear, Object: o, Says: o.Ref() + " may lead to it; routes of the kind " + kind + " are not followed."})
			}
		}
	}
	return out
}

// rank orders verdicts from no to yes.
func rank(v Verdict) int { return [...]int{No: 0, Unknown: 1, Yes: 2}[v] }
