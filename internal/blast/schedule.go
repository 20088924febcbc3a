package blast

import (
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// ClusterNode is a node of the inventory, or stands for the nodes of which a
// set of manifests knows nothing.
type ClusterNode struct {
	Name string
	// Object is nil for nodes that are only named, or only presumed.
	Object *inventory.Object
	// ControlPlane is set for nodes that run the API server and etcd.
	ControlPlane bool
	// Vertex is root on it, Pods the set of what its pods hold.
	Vertex, Pods Vertex
}

// The nodes that stand for all of their kind where none are known.
const (
	someWorker       = "a worker node"
	someControlPlane = "a control-plane node"
)

func (f *Facts) gatherNodes() {
	for _, o := range f.Inventory.Kind("Node", "") {
		n := f.node(o.Name)
		n.Object, n.ControlPlane = o, controlPlaneLabels(o.Labels().StringMap())
	}
	f.NodesKnown = len(f.Nodes) > 0
	if !f.NodesKnown {
		f.node(someWorker)
		f.node(someControlPlane).ControlPlane = true
	}
}

func controlPlaneLabels(labels map[string]string) bool {
	_, now := labels[controlPlaneKey]
	_, before := labels[masterKey]
	return now || before
}

const (
	controlPlaneKey = "node-role.kubernetes.io/control-plane"
	masterKey       = "node-role.kubernetes.io/master"
)

// node returns the node of a name.
func (f *Facts) node(name string) *ClusterNode {
	t := Thing{Kind: Node, Name: name}
	if v, ok := f.vertices.index[t]; ok {
		return f.nodeAt[v]
	}
	n := &ClusterNode{Name: name, Vertex: f.vertices.of(t)}
	n.Pods = f.Vertex(PodsOn, "", name)
	if f.nodeAt == nil {
		f.nodeAt = make(map[Vertex]*ClusterNode)
	}
	f.nodeAt[n.Vertex] = n
	f.Nodes = append(f.Nodes, n)
	return n
}

// place works out where the pods of a workload run.
func (f *Facts) place(w *Workload) {
	if len(w.Nodes) > 0 || len(w.Pods) == 0 {
		return
	}
	spec := w.Pods[0].Template.Spec
	if name := spec.Get("nodeName").Str(); name != "" {
		w.Nodes = []*ClusterNode{f.node(name)}
		return
	}
	if !f.NodesKnown && w.Pods[0].controlPlane() {
		w.Nodes = []*ClusterNode{f.node(someControlPlane)}
		return
	}
	daemon := strings.HasPrefix(w.Name, "DaemonSet/")
	for _, n := range f.Nodes {
		fits, sure := fitsOn(spec, n)
		switch {
		case !fits:
		case daemon && sure, !f.NodesKnown && sure && (!n.ControlPlane || selectsControlPlane(spec)):
			w.Nodes = append(w.Nodes, n)
		default:
			w.NodesPossible = append(w.NodesPossible, n)
		}
	}
	w.Everywhere = daemon && !f.NodesKnown && spec.Get("nodeSelector").Len() == 0 && spec.Get("affinity").IsNull()
}

// fitsOn tells whether the scheduler may put a pod on the node, and whether
// that is all there is to know. Affinity is not evaluated: it leaves a doubt.
func fitsOn(spec *inventory.Node, n *ClusterNode) (bool, bool) {
	sure := spec.Find("affinity", "nodeAffinity").IsNull()
	selector := spec.Get("nodeSelector")
	if n.Object == nil {
		if n.ControlPlane {
			return tolerates(spec, controlPlaneKey, "", "NoSchedule"), sure
		}
		return !selectsControlPlane(spec), sure
	}
	labels := n.Object.Labels()
	for _, want := range selector.All() {
		if labels.Get(want.Key).StrOr("\x00") != want.Str() {
			return false, true
		}
	}
	for _, t := range n.Object.Root.Find("spec", "taints").All() {
		effect := t.Get("effect").Str()
		if effect != "PreferNoSchedule" && !tolerates(spec, t.Get("key").Str(), t.Get("value").Str(), effect) {
			return false, true
		}
	}
	return true, sure
}

func selectsControlPlane(spec *inventory.Node) bool {
	selector := spec.Get("nodeSelector")
	return selector.Get(controlPlaneKey) != nil || selector.Get(masterKey) != nil
}

func tolerates(spec *inventory.Node, key, value, effect string) bool {
	for _, t := range spec.Get("tolerations").All() {
		k, e := t.Get("key").Str(), t.Get("effect").Str()
		if e != "" && e != effect {
			continue
		}
		exists := t.Get("operator").Str() == "Exists"
		if k == "" && exists || k == key && (exists || t.Get("value").Str() == value) {
			return true
		}
	}
	return false
}

// Hosts is the vertex of root on the nodes a workload runs on: one node, or
// the set of them.
func (f *Facts) Hosts(w *Workload) Vertex {
	if w.hub == none {
		if len(w.Nodes) == 1 && len(w.NodesPossible) == 0 && !w.Everywhere {
			w.hub = w.Nodes[0].Vertex
		} else {
			w.hub = f.Vertex(NodesWhere, w.Namespace, "that run "+w.Name)
		}
	}
	return w.hub
}

// NodesOf are the nodes on which pods of the workload may run.
func (w *Workload) NodesOf() []*ClusterNode {
	return append(append([]*ClusterNode(nil), w.Nodes...), w.NodesPossible...)
}

// Neighbours is the set of what other pods on the workload's nodes hold.
func (f *Facts) Neighbours(w *Workload) Vertex {
	v := f.Vertex(PodsOn, "", "the nodes of "+w.Ref())
	f.neighbourhood[v] = w
	return v
}

// controlPlane tells whether the pod runs a program of the control plane.
func (p *Pod) controlPlane() bool {
	for i := range p.Running {
		program := p.Running[i].Node.Get("command").Index(0).Str()
		switch program[strings.LastIndexByte(program, '/')+1:] {
		case "kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler":
			return true
		}
	}
	return false
}
