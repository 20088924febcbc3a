package cluster

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// The trees are ours until they are handed on, so they may be edited here.

// get is the entry of a map, to be edited; nil if there is none.
func get(n *inventory.Node, keys ...string) *inventory.Node { return n.Find(keys...) }

// text is the text of a scalar.
func text(n *inventory.Node) string {
	if n == nil {
		return ""
	}
	return n.Text
}

// remove deletes entries of a map.
func remove(n *inventory.Node, keys ...string) {
	if n != nil && n.Kind == inventory.Map {
		n.Items = slices.DeleteFunc(n.Items, func(e inventory.Node) bool { return slices.Contains(keys, e.Key) })
	}
}

// filter keeps the items of a list that keep wants; a list that was emptied is
// removed, as the server does not show empty lists.
func filter(parent *inventory.Node, key string, keep func(*inventory.Node) bool) {
	list := parent.Get(key)
	if list == nil || list.Kind != inventory.List || len(list.Items) == 0 {
		return
	}
	drop := func(n inventory.Node) bool { return !keep(&n) }
	if !slices.ContainsFunc(list.Items, drop) {
		return
	}
	// Other pods may share the items.
	list.Items = slices.DeleteFunc(slices.Clone(list.Items), drop)
	if len(list.Items) == 0 {
		remove(parent, key)
	}
}

// tidy removes what only the server needs.
func tidy(root *inventory.Node) { remove(root.Get("metadata"), "managedFields") }

// mirrored tells whether a pod shows a static pod of a kubelet.
func mirrored(root *inventory.Node) bool {
	return root.Find("metadata", "annotations", "kubernetes.io/config.mirror") != nil
}

// clean removes from a running pod what scheduler and admission of every
// cluster add, so that it reads as its author wrote it: the node, the token
// volume, tolerations of nodes that fail.
func clean(root *inventory.Node) {
	spec := root.Get("spec")
	if !mirrored(root) && !chosen(root) {
		remove(spec, "nodeName")
	}
	tidy(root)
	remove(root.Get("status"), "initContainerStatuses", "hostIPs", "qosClass", "observedGeneration", "startTime")
	// The token volume went when the volumes were read.
	if volumes := spec.Get("volumes"); volumes != nil && volumes.Kind == inventory.List && len(volumes.Items) == 0 {
		remove(spec, "volumes")
	}
	filter(spec, "tolerations", func(t *inventory.Node) bool {
		key := t.Get("key").Str()
		added := (key == "node.kubernetes.io/not-ready" || key == "node.kubernetes.io/unreachable") && text(t.Get("tolerationSeconds")) == "300"
		static := key == "" && t.Get("effect").Str() == "NoExecute" && mirrored(root)
		return !added && !static
	})
}

// tokenVolume starts the name of the volume that admission adds.
const tokenVolume = "kube-api-access-"

// chosen tells whether the author of a pod named the node: the scheduler
// leaves no trace among the managed fields.
func chosen(root *inventory.Node) bool { return root.Find("metadata", "managedFields").Str() != "" }

// tokened tells whether an entry has a name like that of the token volume.
func tokened(n *inventory.Node) bool { return strings.HasPrefix(n.Get("name").Str(), tokenVolume) }

// withoutTokens removes the token volume from the volumes of a pod.
func withoutTokens(volumes *inventory.Node) {
	if volumes.Kind == inventory.List {
		volumes.Items = slices.DeleteFunc(volumes.Items, func(v inventory.Node) bool { return tokened(&v) && v.Get("projected") != nil })
	}
}

// withoutTokenMounts removes the mounts of the token volume from the containers
// of a pod.
func withoutTokenMounts(containers *inventory.Node) {
	for _, c := range containers.All() {
		filter(c, "volumeMounts", func(m *inventory.Node) bool {
			return !tokened(m) || m.Get("mountPath").Str() != "/var/run/secrets/kubernetes.io/serviceaccount"
		})
	}
}

// alike are keys of pods and workloads whose values repeat, and are edited by
// nobody: not by [clean], either.
var alike = map[string]func(*inventory.Node){
	"affinity": nil, "args": nil, "capabilities": nil, "command": nil, "env": nil, "envFrom": nil, "labels": nil, "lifecycle": nil,
	"livenessProbe": nil, "matchLabels": nil, "nodeSelector": nil, "ownerReferences": nil, "ports": nil, "projected": nil,
	"readinessProbe": nil, "resources": nil, "rules": nil, "securityContext": nil, "startupProbe": nil, "topologySpreadConstraints": nil,
}

// alikeInPods are those of running pods: nearly all that a workload says is the
// same in all its pods, but for the token volume, which goes at once.
var alikeInPods = func() map[string]func(*inventory.Node) {
	keys := maps.Clone(alike)
	keys["volumes"] = withoutTokens
	for _, field := range []string{"containers", "initContainers", "ephemeralContainers"} {
		keys[field] = withoutTokenMounts
	}
	keys["tolerations"] = nil // edited by copying
	return keys
}()

// unique are keys of texts that are another in each object.
var unique = map[string]bool{"containerID": true, "hostIP": true, "ip": true, "name": true, "podIP": true, "resourceVersion": true, "uid": true}

// nothing drops a value.
func nothing([]byte) string { return "" }

// pinned is all that is kept of the managed fields, which are long: whether
// somebody set the name of a node.
func pinned(raw []byte) string {
	if bytes.Contains(raw, []byte(`"f:nodeName"`)) {
		return "f:nodeName"
	}
	return ""
}
