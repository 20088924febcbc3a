// Package netpol says who can open a connection to whom, by the network
// policies of an inventory: NetworkPolicy, AdminNetworkPolicy,
// BaselineAdminNetworkPolicy and ClusterNetworkPolicy, with Services, Ingresses
// and Gateway routes as the ways in from outside.
//
// In comes a sealed inventory, out come verdicts with the policies they rest
// on. What can't be told is unknown, never unreachable: labels that are not in
// the input, addresses nobody knows, policies of other kinds, and policies the
// API server would refuse. It knows nothing of controls, output or files.
package netpol

import (
	"net/netip"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// AdminGroup is the API group of the cluster-wide policies.
const AdminGroup = "policy.networking.k8s.io"

// networkingGroup is that of NetworkPolicy and Ingress.
const networkingGroup = "networking.k8s.io"

// Options are what the inventory does not say.
type Options struct {
	// PodCIDRs are the ranges pods have their addresses from. Without them a
	// pod whose status is not in the inventory may have any address.
	PodCIDRs []netip.Prefix
}

// Model holds the policies of an inventory, read and indexed. It does not
// change and may be used from several goroutines, except for [Model.Matrix].
type Model struct {
	inv        *inventory.Inventory
	namespaces map[string]*namespace
	endpoints  []*Endpoint
	classes    []*class
	policies   []*policy
	services   []*service
	entries    []Entry
	// controllers are the ingress controllers among the workloads.
	controllers []controller
	api         party
	apiPorts    []span
	podAddress  [families]addresses
	// gap says why policies may be missing, "" if none are. With blind they are
	// those of a whole kind, which could not be listed: then not even what
	// nothing forbids is known to be open.
	gap   string
	blind bool
}

// New reads the policies of a sealed inventory.
func New(inv *inventory.Inventory) *Model { return NewWith(inv, Options{}) }

// NewWith is [New] with what else is known of the cluster.
func NewWith(inv *inventory.Inventory, opts Options) *Model {
	m := &Model{inv: inv, namespaces: make(map[string]*namespace), podAddress: podAddresses(opts.PodCIDRs)}
	for _, kind := range slices.Concat([]string{"NetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"}, foreignPolicies()) {
		if g, ok := inv.GapFor(kind); ok {
			m.gap, m.blind = g.What+": "+g.Why, len(g.Kinds) > 0
			break
		}
	}
	m.readEndpoints()
	m.readPolicies()
	m.apply()
	m.readAPIServer()
	m.readServices()
	m.findEntries()
	return m
}

// Endpoints are the workloads, sorted by namespace, kind and name.
func (m *Model) Endpoints() []*Endpoint { return m.endpoints }

// Entries are the ways from outside to workloads.
func (m *Model) Entries() []Entry { return m.entries }

// namespace is what the input says of a namespace.
type namespace struct {
	name   string
	object *inventory.Object
	labels labelSet
}

// namespaceOf returns the namespace of a name. One that is not in the input has
// only the label every namespace gets; the others are open.
func (m *Model) namespaceOf(name string) *namespace {
	if n := m.namespaces[name]; n != nil {
		return n
	}
	n := &namespace{name: name, labels: labelSet{known: map[string]string{nameLabel: name}, open: true}}
	m.namespaces[name] = n
	return n
}

// nameLabel is put on every namespace by the API server, and no other value
// than the name is accepted.
const nameLabel = "kubernetes.io/metadata.name"

func (m *Model) readNamespaces() {
	for _, o := range m.inv.Kind("Namespace", "") {
		known := o.Labels().StringMap()
		if known == nil {
			known = make(map[string]string)
		}
		known[nameLabel] = o.Name
		m.namespaces[o.Name] = &namespace{name: o.Name, object: o, labels: labelSet{known: known}}
	}
}
