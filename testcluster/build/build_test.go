package build

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// The tests compile the smallest program into a cache of their own. They can't
// run in parallel with others, since the cache is found by environment.

func TestProgramIsCompiledOnceByManyCallers(t *testing.T) { //nolint:paralleltest // it sets the environment
	ownCache(t)
	pause := []Program{{Name: "pause", module: "pause", pkg: "."}}
	if Built(pause) {
		t.Fatal("an empty cache has a program")
	}
	var all sync.WaitGroup
	logs := make([]bytes.Buffer, 3)
	for i := range logs {
		all.Go(func() {
			paths, err := Ensure(t.Context(), &logs[i], pause)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(paths["pause"]); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	built := 0
	for i := range logs {
		built += strings.Count(logs[i].String(), "built pause")
	}
	if built != 1 || !Built(pause) {
		t.Errorf("compiled %d times, want once", built)
	}
}

func TestProgramThatDoesNotCompileIsAnErrorWithTheCompilersWords(t *testing.T) { //nolint:paralleltest // it sets the environment
	ownCache(t)
	wrong := []Program{{Name: "pause", module: "pause", pkg: "./missing"}}
	_, err := Ensure(t.Context(), new(bytes.Buffer), wrong)
	if err == nil || !strings.Contains(err.Error(), "missing: directory not found") {
		t.Errorf("got %v", err)
	}
	if Built(wrong) {
		t.Error("the program counts as built")
	}
}

func TestEveryProgramHasAPlaceOfItsOwn(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, p := range append(ControlPlane(), Node()...) {
		key, err := p.key()
		if err != nil {
			t.Fatal(err)
		}
		if seen[key] != "" {
			t.Errorf("%s and %s share the folder %s", p.Name, seen[key], key)
		}
		seen[key] = p.Name
	}
}

func TestVersionIsTheOneOfTheModule(t *testing.T) {
	t.Parallel()
	content, err := modules.ReadFile("kubernetes/go.mod.txt")
	if err != nil {
		t.Fatal(err)
	}
	if want := "require k8s.io/kubernetes v" + KubernetesVersion + "\n"; !bytes.Contains(content, []byte(want)) {
		t.Errorf("go.mod.txt has no line %q", want)
	}
}

func ownCache(t *testing.T) {
	t.Helper()
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		value, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Skipf("no go command: %v", err)
		}
		t.Setenv(name, strings.TrimSpace(string(value)))
	}
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("XDG_CACHE_HOME", dir)
}
