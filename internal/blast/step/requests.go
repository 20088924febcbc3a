package step

import (
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

// The API groups of the requests.
const (
	core         = ""
	certificates = "certificates.k8s.io"
	admission    = "admissionregistration.k8s.io"
)

// requests are those of some verbs, separated by spaces, on some resources of
// a group. A resource may have a subresource after a slash.
func requests(verbs, group, resources string) []blast.Request {
	var out []blast.Request
	for verb := range strings.FieldsSeq(verbs) {
		for r := range strings.FieldsSeq(resources) {
			name, sub, _ := strings.Cut(r, "/")
			out = append(out, blast.Request{Verb: verb, Group: group, Resource: name, Sub: sub, Cluster: clusterScoped[name]})
		}
	}
	return out
}

// clusterScoped are the resources outside of namespaces that steps ask for.
// Namespaces themselves are not among them: a request about one of them counts
// as a request in it.
var clusterScoped = map[string]bool{
	"nodes": true, "persistentvolumes": true, "clusterroles": true, "clusterrolebindings": true,
	"certificatesigningrequests": true, "signers": true, "users": true, "groups": true,
	"validatingwebhookconfigurations": true, "mutatingwebhookconfigurations": true,
	"validatingadmissionpolicies": true, "validatingadmissionpolicybindings": true,
	"mutatingadmissionpolicies": true, "mutatingadmissionpolicybindings": true,
	"customresourcedefinitions": true, "apiservices": true, "tokenreviews": true, "*": true,
}

// makePods are the requests that end in a pod of the intruder's making.
var makePods = slices.Concat(
	requests("create", core, "pods replicationcontrollers"),
	requests("create", "apps", "deployments daemonsets statefulsets replicasets"),
	requests("create", "batch", "jobs cronjobs"),
)

// changePods are those that change what existing pods run. The image of a pod
// itself can be changed, too, but nothing else of it.
var changePods = slices.Concat(
	requests("update patch", core, "replicationcontrollers"),
	requests("update patch", "apps", "deployments daemonsets statefulsets replicasets"),
	requests("update patch", "batch", "cronjobs"),
)

// members emits a move to all things of a kind in the holding's namespace, or
// to the ones it is limited to.
func members(f *blast.Facts, h *blast.Holding, set, member blast.Kind, emit blast.Emit) {
	if h.Names == nil {
		emit(h.Move(f.All(set, h.Namespace)))
		return
	}
	for _, namespace := range namespacesOf(f, h) {
		for _, name := range h.Names {
			emit(h.Move(f.Vertex(member, namespace, name)))
		}
	}
}

// namespacesOf are those a holding counts in.
func namespacesOf(f *blast.Facts, h *blast.Holding) []string {
	if h.Namespace != "" {
		return []string{h.Namespace}
	}
	return f.Namespaces
}

// workloadsNamed emits moves to the workloads of which the holding's names are
// pods or owners.
func workloadsNamed(f *blast.Facts, h *blast.Holding, emit blast.Emit) {
	for _, namespace := range namespacesOf(f, h) {
		for _, w := range f.WorkloadsIn(namespace) {
			_, own, _ := strings.Cut(w.Name, "/")
			for _, name := range h.Names {
				if name == own || strings.HasPrefix(name, own+"-") {
					emit(h.Move(w.Code))
				}
			}
		}
	}
}

// named tells whether the holding covers an object of this name.
func named(h *blast.Holding, names ...string) bool {
	return h.Names == nil || slices.ContainsFunc(names, func(n string) bool { return slices.Contains(h.Names, n) })
}
