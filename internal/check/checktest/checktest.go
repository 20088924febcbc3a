// Package checktest runs the tests that controls carry in their own files.
// Only tests import it.
package checktest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Reader turns the bytes of a file into objects. Chapters whose controls look
// at files that are not YAML bring their own.
type Reader func(data []byte, origin *inventory.Origin) ([]*inventory.Object, error)

// YAML is the reader for manifests.
func YAML(data []byte, origin *inventory.Origin) ([]*inventory.Object, error) {
	res, err := decode.File(data, origin, decode.DefaultLimits())
	return res.Objects, err
}

// Chapter runs the tests of all controls of a chapter.
func Chapter(t *testing.T, chapter control.Chapter, read Reader) {
	t.Helper()
	controls, err := chapter.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(controls) == 0 {
		t.Fatal("the chapter has no controls")
	}
	for _, c := range controls {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			if len(c.Tests) == 0 {
				t.Error("the control has no tests")
			}
			for _, test := range c.Tests {
				t.Run(strings.ReplaceAll(test.Name, " ", "-"), func(t *testing.T) {
					t.Parallel()
					runTest(t, c, chapter.Analyses[c.ID], &test, read)
				})
			}
		})
	}
}

func runTest(t *testing.T, c *control.Control, analyse control.Analysis, test *control.Test, read Reader) {
	t.Helper()
	minor, err := control.ParseMinor(test.Version)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := control.Compile(c, minor, analyse)
	if err != nil {
		t.Fatal(err)
	}
	inv := Inventory(t, test.File, test.Manifest, read)
	inv.ImageUsers = test.Images
	if test.Cluster != nil {
		if err := play(inv, test.Cluster); err != nil {
			t.Fatal(err)
		}
	}
	res := check.Run(inv, []*control.Compiled{compiled}, check.Options{Passed: true})
	if err := compare(test, res); err != nil {
		t.Error(err)
	}
}

// play makes an inventory that of a cluster.
func play(inv *inventory.Inventory, c *control.TestCluster) error {
	inv.ClusterWide, inv.ServerVersion, inv.ImageDigests = true, c.Server, c.Digests
	for _, kind := range c.Missing {
		inv.AddGap(inventory.Gap{What: "list " + kind, Why: "forbidden", Kinds: []string{kind}})
	}
	if c.Date == "" {
		return nil
	}
	var err error
	if inv.Time, err = time.Parse(time.DateOnly, c.Date); err != nil {
		return fmt.Errorf("date of the cluster: %w", err)
	}
	return nil
}

// Inventory reads a manifest into a sealed inventory.
func Inventory(t *testing.T, file, manifest string, read Reader) *inventory.Inventory {
	t.Helper()
	if file == "" {
		file = "manifest.yaml"
	}
	objects, err := read([]byte(manifest), &inventory.Origin{Kind: inventory.FromManifest, File: file})
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) == 0 {
		t.Fatal("the manifest holds no object")
	}
	inv := new(inventory.Inventory)
	inv.Add(objects...)
	inv.Seal()
	return inv
}

// compare holds the result against what the test expects. The worst verdict
// counts: fail, then unknown, then pass, then not-applicable.
func compare(test *control.Test, res check.Result) error {
	var fails []finding.Finding
	got := finding.NotApplicable
	for _, f := range res.Findings {
		switch f.Verdict {
		case finding.Fail:
			fails = append(fails, f)
			got = finding.Fail
		case finding.Unknown:
			if got != finding.Fail {
				got = finding.Unknown
			}
		case finding.Pass:
			if got == finding.NotApplicable {
				got = finding.Pass
			}
		case finding.Waived, finding.NotApplicable:
		}
	}
	if got.String() != test.Expect {
		return fmt.Errorf("verdict %s, want %s; findings: %s", got, test.Expect, describe(res.Findings))
	}
	if test.Count > 0 && len(fails) != test.Count {
		return fmt.Errorf("%d failing findings, want %d: %s", len(fails), test.Count, describe(fails))
	}
	if test.At != "" && (len(fails) == 0 || fails[0].Path != test.At) {
		return fmt.Errorf("the first failing finding is not at %s: %s", test.At, describe(fails))
	}
	for _, f := range fails {
		if f.Message == "" {
			return fmt.Errorf("a failing finding has no message: %s", describe(fails))
		}
	}
	return nil
}

func describe(findings []finding.Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "\n  %s %s at %q: %s", f.Verdict, f.Ref(), f.Path, f.Message)
	}
	return b.String()
}
