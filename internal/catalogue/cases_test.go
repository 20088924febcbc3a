package catalogue_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/requirement"
	"github.com/redoubt-k8s/redoubt/internal/source/dockerfile"
)

// testCase is one error or silent failure of the catalogue of requirements.
type testCase struct {
	ID     string `json:"id"`
	Expect []struct {
		Control string `json:"control"`
		Path    string `json:"path"`
		// Message is a part of the message.
		Message string `json:"message"`
		// Verdict is fail if it is not given.
		Verdict string `json:"verdict"`
	} `json:"expect"`
	Absent []string `json:"absent"`
	// Broken is set where the file does not parse.
	Broken   bool   `json:"broken"`
	File     string `json:"file"`
	Manifest string `json:"manifest"`
}

// notInFiles are the cases that no file of the kinds that are read can show.
var notInFiles = map[string]string{
	"ERR-18":  "a link in a text",
	"GERR-R1": "a wrong sentence, no manifest",
	"GERR-P1": "a wrong table, no manifest",
	"SIL-03":  "needs a connection to be tried",
	"SIL-09":  "needs running pods",
	"SIL-20":  "needs the node",
	"SIL-24":  "needs metrics",
	"SIL-27":  "needs the stored data",
	"SIL-33":  "needs every node",
	"SIL-38":  "needs captured traffic",
	"SIL-43":  "needs every node",
}

func cases(t *testing.T) []testCase {
	t.Helper()
	text, err := os.ReadFile("testdata/cases.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []testCase
	if err := yaml.UnmarshalStrict(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestErrorsOfTheSourcesAreFound(t *testing.T) {
	t.Parallel()
	controls, analyses, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := catalogue.Compile(controls, analyses, control.Latest)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range cases(t) {
		t.Run(tc.ID, func(t *testing.T) {
			t.Parallel()
			tc.run(t, compiled)
		})
	}
}

func (tc *testCase) run(t *testing.T, compiled []*control.Compiled) {
	t.Helper()
	read := checktest.YAML
	if tc.File == "Dockerfile" {
		read = func(data []byte, o *inventory.Origin) ([]*inventory.Object, error) {
			res, err := dockerfile.Decode(data, o, decode.DefaultLimits())
			return res.Objects, err
		}
	}
	if tc.Broken {
		if _, err := read([]byte(tc.Manifest), &inventory.Origin{File: "case.yaml"}); err == nil {
			t.Error("the file is read without an error")
		}
		return
	}
	if tc.File == "" {
		tc.File = "case.yaml"
	}
	res := check.Run(checktest.Inventory(t, tc.File, tc.Manifest, read), compiled, check.Options{})
	for _, want := range tc.Expect {
		if want.Verdict == "" {
			want.Verdict = finding.Fail.String()
		}
		if !slices.ContainsFunc(res.Findings, func(f finding.Finding) bool {
			return f.Control == want.Control && f.Verdict.String() == want.Verdict &&
				(want.Path == "" || f.Path == want.Path) && strings.Contains(f.Message, want.Message)
		}) {
			t.Errorf("no %s by %s at %s %q; there is:\n%s", want.Verdict, want.Control, want.Path, want.Message, list(res.Findings))
		}
	}
	for _, id := range tc.Absent {
		if slices.ContainsFunc(res.Findings, func(f finding.Finding) bool { return f.Control == id }) {
			t.Errorf("%s reports something; there is:\n%s", id, list(res.Findings))
		}
	}
}

func list(findings []finding.Finding) string {
	var b strings.Builder
	for i := range findings {
		f := &findings[i]
		fmt.Fprintf(&b, "  %s %s %s: %s\n", f.Verdict, f.Control, f.Path, f.Message)
	}
	return b.String()
}

// TestEveryErrorOfTheSourcesHasACase wants a case for each, or a reason.
func TestEveryErrorOfTheSourcesHasACase(t *testing.T) {
	t.Parallel()
	reqs, err := requirement.Load()
	if err != nil {
		t.Fatal(err)
	}
	have := make(map[string]bool)
	for _, tc := range cases(t) {
		have[tc.ID] = true
	}
	for _, id := range reqs.Errors() {
		if have[id] == (notInFiles[id] != "") {
			t.Errorf("%s: case %t, reason for none %q", id, have[id], notInFiles[id])
		}
	}
}
