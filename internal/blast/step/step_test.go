package step_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/blast/step"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var update = flag.Bool("update", false, "write the moves into the fixtures instead of comparing them")

// graph builds the moves of one step over manifests. Files whose name has
// "cluster" in it count as a whole cluster, and "without-Kind" in it says that
// the objects of a kind could not be read.
func graph(t *testing.T, s *blast.Step, name string, data []byte) *blast.Graph {
	t.Helper()
	res, err := decode.File(data, &inventory.Origin{File: name}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	inv := &inventory.Inventory{ClusterWide: strings.Contains(name, "cluster")}
	inv.Add(res.Objects...)
	if _, kind, ok := strings.Cut(strings.TrimSuffix(name, ".yaml"), "without-"); ok {
		inv.AddGap(inventory.Gap{What: "list of " + kind, Why: "forbidden", Kinds: []string{kind}})
	}
	inv.Seal()
	return blast.Build(blast.Gather(inv), []*blast.Step{s})
}

// moves are those of the step, in words, with their evidence.
func moves(g *blast.Graph, id string) []string {
	var out []string
	for _, m := range g.Moves(id) {
		words := fmt.Sprintf("%s -> %s", g.Facts.Thing(m.From), g.Facts.Thing(m.To))
		if m.Possible {
			words += " perhaps"
		}
		switch {
		case m.Grant.Binding != nil:
			words += " by " + m.Grant.Binding.Object.Ref()
			if m.Grant.Rule.Role != nil {
				words += " " + m.Grant.Rule.Role.Ref() + " " + m.Grant.Rule.Path()
			}
			words += " " + m.Note
		case m.Object != nil:
			words += " by " + m.Object.Ref() + " " + m.Path
		default:
			words += " by " + m.Note
		}
		out = append(out, words)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// fixtures runs a step over its fixtures and returns the moves of the positive
// ones.
func fixtures(t *testing.T, s *blast.Step, archive *txtar.Archive) []string {
	t.Helper()
	var got []string
	positive, negative := 0, 0
	for _, f := range archive.Files {
		found := moves(graph(t, s, f.Name, f.Data), s.ID)
		if strings.HasPrefix(f.Name, "no-") {
			negative++
			if len(found) > 0 {
				t.Errorf("%s: the step follows: %q", f.Name, found)
			}
			continue
		}
		positive++
		if len(found) == 0 {
			t.Errorf("%s: the step does not follow", f.Name)
		}
		got = append(got, found...)
	}
	if positive == 0 || negative == 0 {
		t.Errorf("%d positive and %d negative fixtures, want one of each at least", positive, negative)
	}
	return got
}

// TestStepsFollowFromTheirFixturesOnly wants, for every step, the moves written
// above its positive fixture and none for the negative one.
func TestStepsFollowFromTheirFixturesOnly(t *testing.T) {
	t.Parallel()
	for _, s := range step.All() {
		t.Run(s.ID, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", s.ID+".txtar")
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := fixtures(t, s, archive)
			if *update {
				archive.Comment = []byte(strings.Join(got, "\n") + "\n\n")
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := strings.Split(strings.TrimSpace(string(archive.Comment)), "\n")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("moves (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFixturesBelongToSteps(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		id := strings.TrimSuffix(f.Name(), ".txtar")
		if !slices.ContainsFunc(step.All(), func(s *blast.Step) bool { return s.ID == id }) {
			t.Errorf("%s belongs to no step", f.Name())
		}
	}
}

var technique = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)

func TestStepsAreWhole(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for _, s := range step.All() {
		if seen[s.ID] {
			t.Errorf("two steps are called %s", s.ID)
		}
		seen[s.ID] = true
		if s.Title == "" || s.Needs == "" || s.Gives == "" || s.Difficulty == 0 || len(s.MITRE) == 0 {
			t.Errorf("%s lacks a title, needs, gives, difficulty or technique", s.ID)
		}
		for _, id := range s.MITRE {
			if !technique.MatchString(id) {
				t.Errorf("%s: %q is no technique", s.ID, id)
			}
		}
		if n := finders(s); n != 1 {
			t.Errorf("%s finds moves in %d ways, want 1", s.ID, n)
		}
		if _, err := os.Stat(s.ID + ".go"); err != nil {
			t.Errorf("%s: %v", s.ID, err)
		}
	}
	if len(step.All()) < 50 {
		t.Errorf("%d steps, want 50 at least", len(step.All()))
	}
}

func finders(s *blast.Step) int {
	n := 0
	for _, set := range []bool{s.Workload != nil, s.Right != nil, s.World != nil} {
		if set {
			n++
		}
	}
	return n
}

func TestControlsOfStepsAreInTheCatalogue(t *testing.T) {
	t.Parallel()
	for _, s := range step.All() {
		if s.Control == "" {
			continue
		}
		if s.Fix == "" {
			t.Errorf("%s: a control needs a fix", s.ID)
		}
		if found, err := filepath.Glob("../../catalogue/*/" + s.Control + ".yaml"); err != nil || len(found) == 0 {
			t.Errorf("%s: the catalogue has no control %s", s.ID, s.Control)
		}
	}
}

func TestRequestsOfStepsHaveRoom(t *testing.T) {
	t.Parallel()
	requests := make(map[blast.Request]bool)
	for _, s := range step.All() {
		if s.Right == nil {
			continue
		}
		for _, q := range slices.Concat(s.Right.Needs...) {
			requests[q] = true
		}
	}
	if most := 255; len(requests) > most {
		t.Errorf("the steps ask for %d requests, at most %d have room", len(requests), most)
	}
}
