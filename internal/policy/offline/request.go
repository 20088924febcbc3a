package offline

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/policy"
)

// request is the creation of an object, or of a pod of it.
type request struct {
	of   *inventory.Object
	pods bool
	// path is where the template of the pods stands.
	path      string
	attr      admission.Attributes
	kind      schema.GroupVersionKind
	namespace string
}

// controllers make the pods of workloads.
var controllers = map[string]string{
	"Deployment": "replicaset-controller", "ReplicaSet": "replicaset-controller", "StatefulSet": "statefulset-controller",
	"DaemonSet": "daemon-set-controller", "Job": "job-controller", "CronJob": "job-controller", "ReplicationController": "replication-controller",
}

// requestsOf makes the requests by which an object comes into a cluster. If it
// can't become one, the text says why.
func (e *engine) requestsOf(o *inventory.Object) ([]*request, string) {
	if o.APIVersion == "" || o.Kind == "" || o.Name == "" && len(o.PodTemplates()) == 0 {
		return nil, "" // a file of a component, which no API server is asked about
	}
	gv, err := schema.ParseGroupVersion(o.APIVersion)
	if err != nil {
		return nil, "apiVersion: " + err.Error()
	}
	kind := gv.WithKind(o.Kind)
	object, err := typed(kind, o.Root.JSON())
	if err != nil {
		return nil, "the API server would refuse it: " + err.Error()
	}
	out := []*request{e.request(o, object, kind, &user.DefaultInfo{Name: e.user, Groups: e.groups})}
	if o.Kind == "Pod" || o.Kind == "PodTemplate" {
		return out, ""
	}
	for _, t := range o.PodTemplates() {
		pod, err := podOf(t)
		if err != nil {
			return nil, "the API server would refuse its pods: " + err.Error()
		}
		creator := &user.DefaultInfo{Name: e.user, Groups: e.groups}
		if name, ok := controllers[o.Kind]; ok {
			creator = &user.DefaultInfo{
				Name:   "system:serviceaccount:kube-system:" + name,
				Groups: []string{"system:serviceaccounts", "system:serviceaccounts:kube-system", user.AllAuthenticated},
			}
		}
		r := e.request(o, pod, corev1.SchemeGroupVersion.WithKind("Pod"), creator)
		r.pods, r.path = true, t.SpecPath()
		out = append(out, r)
	}
	return out, ""
}

func (e *engine) request(o *inventory.Object, object runtime.Object, kind schema.GroupVersionKind, by user.Info) *request {
	namespace := o.EffectiveNamespace()
	if e.clusterScoped(kind, o) {
		namespace = ""
	}
	name := o.Name
	if kind.Kind == "Namespace" && kind.Group == "" {
		namespace = name // so does the API server
	}
	if accessor, ok := object.(metav1.Object); ok && accessor.GetNamespace() == "" && kind.Kind != "Namespace" {
		accessor.SetNamespace(namespace)
	}
	resource := kind.GroupVersion().WithResource(policy.Plural(kind.Kind))
	return &request{
		of: o, kind: kind, namespace: namespace,
		attr: admission.NewAttributesRecord(object, nil, kind, namespace, name, resource, "", admission.Create, &metav1.CreateOptions{}, false, by),
	}
}

// builtinClusterScoped are the kinds without a namespace that manifests
// commonly hold.
var builtinClusterScoped = map[string]bool{
	"Namespace": true, "Node": true, "PersistentVolume": true, "ClusterRole": true, "ClusterRoleBinding": true, "StorageClass": true,
	"PriorityClass": true, "RuntimeClass": true, "IngressClass": true, "CSIDriver": true, "CSINode": true, "VolumeAttachment": true,
	"CustomResourceDefinition": true, "APIService": true, "ValidatingWebhookConfiguration": true, "MutatingWebhookConfiguration": true,
	"ValidatingAdmissionPolicy": true, "ValidatingAdmissionPolicyBinding": true, "MutatingAdmissionPolicy": true,
	"MutatingAdmissionPolicyBinding": true, "CertificateSigningRequest": true, "FlowSchema": true, "PriorityLevelConfiguration": true,
	"ComponentStatus": true, "ClusterTrustBundle": true, "VolumeAttributesClass": true, "DeviceClass": true, "ResourceSlice": true,
}

// clusterScoped tells whether objects of the kind are in no namespace: of kinds
// that are not built in, a definition among the files says it.
func (e *engine) clusterScoped(kind schema.GroupVersionKind, o *inventory.Object) bool {
	if scope, ok := e.scopes[kind.GroupKind()]; ok {
		return scope == "Cluster"
	}
	return o.Namespace == "" && builtinClusterScoped[kind.Kind] && (scheme.Scheme.Recognizes(kind) || strings.HasSuffix(kind.Group, ".k8s.io"))
}

// typed decodes an object into the type the API server has for it, which
// drops unknown fields, and fills in defaults.
func typed(kind schema.GroupVersionKind, text []byte) (runtime.Object, error) {
	object, err := scheme.Scheme.New(kind)
	if err != nil {
		custom := new(unstructured.Unstructured)
		if err := custom.UnmarshalJSON(text); err != nil {
			return nil, fmt.Errorf("decode: %w", err)
		}
		return custom, nil
	}
	if err := json.Unmarshal(text, object); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	setDefaults(object)
	object.GetObjectKind().SetGroupVersionKind(kind)
	return object, nil
}

// podOf makes the pod that a controller makes of a template.
func podOf(t *inventory.PodTemplate) (*corev1.Pod, error) {
	pod := new(corev1.Pod)
	if t.Meta != nil {
		if err := json.Unmarshal(t.Meta.JSON(), &pod.ObjectMeta); err != nil {
			return nil, fmt.Errorf("decode metadata: %w", err)
		}
	}
	if err := json.Unmarshal(t.Spec.JSON(), &pod.Spec); err != nil {
		return nil, fmt.Errorf("decode specification: %w", err)
	}
	pod.Name, pod.Namespace = t.Object.Name+"-pod", t.Object.EffectiveNamespace()
	controller := true
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: t.Object.APIVersion, Kind: t.Object.Kind, Name: t.Object.Name, Controller: &controller}}
	setDefaults(pod)
	pod.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Pod"))
	return pod, nil
}
