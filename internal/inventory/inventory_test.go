package inventory_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

func read(t *testing.T, text string) []*inventory.Object {
	t.Helper()
	res, err := decode.File([]byte(text), &inventory.Origin{File: "test.yaml"}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return res.Objects
}

func TestPathsRoundTrip(t *testing.T) {
	t.Parallel()
	for path, want := range map[string][]string{
		"":                                     nil,
		"spec.containers[0].image":             {"spec", "containers", "0", "image"},
		"metadata.labels[app.kubernetes.io/n]": {"metadata", "labels", "app.kubernetes.io/n"},
		"[3].name":                             {"3", "name"},
		"a[b.c][1][d/e].f":                     {"a", "b.c", "1", "d/e", "f"},
		"broken[":                              {"broken", ""},
	} {
		if diff := cmp.Diff(inventory.SplitPath(path), want); diff != "" {
			t.Errorf("SplitPath(%q):\n%s", path, diff)
		}
	}
	path := inventory.Join(inventory.JoinIndex(inventory.Join("", "spec"), 2), "a.b/c")
	if want := "spec[2][a.b/c]"; path != want {
		t.Errorf("joined path %q, want %q", path, want)
	}
	if got, want := inventory.JoinPath("spec", "[1].x"), "spec[1].x"; got != want {
		t.Errorf("joined path %q, want %q", got, want)
	}
}

func TestNearestFindsTheFieldOrItsParent(t *testing.T) {
	t.Parallel()
	o := read(t, "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: app\n    image: x\n")[0]
	for _, tc := range []struct {
		path  string
		line  int32
		exact bool
	}{
		{"spec.containers[0].image", 8, true},
		{"spec.containers[0].securityContext.privileged", 7, false},
		{"spec.volumes[2].hostPath", 5, false},
		{"status", 1, false},
		{"spec.containers[7]", 6, false},
	} {
		n, exact := o.Root.Nearest(tc.path)
		if n.Line != tc.line || exact != tc.exact {
			t.Errorf("%s is on line %d, exact %t; want line %d, %t", tc.path, n.Line, exact, tc.line, tc.exact)
		}
	}
}

func TestPodTemplatesAreFoundInAnyKind(t *testing.T) {
	t.Parallel()
	const spec = "spec: {containers: [{name: app, image: x}], initContainers: [{name: init, image: x, restartPolicy: Always}], ephemeralContainers: [{name: debug, image: x}]}"
	for _, tc := range []struct {
		name, manifest string
		want           []string
	}{
		{"a Pod", "apiVersion: v1\nkind: Pod\n" + spec, []string{""}},
		{"a Deployment", "apiVersion: apps/v1\nkind: Deployment\nspec: {template: {" + spec + "}}", []string{"spec.template"}},
		{"a CronJob", "apiVersion: batch/v1\nkind: CronJob\nspec: {jobTemplate: {spec: {template: {" + spec + "}}}}", []string{"spec.jobTemplate.spec.template"}},
		{"a PodTemplate", "apiVersion: v1\nkind: PodTemplate\ntemplate: {" + spec + "}", []string{"template"}},
		{"an Argo Rollout", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec: {template: {" + spec + "}}", []string{"spec.template"}},
		{
			"two templates of an operator's resource", "apiVersion: example.com/v1\nkind: Cluster\nspec: {workers: [{podTemplate: {" + spec + "}}, {podTemplate: {" + spec + "}}]}",
			[]string{"spec.workers[0].podTemplate", "spec.workers[1].podTemplate"},
		},
		{"a schema that describes pods", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {template: {" + spec + "}}", nil},
		{"a Deployment without a template", "apiVersion: apps/v1\nkind: Deployment\nspec: {template: null}", nil},
		{"a Deployment whose template is text", "apiVersion: apps/v1\nkind: Deployment\nspec: {template: text}", nil},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			o := read(t, tc.manifest)[0]
			var got []string
			for _, template := range o.PodTemplates() {
				got = append(got, template.Path)
				if len(template.Containers) != 3 {
					t.Errorf("%d containers, want init, regular and ephemeral", len(template.Containers))
				}
				if !template.Containers[0].Sidecar() || template.Containers[1].Sidecar() {
					t.Error("only the restartable init container is a sidecar")
				}
			}
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDigestsDependOnContentOnly(t *testing.T) {
	t.Parallel()
	objects := read(t, `
apiVersion: v1
kind: Pod
metadata: {name: a, labels: {app: x}}
spec: {containers: [{name: app, image: x}]}
---
apiVersion: v1
kind: Pod
metadata:
  name: b
  labels:
    app: x
spec:
  containers:
  - name: app
    image: x
---
apiVersion: v1
kind: Pod
metadata: {name: c, labels: {app: x}}
spec: {containers: [{name: app, image: "y"}]}
`)
	digest := func(i int) uint64 { return objects[i].PodTemplates()[0].Digest }
	if digest(0) != digest(1) {
		t.Error("templates with the same content differ")
	}
	if digest(0) == digest(2) {
		t.Error("templates with different images are taken for equal")
	}
}

func TestJSONIsWhatEncodingJSONReads(t *testing.T) {
	t.Parallel()
	o := read(t, "apiVersion: v1\nkind: Test\nspec: {a: \"quote \\\" and \\u263a\\n\", b: [1, 2.5, true, null], c: {}, d: []}")[0]
	var got any
	if err := json.Unmarshal(o.Root.JSON(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"apiVersion": "v1", "kind": "Test", "spec": map[string]any{
		"a": "quote \" and ☺\n", "b": []any{1.0, 2.5, true, nil}, "c": make(map[string]any), "d": []any{},
	}}
	if diff := cmp.Diff(got, any(want)); diff != "" {
		t.Error(diff)
	}
}

func TestSealMakesOrderIndependent(t *testing.T) {
	t.Parallel()
	build := func(files ...string) []string {
		inv := new(inventory.Inventory)
		for _, f := range files {
			res, err := decode.File([]byte("apiVersion: v1\nkind: Pod\nmetadata: {name: "+f+"}\n"), &inventory.Origin{File: f}, decode.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			inv.Add(res.Objects...)
		}
		inv.Seal()
		var names []string
		for _, o := range inv.Objects {
			names = append(names, o.Name)
		}
		return names
	}
	if diff := cmp.Diff(build("b", "a", "c"), build("c", "b", "a")); diff != "" {
		t.Error(diff)
	}
}

// TestLikeForgetsNothingButObjects fills each field there is, also those that
// are yet to come.
func TestLikeForgetsNothingButObjects(t *testing.T) {
	t.Parallel()
	inv := &inventory.Inventory{
		Objects: read(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}"), Gaps: []inventory.Gap{{What: "secrets"}},
		Skipped: map[string]int{"other": 1}, Files: 2, Bytes: 3, ImageUsers: map[string]string{"a:1": "1000"},
		ImageDigests: map[string][]string{"a:1": {"sha256:1"}}, ClusterWide: true, ServerVersion: "v1.36.3", Time: time.Unix(1, 0),
	}
	was, like := reflect.ValueOf(inv).Elem(), reflect.ValueOf(inv.Like()).Elem()
	for _, f := range reflect.VisibleFields(was.Type()) {
		if !f.IsExported() {
			continue
		}
		old, now := was.FieldByIndex(f.Index), like.FieldByIndex(f.Index)
		switch {
		case old.IsZero():
			t.Errorf("the test says nothing of %s", f.Name)
		case f.Name == "Objects" && now.Len() > 0:
			t.Errorf("%d objects are in what is to have none", now.Len())
		case f.Name != "Objects" && !reflect.DeepEqual(old.Interface(), now.Interface()):
			t.Errorf("%s is %v, want %v", f.Name, now.Interface(), old.Interface())
		}
	}
}
