package docgen_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/docgen"
	"github.com/redoubt-k8s/redoubt/internal/policy"
	"github.com/redoubt-k8s/redoubt/internal/report/json"
	"github.com/redoubt-k8s/redoubt/internal/requirement"
)

var update = flag.Bool("update", false, "write the pages instead of comparing them")

const docs = "../../docs"

func TestDocsAreFresh(t *testing.T) {
	t.Parallel()
	pages := render(t)
	if diff := cmp.Diff(pages, render(t)); diff != "" {
		t.Fatalf("rendering twice differs:\n%s", diff)
	}
	for name, want := range pages {
		path := filepath.Join(docs, name)
		if *update {
			write(t, path, want)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("page %s: %v; run make generate", name, err)
			continue
		}
		if diff := cmp.Diff(string(got), want); diff != "" {
			t.Errorf("page %s is stale; run make generate:\n%s", name, diff)
		}
	}
	leftovers(t, pages)
}

// leftovers finds pages of controls that are gone.
func leftovers(t *testing.T, pages map[string]string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(docs, "controls"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(docs, path)
		if err != nil {
			return err
		}
		if _, ok := pages[filepath.ToSlash(name)]; ok {
			return nil
		}
		if *update {
			return os.Remove(path)
		}
		t.Errorf("page %s belongs to no control; run make generate", name)
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func render(t *testing.T) map[string]string {
	t.Helper()
	controls, _, err := catalogue.Sources()
	if err != nil {
		t.Fatal(err)
	}
	reqs, err := requirement.Load()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := docgen.Pages(controls, reqs, prevented(t, controls))
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// prevented are the controls that have an admission policy.
func prevented(t *testing.T, controls []*control.Control) map[string]bool {
	t.Helper()
	compiled, err := catalogue.Compile(controls, nil, control.Latest)
	if err != nil {
		t.Fatal(err)
	}
	made, _ := policy.Generate(compiled, policy.Options{})
	out := make(map[string]bool)
	for _, p := range made {
		out[p.Control.ID] = true
	}
	return out
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestControlsNameKnownRequirements(t *testing.T) {
	t.Parallel()
	controls, _, err := catalogue.Sources()
	if err != nil {
		t.Fatal(err)
	}
	reqs, err := requirement.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range docgen.Unknown(controls, reqs) {
		t.Error(fault)
	}
}

func TestPublishedSchemaIsFresh(t *testing.T) {
	t.Parallel()
	path := filepath.Join(docs, "schema", "report.v1.schema.json")
	if *update {
		write(t, path, string(json.Schema))
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), string(json.Schema)); diff != "" {
		t.Errorf("%s is stale; run make generate:\n%s", path, diff)
	}
}
