package kustomize_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/kustomize"
)

const patched = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {tier: front}}
spec:
  template:
    spec:
      containers:
      - {name: web, image: web:1, securityContext: {privileged: true}}
      - {name: side, image: side:1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec: {template: {spec: {containers: [{name: db, image: db:1}]}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: strong}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: a, namespace: shop}
spec: {size: 1, colour: red}
`

func TestPatchesChangeTheirTargets(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, file, want, err string }{
		{
			"a part of a Deployment is merged by the names of containers",
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {template: {spec: {containers: [{name: web, securityContext: {privileged: false}}]}}}",
			"web privileged=false containers=2", "",
		},
		{
			"a part without a namespace is for the object of that name",
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web, securityContext: {privileged: null}}]}}}",
			"web privileged= containers=2", "",
		},
		{
			"operations change what the target names",
			"patches:\n- target: {kind: Deployment, name: web}\n  patch: |-\n    - {op: remove, path: /spec/template/spec/containers/0/securityContext}\n    - {op: remove, path: /spec/template/spec/containers/1}",
			"web privileged= containers=1", "",
		},
		{
			"names are regular expressions for the whole word",
			"patches:\n- target: {kind: Deployment, name: we}\n  patch: '[{op: remove, path: /spec}]'", "", "no object of the input is its target",
		},
		{
			"labels select, too",
			"patches:\n- target: {labelSelector: tier=front}\n  patch: |-\n    - {op: replace, path: /spec/template/spec/containers/0/securityContext/privileged, value: false}",
			"web privileged=false containers=2", "",
		},
		{"an object is deleted", "$patch: delete\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}", "", ""},
		{
			"objects of extensions are merged as JSON",
			"patches:\n- target: {kind: Widget}\n  patch: |-\n    apiVersion: example.com/v1\n    kind: Widget\n    metadata: {name: any}\n    spec: {colour: null}",
			"web privileged=true containers=2 widget={\"size\":1}", "",
		},
		{
			"patches follow each other",
			"patches:\n- target: {kind: Deployment, name: web}\n  patch: '[{\"op\": \"remove\", \"path\": \"/spec/template/spec/containers/1\"}]'\n- target: {kind: Deployment, name: web}\n  patch: '[{\"op\": \"test\", \"path\": \"/metadata/name\", \"value\": \"web\"}, {\"op\": \"remove\", \"path\": \"/spec/template/spec/containers/0/securityContext\"}]'",
			"web privileged= containers=1", "",
		},
		{"operations alone have no target", "- {op: remove, path: /spec}", "", "names no object"},
		{"a path that is not there is an error", "patches:\n- target: {kind: Deployment, name: web}\n  patch: '[{op: remove, path: /spec/nothing}]'", "", "patch 1 on shop/Deployment/web"},
		{"a patch in another file is not read", "patches:\n- path: other.yaml\n  target: {kind: Deployment}", "", "write it under patch"},
		{"a target has to be an expression", "patches:\n- target: {kind: \"(\"}\n  patch: '[{op: remove, path: /spec}]'", "", "target: error parsing regexp"},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			objects, err := apply(t, tc.file)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("got %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, inWords(objects)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func apply(t *testing.T, text string) ([]*inventory.Object, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "change.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	patches, whole, err := kustomize.ReadPatches(file)
	if err != nil {
		return nil, err
	}
	if len(patches) == 0 || len(strings.TrimSpace(string(whole))) > 0 {
		t.Fatalf("%d patches, and whole objects %q", len(patches), whole)
	}
	res, err := decode.File([]byte(patched), &inventory.Origin{File: "x.yaml"}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return kustomize.Apply(t.Context(), res.Objects, patches)
}

// inWords says what matters of the Deployment web, and of the widget if it is
// not as it was.
func inWords(objects []*inventory.Object) string {
	at := slices.IndexFunc(objects, func(o *inventory.Object) bool { return o.Name == "web" })
	if at < 0 {
		return ""
	}
	list := objects[at].Root.Find("spec", "template", "spec", "containers")
	privileged := ""
	if n := list.Index(0).Find("securityContext", "privileged"); n != nil {
		privileged = n.Text
	}
	words := fmt.Sprintf("web privileged=%s containers=%d", privileged, list.Len())
	for _, o := range objects {
		if spec := o.Root.Get("spec"); o.Kind == "Widget" && spec.Get("colour") == nil {
			return words + " widget=" + string(spec.AppendJSON(nil))
		}
	}
	return words
}

func TestWholeObjectsAreNoPatches(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "change.yaml")
	for _, text := range []string{patched, "a: b", "not: [closed", "- 1\n- 2", "", "apiVersion: v1\nkind: List\nitems: []"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if patches, _, err := kustomize.ReadPatches(file); err != nil || len(patches) > 0 {
			t.Errorf("%q: got %d patches, %v", text, len(patches), err)
		}
	}
	if patches, _, err := kustomize.ReadPatches(t.TempDir()); err != nil || patches != nil {
		t.Errorf("a folder: got %v, %v", patches, err)
	}
}
