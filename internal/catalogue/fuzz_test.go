package catalogue_test

import (
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// FuzzControls judges whatever decodes by all controls: no input may make one
// panic, and every failure says something about a known object.
func FuzzControls(f *testing.F) {
	controls, analyses, err := catalogue.Sources()
	if err != nil {
		f.Fatal(err)
	}
	compiled, err := catalogue.Compile(controls, analyses, control.Latest)
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range controls {
		for _, test := range c.Tests {
			f.Add([]byte(test.Manifest))
		}
	}
	limits := decode.DefaultLimits()
	limits.Bytes = 1 << 16
	f.Fuzz(func(t *testing.T, data []byte) {
		inv := new(inventory.Inventory)
		res, err := decode.File(data, &inventory.Origin{File: "fuzz.yaml"}, limits)
		if err != nil || len(res.Objects) == 0 {
			return
		}
		inv.Add(res.Objects...)
		inv.Seal()
		for _, f := range check.Run(inv, compiled, check.Options{}).Findings {
			wellFormed(t, &f)
		}
	})
}

func wellFormed(t *testing.T, f *finding.Finding) {
	t.Helper()
	if f.Object == nil {
		t.Errorf("%s blames no object", f.Control)
	}
	if f.Message == "" || strings.Contains(f.Message, "%!") {
		t.Errorf("%s says %q", f.Control, f.Message)
	}
	if f.Verdict == finding.Fail && f.Severity == finding.NoSeverity {
		t.Errorf("%s has no severity", f.Control)
	}
}
