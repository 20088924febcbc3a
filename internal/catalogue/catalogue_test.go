package catalogue_test

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
)

var update = flag.Bool("update", false, "write the packed catalogue instead of comparing it")

func sources(t *testing.T) []*control.Control {
	t.Helper()
	controls, _, err := catalogue.Sources()
	if err != nil {
		t.Fatal(err)
	}
	return controls
}

func TestPackedCatalogueIsFresh(t *testing.T) {
	t.Parallel()
	const name = "controls.gen.json"
	want, err := catalogue.Pack(sources(t))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(name, want, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale; run make generate", name)
	}
}

func TestEveryControlCompilesForEveryVersion(t *testing.T) {
	t.Parallel()
	controls, analyses, err := catalogue.Sources()
	if err != nil {
		t.Fatal(err)
	}
	for _, minor := range []int{0, 18, 19, 22, 25, 30, 34, 35, 37, control.Latest} {
		for _, c := range controls {
			if _, err := control.Compile(c, minor, analyses[c.ID]); err != nil {
				t.Errorf("control %s for 1.%d: %v", c.ID, minor, err)
			}
		}
	}
}

func TestEveryControlHasTests(t *testing.T) {
	t.Parallel()
	for _, c := range sources(t) {
		if c.Chapter == "waiver" {
			continue // proven in internal/waiver, where they are judged
		}
		for _, want := range []finding.Verdict{finding.Fail, finding.Pass} {
			if !slices.ContainsFunc(c.Tests, func(test control.Test) bool { return test.Expect == want.String() }) {
				t.Errorf("control %s has no test that expects %s", c.ID, want)
			}
		}
	}
}

func TestSelect(t *testing.T) {
	t.Parallel()
	controls := sources(t)
	count := func(s catalogue.Selection) int {
		t.Helper()
		got, err := catalogue.Select(controls, s)
		if err != nil {
			t.Fatal(err)
		}
		return len(got)
	}
	if got := count(catalogue.Selection{}); got != len(controls) {
		t.Errorf("the empty selection has %d controls, want all %d", got, len(controls))
	}
	baseline, restricted := count(catalogue.Selection{Frameworks: []string{"pss-baseline"}}), count(catalogue.Selection{Frameworks: []string{"pss-restricted"}})
	if baseline == 0 || restricted <= baseline {
		t.Errorf("baseline has %d controls and restricted %d, want more for restricted", baseline, restricted)
	}
	if got := count(catalogue.Selection{IDs: []string{"pss-hostNamespaces"}}); got != 3 {
		t.Errorf("the name of a Pod Security check selects %d controls, want 3", got)
	}
	all := count(catalogue.Selection{IDs: []string{"etcd-*"}})
	if got := count(catalogue.Selection{IDs: []string{"etcd-*"}, Skip: []string{"etcd-plaintext"}}); got != all-1 {
		t.Errorf("skipping one of %d leaves %d", all, got)
	}
	for name, s := range map[string]catalogue.Selection{
		"no control matches":         {IDs: []string{"privilege-escalaton"}},
		"unknown framework":          {Frameworks: []string{"iso"}},
		"the selection leaves none":  {IDs: []string{"no-controller"}, Severity: finding.Critical},
		"no control matches \"nope*": {Skip: []string{"nope*"}},
	} {
		if _, err := catalogue.Select(controls, s); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(strings.Fields(name)[0], "the")) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
