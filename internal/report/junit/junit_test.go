package junit_test

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/report/junit"
	"github.com/redoubt-k8s/redoubt/internal/report/reporttest"
)

// What readers of JUnit files look at.
type counts struct {
	Tests    int `xml:"tests,attr"`
	Failures int `xml:"failures,attr"`
	Errors   int `xml:"errors,attr"`
	Skipped  int `xml:"skipped,attr"`
}

func (c *counts) add(other counts) {
	c.Tests += other.Tests
	c.Failures += other.Failures
	c.Errors += other.Errors
	c.Skipped += other.Skipped
}

type document struct {
	XMLName xml.Name `xml:"testsuites"`
	counts
	Suites []suite `xml:"testsuite"`
}

type suite struct {
	counts
	Name  string     `xml:"name,attr"`
	Cases []testcase `xml:"testcase"`
}

type testcase struct {
	Name    string `xml:"name,attr"`
	Class   string `xml:"classname,attr"`
	Failure []text `xml:"failure"`
	Error   []text `xml:"error"`
	Skipped []text `xml:"skipped"`
}

func (c *testcase) counts() counts {
	return counts{Tests: 1, Failures: len(c.Failure), Errors: len(c.Error), Skipped: len(c.Skipped)}
}

type text struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func render(t *testing.T, r *report.Report) document {
	t.Helper()
	out := reporttest.Render(t, junit.Renderer{}, r)
	if !utf8.ValidString(out) {
		t.Error("the output is no UTF-8")
	}
	for dec := xml.NewDecoder(strings.NewReader(out)); ; {
		if _, err := dec.Token(); err == io.EOF { //nolint:errorlint // as the decoder says it
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	var doc document
	if err := xml.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestGolden(t *testing.T) {
	t.Parallel()
	reporttest.Golden(t, "report.xml", reporttest.Render(t, junit.Renderer{}, reporttest.Report()))
}

func TestCountsAgreeWithCases(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*report.Report{
		"a report with everything": reporttest.Report(),
		"a report with nothing":    reporttest.Empty(),
		"a report with much in it": reporttest.Many(1, 2, 3, 4, 5),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc := render(t, r)
			var all counts
			names := make(map[string]bool)
			for _, s := range doc.Suites {
				if s.Name == "" || names[s.Name] {
					t.Errorf("suite %q has no name or one that is taken", s.Name)
				}
				names[s.Name] = true
				all.add(countCases(t, s))
			}
			if diff := cmp.Diff(all, doc.counts); diff != "" {
				t.Errorf("-counted +said:\n%s", diff)
			}
			want := counts{
				Tests:    len(r.Findings) + len(r.Gaps),
				Failures: r.Summary.Fail.Total(),
				Errors:   r.Summary.Unknown + len(r.Gaps),
				Skipped:  r.Summary.Waived + r.Summary.NotApplicable,
			}
			if diff := cmp.Diff(want, doc.counts); diff != "" {
				t.Errorf("-report +JUnit:\n%s", diff)
			}
		})
	}
}

// countCases counts the cases of a suite, and holds that against what it says.
func countCases(t *testing.T, s suite) counts {
	t.Helper()
	var own counts
	for _, c := range s.Cases {
		one := c.counts()
		if c.Name == "" || c.Class == "" || one.Failures+one.Errors+one.Skipped > 1 {
			t.Errorf("case %+v has no name, no class or several outcomes", c)
		}
		own.add(one)
	}
	if diff := cmp.Diff(own, s.counts); diff != "" {
		t.Errorf("suite %s, -counted +said:\n%s", s.Name, diff)
	}
	return own
}

func TestOnlyAPassLooksLikeOne(t *testing.T) {
	t.Parallel()
	for verdict, want := range map[string]counts{
		"pass":           {Tests: 1},
		"fail":           {Tests: 1, Failures: 1},
		"unknown":        {Tests: 1, Errors: 1},
		"waived":         {Tests: 1, Skipped: 1},
		"not-applicable": {Tests: 1, Skipped: 1},
		"":               {Tests: 1, Errors: 1},
		"of the future":  {Tests: 1, Errors: 1},
	} {
		t.Run("verdict "+verdict, func(t *testing.T) {
			t.Parallel()
			doc := render(t, &report.Report{Findings: []report.Finding{{Control: "x", Verdict: verdict}}})
			if diff := cmp.Diff(want, doc.counts); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestHostileTextArrivesAsText(t *testing.T) {
	t.Parallel()
	for _, hostile := range reporttest.Hostile() {
		doc := render(t, &report.Report{
			Findings: []report.Finding{{
				Control: "x", Verdict: "fail", Object: &report.Object{Kind: "Pod", Name: hostile},
				Container: hostile, Path: hostile, Location: report.Location{File: hostile, Line: 2}, Message: hostile, Fix: report.Fix{Text: hostile},
			}},
			Gaps: []report.Gap{{What: hostile, Why: hostile, File: hostile}},
		})
		clean := report.Clean(hostile)
		if len(doc.Suites) != 2 || len(doc.Suites[0].Cases) != 1 {
			t.Fatalf("%q: %d suites, want 2", hostile, len(doc.Suites))
		}
		if got := doc.Suites[0].Cases[0].Failure[0].Message; got != clean {
			t.Errorf("message %q, want %q", got, clean)
		}
		if got, want := doc.Suites[0].Cases[0].Failure[0].Text, clean+":2\n"+clean+"\nfix: "+clean+"\n"; got != want {
			t.Errorf("text %q, want %q", got, want)
		}
		if got := doc.Suites[1].Cases[0].Error[0].Message; got != clean {
			t.Errorf("gap %q, want %q", got, clean)
		}
	}
}
