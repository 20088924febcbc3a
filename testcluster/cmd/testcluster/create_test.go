package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDocumentsAreReadInTheOrderTheyAreNeeded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const text = `# a comment
apiVersion: apps/v1
kind: Deployment
metadata:
  labels: {app: web}
  name: web
  namespace: shop
spec: {}
---
apiVersion: v1
kind: Namespace
metadata: {name: "shop"}
---
# nothing
---
kind: Role
apiVersion: rbac.authorization.k8s.io/v1
metadata: {namespace: shop, name: reader}
rules:
- {resourceNames: [x]}
`
	for name, content := range map[string]string{"a.yaml": text, "b.txt": text, ".hidden.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	documents, err := readDocuments([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	want := []document{
		{apiVersion: "v1", kind: "Namespace", name: "shop"},
		{apiVersion: "apps/v1", kind: "Deployment", name: "web", namespace: "shop"},
		{apiVersion: "rbac.authorization.k8s.io/v1", kind: "Role", name: "reader", namespace: "shop"},
	}
	if len(documents) != len(want) {
		t.Fatalf("%d documents, want %d", len(documents), len(want))
	}
	for i, d := range documents {
		if w := want[i]; d.apiVersion != w.apiVersion || d.kind != w.kind || d.name != w.name || d.namespace != w.namespace {
			t.Errorf("document %d is %s %s %s/%s, want %s %s %s/%s", i, d.apiVersion, d.kind, d.namespace, d.name, w.apiVersion, w.kind, w.namespace, w.name)
		}
	}
}

func TestMissingFoldersAreErrors(t *testing.T) {
	t.Parallel()
	if _, err := readDocuments([]string{filepath.Join(t.TempDir(), "missing")}); err == nil {
		t.Error("no error for a folder that is not there")
	}
}
