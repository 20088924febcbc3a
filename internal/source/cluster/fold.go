package cluster

import (
	"slices"
	"strings"
	"sync"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// fold knows which workload a pod belongs to and what that workload says about
// its pods.
type fold struct {
	mu sync.Mutex
	// templates are those of objects that are judged, by their uid.
	templates map[string][]*inventory.PodTemplate
	// parents leads from the uid of an object between to that of a workload.
	parents map[string]string
	// alike holds what pods of one owner have been handed on.
	alike map[deviation]bool
	// equal remembers containers of pods that are as templates say.
	equal equal
}

// equal leads from containers of a template to those of the last pod that were
// found to be the same. Pods share them, so that there is little to compare.
type equal map[*inventory.Node]matched

// matched are containers of a pod, by the first of them.
type matched struct {
	first *inventory.Node
	// hostNetwork is that of the pod.
	hostNetwork bool
}

// deviation is how pods of one owner differ from its template.
type deviation struct {
	owner  string
	digest uint64
}

func newFold() *fold {
	return &fold{templates: make(map[string][]*inventory.PodTemplate), parents: make(map[string]string), alike: make(map[deviation]bool), equal: make(equal)}
}

func uid(root *inventory.Node) string { return root.Find("metadata", "uid").Str() }

// controller is the owner that made an object, nil if none did.
func controller(root *inventory.Node) *inventory.Node {
	for _, ref := range root.Find("metadata", "ownerReferences").All() {
		if ref.Get("controller").True() {
			return ref
		}
	}
	return nil
}

// register takes note of an object that is judged.
func (f *fold) register(o *inventory.Object) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.templates[uid(o.Root)] = o.PodTemplates()
}

// child takes note of an object between a workload and its pods, and tells
// whether the workload is judged.
func (f *fold) child(o *inventory.Object) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	owner := controller(o.Root).Get("uid").Str()
	templates, ok := f.templates[owner]
	if ok = ok && len(templates) > 0; ok {
		f.parents[uid(o.Root)] = owner
	}
	return ok
}

// known tells whether an object was taken for a child.
func (f *fold) known(o *inventory.Object) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.parents[uid(o.Root)] != ""
}

// folds says why a pod need not be judged by itself, or "".
func (f *fold) folds(o *inventory.Object) string {
	ref := controller(o.Root)
	if ref == nil || ref.Get("kind").Str() == "Node" {
		return ""
	}
	owner := ref.Get("uid").Str()
	if parent := f.parents[owner]; parent != "" {
		owner = parent
	}
	templates := f.templates[owner]
	phase := o.Root.Find("status", "phase").Str()
	if len(templates) > 0 && (phase == "Succeeded" || phase == "Failed") {
		return "pod that has ended, of a workload that was judged"
	}
	daemon := ref.Get("kind").Str() == "DaemonSet"
	for _, t := range templates {
		if (comparison{daemon, f.equal}).same(t, o.Root) {
			return "pod that runs as its workload says"
		}
	}
	key := deviation{owner, likeness(o.Root)}
	if f.alike[key] {
		return "pod like another of its workload"
	}
	f.alike[key] = true
	return ""
}

// likeness is equal for pods of one workload that are to be judged alike.
func likeness(root *inventory.Node) uint64 {
	spec := *root.Get("spec")
	spec.Items = slices.DeleteFunc(slices.Clone(spec.Items), func(n inventory.Node) bool {
		return n.Key == "hostname" || n.Key == "nodeName" || n.Key == "affinity"
	})
	filtered := inventory.Node{Kind: inventory.Map, Items: []inventory.Node{spec}}
	for _, key := range []string{"labels", "annotations"} {
		part := inventory.Node{Key: key, Kind: inventory.Map}
		for _, n := range root.Find("metadata", key).All() {
			if !ofController(n.Key) && (key == "labels" || security(n.Key)) {
				part.Items = append(part.Items, *n)
			}
		}
		filtered.Items = append(filtered.Items, part)
	}
	return filtered.Digest()
}

// ofController tells whether controllers of Kubernetes give their pods a label.
func ofController(key string) bool {
	switch key {
	case "pod-template-hash", "controller-revision-hash", "pod-template-generation", "controller-uid", "job-name",
		"statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "rollouts-pod-template-hash":
		return true
	}
	return strings.HasPrefix(key, "batch.kubernetes.io/")
}

// security tells whether an annotation decides on the confinement of a pod.
func security(key string) bool {
	for _, prefix := range []string{"container.apparmor.security.beta.kubernetes.io/", "seccomp.security.alpha.kubernetes.io/", "container.seccomp.security.alpha.kubernetes.io/"} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// comparison tells whether a pod is as a template says, but for what every
// cluster adds.
type comparison struct {
	// daemon is set for pods of a DaemonSet, which carry the node in their
	// affinity.
	daemon bool
	equal  equal
}

func (c comparison) same(t *inventory.PodTemplate, pod *inventory.Node) bool {
	return metaSame(t.Meta, pod.Get("metadata"), "labels", func(string) bool { return true }) &&
		metaSame(t.Meta, pod.Get("metadata"), "annotations", security) &&
		c.spec(t.Spec, pod.Get("spec"))
}

// metaSame compares labels or annotations: those of the template must be there,
// and others that count must not.
func metaSame(template, pod *inventory.Node, key string, counts func(string) bool) bool {
	for _, n := range template.Get(key).All() {
		if own := pod.Get(key).Get(n.Key); own == nil || own.Text != n.Text {
			return false
		}
	}
	for _, n := range pod.Get(key).All() {
		if template.Get(key).Get(n.Key) == nil && !ofController(n.Key) && counts(n.Key) {
			return false
		}
	}
	return true
}

// added are fields of a pod that admission and controllers fill in where the
// template is silent, and that no control depends on there.
var added = []string{
	"nodeSelector", "overhead", "priority", "preemptionPolicy", "hostname", "subdomain", "imagePullSecrets",
	"schedulingGates", "resourceClaims", "enableServiceLinks", "serviceAccount",
}

func (c comparison) spec(template, pod *inventory.Node) bool {
	if pod.Get("ephemeralContainers").Len() > 0 {
		return false
	}
	for _, n := range template.All() {
		if pod.Get(n.Key) == nil && !initial(n) {
			return false
		}
	}
	for _, n := range pod.All() {
		said := template.Get(n.Key)
		ok := true
		switch {
		case said == nil && slices.Contains(added, n.Key):
		case n.Key == "nodeName":
			ok = mirrored(pod) || said != nil
		case n.Key == "affinity" && c.daemon:
		case n.Key == "serviceAccountName":
			ok = said.Str() == n.Str() || said.Str() == "" && n.Str() == "default"
		case n.Key == "tolerations":
			ok = within(said, n, nodeTaint)
		case n.Key == "volumes":
			ok = within(said, n, func(v *inventory.Node) bool { return v.Get("persistentVolumeClaim") != nil })
		case n.Key == "containers" || n.Key == "initContainers":
			ok = c.containers(said, n, pod.Get("hostNetwork").True())
		default:
			ok = covers(said, n)
		}
		if !ok {
			return false
		}
	}
	return true
}

// nodeTaint tells whether a toleration is one of those that the DaemonSet
// controller adds.
func nodeTaint(t *inventory.Node) bool {
	return strings.HasPrefix(t.Get("key").Str(), "node.kubernetes.io/")
}

// within tells whether all items of said are in has, and whether the others
// are of a harmless sort.
func within(said, has *inventory.Node, harmless func(*inventory.Node) bool) bool {
	matched := 0
	for _, n := range has.All() {
		found := false
		for _, s := range said.All() {
			if covers(s, n) {
				found = true
				break
			}
		}
		if found {
			matched++
		} else if !harmless(n) {
			return false
		}
	}
	return matched >= said.Len()
}

func (c comparison) containers(said, has *inventory.Node, hostNetwork bool) bool { //nolint:revive // a fact about the pod
	if said.Len() != has.Len() {
		return false
	}
	key, found := said.Index(0), matched{has.Index(0), hostNetwork}
	if key != nil && c.equal[key] == found {
		return true
	}
	for i, n := range has.All() {
		if !container(said.Index(i), n, hostNetwork) {
			return false
		}
	}
	if key != nil {
		c.equal[key] = found
	}
	return true
}

func container(said, has *inventory.Node, hostNetwork bool) bool {
	for _, n := range said.All() {
		if has.Get(n.Key) == nil && !initial(n) {
			return false
		}
	}
	for _, n := range has.All() {
		s := said.Get(n.Key)
		var ok bool
		switch {
		case n.Key == "resources":
			ok = atLeast(s, n)
		case n.Key == "env":
			ok = within(s, n, func(e *inventory.Node) bool { return e.Get("name").Str() == "JOB_COMPLETION_INDEX" })
		case n.Key == "ports" && hostNetwork:
			ok = hostPorts(s, n)
		default:
			ok = covers(s, n)
		}
		if !ok {
			return false
		}
	}
	return true
}

// hostPorts compares the ports of a pod in the network of its node: there the
// server fills in hostPort.
func hostPorts(said, has *inventory.Node) bool {
	if said.Len() != has.Len() {
		return false
	}
	for i, p := range has.All() {
		s, own := said.Index(i), *p
		if s.Get("hostPort") == nil && text(p.Get("hostPort")) == text(p.Get("containerPort")) {
			own.Items = slices.DeleteFunc(slices.Clone(own.Items), func(n inventory.Node) bool { return n.Key == "hostPort" })
		}
		if !covers(s, &own) {
			return false
		}
	}
	return true
}

// atLeast tells whether all that said sets stands in has, too. Requests follow
// from limits, and both from a LimitRange.
func atLeast(said, has *inventory.Node) bool {
	for _, n := range said.All() {
		own := has.Get(n.Key)
		if n.Kind == inventory.Map {
			if !atLeast(n, own) {
				return false
			}
		} else if !n.Equal(own) {
			return false
		}
	}
	return true
}

// covers tells whether has is said, but for what the server fills in.
func covers(said, has *inventory.Node) bool {
	if said.IsNull() {
		return has == nil || initial(has)
	}
	if said.Kind != has.Kind || said.Text != has.Text || has.Kind == inventory.List && len(said.Items) != len(has.Items) {
		return false
	}
	if has.Kind == inventory.List {
		for i := range has.Items {
			if !covers(&said.Items[i], &has.Items[i]) {
				return false
			}
		}
		return true
	}
	for _, n := range said.All() {
		if has.Get(n.Key) == nil && !initial(n) {
			return false
		}
	}
	for _, n := range has.All() {
		if !covers(said.Get(n.Key), n) {
			return false
		}
	}
	return true
}

// initials are the values that the server gives to fields nobody has set.
// Templates of built-in workloads have them already, those of extensions not.
var initials = map[string]string{
	"restartPolicy": "Always", "terminationGracePeriodSeconds": "30", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
	"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "protocol": "TCP", "scheme": "HTTP",
	"periodSeconds": "10", "timeoutSeconds": "1", "successThreshold": "1", "failureThreshold": "3", "defaultMode": "420", "apiVersion": "v1",
	"enableServiceLinks": "true", "imagePullPolicy": "*",
}

// initial tells whether a field has the value it has when nobody sets it.
func initial(n *inventory.Node) bool {
	if n.IsNull() || (n.Kind == inventory.Map || n.Kind == inventory.List) && len(n.Items) == 0 {
		return true
	}
	want, ok := initials[n.Key]
	return ok && (want == "*" || want == n.Text)
}
