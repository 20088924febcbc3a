package nodetest

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// clusterKinds are those of [Node.Make] that have no namespace.
var clusterKinds = []string{
	"Namespace", "PersistentVolume", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy",
	"ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "CustomResourceDefinition",
}

// Make creates those objects of YAML documents that are not there, and gives their
// addresses for [Node.Remove]. It knows kinds by their names alone, and asks for nothing.
func (n *Node) Make(tb testing.TB, manifests string) []string {
	tb.Helper()
	var made []string
	for docs := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifests), 1<<16); ; {
		var o unstructured.Unstructured
		if err := docs.Decode(&o); errors.Is(err, io.EOF) {
			return made
		} else if err != nil {
			tb.Fatalf("%v: %s", err, manifests)
		}
		if len(o.Object) == 0 {
			continue
		}
		path := address(&o)
		err := n.make(tb, path, &o)
		if err != nil && strings.Contains(err.Error(), "AlreadyExists") {
			continue // and so not ours to remove
		}
		if err != nil {
			tb.Fatalf("create %s %s: %v", o.GetKind(), o.GetName(), err)
		}
		made = append(made, path+"/"+o.GetName())
	}
}

// address is the list an object belongs into.
func address(o *unstructured.Unstructured) string {
	path := "/apis/" + o.GetAPIVersion()
	if !strings.Contains(o.GetAPIVersion(), "/") {
		path = "/api/" + o.GetAPIVersion()
	}
	if !slices.Contains(clusterKinds, o.GetKind()) {
		namespace := o.GetNamespace()
		if namespace == "" {
			namespace = "default"
		}
		path += "/namespaces/" + namespace
	}
	plural := strings.ToLower(o.GetKind())
	if stem, ok := strings.CutSuffix(plural, "y"); ok {
		return path + "/" + stem + "ies"
	}
	return path + "/" + plural + "s"
}

// make creates an object; in a new namespace it waits for what controllers make.
func (n *Node) make(tb testing.TB, path string, o *unstructured.Unstructured) error {
	tb.Helper()
	for try := 0; ; try++ {
		err := n.Do(tb, http.MethodPost, path, o.Object, nil)
		const most = 50
		if err == nil || try > most {
			return err
		}
		if !strings.Contains(err.Error(), "service account") && !strings.Contains(err.Error(), "is being deleted") {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Remove deletes what [Node.Make] has made, without waiting for pods to end.
func (n *Node) Remove(tb testing.TB, made []string) {
	tb.Helper()
	for _, path := range slices.Backward(made) {
		err := n.Do(tb, http.MethodDelete, path+"?gracePeriodSeconds=0&propagationPolicy=Background", nil, nil)
		if err != nil && !strings.Contains(err.Error(), "NotFound") {
			tb.Errorf("delete: %v", err)
		}
	}
}

// AwaitPod waits until a pod is there and ready, and gives it.
func (n *Node) AwaitPod(tb testing.TB, namespace, name string) *corev1.Pod {
	tb.Helper()
	const most = 90 * time.Second
	deadline := time.After(most)
	for {
		pod := new(corev1.Pod)
		err := n.Do(tb, http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods/"+name, nil, pod)
		if err != nil && !strings.Contains(err.Error(), "NotFound") {
			tb.Fatal(err)
		}
		for _, c := range pod.Status.Conditions {
			if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
				return pod
			}
		}
		select {
		case <-deadline:
			tb.Fatalf("pod %s/%s does not become ready: %s", namespace, name, n.why(tb, namespace, name))
		case <-time.After(200 * time.Millisecond):
		}
	}
}
