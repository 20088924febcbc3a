package prove

import (
	"fmt"
	"maps"
	"strings"
)

// tree is an object as JSON has it.
type tree = map[string]any

// Complete returns a copy of an object in which required fields that are
// missing have a plain value, so that the API server judges the object rather
// than refusing it as incomplete. It changes nothing that is there.
func Complete(object map[string]any) map[string]any {
	o := clone(object)
	metadata := mapAt(o, "metadata")
	if metadata["name"] == nil && metadata["generateName"] == nil {
		metadata["name"] = "redoubt-probe"
	}
	for _, r := range listAt(metadata, "ownerReferences") {
		if reference, ok := r.(tree); ok {
			for key, value := range map[string]any{"apiVersion": "v1", "kind": "Pod", "name": "redoubt-probe", "uid": "00000000-0000-4000-8000-000000000000"} {
				setDefault(reference, key, value)
			}
		}
	}
	if spec := specOf(o); spec != nil {
		completeWorkload(o)
		completePodSpec(spec)
		return o
	}
	completeOther(o)
	return o
}

// templatePath says where a kind keeps its pod template; a Pod is one itself.
var templatePath = map[string][]string{
	"Pod":                   {},
	"PodTemplate":           {"template"},
	"ReplicationController": {"spec", "template"},
	"Deployment":            {"spec", "template"},
	"ReplicaSet":            {"spec", "template"},
	"StatefulSet":           {"spec", "template"},
	"DaemonSet":             {"spec", "template"},
	"Job":                   {"spec", "template"},
	"CronJob":               {"spec", "jobTemplate", "spec", "template"},
}

// Templated tells whether objects of the kind hold a pod template that the API
// server knows of.
func Templated(kind string) bool { return templatePath[kind] != nil }

// specOf is the pod specification of a built-in kind, or nil. What is missing
// on the way is added.
func specOf(o tree) tree {
	kind, _ := o["kind"].(string)
	path, ok := templatePath[kind]
	if !ok {
		return nil
	}
	at := o
	for _, key := range path {
		at = mapAt(at, key)
	}
	return mapAt(at, "spec")
}

func completeWorkload(o tree) {
	kind, _ := o["kind"].(string)
	path := templatePath[kind]
	if len(path) == 0 {
		return
	}
	at := o
	for _, key := range path {
		at = mapAt(at, key)
	}
	spec := mapAt(o, "spec")
	switch kind {
	case "PodTemplate":
		delete(o, "spec")
		return
	case "Job":
		setDefault(mapAt(at, "spec"), "restartPolicy", "Never")
		return
	case "CronJob":
		setDefault(mapAt(at, "spec"), "restartPolicy", "Never")
		setDefault(spec, "schedule", "0 3 * * *")
		return
	case "StatefulSet":
		setDefault(spec, "serviceName", "redoubt-probe")
	}
	labels := mapAt(mapAt(at, "metadata"), "labels")
	selector := mapAt(spec, "selector")
	wanted := selector
	if kind != "ReplicationController" {
		if len(selector) == 0 {
			wanted = mapAt(selector, "matchLabels")
		} else {
			wanted, _ = selector["matchLabels"].(tree)
		}
	}
	if len(wanted) == 0 && len(selector) <= 1 && selector["matchExpressions"] == nil {
		setDefault(labels, "app", "redoubt-probe")
		wanted["app"] = labels["app"]
	}
	for key, value := range wanted {
		setDefault(labels, key, value)
	}
}

// hostProcess tells whether any part of a pod runs as a host process of
// Windows, which the API server takes only with the network of the host.
func hostProcess(spec tree) bool {
	parts := []any{spec}
	for _, field := range []string{"initContainers", "containers"} {
		parts = append(parts, listAt(spec, field)...)
	}
	for _, p := range parts {
		part, _ := p.(tree)
		if isTrue(mapIn(mapIn(part, "securityContext"), "windowsOptions"), "hostProcess") {
			return true
		}
	}
	return false
}

func completePodSpec(spec tree) {
	if hostProcess(spec) {
		setDefault(spec, "hostNetwork", true)
	}
	if spec["containers"] == nil {
		spec["containers"] = []any{tree{"name": "app", "image": "registry.example/app:1"}}
	}
	volumes := make(map[string]bool)
	for i, v := range listAt(spec, "volumes") {
		if volume, ok := v.(tree); ok {
			setDefault(volume, "name", fmt.Sprintf("volume-%d", i))
			name, _ := volume["name"].(string)
			volumes[name] = true
		}
	}
	n := 0
	for _, field := range []string{"initContainers", "containers", "ephemeralContainers"} {
		for _, c := range listAt(spec, field) {
			container, ok := c.(tree)
			if !ok {
				continue
			}
			setDefault(container, "name", fmt.Sprintf("container-%d", n))
			setDefault(container, "image", "registry.example/app:1")
			completeMounts(spec, container, volumes)
			n++
		}
	}
}

// completeMounts gives every mount of a container a volume.
func completeMounts(spec, container tree, volumes map[string]bool) {
	for _, m := range listAt(container, "volumeMounts") {
		mount, ok := m.(tree)
		if !ok {
			continue
		}
		setDefault(mount, "name", "data")
		setDefault(mount, "mountPath", "/data")
		if name, ok := mount["name"].(string); ok && !volumes[name] {
			volumes[name] = true
			spec["volumes"] = append(listAt(spec, "volumes"), tree{"name": name, "emptyDir": make(tree)})
		}
	}
}

// completeOther knows the kinds without a pod template that controls look at.
func completeOther(o tree) {
	kind, _ := o["kind"].(string)
	switch kind {
	case "Service":
		spec := mapAt(o, "spec")
		if spec["type"] != "ExternalName" && spec["clusterIP"] != "None" && len(listAt(spec, "ports")) == 0 {
			spec["ports"] = []any{tree{"port": 80}}
		}
	case "Ingress":
		completeIngress(mapAt(o, "spec"))
	case "PersistentVolume":
		spec := mapAt(o, "spec")
		setDefault(spec, "capacity", tree{"storage": "1Gi"})
		setDefault(spec, "accessModes", []any{"ReadWriteOnce"})
		if csi, ok := spec["csi"].(tree); ok {
			setDefault(csi, "driver", "probe.example.com")
			setDefault(csi, "volumeHandle", "redoubt-probe")
		}
		if spec["local"] != nil {
			setDefault(spec, "nodeAffinity", tree{"required": tree{"nodeSelectorTerms": []any{
				tree{"matchExpressions": []any{tree{"key": "kubernetes.io/hostname", "operator": "Exists"}}},
			}}})
		}
	case "Secret":
		completeSecret(o)
	case "APIService":
		completeAPIService(o)
	case "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
		for i, w := range listAt(o, "webhooks") {
			if webhook, ok := w.(tree); ok {
				completeWebhook(webhook, i)
			}
		}
	case "ValidatingAdmissionPolicyBinding":
		spec := mapAt(o, "spec")
		setDefault(spec, "policyName", "redoubt-probe")
		setDefault(spec, "validationActions", []any{"Audit"})
	case "ValidatingAdmissionPolicy":
		spec := mapAt(o, "spec")
		completeConstraints(spec)
		setDefault(spec, "validations", []any{tree{"expression": "true"}})
	case "MutatingAdmissionPolicy":
		spec := mapAt(o, "spec")
		completeConstraints(spec)
		setDefault(spec, "reinvocationPolicy", "Never")
		setDefault(spec, "mutations", []any{tree{"patchType": "ApplyConfiguration", "applyConfiguration": tree{"expression": "Object{}"}}})
	}
}

func completeConstraints(spec tree) {
	setDefault(spec, "matchConstraints", tree{"resourceRules": []any{
		tree{"apiGroups": []any{"example.com"}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"probes"}},
	}})
}

func completeIngress(spec tree) {
	backend := tree{"service": tree{"name": "redoubt-probe", "port": tree{"number": 80}}}
	if spec["rules"] == nil {
		setDefault(spec, "defaultBackend", backend)
	}
	if service, ok := mapIn(spec, "defaultBackend")["service"].(tree); ok {
		setDefault(service, "port", tree{"number": 80})
	}
	for _, r := range listAt(spec, "rules") {
		rule, ok := r.(tree)
		if !ok {
			continue
		}
		if http, ok := rule["http"].(tree); ok && len(listAt(http, "paths")) == 0 {
			http["paths"] = []any{make(tree)}
		}
		for _, p := range listAt(mapIn(rule, "http"), "paths") {
			if path, ok := p.(tree); ok {
				setDefault(path, "pathType", "Prefix")
				setDefault(path, "path", "/")
				setDefault(path, "backend", backend)
			}
		}
	}
}

// completeSecret gives special types of secrets the data they must have.
func completeSecret(o tree) {
	switch o["type"] {
	case "kubernetes.io/service-account-token":
		setDefault(mapAt(mapAt(o, "metadata"), "annotations"), "kubernetes.io/service-account.name", "default")
	case "bootstrap.kubernetes.io/token":
		mapAt(o, "metadata")["namespace"] = "kube-system"
		mapAt(o, "metadata")["name"] = "bootstrap-token-abcdef"
	}
}

func completeAPIService(o tree) {
	spec := mapAt(o, "spec")
	setDefault(spec, "group", "probe.example.com")
	setDefault(spec, "version", "v1")
	mapAt(o, "metadata")["name"] = fmt.Sprintf("%v.%v", spec["version"], spec["group"])
	setDefault(spec, "groupPriorityMinimum", 100)
	setDefault(spec, "versionPriority", 100)
	setDefault(spec, "service", tree{"name": "redoubt-probe", "namespace": "default"})
}

func completeWebhook(w tree, i int) {
	name, _ := w["name"].(string)
	if name == "" {
		name = fmt.Sprintf("probe-%d", i)
	}
	w["name"] = domain(name)
	setDefault(w, "admissionReviewVersions", []any{"v1"})
	setDefault(w, "sideEffects", "None")
	setDefault(w, "clientConfig", tree{"service": tree{"name": "redoubt-probe", "namespace": "default"}})
	for _, r := range listAt(w, "rules") {
		if rule, ok := r.(tree); ok {
			setDefault(rule, "apiGroups", []any{""})
			setDefault(rule, "apiVersions", []any{"v1"})
			setDefault(rule, "operations", []any{"CREATE"})
			setDefault(rule, "resources", []any{"probes"})
		}
	}
}

// domain makes a name one with the three parts that names of webhooks have.
func domain(name string) string {
	return name + strings.Repeat(".example", max(0, 2-strings.Count(name, ".")))
}

// clone copies maps and lists; other values can't change.
func clone(o tree) tree {
	out := make(tree, len(o))
	for key, value := range o {
		out[key] = cloneValue(value)
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case tree:
		return clone(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = cloneValue(v[i])
		}
		return out
	}
	return v
}

// mapAt is the map in a field; if there is none, it is put there. Something
// else in the field stays, for the API server to refuse.
func mapAt(o tree, key string) tree {
	switch v := o[key].(type) {
	case tree:
		return v
	case nil:
		m := make(tree)
		o[key] = m
		return m
	}
	return make(tree)
}

// mapIn is the map in a field, or an empty one.
func mapIn(o tree, key string) tree {
	m, _ := o[key].(tree)
	return m
}

func isTrue(o tree, key string) bool {
	value, ok := o[key].(bool)
	return ok && value
}

func listAt(o tree, key string) []any {
	list, _ := o[key].([]any)
	return list
}

func setDefault(o tree, key string, value any) {
	if o[key] == nil {
		o[key] = cloneValue(value)
	}
}

// AsPod makes a pod of a pod template: of its metadata, which may be nil, and
// its specification.
func AsPod(namespace string, metadata, spec map[string]any) map[string]any {
	meta := make(tree)
	for _, key := range []string{"labels", "annotations"} {
		if metadata[key] != nil {
			meta[key] = cloneValue(metadata[key])
		}
	}
	meta["name"] = "redoubt-probe"
	if namespace != "" {
		meta["namespace"] = namespace
	}
	pod := tree{"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": clone(maps.Clone(spec))}
	return pod
}
