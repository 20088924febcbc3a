package run_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

func fixLive(t *testing.T, kubeconfig string) *run.Fixed {
	t.Helper()
	opts := run.FixOptions{Safety: control.Review, User: 10001, Writable: []string{"/tmp"}}
	opts.Now = time.Unix(1_700_000_000, 0)
	if strings.HasSuffix(kubeconfig, ".redoubt") {
		opts.Paths = []string{kubeconfig}
	} else {
		opts.Cluster = &run.Cluster{Kubeconfig: kubeconfig}
	}
	res, err := run.Fix(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestPatchesOfALiveClusterAreTakenByItsServer fixes a real cluster: each patch
// is tried and then applied as its command says, in the order given, and what
// the patches answer is gone.
func TestPatchesOfALiveClusterAreTakenByItsServer(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{})
	text, err := os.ReadFile("testdata/fix-live.yaml")
	if err != nil {
		t.Fatal(err)
	}
	crd, rest, _ := strings.Cut(string(text), "---\napiVersion: apps/v1")
	c.Create(t, crd)
	createLater(t, c, "apiVersion: apps/v1"+rest)
	snapshot := filepath.Join(t.TempDir(), "cluster.redoubt")
	if _, err := run.Snapshot(t.Context(), run.SnapshotOptions{Cluster: run.Cluster{Kubeconfig: c.Kubeconfig}, Output: snapshot, Now: time.Unix(1_700_000_000, 0)}); err != nil {
		t.Fatal(err)
	}

	res := fixLive(t, snapshot)
	writesFolder(t, res)
	if live := fixLive(t, c.Kubeconfig); len(live.Patches) != len(res.Patches) {
		t.Errorf("%d patches for the cluster, %d for its snapshot", len(live.Patches), len(res.Patches))
	}
	kinds := make(map[fix.PatchType]int)
	client := newPatcher(t, c)
	for i := range res.Patches {
		p := &res.Patches[i]
		kinds[p.Type]++
		for _, dryRun := range []string{metav1.DryRunAll, ""} {
			if err := client.apply(t.Context(), p, dryRun); err != nil {
				t.Errorf("%s (dry run %q): %v\n%s", p.Command, dryRun, err, p.Text)
			}
		}
	}
	t.Logf("%d patches: %v; %d edits; findings from %d to %d", len(res.Patches), kinds, len(res.Edits), res.Before, res.After)
	for _, kind := range []fix.PatchType{fix.Strategic, fix.Merge, fix.JSON, fix.Create} {
		if kinds[kind] == 0 {
			t.Errorf("no patch of type %s among %v", kind, kinds)
		}
	}
	for _, p := range res.Patches {
		if strings.Contains(p.Object, "/Pod/") || strings.Contains(p.Object, "/Job/") || strings.Contains(p.Object, "/ReplicaSet/") {
			t.Errorf("%s is patched, and can't be", p.Object)
		}
	}
	saysPoliciesMayLie(t, res)
	client.renew(t)
	awaitFold(t, c)
	again := fixLive(t, c.Kubeconfig)
	if again.Before != res.After {
		t.Errorf("%d findings are left, %d were announced", again.Before, res.After)
		for _, r := range slices.Concat(again.Refused, again.Manual) {
			t.Log(r.Control, r.Object, r.Reason)
		}
	}
	for _, p := range again.Patches {
		t.Errorf("a second run still patches %s:\n%s", p.Object, p.Text)
	}
}

// saysPoliciesMayLie wants that said where no network plugin runs: the policies are
// made all the same.
func saysPoliciesMayLie(t *testing.T, res *run.Fixed) {
	t.Helper()
	all := strings.Join(res.Steps, "\n")
	if strings.Count(all, "whether anything in this cluster enforces network policies") != 1 {
		t.Errorf("the steps don't say once that policies may be without effect:\n%s", all)
	}
}

// writesFolder wants all patches in a folder, with the commands in their order,
// and no folder to be written over.
func writesFolder(t *testing.T, res *run.Fixed) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "patches")
	n, err := res.WriteFolder(dir)
	if err != nil || n != len(res.Patches)+2 {
		t.Fatalf("%d files for %d patches (%v)", n, len(res.Patches), err)
	}
	script := content(t, filepath.Join(dir, "apply.sh"))
	at := 0
	for _, p := range res.Patches {
		i := strings.Index(script[at:], p.Command+" \"$@\"\n")
		if i < 0 {
			t.Errorf("%s is not in its place in\n%s", p.Command, script)
			continue
		}
		at += i
		if got := content(t, filepath.Join(dir, p.File)); got != p.Text {
			t.Errorf("%s holds\n%s", p.File, got)
		}
	}
	for _, e := range res.Edits {
		if e.Path != "" && e.File == "" {
			t.Errorf("the edit of %s of %s is in no file", e.Path, e.Object)
		}
	}
	if _, err := res.WriteFolder(dir); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a second run writes over the first: %v", err)
	}
	if len(res.Texts) > 0 {
		t.Errorf("live objects have texts: %v", res.Texts)
	}
}

// createLater creates custom resources, whose kind the server may not know yet.
func createLater(t *testing.T, c *clustertest.Cluster, manifests string) {
	t.Helper()
	for range 100 {
		client := newPatcher(t, c)
		_, err := client.mapper.RESTMapping(schema.GroupKind{Group: "argoproj.io", Kind: "Rollout"})
		_, err2 := client.mapper.RESTMapping(schema.GroupKind{Group: "security.istio.io", Kind: "PeerAuthentication"})
		if err == nil && err2 == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.Create(t, manifests)
}

// renew deletes the pods of workloads: no kubelet makes the new ones ready, for
// which a rollout waits.
func (p *patcher) renew(t *testing.T) {
	t.Helper()
	pods, now := p.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace("shop"), int64(0)
	if err := pods.DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{LabelSelector: "app"}); err != nil {
		t.Fatal(err)
	}
}

// awaitFold waits until the pods are those of the patched workloads.
func awaitFold(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	for range 60 {
		rep := scanLive(t, liveOptions("host-pid", "seccomp-missing"), run.Cluster{Kubeconfig: c.Kubeconfig})
		if rep.Scan.Skipped["pod that runs as its workload says"] > 0 && !slices.ContainsFunc(rep.Findings, func(f report.Finding) bool {
			return f.Verdict == "fail" && f.Object.Kind == "Pod" && f.Object.Name != "alone"
		}) {
			return
		}
		time.Sleep(300 * time.Millisecond)
	}
	t.Error("pods of the former templates are still there")
}

// patcher does what the commands of patches do.
type patcher struct {
	client dynamic.Interface
	mapper meta.RESTMapper
}

func newPatcher(t *testing.T, c *clustertest.Cluster) *patcher {
	t.Helper()
	config := clustertest.REST(t, c.Kubeconfig)
	disc, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := restmapper.GetAPIGroupResources(disc)
	if err != nil {
		t.Fatal(err)
	}
	return &patcher{client, restmapper.NewDiscoveryRESTMapper(groups)}
}

func (p *patcher) apply(ctx context.Context, patch *fix.Patch, dryRun string) error {
	var dry []string
	if dryRun != "" {
		dry = []string{dryRun}
	}
	text, err := yaml.YAMLToJSON([]byte(patch.Text))
	if err != nil {
		return err
	}
	if patch.Type == fix.Create {
		var o unstructured.Unstructured
		if err := o.UnmarshalJSON(text); err != nil {
			return err
		}
		to, err := p.endpoint(strings.ToLower(o.GetKind())+"."+o.GroupVersionKind().Group, o.GetNamespace())
		if err != nil {
			return err
		}
		_, err = to.Create(ctx, &o, metav1.CreateOptions{DryRun: dry, FieldValidation: metav1.FieldValidationStrict})
		return err
	}
	words := strings.Fields(patch.Command) // kubectl patch TYPE NAME [-n NAMESPACE] ...
	namespace := ""
	if words[4] == "-n" {
		namespace = words[5]
	}
	to, err := p.endpoint(words[2], namespace)
	if err != nil {
		return err
	}
	kind := map[fix.PatchType]types.PatchType{fix.Strategic: types.StrategicMergePatchType, fix.Merge: types.MergePatchType, fix.JSON: types.JSONPatchType}[patch.Type]
	_, err = to.Patch(ctx, words[3], kind, text, metav1.PatchOptions{DryRun: dry, FieldValidation: metav1.FieldValidationStrict})
	return err
}

// endpoint finds a kind as kubectl does by the first word of a patch.
func (p *patcher) endpoint(name, namespace string) (dynamic.ResourceInterface, error) {
	gr := schema.ParseGroupResource(strings.TrimSuffix(name, "."))
	kind, err := p.mapper.KindFor(gr.WithVersion(""))
	if err != nil {
		return nil, err
	}
	mapping, err := p.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if namespace == "" {
		return p.client.Resource(mapping.Resource), nil
	}
	return p.client.Resource(mapping.Resource).Namespace(namespace), nil
}
