package nodetest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"
)

// Manifests reads the objects of the YAML files of a folder, not of those below.
func Manifests(tb testing.TB, dir string) []*unstructured.Unstructured {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(names) == 0 {
		tb.Fatalf("no manifests in %s: %v", dir, err)
	}
	var all []*unstructured.Unstructured
	for _, name := range names {
		if strings.HasPrefix(filepath.Base(name), ".") {
			continue // settings of ours
		}
		f, err := os.Open(name)
		if err != nil {
			tb.Fatal(err)
		}
		for docs := yaml.NewYAMLOrJSONDecoder(f, 1<<16); ; {
			o := new(unstructured.Unstructured)
			if err := docs.Decode(o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				tb.Fatalf("%s: %v", name, err)
			}
			if o.GetKind() != "" {
				all = append(all, o)
			}
		}
		if err := f.Close(); err != nil {
			tb.Fatal(err)
		}
	}
	first := []string{"Service", "ServiceAccount", "Secret", "ConfigMap", "Namespace"} // the last one comes first
	slices.SortStableFunc(all, func(a, b *unstructured.Unstructured) int {
		return slices.Index(first, b.GetKind()) - slices.Index(first, a.GetKind())
	})
	return all
}

// templates are where the kinds of workloads have their pod template.
var templates = map[string][]string{
	"Pod": {"spec"}, "Deployment": {"spec", "template", "spec"}, "StatefulSet": {"spec", "template", "spec"},
	"DaemonSet": {"spec", "template", "spec"}, "ReplicaSet": {"spec", "template", "spec"},
	"Job": {"spec", "template", "spec"}, "CronJob": {"spec", "jobTemplate", "spec", "template", "spec"},
}

// PodSpec is the pod specification of a workload, nil for other objects.
func PodSpec(tb testing.TB, o *unstructured.Unstructured) *corev1.PodSpec {
	tb.Helper()
	path, ok := templates[o.GetKind()]
	if !ok {
		return nil
	}
	tree, _, err := unstructured.NestedMap(o.Object, path...)
	if err != nil {
		tb.Fatal(err)
	}
	spec := new(corev1.PodSpec)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(tree, spec); err != nil {
		tb.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return spec
}

// Apply creates objects. What a cluster of one small node has not is made up
// for: one replica has to do, claims get a volume, Secrets that are named and not
// among the objects get a value, and a CronJob runs once, now.
func (n *Node) Apply(tb testing.TB, objects []*unstructured.Unstructured) {
	tb.Helper()
	disks := tb.TempDir()
	secrets := sync.OnceFunc(func() { n.secrets(tb, objects) })
	for _, o := range objects {
		if o.GetKind() != "Namespace" { // these come first
			secrets()
		}
		if o.GetKind() == "Deployment" || o.GetKind() == "StatefulSet" {
			if err := unstructured.SetNestedField(o.Object, int64(1), "spec", "replicas"); err != nil {
				tb.Fatal(err)
			}
		}
		n.disks(tb, o, disks)
		text, err := sigsyaml.Marshal(o.Object)
		if err != nil {
			tb.Fatal(err)
		}
		n.Create(tb, string(text))
		if o.GetKind() == "CronJob" {
			n.runNow(tb, o)
		}
	}
}

// secrets makes the Secrets that containers take variables from, as a person has
// to whose manifests don't hold them.
func (n *Node) secrets(tb testing.TB, objects []*unstructured.Unstructured) {
	tb.Helper()
	for _, o := range objects {
		spec := PodSpec(tb, o)
		if spec == nil {
			continue
		}
		for _, c := range append(spec.InitContainers, spec.Containers...) {
			for _, e := range c.Env {
				if e.ValueFrom == nil || e.ValueFrom.SecretKeyRef == nil {
					continue
				}
				ref := e.ValueFrom.SecretKeyRef
				tb.Logf("Secret %s of %s is made by hand", ref.Name, o.GetName())
				n.Make(tb, fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\nstringData: {%s: given}\n",
					ref.Name, o.GetNamespace(), ref.Key))
			}
		}
	}
}

// runNow makes a job of a CronJob.
func (n *Node) runNow(tb testing.TB, o *unstructured.Unstructured) {
	tb.Helper()
	spec, _, err := unstructured.NestedMap(o.Object, "spec", "jobTemplate", "spec")
	if err != nil {
		tb.Fatal(err)
	}
	job := map[string]any{
		"apiVersion": "batch/v1", "kind": "Job", "spec": spec,
		"metadata": map[string]any{"name": o.GetName() + "-now", "namespace": o.GetNamespace()},
	}
	text, err := sigsyaml.Marshal(job)
	if err != nil {
		tb.Fatal(err)
	}
	n.Create(tb, string(text))
}

// disks makes an empty volume for each claim of a StatefulSet, and for a claim
// that stands by itself: a folder that belongs to root, as a fresh disk does.
func (n *Node) disks(tb testing.TB, o *unstructured.Unstructured, dir string) {
	tb.Helper()
	var claims []string
	switch o.GetKind() {
	case "PersistentVolumeClaim":
		claims = []string{o.GetName()}
	case "StatefulSet":
		list, _, err := unstructured.NestedSlice(o.Object, "spec", "volumeClaimTemplates")
		if err != nil {
			tb.Fatal(err)
		}
		for _, c := range list {
			claim, ok := c.(map[string]any)
			if !ok {
				tb.Fatalf("%s %s: a claim is no object", o.GetKind(), o.GetName())
			}
			name, _, err := unstructured.NestedString(claim, "metadata", "name")
			if err != nil {
				tb.Fatal(err)
			}
			claims = append(claims, name+"-"+o.GetName()+"-0")
		}
	}
	for _, claim := range claims {
		path := filepath.Join(dir, claim)
		if err := os.Mkdir(path, 0o755); err != nil { //nolint:gosec // the mode of a fresh disk
			tb.Fatal(err)
		}
		n.Create(tb, fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolume
metadata: {name: %s}
spec:
  capacity: {storage: 100Gi}
  accessModes: [ReadWriteOnce]
  local: {path: %q}
  claimRef: {namespace: %s, name: %s}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [%s]}]}]}}
`, claim, path, o.GetNamespace(), claim, n.Node.Name))
	}
}

// AwaitReady waits until every workload is ready, and says of each that is not
// in time why.
func (n *Node) AwaitReady(tb testing.TB, objects []*unstructured.Unstructured, most time.Duration) map[string]string {
	tb.Helper()
	deadline := time.After(most)
	for {
		waiting := make(map[string]string)
		total := 0
		for _, o := range objects {
			if _, ok := templates[o.GetKind()]; !ok {
				continue
			}
			total++
			if why := n.unready(tb, o); why != "" {
				waiting[o.GetNamespace()+"/"+o.GetKind()+"/"+o.GetName()] = why
			}
		}
		if len(waiting) == 0 {
			tb.Logf("%d workloads are ready", total)
			return waiting
		}
		select {
		case <-deadline:
			return waiting
		case <-time.After(time.Second):
		}
	}
}

// unready says why a workload is not ready, or nothing.
func (n *Node) unready(tb testing.TB, o *unstructured.Unstructured) string {
	tb.Helper()
	kind, name := o.GetKind(), o.GetName()
	group := "/apis/apps/v1/namespaces/"
	switch kind {
	case "CronJob":
		kind, name = "Job", name+"-now"
		fallthrough
	case "Job":
		group = "/apis/batch/v1/namespaces/"
	case "Pod":
		group = "/api/v1/namespaces/"
	}
	var got struct {
		Status struct {
			ReadyReplicas          int32                  `json:"readyReplicas"`
			NumberReady            int32                  `json:"numberReady"`
			DesiredNumberScheduled int32                  `json:"desiredNumberScheduled"`
			Succeeded              int32                  `json:"succeeded"`
			Conditions             []batchv1.JobCondition `json:"conditions"`
		} `json:"status"`
	}
	if err := n.Do(tb, http.MethodGet, group+o.GetNamespace()+"/"+strings.ToLower(kind)+"s/"+name, nil, &got); err != nil {
		return err.Error()
	}
	s := got.Status
	if s.ReadyReplicas > 0 || s.Succeeded > 0 || (s.NumberReady > 0 && s.NumberReady == s.DesiredNumberScheduled) {
		return ""
	}
	for _, c := range s.Conditions {
		if kind == "Pod" && string(c.Type) == "Ready" && c.Status == corev1.ConditionTrue {
			return ""
		}
	}
	return n.why(tb, o.GetNamespace(), name)
}

// why tells what holds the pods of a workload back: their states, their last
// words, or what the controller could not create.
func (n *Node) why(tb testing.TB, namespace, name string) string {
	tb.Helper()
	var pods corev1.PodList
	if err := n.Do(tb, http.MethodGet, "/api/v1/namespaces/"+namespace+"/pods", nil, &pods); err != nil {
		return err.Error()
	}
	var said []string
	for i := range pods.Items {
		p := &pods.Items[i]
		if p.Name != name && !strings.HasPrefix(p.Name, name+"-") {
			continue
		}
		for _, c := range p.Status.Conditions {
			if c.Type == corev1.PodScheduled && c.Status != corev1.ConditionTrue {
				said = append(said, c.Message)
			}
		}
		for _, c := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
			said = append(said, n.words(tb, p, &c))
		}
	}
	said = append(said, n.failures(tb, namespace, name)...)
	slices.Sort(said)
	said = slices.DeleteFunc(slices.Compact(said), func(s string) bool { return s == "" })
	if len(said) == 0 {
		return "no pod of it tells why"
	}
	return strings.Join(said, "; ")
}

// failures are the events of a workload and its pods that tell of a failure.
func (n *Node) failures(tb testing.TB, namespace, name string) []string {
	tb.Helper()
	var events corev1.EventList
	if err := n.Do(tb, http.MethodGet, "/api/v1/namespaces/"+namespace+"/events", nil, &events); err != nil {
		return []string{err.Error()}
	}
	var said []string
	reasons := []string{"FailedCreate", "FailedMount", "FailedCreatePodSandBox", "Unhealthy"}
	for i := range events.Items {
		e := &events.Items[i]
		ours := e.InvolvedObject.Name == name || strings.HasPrefix(e.InvolvedObject.Name, name+"-")
		if ours && slices.Contains(reasons, e.Reason) {
			said = append(said, e.Message)
		}
	}
	return said
}

// words is the state of a container that does not run well, and what it said.
func (n *Node) words(tb testing.TB, p *corev1.Pod, c *corev1.ContainerStatus) string {
	tb.Helper()
	var said []string
	if w := c.State.Waiting; w != nil {
		said = append(said, w.Reason, w.Message)
	}
	if c.RestartCount > 0 || c.State.Terminated != nil {
		query := "?tailLines=3&container=" + c.Name
		if c.State.Terminated == nil {
			query += "&previous=true"
		}
		var log string
		if err := n.Do(tb, http.MethodGet, "/api/v1/namespaces/"+p.Namespace+"/pods/"+p.Name+"/log"+query, nil, &log); err == nil {
			said = append(said, "log: "+strings.TrimSpace(log))
		}
	}
	said = slices.DeleteFunc(said, func(s string) bool { return s == "" })
	if len(said) == 0 {
		return ""
	}
	return c.Name + ": " + strings.Join(said, ": ")
}
