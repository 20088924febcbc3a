package run_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/gen"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/report/json"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

var corpus = flag.String("corpus", "", "a folder of manifests to check places in, too")

func scan(t *testing.T, opts run.ScanOptions) *report.Report {
	t.Helper()
	opts.Now = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	rep, err := run.Scan(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func paths(p ...string) run.ScanOptions { return run.ScanOptions{Input: run.Input{Paths: p}} }

func rendered(t *testing.T, rep *report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := (json.Renderer{}).Render(&b, rep); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheShopIsWeakAndItsTwinIsHardened(t *testing.T) {
	t.Parallel()
	weak := scan(t, paths("../../examples/shop"))
	if c := weak.Summary.Fail; c.Critical < 7 || c.High < 40 || c.Medium < 100 {
		t.Errorf("the shop has %d critical, %d high, %d medium findings; the planted weaknesses are more", c.Critical, c.High, c.Medium)
	}
	hardened := scan(t, paths("../../examples/shop-hardened"))
	if n := hardened.Summary.Fail.Total() + hardened.Summary.Unknown + len(hardened.Gaps); n > 0 {
		t.Errorf("the hardened shop has %d findings, unknowns or gaps, want none", n)
	}
	for _, p := range hardened.PodSecurity {
		if p.Level != "restricted" {
			t.Errorf("%s passes %s only", p.Object.String(), p.Level)
		}
	}
}

func TestSameInputSameBytes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := []string{"../../examples/shop"}
	for i, text := range gen.Manifests(40, gen.Options{Seed: 3, Same: 0.3}) {
		name := filepath.Join(dir, fmt.Sprintf("%02d.yaml", i))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	want := rendered(t, scan(t, paths(files...)))
	for range 5 {
		slices.Reverse(files)
		files = append(files[7:], files[:7]...)
		if diff := cmp.Diff(rendered(t, scan(t, paths(files...))), want); diff != "" {
			t.Fatalf("other order of files, other report:\n%s", diff[:min(len(diff), 2000)])
		}
	}
}

// TestFindingsPointAtTheirFields resolves the path of every finding anew, by
// the YAML library's own tree, and wants the line of the field there, or of its
// nearest existing parent.
func TestFindingsPointAtTheirFields(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, text := range append(gen.Manifests(60, gen.Options{Seed: 11}), odd...) {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.yaml", i)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opts := paths("../../examples/shop", dir)
	if *corpus != "" {
		opts.Paths, opts.KeepGoing = append(opts.Paths, *corpus), true
	}
	rep := scan(t, opts)
	checked := 0
	for i := range rep.Findings {
		f := &rep.Findings[i]
		if f.Object == nil || !strings.HasSuffix(f.Location.File, ".yaml") || f.Control == "duplicate-field" {
			continue // the place of a duplicate is that of the one without effect
		}
		checked++
		if want := lineOf(t, f); f.Location.Line != want {
			t.Errorf("%s: %s of %s is at line %d, want %d", f.Location.File, f.Path, f.Object.String(), f.Location.Line, want)
		}
	}
	t.Logf("%d findings checked", checked)
	if checked < 500 {
		t.Errorf("only %d findings were checked", checked)
	}
}

// odd are manifests in unusual form.
var odd = []string{
	"# a comment\n\n---\n\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n  spec:\n    containers:\n    - {name: c, image: nginx,\n       securityContext: {privileged: true}}\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: b\n  spec:\n    containers: [{\n      image: nginx}]\n",
	"apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: c\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          initContainers:\n          -\n            name: i\n            image: busybox\n            securityContext:\n\n              privileged: true\n          containers:\n          - name: c\n            image: >-\n              nginx:latest\n",
	"apiVersion: argoproj.io/v1alpha1\r\nkind: Rollout\r\nmetadata:\r\n  name: r\r\nspec:\r\n  template:\r\n    spec:\r\n      hostNetwork: true\r\n      containers:\r\n      - name: c\r\n        image: nginx\r\n",
	"apiVersion: v1\nkind: Pod\nmetadata: &m\n  name: anchored\nspec:\n  securityContext: &s\n    runAsUser: 0\n  containers:\n  - name: c\n    image: nginx\n    securityContext: *s\n",
}

// lineOf resolves the path of a finding in its file.
func lineOf(t *testing.T, f *report.Finding) int32 {
	t.Helper()
	text, err := os.ReadFile(f.Location.File)
	if err != nil {
		t.Fatal(err)
	}
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		if err := dec.Decode(&doc); err != nil {
			t.Fatalf("%s: %s is not there: %v", f.Location.File, f.Object.String(), err)
		}
		if n := find(doc.Content[0], f.Object); n != nil {
			return int32(nearest(n, inventory.SplitPath(f.Path)).Line)
		}
	}
}

// find is the node of an object, in a document or List.
func find(n *yaml.Node, o *report.Object) *yaml.Node {
	meta := field(n, "metadata")
	if text(field(n, "kind")) == o.Kind && text(field(meta, "name")) == o.Name && text(field(meta, "namespace")) == o.Namespace {
		return n
	}
	items := field(n, "items")
	if items == nil {
		return nil
	}
	for _, item := range items.Content {
		if found := find(item, o); found != nil {
			return found
		}
	}
	return nil
}

// nearest follows a path as far as it exists. The place of an entry of a map is
// that of its key.
func nearest(n *yaml.Node, path []string) *yaml.Node {
	place := n
	for _, segment := range path {
		if n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		next := (*yaml.Node)(nil)
		var i int
		if _, err := fmt.Sscanf(segment, "%d", &i); err == nil && n.Kind == yaml.SequenceNode && i < len(n.Content) {
			next = n.Content[i]
			place = next
		}
		for k := 0; n.Kind == yaml.MappingNode && k+1 < len(n.Content); k += 2 {
			if n.Content[k].Value == segment {
				next, place = n.Content[k+1], n.Content[k]
			}
		}
		if next == nil {
			return place
		}
		n = next
	}
	return place
}

func field(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func text(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return n.Value
}

func TestReadingStopsWhenTold(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run.Scan(ctx, paths("../../examples/shop")); err == nil {
		t.Error("a scan that was cancelled ends without an error")
	}
}

func TestRepeatedScansLeaveNothingBehind(t *testing.T) { //nolint:paralleltest // it counts goroutines
	scan(t, paths("../../examples/shop"))
	before := runtime.NumGoroutine()
	for range 5 {
		scan(t, paths("../../examples/shop"))
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("%d goroutines after five scans, %d before", after, before)
	}
}
