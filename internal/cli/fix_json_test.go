package cli_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/redoubt-k8s/redoubt/internal/cli"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/snapshot"
)

// call runs the program and returns its exit code and output.
func call(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), args, cli.Streams{Out: &out, Err: &errs})
	return code, out.String(), errs.String()
}

// unpack writes the files of a txtar text.
func unpack(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(text)).Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// freeze makes a snapshot of manifests.
func freeze(t *testing.T, manifests string) string {
	t.Helper()
	res, err := decode.File([]byte(manifests), &inventory.Origin{File: "live.yaml"}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "cluster.redoubt")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w, err := snapshot.NewWriter(file, snapshot.Header{ServerVersion: "v1.36.3", ClusterWide: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range res.Objects {
		if err := w.Object(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(new(inventory.Inventory)); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

const liveManifests = `apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec:
      hostPID: true
      containers:
      - {name: cart, image: "registry.example.com/cart:1"}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: made-1, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: made, uid: a, controller: true}]}
spec:
  selector: {matchLabels: {app: made}}
  template:
    metadata: {labels: {app: made}}
    spec:
      hostPID: true
      containers:
      - {name: made, image: "registry.example.com/made:1"}
---
apiVersion: v1
kind: Pod
metadata: {name: alone, namespace: shop}
spec:
  hostPID: true
  containers:
  - {name: alone, image: "registry.example.com/alone:1"}
`

const chartFiles = `-- shop/Chart.yaml --
apiVersion: v2
name: shop
version: 1.0.0
-- shop/values.yaml --
pull: IfNotPresent
-- shop/templates/d.yaml --
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  hostPID: true
  containers:
  - name: a
    image: x:latest
    imagePullPolicy: {{ .Values.pull }}
`

const overlayFiles = `-- base/kustomization.yaml --
resources: [a.yaml]
-- base/a.yaml --
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  hostPID: true
  containers:
  - name: a
    image: x
-- k/kustomization.yaml --
resources: [../base]
namePrefix: x-
`

// TestJSONKeepsToItsSchema runs fix over all kinds of input.
func TestJSONKeepsToItsSchema(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/fix.v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	chart, overlay := unpack(t, chartFiles), unpack(t, overlayFiles)
	for name, args := range map[string][]string{
		"the example":           {"../../examples/shop", "--safety", "review"},
		"the example, safely":   {"../../examples/shop"},
		"one control":           {"../../examples/shop", "--control", "privilege-escalation"},
		"a chart":               {filepath.Join(chart, "shop"), "--safety", "review"},
		"an overlay":            {filepath.Join(overlay, "k"), "--safety", "review"},
		"a snapshot":            {freeze(t, liveManifests), "--safety", "review"},
		"nothing that is found": {"../../examples/shop-hardened"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := call(t, append([]string{"fix", "-o", "json"}, args...)...)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, errs)
			}
			got, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(got); err != nil {
				t.Error(err)
			}
			if _, again, _ := call(t, append([]string{"fix", "-o", "json"}, args...)...); again != out {
				t.Error("a second call writes something else:\n" + cmp.Diff(out, again))
			}
		})
	}
}

// TestSchemaKnowsAllFields makes sure that what the program may write is what
// the schema lists, so that a field is not renamed unseen.
func TestSchemaKnowsAllFields(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/schema/fix.v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	type object struct {
		Properties map[string]any `json:"properties"`
		Required   []string       `json:"required"`
	}
	var schema struct {
		object

		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	schema.Defs["report"] = schema.object
	for name, v := range cli.FixTypes() {
		var all, required []string
		for f := range reflect.TypeOf(v).Fields() {
			field, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
			if field == "-" {
				continue
			}
			if all = append(all, field); rest == "" {
				required = append(required, field)
			}
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(all)), slices.Sorted(maps.Keys(schema.Defs[name].Properties))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(required)), slices.Sorted(slices.Values(schema.Defs[name].Required))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAnEditIsWrittenAsItAlwaysWas(t *testing.T) {
	dir := unpack(t, "-- a.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostPID: true\n  containers:\n  - name: a\n    image: x\n")
	t.Chdir(dir)
	code, out, errs := call(t, "fix", "a.yaml", "-o", "json", "--control", "host-pid", "--safety", "review")
	if code != 0 {
		t.Fatal(errs)
	}
	want := `{
  "schema": "redoubt.fix/v1",
  "edits": [
    {
      "control": "host-pid",
      "severity": "high",
      "safety": "review",
      "why": "WHY",
      "file": "a.yaml",
      "line": 5,
      "object": "Pod/a",
      "path": "spec.hostPID",
      "before": "true",
      "after": ""
    }
  ],
  "refused": [],
  "manual": [],
  "patches": [],
  "steps": [],
  "review": 0,
  "before": 1,
  "after": 0
}
`
	var got struct {
		Edits []struct {
			Why string `json:"why"`
		} `json:"edits"`
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Edits) != 1 {
		t.Fatal(err, out)
	}
	why, err := json.Marshal(got.Edits[0].Why)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out, strings.Replace(want, `"WHY"`, string(why), 1)); diff != "" {
		t.Error(diff)
	}
}

func TestASnapshotIsPatchedAndNothingIsApplied(t *testing.T) {
	t.Parallel()
	file := freeze(t, liveManifests)
	code, out, errs := call(t, "fix", file, "--control", "host-pid", "--safety", "review")
	want := `---
# shop/Deployment/cart: host-pid
# kubectl patch deployment.apps cart -n shop --type=strategic --patch-file=001-patch-shop-deployment-cart.yaml
spec:
  template:
    spec:
      hostPID: null
`
	if diff := cmp.Diff(out, want); code != 0 || diff != "" {
		t.Errorf("exit code %d: %s\n%s", code, errs, diff)
	}
	if page, err := os.ReadFile("../../docs/fix.md"); err != nil || !strings.Contains(string(page), "$ redoubt fix prod.redoubt --control host-pid --safety review\n"+want) {
		t.Errorf("docs/fix.md shows something else (%v)", err)
	}
	for _, text := range []string{
		"1 patch of live objects: applied, findings would go from 3 to 2",
		"shop/ReplicaSet/made-1 host-pid: it is made by Deployment/made, which would set it back",
		"shop/Pod/alone host-pid: spec.hostPID of a Pod can't be changed once it is there",
	} {
		if !strings.Contains(errs, text) {
			t.Errorf("%q is not in\n%s", text, errs)
		}
	}
	dir := filepath.Join(t.TempDir(), "patches")
	code, out, errs = call(t, "fix", file, "--control", "host-pid", "--safety", "review", "--output-dir", dir)
	if code != 0 || out != "" || !strings.Contains(errs, "nothing was applied") {
		t.Errorf("exit code %d, %q: %s", code, out, errs)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 3 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
	for _, args := range [][]string{
		{"fix", file, "--write"},
		{"fix", "--cluster", "--write"},
		{"fix", "--cluster", "a.yaml"},
		{"fix", file, "--kubeconfig", "x"},
		{"fix", file, "../../examples/shop"},
		{"fix", file, "--control", "host-pid", "--safety", "review", "--output-dir", dir},
	} {
		if code, _, errs := call(t, args...); code != 2 {
			t.Errorf("%v: exit code %d: %s", args, code, errs)
		}
	}
}

// TestWhatNoValueSetsBecomesAPostRenderer writes the overlay, hands it what the
// chart renders, as Helm does, and scans what comes out.
func TestWhatNoValueSetsBecomesAPostRenderer(t *testing.T) {
	t.Parallel()
	dir := unpack(t, chartFiles)
	out := filepath.Join(dir, "patches")
	code, _, errs := call(t, "fix", filepath.Join(dir, "shop"), "--safety", "review", "--control", "host-pid,image-not-pulled-again", "--write", "--output-dir", out)
	if code != 0 || !strings.Contains(errs, "with a post-renderer") {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "shop", "values.yaml")); err != nil || string(text) != "pull: Always\n" {
		t.Errorf("the values are %q (%v)", text, err)
	}
	info, err := os.Stat(filepath.Join(out, "shop", "post-render.sh"))
	if err != nil || info.Mode().Perm()&0o100 == 0 {
		t.Errorf("the post-renderer can't be run: %v (%v)", info, err)
	}
	rendered := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostPID: true\n  containers:\n  - name: a\n    image: x:latest\n    imagePullPolicy: Always\n"
	if err := os.WriteFile(filepath.Join(out, "shop", "all.yaml"), []byte(rendered), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, text, errs := call(t, "scan", filepath.Join(out, "shop"), "--control", "host-pid,image-not-pulled-again", "--fail-on", "info"); code != 0 {
		t.Errorf("exit code %d: %s%s", code, text, errs)
	}
	code, text, errs := call(t, "scan", filepath.Join(dir, "shop"), "--control", "host-pid", "--fail-on", "info")
	if code != 1 {
		t.Errorf("the chart alone passes: %s%s", text, errs)
	}
}
