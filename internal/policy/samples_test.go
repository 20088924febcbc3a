package policy_test

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

// examples are the objects of the example applications.
func examples(t *testing.T, controls judged) []*sample {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("there are no examples", err)
	}
	var samples []*sample
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range samplesOf(t, file, string(text)) {
			if kind, _ := x.object["kind"].(string); !strings.HasPrefix(kind, "Custom") {
				x.verdicts = scan(t, x.object, controls)
				samples = append(samples, x)
			}
		}
	}
	return samples
}

// fixtures are the pods with which Pod Security tests itself, of the newest
// version it has.
func fixtures(t *testing.T, controls judged) []*sample {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(out)), "test", "testdata")
	versions, err := filepath.Glob(filepath.Join(root, "restricted", "v1.*"))
	if err != nil || len(versions) == 0 {
		t.Fatal("the module has no fixtures", err)
	}
	newest := filepath.Base(slices.MaxFunc(versions, func(a, b string) int { return cmp.Compare(minorOf(t, a), minorOf(t, b)) }))
	var samples []*sample
	for _, level := range []string{"baseline", "restricted"} {
		for _, want := range []string{"pass", "fail"} {
			files, err := filepath.Glob(filepath.Join(root, level, newest, want, "*.yaml"))
			if err != nil || len(files) == 0 {
				t.Fatal("no fixtures in", level, want, err)
			}
			for _, file := range files {
				x := fixture(t, file)
				x.name, x.level, x.want = level+"/"+x.name, level, want
				x.verdicts = scan(t, x.object, controls)
				samples = append(samples, x)
			}
		}
	}
	return samples
}

// fixture is one pod. Some of their own names are invalid.
func fixture(t *testing.T, file string) *sample {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	samples := samplesOf(t, filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), string(text))
	if len(samples) != 1 {
		t.Fatalf("%s holds %d objects, want 1", file, len(samples))
	}
	metadata, _ := samples[0].object["metadata"].(map[string]any)
	metadata["name"] = strings.ReplaceAll(filepath.Base(file), "_", "-")
	return samples[0]
}

func minorOf(t *testing.T, dir string) int {
	t.Helper()
	minor, err := control.ParseMinor(filepath.Base(dir))
	if err != nil {
		t.Fatal(err)
	}
	return minor
}
