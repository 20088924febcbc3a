package blast

import "strings"

// Kind says what a vertex stands for.
type Kind uint8

// The kinds of vertices. The first group are things an intruder may hold, the
// second are sets of them, which are taken member by member.
const (
	NoKind Kind = iota
	// ClusterAdmin is every right in the cluster: from there nothing is left.
	ClusterAdmin
	// WorkloadCode is code of the intruder in any replica of a workload.
	WorkloadCode
	// PodHeld is what one pod of a workload holds: its identity, its mounts, its
	// place in the network. Whoever has the node of one pod has this, and not
	// the other replicas.
	PodHeld
	// Node is root on a node.
	Node
	// Account is a service account, Person a user, Team a group.
	Account
	Person
	Team
	// SecretContent is the content of a Secret.
	SecretContent
	// CloudIdentity is an identity at a cloud provider.
	CloudIdentity
	// Registry is a credential for an image registry.
	Registry
	// Outside is a system outside of the cluster.
	Outside
	// Outcome is any other gain, named in words.
	Outcome

	// The sets.

	// SecretsOf, WorkloadsOf, AccountsOf are all of a namespace, or of the
	// cluster when the namespace is empty.
	SecretsOf
	WorkloadsOf
	AccountsOf
	// PodsIn is the right to run pods of one's own in a namespace, or anywhere.
	PodsIn
	// NodesWhere are the nodes that fit a workload, or all.
	NodesWhere
	// PodsOn are what the pods of a node, or of the nodes of a workload, hold.
	PodsOn
)

var kindNames = [...]string{
	NoKind: "none", ClusterAdmin: "cluster-admin", WorkloadCode: "workload", PodHeld: "pod", Node: "node", Account: "service-account",
	Person: "user", Team: "group", SecretContent: "secret", CloudIdentity: "cloud-identity", Registry: "registry", Outside: "outside",
	Outcome: "outcome", SecretsOf: "secrets", WorkloadsOf: "workloads", AccountsOf: "service-accounts", PodsIn: "new-pods", NodesWhere: "nodes", PodsOn: "pods-on-node",
}

// String names the kind as JSON does.
func (k Kind) String() string { return kindNames[min(int(k), len(kindNames)-1)] }

// Set tells whether the vertex stands for a set of others.
func (k Kind) Set() bool { return k >= SecretsOf }

// Thing is what a vertex stands for.
type Thing struct {
	Kind Kind
	// Namespace is empty for what is in none, and for sets over all of them.
	Namespace string
	Name      string
}

// String names the thing for people.
func (t Thing) String() string {
	switch t.Kind {
	case ClusterAdmin:
		return "the whole cluster"
	case WorkloadCode:
		return join(t.Namespace, t.Name)
	case PodHeld:
		return "a pod of " + join(t.Namespace, t.Name)
	case Account:
		return "service account " + join(t.Namespace, t.Name)
	case Person:
		return "user " + t.Name
	case Team:
		return "group " + t.Name
	case SecretContent:
		return "Secret " + join(t.Namespace, t.Name)
	case Node:
		if strings.HasPrefix(t.Name, "a ") {
			return t.Name
		}
		return "node " + t.Name
	case SecretsOf:
		return "every Secret" + where(t.Namespace)
	case WorkloadsOf:
		return "every pod" + where(t.Namespace)
	case AccountsOf:
		return "every service account" + where(t.Namespace)
	case PodsIn:
		return "pods of the intruder's own making" + where(t.Namespace)
	case NodesWhere:
		if t.Name == "" {
			return "every node"
		}
		return "the nodes " + t.Name
	case PodsOn:
		return "the pods beside it on " + t.Name
	case CloudIdentity, Registry, Outside, Outcome, NoKind:
	}
	return t.Name
}

func join(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

func where(namespace string) string {
	if namespace == "" {
		return " of the cluster"
	}
	return " of namespace " + namespace
}

// Vertex is the number of a thing.
type Vertex int32

// none is no vertex.
const none Vertex = -1

// vertices number things.
type vertices struct {
	things []Thing
	index  map[Thing]Vertex
}

func (v *vertices) of(t Thing) Vertex {
	if n, ok := v.index[t]; ok {
		return n
	}
	n := Vertex(len(v.things)) //nolint:gosec // bounded by the size of the input
	v.things = append(v.things, t)
	v.index[t] = n
	return n
}

// Thing is what a vertex stands for.
func (f *Facts) Thing(v Vertex) Thing { return f.vertices.things[v] }

// Vertex numbers a thing.
func (f *Facts) Vertex(kind Kind, namespace, name string) Vertex {
	return f.vertices.of(Thing{kind, namespace, name})
}
