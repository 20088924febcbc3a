package inventory

import (
	"hash/maphash"
)

// PodTemplate is a pod specification wherever it stands: in a Pod, in a
// workload's template, or by structure in an object of a kind this program
// does not know, such as an Argo Rollout or a Knative Service.
type PodTemplate struct {
	Object *Object
	// Path is where the template stands in the object: "" for a Pod,
	// spec.template for a Deployment.
	Path string
	// Meta is the metadata node of the template, may be nil.
	Meta *Node
	// Spec is the pod specification. Never nil.
	Spec *Node
	// Digest is equal for templates whose metadata and spec have the same
	// content. It is stable within one process only.
	Digest uint64
	// Containers are all containers: init (sidecars included), regular and
	// ephemeral, in this order.
	Containers []Container
}

// SpecPath is the path of the pod specification in the object.
func (t *PodTemplate) SpecPath() string { return Join(t.Path, "spec") }

// ContainerField is the list of a pod specification a container stands in.
type ContainerField string

// The lists of containers of a pod specification.
const (
	InitContainers      ContainerField = "initContainers"
	RegularContainers   ContainerField = "containers"
	EphemeralContainers ContainerField = "ephemeralContainers"
)

// Container is one container of a pod template.
type Container struct {
	Field ContainerField
	Index int
	// Name may be empty in a broken manifest.
	Name string
	Node *Node
}

// Path is the path of the container relative to the pod specification.
func (c *Container) Path() string { return JoinIndex(string(c.Field), c.Index) }

// Sidecar tells whether the container is a restartable init container.
func (c *Container) Sidecar() bool {
	return c.Field == InitContainers && c.Node.Get("restartPolicy").Str() == "Always"
}

// templatePaths says where built-in kinds keep their pod template. A kind that
// is listed is not searched.
var templatePaths = map[string][]string{
	"/Pod":                   {""},
	"/PodTemplate":           {"template"},
	"/ReplicationController": {"spec.template"},
	"apps/Deployment":        {"spec.template"},
	"apps/ReplicaSet":        {"spec.template"},
	"apps/StatefulSet":       {"spec.template"},
	"apps/DaemonSet":         {"spec.template"},
	"extensions/Deployment":  {"spec.template"},
	"extensions/ReplicaSet":  {"spec.template"},
	"extensions/DaemonSet":   {"spec.template"},
	"batch/Job":              {"spec.template"},
	"batch/CronJob":          {"spec.jobTemplate.spec.template"},
}

// templateFree are groups whose kinds never hold a pod template; searching
// them would only cost time.
var templateFree = map[string]bool{
	"":                             true,
	"rbac.authorization.k8s.io":    true,
	"networking.k8s.io":            true,
	"policy":                       true,
	"apiextensions.k8s.io":         true,
	"admissionregistration.k8s.io": true,
	"storage.k8s.io":               true,
	"coordination.k8s.io":          true,
	"autoscaling":                  true,
}

// PodTemplates returns the object's pod templates. It is safe for concurrent
// use once the object is in an [Inventory].
func (o *Object) PodTemplates() []*PodTemplate {
	if !o.indexed {
		o.index()
	}
	return o.templates
}

func (o *Object) index() {
	o.indexed = true
	key := o.Group() + "/" + o.Kind
	if paths, ok := templatePaths[key]; ok {
		for _, p := range paths {
			o.addTemplate(p, o.Root.At(p))
		}
		return
	}
	if templateFree[o.Group()] || o.Kind == "" {
		return
	}
	o.searchTemplates("", o.Root, 0)
}

// maxTemplateDepth bounds the structural search; no known kind nests deeper.
const maxTemplateDepth = 24

// searchTemplates looks for maps that hold a pod template: a spec whose
// containers are a list of maps with a name or an image. The search does not
// descend into what it found.
func (o *Object) searchTemplates(path string, n *Node, depth int) {
	if depth > maxTemplateDepth || n == nil {
		return
	}
	if n.Kind == Map && looksLikePodSpec(n.Get("spec")) {
		o.addTemplate(path, n)
		return
	}
	for i, child := range n.All() {
		if child.Kind != Map && child.Kind != List {
			continue
		}
		next := JoinIndex(path, i)
		if n.Kind == Map {
			next = Join(path, child.Key)
		}
		o.searchTemplates(next, child, depth+1)
	}
}

func looksLikePodSpec(spec *Node) bool {
	containers := spec.Get("containers")
	if containers == nil || containers.Kind != List || len(containers.Items) == 0 {
		return false
	}
	for _, c := range containers.All() {
		if c.Kind != Map || c.Get("image").Str() == "" && c.Get("name").Str() == "" {
			return false
		}
	}
	return true
}

func (o *Object) addTemplate(path string, n *Node) {
	spec := n.Get("spec")
	if spec == nil || spec.Kind != Map {
		return
	}
	t := &PodTemplate{Object: o, Path: path, Meta: n.Get("metadata"), Spec: spec}
	for _, field := range []ContainerField{InitContainers, RegularContainers, EphemeralContainers} {
		for i, c := range spec.Get(string(field)).All() {
			if c.Kind == Map {
				t.Containers = append(t.Containers, Container{Field: field, Index: i, Name: c.Get("name").Str(), Node: c})
			}
		}
	}
	t.Digest = t.digest()
	o.templates = append(o.templates, t)
}

// digestSeed makes digests comparable within a process.
var digestSeed = maphash.MakeSeed()

func (t *PodTemplate) digest() uint64 {
	var h maphash.Hash
	h.SetSeed(digestSeed)
	// Labels and annotations only: a Pod's metadata carries its name, which no
	// judgement of a template depends on.
	t.Meta.Get("labels").hashInto(&h)
	t.Meta.Get("annotations").hashInto(&h)
	t.Spec.hashInto(&h)
	return h.Sum64()
}
