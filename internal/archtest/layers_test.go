package archtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/redoubt-k8s/redoubt"

// layers gives every package its layer. A package imports only lower layers,
// never its own. Patterns are those of [path.Match]; the first match counts.
var layers = []struct {
	pattern string
	layer   int
}{
	{"internal/inventory", 0},
	{"internal/requirement", 0},
	{"internal/pathglob", 0},
	{"internal/finding", 1},
	{"internal/expr", 1},
	{"internal/decode", 1},
	{"internal/schema", 1},
	{"internal/component", 1},
	{"internal/rbac", 1},
	{"internal/netpol", 1},
	{"internal/podsecurity", 1},
	{"internal/gen", 1},
	{"internal/jsontree", 1},
	{"internal/edit", 1},
	{"internal/control", 2},
	{"internal/fix", 4},
	{"internal/blast", 4},
	{"internal/blast/*", 5},
	{"internal/policy", 4},
	{"internal/policy/*", 5},
	{"internal/prove", 8},
	{"internal/catalogue/*", 5},
	{"internal/catalogue", 6},
	{"internal/check", 7},
	{"internal/waiver", 7},
	{"internal/report", 7},
	{"internal/report/*", 8},
	{"internal/source/*", 8},
	{"internal/docgen", 9},
	{"internal/run", 9},
	{"internal/cli", 10},
	{"cmd/redoubt", 11},
}

// aside are packages that only tests import; they may see what they test.
var aside = []string{"internal/archtest", "internal/check/checktest", "internal/report/reporttest", "internal/clustertest", "internal/nodetest", "internal/nodetest/program", "internal/nodetest/stream"}

// pure are the layers that do no I/O: values in, values out.
const pureUpTo = 7

// impure are packages of the pure layers' forbidden imports.
var impure = []string{"os", "os/exec", "net", "net/http", "log", "log/slog", "k8s.io/klog/v2", "github.com/spf13/cobra"}

// pkg is what go list says about a package.
type pkg struct {
	ImportPath string   `json:"ImportPath"`
	Doc        string   `json:"Doc"`
	Imports    []string `json:"Imports"`
}

func (p *pkg) name() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

var packages = sync.OnceValues(func() ([]pkg, error) {
	out, err := exec.CommandContext(context.Background(), "go", "list", "-json=ImportPath,Doc,Imports", module+"/...").Output() //nolint:forbidigo // shared by all tests, outlives each
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func load(t *testing.T) []pkg {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("go list names no package")
	}
	return all
}

func layerOf(name string) (int, bool) {
	for _, l := range layers {
		if ok, err := path.Match(l.pattern, name); ok && err == nil {
			return l.layer, true
		}
	}
	return 0, false
}

func TestPackagesImportOnlyLowerLayers(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		if slices.Contains(aside, p.name()) {
			continue
		}
		own, ok := layerOf(p.name())
		if !ok {
			t.Errorf("package %s has no layer; give it one in layers_test.go", p.name())
			continue
		}
		for _, imported := range p.Imports {
			name, ours := strings.CutPrefix(imported, module+"/")
			if !ours {
				continue
			}
			if slices.Contains(aside, name) {
				t.Errorf("%s imports %s, which is for tests only", p.name(), name)
				continue
			}
			if other, ok := layerOf(name); ok && other >= own {
				t.Errorf("%s (layer %d) imports %s (layer %d)", p.name(), own, name, other)
			}
		}
	}
}

func TestPureLayersDoNoIO(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		layer, ok := layerOf(p.name())
		if !ok || layer > pureUpTo {
			continue
		}
		for _, imported := range p.Imports {
			if slices.Contains(impure, imported) {
				t.Errorf("%s is pure and imports %s", p.name(), imported)
			}
		}
	}
}

func TestPackagesSayWhatTheyHold(t *testing.T) {
	t.Parallel()
	for _, p := range load(t) {
		if p.Doc == "" {
			t.Errorf("package %s has no package comment", p.name())
		}
	}
}

// maxChain is the greatest number of links in a chain of our own imports.
const maxChain = 12

func TestImportChainsAreShort(t *testing.T) {
	t.Parallel()
	imports := make(map[string][]string)
	for _, p := range load(t) {
		imports[p.ImportPath] = p.Imports
	}
	depth := make(map[string]int)
	var longest func(string) int
	longest = func(name string) int {
		if d, ok := depth[name]; ok {
			return d
		}
		depth[name] = 0
		for _, imported := range imports[name] {
			if strings.HasPrefix(imported, module+"/") {
				depth[name] = max(depth[name], longest(imported)+1)
			}
		}
		return depth[name]
	}
	for name := range imports {
		if d := longest(name); d > maxChain {
			t.Errorf("%s starts a chain of %d imports, at most %d", name, d, maxChain)
		}
	}
}
