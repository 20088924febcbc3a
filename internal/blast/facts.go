package blast

import (
	"maps"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// Facts are what the steps look at: the inventory in the shape an intruder
// sees it.
type Facts struct {
	Inventory *inventory.Inventory
	RBAC      *rbac.Model
	// Network says who may talk to whom; nil when nobody has worked it out.
	Network Network
	// Workloads are in order of namespace and name.
	Workloads []*Workload
	// Nodes are those of the inventory, or the two kinds every cluster has
	// when there are none in it.
	Nodes []*ClusterNode
	// NodesKnown tells whether the inventory has nodes.
	NodesKnown bool
	// Namespaces are all that occur, and kube-system, in order.
	Namespaces []string

	vertices     vertices
	namespace    map[string]*inventory.Object
	secrets      map[string][]*SecretFact
	accounts     map[string]map[string]*inventory.Object
	byObject     map[*inventory.Object]*Workload
	defaultLevel string
	byNamespace  map[string][]*Workload
	nodeAt       map[Vertex]*ClusterNode
	onNodes      map[*ClusterNode][]*Workload
	// neighbourhood are the workloads that stand for their sets of neighbours.
	neighbourhood map[Vertex]*Workload
}

// Network says who can open connections, by the policies of the cluster.
type Network interface {
	// To is about a port of a place outside of the pods.
	To(from *Workload, place Place, port int32) Reach
	// Workloads counts the other workloads of which some port can be reached,
	// and those of which that is not known.
	Workloads(from *Workload) (sure, unknown int)
}

// Place is something outside of the pods that pods may connect to.
type Place uint8

// The places.
const (
	// NodeItself is any node, that of the pod's own included.
	NodeItself Place = iota
	// MetadataService is that of the cloud.
	MetadataService
	// APIServer is the API server, behind its Service or not.
	APIServer
)

// Reach is whether a connection can be opened. The zero value is unknown.
type Reach uint8

// The answers of a [Network].
const (
	ReachUnknown Reach = iota
	ReachNo
	ReachYes
)

// Reach asks the network, if there is one.
func (f *Facts) Reach(from *Workload, place Place, port int32) Reach {
	if f.Network == nil {
		return ReachUnknown
	}
	return f.Network.To(from, place, port)
}

// SecretFact is a Secret, in the inventory or only referred to.
type SecretFact struct {
	Namespace, Name string
	// Type is that of the object; "" when only the name is known.
	Type string
	// Object is nil when only the name is known.
	Object *inventory.Object
	Vertex Vertex
}

// kubeSystem exists in every cluster.
const kubeSystem = "kube-system"

// Gather makes facts of an inventory.
func Gather(inv *inventory.Inventory) *Facts {
	f := &Facts{
		Inventory: inv, RBAC: rbac.Of(inv),
		vertices:  vertices{index: make(map[Thing]Vertex)},
		namespace: make(map[string]*inventory.Object), secrets: make(map[string][]*SecretFact),
		accounts: make(map[string]map[string]*inventory.Object), byObject: make(map[*inventory.Object]*Workload),
		byNamespace: make(map[string][]*Workload), neighbourhood: make(map[Vertex]*Workload),
	}
	f.Vertex(ClusterAdmin, "", "")
	f.namespaces()
	f.gatherAccounts()
	f.gatherSecrets()
	f.gatherNodes()
	f.gatherWorkloads()
	f.referredSecrets()
	f.expose()
	f.level()
	f.Namespaces = slices.Sorted(maps.Keys(f.namespace))
	return f
}

func (f *Facts) namespaces() {
	f.namespace[kubeSystem] = nil
	for _, o := range f.Inventory.Kind("Namespace", "") {
		f.namespace[o.Name] = o
	}
}

func (f *Facts) know(namespace string) {
	if _, ok := f.namespace[namespace]; !ok && namespace != "" {
		f.namespace[namespace] = nil
	}
}

// NamespaceObject is the Namespace, nil when it is not in the inventory.
func (f *Facts) NamespaceObject(name string) *inventory.Object { return f.namespace[name] }

func (f *Facts) gatherAccounts() {
	for _, o := range f.Inventory.Kind("ServiceAccount", "") {
		f.account(o.EffectiveNamespace(), o.Name, o)
	}
	for _, s := range f.RBAC.Subjects() {
		if s = s.Normal(); s.Kind == "ServiceAccount" && s.Namespace != "" && s.Name != "" {
			f.account(s.Namespace, s.Name, nil)
		}
	}
}

func (f *Facts) account(namespace, name string, o *inventory.Object) {
	in := f.accounts[namespace]
	if in == nil {
		in = make(map[string]*inventory.Object)
		f.accounts[namespace] = in
		f.know(namespace)
	}
	if known, ok := in[name]; !ok || known == nil {
		in[name] = o
	}
}

// AccountObject is a ServiceAccount of the inventory, or nil.
func (f *Facts) AccountObject(namespace, name string) *inventory.Object {
	return f.accounts[namespace][name]
}

// AccountsIn are the names of the service accounts of a namespace, those only
// referred to included, in order.
func (f *Facts) AccountsIn(namespace string) []string {
	return slices.Sorted(maps.Keys(f.accounts[namespace]))
}

func (f *Facts) gatherSecrets() {
	for _, o := range f.Inventory.Kind("Secret", "") {
		s := f.secret(o.EffectiveNamespace(), o.Name)
		s.Object, s.Type = o, o.Root.Get("type").StrOr("Opaque")
	}
}

func (f *Facts) secret(namespace, name string) *SecretFact {
	t := Thing{SecretContent, namespace, name}
	if v, ok := f.vertices.index[t]; ok {
		for _, s := range f.secrets[namespace] {
			if s.Vertex == v {
				return s
			}
		}
	}
	s := &SecretFact{Namespace: namespace, Name: name, Vertex: f.vertices.of(t)}
	f.secrets[namespace] = append(f.secrets[namespace], s)
	f.know(namespace)
	return s
}

// SecretsIn are the Secrets of a namespace.
func (f *Facts) SecretsIn(namespace string) []*SecretFact { return f.secrets[namespace] }

// referredSecrets adds Secrets of which only a pod knows.
func (f *Facts) referredSecrets() {
	for _, w := range f.Workloads {
		for _, p := range w.Pods {
			for _, s := range p.Secrets {
				if _, ok := f.vertices.index[Thing{SecretContent, w.Namespace, s.Name}]; !ok {
					f.secret(w.Namespace, s.Name)
				}
			}
			for _, s := range p.PullSecrets {
				if _, ok := f.vertices.index[Thing{SecretContent, w.Namespace, s.Name}]; !ok {
					f.secret(w.Namespace, s.Name)
				}
			}
		}
	}
}

// WorkloadsIn are the workloads of a namespace.
func (f *Facts) WorkloadsIn(namespace string) []*Workload { return f.byNamespace[namespace] }

// WorkloadOf is the workload an object belongs to, or nil.
func (f *Facts) WorkloadOf(o *inventory.Object) *Workload { return f.byObject[o] }

// Admits is what a namespace lets into its pods.
type Admits uint8

// The answers of [Facts.Admission].
const (
	AdmitsUnknown Admits = iota
	AdmitsAnything
	AdmitsNoEscape
)

// Admission tells whether Pod Security lets pods into a namespace that can
// take over their node, with the object that decides.
func (f *Facts) Admission(namespace string) (Admits, *inventory.Object) {
	o := f.namespace[namespace]
	if o == nil {
		if _, unread := f.Inventory.GapFor("Namespace"); f.Inventory.ClusterWide && !unread {
			return f.defaultAdmits(), nil
		}
		return AdmitsUnknown, nil
	}
	level := o.Labels().Get("pod-security.kubernetes.io/enforce")
	switch {
	case level == nil:
		return f.defaultAdmits(), o
	case level.Str() == "privileged":
		return AdmitsAnything, o
	}
	// Baseline and restricted; an unknown word counts as restricted.
	return AdmitsNoEscape, o
}

func (f *Facts) defaultAdmits() Admits {
	switch f.defaultLevel {
	case "baseline", "restricted":
		return AdmitsNoEscape
	}
	if f.OtherAdmission() {
		return AdmitsUnknown
	}
	return AdmitsAnything
}

// level reads the default of the admission plugin's configuration.
func (f *Facts) level() {
	for _, o := range f.Inventory.Kind("AdmissionConfiguration", "apiserver.config.k8s.io") {
		for _, p := range o.Root.Get("plugins").All() {
			if p.Get("name").Str() == "PodSecurity" {
				f.defaultLevel = p.Find("configuration", "defaults", "enforce").Str()
			}
		}
	}
	for _, o := range f.Inventory.Kind("PodSecurityConfiguration") {
		f.defaultLevel = o.Root.Find("defaults", "enforce").Str()
	}
}

// OtherAdmission tells whether something else than Pod Security may refuse
// pods: then what is admitted is not known here.
func (f *Facts) OtherAdmission() bool {
	for _, kind := range []string{"ClusterPolicy", "ConstraintTemplate", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"} {
		if slices.ContainsFunc(f.Inventory.Kind(kind), looksAtPods) {
			return true
		}
	}
	return false
}

func looksAtPods(o *inventory.Object) bool {
	if o.Kind != "ValidatingWebhookConfiguration" {
		return true
	}
	for _, hook := range o.Root.Get("webhooks").All() {
		for _, rule := range hook.Get("rules").All() {
			if slices.ContainsFunc(rule.Get("resources").Strings(), func(r string) bool { return r == "*" || r == "*/*" || strings.HasPrefix(r, "pods") }) {
				return true
			}
		}
	}
	return false
}

// All is the set of a kind over the whole cluster or a namespace.
func (f *Facts) All(kind Kind, namespace string) Vertex { return f.Vertex(kind, namespace, "") }

// Admin is the vertex of every right in the cluster.
func (*Facts) Admin() Vertex { return 0 }

// EveryNode is the set of all nodes.
func (f *Facts) EveryNode() Vertex { return f.Vertex(NodesWhere, "", "") }

// Gain is an outcome that belongs to no namespace, in words.
func (f *Facts) Gain(words string) Vertex { return f.Vertex(Outcome, "", words) }

// Outcome is a gain in words, of a namespace or of the whole cluster.
func (f *Facts) Outcome(namespace, words string) Vertex {
	return f.Vertex(Outcome, namespace, words+where(namespace))
}

// SystemAccount is the vertex of a service account of kube-system that is
// there without a manifest.
func (f *Facts) SystemAccount(name string) Vertex {
	f.account(kubeSystem, name, nil)
	return f.Vertex(Account, kubeSystem, name)
}
