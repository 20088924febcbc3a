package netpol

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Endpoint is a workload: the pods of one template.
type Endpoint struct {
	// Name is namespace/Kind/name, made unique if need be.
	Name      string
	Namespace string
	Template  *inventory.PodTemplate
	// HostNetwork is set for pods that use the network of their node.
	HostNetwork bool
	// Ports are the container ports the template declares.
	Ports []ContainerPort

	class *class
}

// ContainerPort is a declared port.
type ContainerPort struct {
	Name     string
	Protocol string
	Number   int
	HostPort int
	// Path is where it stands in the object.
	Path string
}

// party is one end of a connection as rules see it.
type party struct {
	// name is for people.
	name string
	// pod is set when selectors can match the party.
	pod       bool
	namespace string
	// anyNamespace is set for a pod of which not even the namespace is known.
	anyNamespace bool
	spaceLabels  *labelSet
	labels       labelSet
	host         bool
	// node is set for what runs on nodes beside pods, the kubelet.
	node bool
	// managed is set for the API server, which may run on no node of ours.
	managed   bool
	ports     []ContainerPort
	addresses [families]addresses
	// all is set when the party stands for all its addresses: what one of them
	// can do it can do.
	all bool
	// unlisted is set for an address no block names: only those with all
	// addresses hold it.
	unlisted bool
	// addressID is the same for parties with the same addresses.
	addressID string
}

// class are the workloads no policy can tell apart.
type class struct {
	party

	index   int
	members []*Endpoint
	applied [2][]applied
}

// notPods are kinds with a template that runs nothing by itself.
var notPods = map[string]bool{"PodTemplate": true}

// addedKeys are the labels the controllers of built-in kinds add.
var addedKeys = map[string][]string{
	"Pod":                   nil,
	"Deployment":            {"pod-template-hash"},
	"ReplicaSet":            {"pod-template-hash"},
	"ReplicationController": nil,
	"StatefulSet":           {"controller-revision-hash", "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"},
	"DaemonSet":             {"controller-revision-hash", "pod-template-generation"},
	"Job":                   {"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-completion-index"},
	"CronJob":               {"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-completion-index"},
}

var builtInGroups = []string{"", "apps", "batch", "extensions"}

func (m *Model) readEndpoints() {
	m.readNamespaces()
	for _, o := range m.inv.Objects {
		if notPods[o.Kind] {
			continue
		}
		for i, t := range o.PodTemplates() {
			e := &Endpoint{Namespace: o.EffectiveNamespace(), Template: t, HostNetwork: t.Spec.Get("hostNetwork").True()}
			e.Name = e.Namespace + "/" + o.Kind + "/" + o.Name
			if i > 0 {
				e.Name += "#" + t.Path
			}
			e.Ports = containerPorts(t)
			m.endpoints = append(m.endpoints, e)
		}
	}
	slices.SortStableFunc(m.endpoints, func(a, b *Endpoint) int { return cmp.Compare(a.Name, b.Name) })
	m.nameApart()
	classes := make(map[string]*class)
	for _, e := range m.endpoints {
		p := m.partyOf(e)
		key := p.key()
		c := classes[key]
		if c == nil {
			c = &class{party: p, index: len(m.classes)}
			classes[key] = c
			m.classes = append(m.classes, c)
		}
		e.class = c
		c.members = append(c.members, e)
	}
}

// nameApart makes the names of workloads that occur more than once unique, and
// drops repetitions with the same content.
func (m *Model) nameApart() {
	seen := make(map[string]*Endpoint)
	kept := m.endpoints[:0]
	for _, e := range m.endpoints {
		first := seen[e.Name]
		switch {
		case first == nil:
			seen[e.Name] = e
		case first.Template.Digest == e.Template.Digest:
			continue
		default:
			e.Name = fmt.Sprintf("%s@%s:%d", e.Name, e.Template.Object.Origin.File, e.Template.Object.Root.Line)
		}
		kept = append(kept, e)
	}
	m.endpoints = kept
	slices.SortStableFunc(m.endpoints, func(a, b *Endpoint) int { return cmp.Compare(a.Name, b.Name) })
}

func containerPorts(t *inventory.PodTemplate) []ContainerPort {
	var out []ContainerPort
	for i := range t.Containers {
		c := &t.Containers[i]
		if c.Field == inventory.EphemeralContainers || c.Field == inventory.InitContainers && !c.Sidecar() {
			continue
		}
		for j, p := range c.Node.Get("ports").All() {
			number, ok := p.Get("containerPort").Int()
			protocol := p.Get("protocol").StrOr("TCP")
			if _, known := protocolNumber(protocol); !ok || !known || number < 1 || number > maxPort {
				continue
			}
			host, _ := p.Get("hostPort").Int()
			if host < 1 || host > maxPort {
				host = 0
			}
			path := inventory.JoinIndex(inventory.JoinPath(t.SpecPath(), c.Path())+".ports", j)
			out = append(out, ContainerPort{Name: p.Get("name").Str(), Protocol: protocol, Number: int(number), HostPort: int(host), Path: path})
		}
	}
	return out
}

func (m *Model) partyOf(e *Endpoint) party {
	o := e.Template.Object
	p := party{
		name: e.Name, pod: true, namespace: e.Namespace, spaceLabels: &m.namespaceOf(e.Namespace).labels,
		labels: labelSet{known: e.Template.Meta.Get("labels").StringMap()}, host: e.HostNetwork, ports: e.Ports,
	}
	added, known := addedKeys[o.Kind]
	p.labels.open = !known || !slices.Contains(builtInGroups, o.Group())
	p.labels.added = added
	p.addresses = m.podAddress
	p.addressID = "pod"
	switch ips := podIPs(o); {
	case len(ips) > 0:
		p.addresses = exactly(ips)
		p.addressID = fmt.Sprint(ips)
	case e.HostNetwork:
		p.addresses = anywhere()
		p.addressID = "node"
	}
	return p
}

// podIPs are the addresses in the status of a Pod.
func podIPs(o *inventory.Object) []netip.Prefix {
	if o.Kind != "Pod" || o.Group() != "" {
		return nil
	}
	status := o.Root.Get("status")
	texts := []string{status.Get("podIP").Str()}
	for _, ip := range status.Get("podIPs").All() {
		texts = append(texts, ip.Get("ip").Str())
	}
	var out []netip.Prefix
	for _, t := range texts {
		if a, err := netip.ParseAddr(t); err == nil && a.Zone() == "" {
			out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
		}
	}
	return disjoint(out)
}

// key is the same for parties that no rule can tell apart.
func (p *party) key() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %t %t %q %q", p.namespace, p.host, p.labels.open, p.labels.added, p.addressID)
	keys := make([]string, 0, len(p.labels.known))
	for k := range p.labels.known {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		fmt.Fprintf(&b, " %q=%q", k, p.labels.known[k])
	}
	b.WriteString(p.portKey())
	return b.String()
}

// portKey is the same for parties with the same named ports.
func (p *party) portKey() string {
	var b strings.Builder
	for _, port := range p.ports {
		fmt.Fprintf(&b, " %q:%s:%d", port.Name, port.Protocol, port.Number)
	}
	return b.String()
}

// named are the ports of a name and protocol.
func (p *party) named(name string, protocol uint32) []span {
	var out []span
	for _, port := range p.ports {
		if n, _ := protocolNumber(port.Protocol); port.Name == name && n == protocol {
			number := uint32(port.Number) //nolint:gosec // checked when read
			out = append(out, spanOf(protocol, number, number))
		}
	}
	return out
}
