package blast

import (
	"cmp"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Workload is what an intruder takes over: all pods with one owner, or a pod
// without.
type Workload struct {
	Namespace string
	// Name is Kind/name of the topmost owner.
	Name   string
	Object *inventory.Object
	// Pods are the distinct templates, mostly one.
	Pods []*Pod
	// Replicas is the number of pods of the inventory.
	Replicas int
	// Nodes are those its pods run on; NodesPossible those they may run on.
	Nodes, NodesPossible []*ClusterNode
	// Everywhere is set for DaemonSets when no nodes are known.
	Everywhere bool
	// Exposed says how the outside gets there.
	Exposed []Exposure
	// Code and Held are its vertices.
	Code, Held Vertex

	hub     Vertex
	labels  map[string]string
	digests map[uint64]bool
}

// Exposure is a way in from outside.
type Exposure struct {
	// How is a sentence such as "Ingress shop".
	How string
	// Internet is unset for ways that are open to networks around the nodes only.
	Internet bool
	// Unknown is set where what may lead to the workload could not be read.
	Unknown bool
	Object  *inventory.Object
	Path    string
}

// Ref names the workload: namespace/Kind/name.
func (w *Workload) Ref() string { return join(w.Namespace, w.Name) }

// Open tells whether the outside gets there.
func (w *Workload) Open() bool { return len(w.Exposed) > 0 }

// gatherWorkloads folds pods and templates by owner.
func (f *Facts) gatherWorkloads() {
	owners := f.owners()
	index := make(map[Thing]*Workload)
	for _, o := range f.Inventory.Objects {
		for _, t := range o.PodTemplates() {
			top, name := topmost(o, owners)
			namespace := o.EffectiveNamespace()
			key := Thing{WorkloadCode, namespace, name}
			w := index[key]
			if w == nil {
				w = &Workload{Namespace: namespace, Name: name, Object: top, digests: make(map[uint64]bool), hub: none}
				index[key] = w
				f.Workloads = append(f.Workloads, w)
				f.know(namespace)
			}
			f.byObject[o] = w
			f.addTemplate(w, t)
		}
	}
	slices.SortFunc(f.Workloads, func(a, b *Workload) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, w := range f.Workloads {
		w.Code = f.Vertex(WorkloadCode, w.Namespace, w.Name)
		w.Held = f.Vertex(PodHeld, w.Namespace, w.Name)
		f.place(w)
		f.byNamespace[w.Namespace] = append(f.byNamespace[w.Namespace], w)
		w.digests = nil
	}
}

func (f *Facts) addTemplate(w *Workload, t *inventory.PodTemplate) {
	if t.Object.Kind == "Pod" {
		w.Replicas++
		if name := t.Spec.Get("nodeName").Str(); name != "" {
			if n := f.node(name); !slices.Contains(w.Nodes, n) {
				w.Nodes = append(w.Nodes, n)
			}
		}
	}
	if d := specDigest(t); !w.digests[d] {
		w.digests[d] = true
		p := f.readPod(t, w.Namespace)
		w.Pods = append(w.Pods, p)
		f.account(w.Namespace, p.Account, nil)
		if w.labels == nil {
			w.labels = t.Meta.Get("labels").StringMap()
		}
	}
}

var digestSeed = maphash.MakeSeed()

// specDigest is equal for pods of one template: what differs from pod to pod
// does not count.
func specDigest(t *inventory.PodTemplate) uint64 {
	var h maphash.Hash
	h.SetSeed(digestSeed)
	for _, n := range t.Spec.All() {
		switch n.Key {
		case "nodeName", "hostname", "subdomain":
		case "volumes":
			writeVolumes(&h, n)
		case "containers", "initContainers", "ephemeralContainers":
			for _, c := range n.All() {
				writeContainer(&h, c)
			}
		default:
			writeDigest(&h, n)
		}
	}
	return h.Sum64()
}

func writeDigest(h *maphash.Hash, n *inventory.Node) { maphash.WriteComparable(h, n.Digest()) }

func writeContainer(h *maphash.Hash, c *inventory.Node) {
	for _, field := range c.All() {
		if field.Key == "volumeMounts" {
			writeVolumes(h, field)
		} else {
			writeDigest(h, field)
		}
	}
}

// writeVolumes leaves out the volume or mount of the account's token, which has
// another name in every pod.
func writeVolumes(h *maphash.Hash, list *inventory.Node) {
	for _, v := range list.All() {
		if !strings.HasPrefix(v.Get("name").Str(), tokenVolume) {
			writeDigest(h, v)
		}
	}
}

// tokenVolume is how the API server names the volume it adds to every pod.
const tokenVolume = "kube-api-access-"

// ownerKey names an object that may own others.
type ownerKey struct{ namespace, kind, name string }

func (f *Facts) owners() map[ownerKey]*inventory.Object {
	out := make(map[ownerKey]*inventory.Object)
	for _, kind := range []string{"ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController", "Rollout"} {
		for _, o := range f.Inventory.Kind(kind) {
			out[ownerKey{o.EffectiveNamespace(), o.Kind, o.Name}] = o
		}
	}
	return out
}

// topmost climbs to the topmost owner and names it. An owner that is not in the
// inventory still gives the name.
func topmost(o *inventory.Object, owners map[ownerKey]*inventory.Object) (*inventory.Object, string) {
	const maxHeight = 8
	name := o.Kind + "/" + o.Name
	at := o
	for range maxHeight {
		ref := controller(at)
		if ref == nil {
			return at, name
		}
		kind, owner := ref.Get("kind").Str(), ref.Get("name").Str()
		if kind == "Node" || kind == "" || owner == "" {
			return at, name
		}
		name = kind + "/" + owner
		next := owners[ownerKey{o.EffectiveNamespace(), kind, owner}]
		if next == nil {
			if hash := at.Labels().Get("pod-template-hash").Str(); kind == "ReplicaSet" && hash != "" {
				if base, ok := strings.CutSuffix(owner, "-"+hash); ok {
					name = "Deployment/" + base
				}
			}
			return at, name
		}
		at = next
	}
	return at, name
}

func controller(o *inventory.Object) *inventory.Node {
	refs := o.Root.Find("metadata", "ownerReferences")
	for _, r := range refs.All() {
		if r.Get("controller").True() {
			return r
		}
	}
	return refs.Index(0)
}
