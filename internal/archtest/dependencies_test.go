package archtest_test

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"
)

// maxDirect is the ceiling of direct dependencies that ship.
const maxDirect = 25

// shipped says, for every direct module, why it is there and which packages
// may import it. Test-only modules may be imported by any test.
var shipped = map[string]struct {
	why  string
	used []string
}{
	"github.com/go-git/go-git/v5":              {"patterns of .gitignore files", []string{"internal/source/files"}},
	"github.com/google/cel-go":                 {"types of the CEL interpreter", []string{"internal/expr", "internal/control", "internal/policy/offline"}},
	"github.com/moby/buildkit":                 {"Dockerfile parser", []string{"internal/source/dockerfile"}},
	"github.com/opencontainers/image-spec":     {"types of OCI images", []string{"internal/source/image"}},
	"github.com/owenrumney/go-sarif/v3":        {"SARIF types", []string{"internal/report/sarif"}},
	"github.com/spf13/cobra":                   {"command line", []string{"internal/cli"}},
	"go.yaml.in/yaml/v3":                       {"YAML with positions", []string{"internal/decode", "internal/edit", "internal/source/kustomize"}},
	"golang.org/x/sync":                        {"bounded groups of goroutines", []string{"internal/source/manifest", "internal/source/cluster", "internal/run"}},
	"golang.org/x/term":                        {"terminal width", []string{"internal/cli"}},
	"helm.sh/helm/v4":                          {"rendering of charts", []string{"internal/source/helm"}},
	"k8s.io/api":                               {"the API's own types", nil},
	"k8s.io/apiextensions-apiserver":           {"types of CustomResourceDefinition", []string{"internal/schema"}},
	"k8s.io/apimachinery":                      {"selectors, quantities, schemes", nil},
	"k8s.io/apiserver":                         {"CEL environment, audit evaluator, configuration types", nil},
	"k8s.io/client-go":                         {"types of kubeconfig, scheme of all API groups", nil},
	"k8s.io/component-base":                    {"versions and feature gates", nil},
	"k8s.io/klog/v2":                           {"silencing it", []string{"internal/cli"}},
	"k8s.io/kube-aggregator":                   {"types of APIService", []string{"internal/schema"}},
	"k8s.io/kube-proxy":                        {"types of KubeProxyConfiguration", []string{"internal/schema", "internal/component"}},
	"k8s.io/kubelet":                           {"types of KubeletConfiguration", []string{"internal/schema", "internal/component"}},
	"k8s.io/pod-security-admission":            {"Pod Security evaluator", nil},
	"sigs.k8s.io/json":                         {"the API server's strict decoder", nil},
	"sigs.k8s.io/kustomize/api":                {"rendering of kustomizations", []string{"internal/source/kustomize"}},
	"sigs.k8s.io/kustomize/kyaml":              {"file system of kustomize", []string{"internal/source/kustomize", "internal/run"}},
	"sigs.k8s.io/yaml":                         {"strict decoding of our own files", nil},
	"github.com/google/go-cmp":                 {"tests: comparing", nil},
	"github.com/rogpeppe/go-internal":          {"tests: transcripts", nil},
	"github.com/santhosh-tekuri/jsonschema/v6": {"tests: JSON Schema", nil},
}

// testOnly are modules that no shipped package imports.
var testOnly = []string{"github.com/google/go-cmp", "github.com/rogpeppe/go-internal", "github.com/santhosh-tekuri/jsonschema/v6"}

func TestDirectDependenciesAreListed(t *testing.T) {
	t.Parallel()
	direct := directModules(t)
	if n := len(direct) - len(testOnly); n > maxDirect {
		t.Errorf("%d direct modules ship, at most %d", n, maxDirect)
	}
	for _, m := range direct {
		if _, ok := shipped[m]; !ok {
			t.Errorf("module %s is not in the list; say there why it is needed and who may import it", m)
		}
	}
	for m := range shipped {
		if !slices.Contains(direct, m) {
			t.Errorf("module %s is in the list and not in go.mod any more", m)
		}
	}
}

func TestDependenciesAreImportedWhereTheyBelong(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		for _, imported := range p.Imports {
			m := moduleOf(imported)
			if slices.Contains(testOnly, m) && !slices.Contains(aside, p.name()) {
				t.Errorf("%s imports %s, which is for tests only", p.name(), m)
			}
			if used := shipped[m].used; used != nil && !slices.Contains(used, p.name()) {
				t.Errorf("%s imports %s, which belongs to %s", p.name(), m, strings.Join(used, ", "))
			}
		}
	}
}

// moduleOf is the listed module a package belongs to, or nothing.
func moduleOf(imported string) string {
	for m := range shipped {
		if imported == m || strings.HasPrefix(imported, m+"/") {
			return m
		}
	}
	return ""
}

func directModules(t *testing.T) []string {
	t.Helper()
	f, err := os.Open("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	var out []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") && strings.Contains(fields[0], "/") {
			out = append(out, fields[0])
		}
	}
	return out
}
