package schema_test

import (
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/schema"
)

// fuzzed are kinds with many shapes of fields.
var fuzzed = []string{
	"v1 Pod", "apps/v1 Deployment", "v1 Secret", "rbac.authorization.k8s.io/v1 ClusterRole", "networking.k8s.io/v1 NetworkPolicy",
	"apiextensions.k8s.io/v1 CustomResourceDefinition", "kubelet.config.k8s.io/v1beta1 KubeletConfiguration", "v1 Config", "audit.k8s.io/v1 Policy",
}

func FuzzCheck(f *testing.F) {
	for i, s := range []string{
		"spec: {hostPID: 1, containers: [{name: a, privileged: true}]}", "spec: {replicas: 99999999999, a.b: 1}", "data: {a: '!'}",
		"rules: [{verbs: a}]", "spec: {egress: [{ports: [{port: 1.5}]}]}", "spec: {versions: [{schema: {openAPIV3Schema: {items: [1]}}}]}",
		"readonlyport: 1\nevictionHard: []", "users: [{name: a, user: {exec: {args: 1}}}]", "\"\": 1\n\"\": 2", "metadata: {creationTimestamp: a, \"a]b\": 1}",
	} {
		f.Add(uint8(i), s)
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		apiVersion, kind, _ := strings.Cut(fuzzed[int(which)%len(fuzzed)], " ")
		res, _ := decode.File([]byte("apiVersion: "+apiVersion+"\nkind: "+kind+"\n"+text), &inventory.Origin{File: "a.yaml"}, decode.Limits{Bytes: 1 << 16, Depth: 50, Nodes: 20_000})
		for _, o := range res.Objects {
			faults, _ := schema.Check(o)
			for _, fault := range faults {
				placed(t, o, fault)
			}
		}
	})
}

// placed demands that a fault can be shown: its path, or the nearest parent of
// it, exists and has a line.
func placed(t *testing.T, o *inventory.Object, f schema.Fault) {
	t.Helper()
	near, exact := o.Root.Nearest(f.Path)
	if near == nil || near.Line < 1 {
		t.Fatalf("%s: nothing is near it", say(f))
	}
	// Brackets and empty keys can't be told apart in a path.
	odd := strings.ContainsAny(f.Field, "[]") || strings.Contains(f.Path, "]") || f.Field == "" || strings.Contains(f.Path+".", "..")
	if !odd && !exact {
		t.Errorf("%s: the path does not exist", say(f))
	}
	if f.Kind == schema.WrongType && f.Detail == "" || f.Kind == schema.MisplacedField && f.Suggestion == "" {
		t.Errorf("%s: the fault does not say enough", say(f))
	}
	if f.Suggestion == f.Path && f.Path != "" {
		t.Errorf("%s: the suggestion is the field itself", say(f))
	}
	if parent, _ := o.Root.Nearest(f.Suggestion); parent == nil {
		t.Errorf("%s: nothing is near the suggestion", say(f))
	}
}
