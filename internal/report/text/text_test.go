package text_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/report/reporttest"
	"github.com/redoubt-k8s/redoubt/internal/report/text"
)

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		to text.Renderer
		r  *report.Report
	}{
		"plain.txt":  {text.Renderer{}, reporttest.Report()},
		"wide.txt":   {text.Renderer{Width: 120}, reporttest.Report()},
		"colour.txt": {text.Renderer{Colour: true}, reporttest.Report()},
		"empty.txt":  {text.Renderer{}, reporttest.Empty()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reporttest.Golden(t, name, reporttest.Render(t, c.to, c.r))
		})
	}
}

// colours are the sequences the format writes itself.
var colours = regexp.MustCompile("\x1b\\[(?:0|1|2|3[1-5])m")

// checkHarmless finds what could drive a terminal.
func checkHarmless(t *testing.T, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Error("the output is no UTF-8")
	}
	for i, r := range out {
		if r != '\n' && (unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)) {
			t.Errorf("%U reaches the terminal: %q", r, out[max(0, i-30):min(len(out), i+30)])
			return
		}
	}
}

func TestNothingFromTheInputDrivesTheTerminal(t *testing.T) {
	t.Parallel()
	plain := reporttest.Render(t, text.Renderer{}, reporttest.Report())
	checkHarmless(t, plain)
	coloured := reporttest.Render(t, text.Renderer{Colour: true}, reporttest.Report())
	checkHarmless(t, colours.ReplaceAllString(coloured, ""))
	if got := colours.ReplaceAllString(coloured, ""); got != plain {
		t.Error("without its colours the coloured text is another one")
	}
	if coloured == plain {
		t.Error("there is no colour")
	}
}

// TestEveryField puts an escape sequence and a line end into each text of a
// report, also those that people do not usually write.
func TestEveryField(t *testing.T) {
	t.Parallel()
	const evil = "a\x1b[31mb\nc\u202ed\xff\u009b"
	object := &report.Object{APIVersion: evil, Kind: evil, Namespace: evil, Name: evil}
	at := report.Location{File: evil, Line: 1, Column: 1}
	r := &report.Report{
		Scan:        report.Scan{Version: evil, Sources: []string{evil}, Skipped: map[string]int{evil: 1}},
		Gaps:        []report.Gap{{What: evil, Why: evil, File: evil, Line: 1}},
		PodSecurity: []report.PodSecurity{{Object: *object, Path: evil, Level: evil, Version: evil, Blocks: []string{evil}, Location: at}},
		Controls:    []report.Control{{ID: evil, Title: evil, Chapter: evil, Severity: evil, Rationale: evil, Fix: report.Fix{Safety: evil, Text: evil}}},
	}
	r.Summary.Fail.High = 1
	for _, verdict := range []string{"fail", "unknown", "waived", "pass", evil} {
		r.Findings = append(r.Findings, report.Finding{
			Control: evil, Verdict: verdict, Severity: evil, Object: object, Container: evil, Path: evil, Location: at, Message: evil,
			Fix: report.Fix{Safety: evil, Text: evil}, Waiver: &report.Waiver{Source: evil, Reason: evil, Owner: evil, Until: evil},
			Baseline: evil, Values: []report.Value{{Key: evil, Value: evil, From: evil}}, Excerpt: &report.Excerpt{First: 1, Lines: []string{evil}},
		})
	}
	checkHarmless(t, reporttest.Render(t, text.Renderer{}, r))
	checkHarmless(t, colours.ReplaceAllString(reporttest.Render(t, text.Renderer{Colour: true}, r), ""))
}

func TestTextKeepsWithinTheWidth(t *testing.T) {
	t.Parallel()
	r := reporttest.Many(1, 0, 0, 0, 0)
	f := &r.Findings[0]
	f.Message, f.Fix.Text = reporttest.Long, reporttest.Long
	f.Values = []report.Value{{Key: "a.b", Value: reporttest.Long, From: "values.yaml"}}
	r.Gaps = []report.Gap{{What: "chart ./shop", Why: reporttest.Long}}
	unknown := *f
	unknown.Verdict = "unknown"
	waived := *f
	waived.Verdict, waived.Waiver = "waived", &report.Waiver{Source: "a.yaml:1", Reason: reporttest.Long}
	r.Findings = append(r.Findings, unknown, waived)
	for _, c := range []struct{ width, want int }{{0, 80}, {80, 80}, {120, 120}, {200, 200}, {40, 60}, {1, 60}, {-5, 60}} {
		t.Run(fmt.Sprint("width ", c.width), func(t *testing.T) {
			t.Parallel()
			widest := 0
			for line := range strings.Lines(reporttest.Render(t, text.Renderer{Width: c.width, Colour: true}, r)) {
				line = strings.TrimRight(colours.ReplaceAllString(line, ""), "\n")
				if !strings.HasPrefix(line, " ") || strings.HasPrefix(line, "              ") {
					continue // the frame
				}
				widest = max(widest, utf8.RuneCountInString(line))
			}
			if widest > c.want {
				t.Errorf("a line of %d columns, at most %d", widest, c.want)
			}
			if c.width >= 80 && widest < c.want-10 {
				t.Errorf("the widest line has %d columns, %d are there", widest, c.want)
			}
		})
	}
}

func TestALongWordStaysWhole(t *testing.T) {
	t.Parallel()
	r := reporttest.Many(1, 0, 0, 0, 0)
	r.Findings[0].Message = "see " + reporttest.LongWord + " there"
	out := reporttest.Render(t, text.Renderer{Width: 80}, r)
	if want := "\n           see\n           " + reporttest.LongWord + "\n           there\n"; !strings.Contains(out, want) {
		t.Errorf("got\n%s\nwant in it\n%s", out, want)
	}
}

func TestEndlessTextIsCut(t *testing.T) {
	t.Parallel()
	r := reporttest.Many(1, 0, 0, 0, 0)
	f := &r.Findings[0]
	endless := strings.Repeat("\x1b[31mx ", 1<<20)
	f.Message, f.Object.Name, f.Location.File, f.Container = endless, endless, endless, endless
	out := reporttest.Render(t, text.Renderer{}, r)
	if len(out) > 20_000 {
		t.Errorf("%d bytes for one finding", len(out))
	}
	checkHarmless(t, out)
}

func TestTheSummaryDoesNotPromiseTooMuch(t *testing.T) {
	t.Parallel()
	const clean, open = "nothing found\n", "nothing found, but not everything could be told\n"
	for name, c := range map[string]struct {
		r    *report.Report
		want string
	}{
		"all is well":             {reporttest.Empty(), clean},
		"a verdict is unknown":    {&report.Report{Summary: report.Summary{Unknown: 1}}, open},
		"something was not read":  {&report.Report{Gaps: []report.Gap{{What: "a", Why: "b"}}}, open},
		"there is a failure, too": {reporttest.Many(0, 0, 0, 0, 1), "1 info\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out := reporttest.Render(t, text.Renderer{}, c.r); !strings.Contains(out, "Findings      "+c.want) {
				t.Errorf("got\n%s\nwant %q in it", out, c.want)
			}
		})
	}
}

func TestTheWorstComesFirst(t *testing.T) {
	t.Parallel()
	out := reporttest.Render(t, text.Renderer{}, reporttest.Report())
	last := -1
	for _, want := range []string{"shop/Deployment/web", "  critical privileged", "  medium   image-tag", "Deployment/old", ".redoubt.yaml", "the input as a whole", "Could not be told", "Waived", "Passed", "Could not be read", "Pod Security", "Findings"} {
		at := strings.Index(out, "\n"+want)
		if strings.HasPrefix(out, want) {
			at = 0
		}
		if at <= last {
			t.Errorf("%q stands at %d, after %d was expected", want, at, last)
		}
		last = at
	}
	if !strings.HasSuffix(out, "redoubt controls privileged\n") {
		t.Error("the last line does not name the worst control")
	}
}
