package sarif_test

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	library "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/report/reporttest"
	"github.com/redoubt-k8s/redoubt/internal/report/sarif"
)

func render(t *testing.T, to sarif.Renderer, r *report.Report) *library.Run {
	t.Helper()
	out, err := library.FromString(reporttest.Render(t, to, r))
	if err != nil {
		t.Fatal(err)
	}
	// The validator takes seconds for thousands of results, which are alike.
	if len(r.Findings) < 1000 {
		if err := out.Validate(); err != nil {
			t.Error(err)
		}
	}
	if len(out.Runs) != 1 {
		t.Fatalf("%d runs, want 1", len(out.Runs))
	}
	return out.Runs[0]
}

func TestGolden(t *testing.T) {
	t.Parallel()
	reporttest.Golden(t, "report.sarif", reporttest.Render(t, sarif.Renderer{}, reporttest.Report()))
}

// TestUploadRules holds the output against what code scanning services ask
// for when a file is uploaded.
func TestUploadRules(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]*report.Report{
		"a report with everything":           reporttest.Report(),
		"a report with nothing":              reporttest.Empty(),
		"a finding of an unknown control":    {Controls: reporttest.Report().Controls, Findings: []report.Finding{{Control: "mystery", Verdict: "fail", Severity: "high"}}},
		"a finding of no severity":           {Findings: []report.Finding{{Control: "mystery", Verdict: "fail", Severity: "none", Message: " "}}},
		"more failures than the limit takes": reporttest.Many(10, 10, 10, 6000, 10),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := render(t, sarif.Renderer{}, r)
			if n := len(run.Results); n > 5000 {
				t.Errorf("%d results, at most 5000", n)
			}
			checkRules(t, run.Tool.Driver.Rules)
			for _, res := range run.Results {
				checkResult(t, run, res)
			}
			for _, n := range run.Invocations[0].ToolExecutionNotifications {
				checkText(t, "notification", n.Message.Text)
				for _, l := range n.Locations {
					checkLocation(t, l)
				}
			}
		})
	}
}

func checkRules(t *testing.T, rules []*library.ReportingDescriptor) {
	t.Helper()
	seen := make(map[string]bool)
	for _, rule := range rules {
		checkRule(t, rule)
		if seen[*rule.ID] {
			t.Errorf("rule %s is there twice", *rule.ID)
		}
		seen[*rule.ID] = true
	}
}

func checkRule(t *testing.T, rule *library.ReportingDescriptor) {
	t.Helper()
	checkText(t, "short description", rule.ShortDescription.Text)
	checkText(t, "full description", rule.FullDescription.Text)
	checkText(t, "help", rule.Help.Text)
	checkText(t, "help in Markdown", rule.Help.Markdown)
	if help, err := url.Parse(*rule.HelpURI); err != nil || !help.IsAbs() {
		t.Errorf("rule %s: help at %q", *rule.ID, *rule.HelpURI)
	}
	if l := rule.DefaultConfiguration.Level; !slices.Contains([]string{"error", "warning", "note"}, l) {
		t.Errorf("rule %s: level %q", *rule.ID, l)
	}
	score, _ := rule.Properties.Properties["security-severity"].(string)
	if n, err := strconv.ParseFloat(score, 64); err != nil || n <= 0 || n > 10 {
		t.Errorf("rule %s: security-severity %q, want a number in a string, above 0 and up to 10", *rule.ID, score)
	}
	problem, _ := rule.Properties.Properties["problem.severity"].(string)
	if !slices.Contains([]string{"error", "warning", "recommendation"}, problem) {
		t.Errorf("rule %s: problem.severity %q", *rule.ID, problem)
	}
	if n := len(rule.Properties.Tags); n == 0 || n > 20 {
		t.Errorf("rule %s: %d tags, want 1 to 20", *rule.ID, n)
	}
}

func checkResult(t *testing.T, run *library.Run, res *library.Result) {
	t.Helper()
	rules := run.Tool.Driver.Rules
	if res.RuleIndex < 0 || res.RuleIndex >= len(rules) || *rules[res.RuleIndex].ID != *res.RuleID {
		t.Errorf("result of %s points to rule %d, which is another or none", *res.RuleID, res.RuleIndex)
	}
	checkText(t, "message", res.Message.Text)
	if !slices.Contains([]string{"error", "warning", "note"}, res.Level) {
		t.Errorf("result of %s: level %q", *res.RuleID, res.Level)
	}
	if f := res.PartialFingerprints["redoubt/v1"]; len(f) != 32 {
		t.Errorf("result of %s: fingerprint %q", *res.RuleID, f)
	}
	if len(res.Locations) != 1 {
		t.Fatalf("result of %s: %d locations, want 1", *res.RuleID, len(res.Locations))
	}
	checkLocation(t, res.Locations[0])
}

func checkText(t *testing.T, what string, text *string) {
	t.Helper()
	switch {
	case text == nil || strings.TrimSpace(*text) == "":
		t.Errorf("%s is empty", what)
	case strings.ContainsAny(*text, "\x00\x1b\x07\u202e\u009b"):
		t.Errorf("%s %q holds control characters", what, *text)
	case utf8.RuneCountInString(*text) > 20_000:
		t.Errorf("%s has %d characters", what, utf8.RuneCountInString(*text))
	}
}

func checkLocation(t *testing.T, l *library.Location) {
	t.Helper()
	uri := *l.PhysicalLocation.ArtifactLocation.URI
	parsed, err := url.Parse(uri)
	if err != nil {
		t.Errorf("URI %q: %v", uri, err)
		return
	}
	if parsed.IsAbs() || parsed.Host != "" || uri == "" || uri[0] == '/' || strings.ContainsAny(uri, "\\ \n") || parsed.RawQuery != "" || parsed.Fragment != "" {
		t.Errorf("URI %q is no plain relative path", uri)
	}
	if r := l.PhysicalLocation.Region; *r.StartLine < 1 || *r.StartColumn < 1 {
		t.Errorf("%s: line %d, column %d; both start at 1", uri, *r.StartLine, *r.StartColumn)
	}
}

func TestFilesBecomeReferences(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ root, file, want string }{
		"a relative path":                          {"", "deploy/web.yaml", "deploy/web.yaml"},
		"a path that starts with a dot":            {"", "./deploy/web.yaml", "deploy/web.yaml"},
		"a path with detours":                      {"", "deploy/../web.yaml", "web.yaml"},
		"a path above":                             {"", "../web.yaml", "../web.yaml"},
		"blanks, marks and percent signs":          {"", "a b/c#d?e%20.yaml", "a%20b/c%23d%3Fe%2520.yaml"},
		"a colon, which is no scheme":              {"", "a:b/c.yaml", "a%3Ab/c.yaml"},
		"a colon in a later folder":                {"", "a/b:c.yaml", "a/b%3Ac.yaml"},
		"bytes that are no UTF-8":                  {"", "caf\xe9.yaml", "caf%E9.yaml"},
		"a backslash, which is part of the name":   {"", `a\b.yaml`, "a%5Cb.yaml"},
		"standard input":                           {"", "-", "stdin"},
		"no file":                                  {"", "", "stdin"},
		"an absolute path below the root":          {"/src/repo", "/src/repo/a.yaml", "a.yaml"},
		"an absolute path and a root with a slash": {"/src/repo/", "/src/repo/a.yaml", "a.yaml"},
		"an absolute path beside the root":         {"/src/repo", "/src/repository/a.yaml", "file:///src/repository/a.yaml"},
		"an absolute path without a root":          {"", "/src/a.yaml", "file:///src/a.yaml"},
		"an absolute path of Windows":              {"", "C:/src/a.yaml", "file:///C:/src/a.yaml"},
		"a path of Windows below the root":         {"C:/src", "C:/src/a.yaml", "a.yaml"},
		"two slashes, which are no host":           {"", "//host/a.yaml", "file:///host/a.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &report.Report{Findings: []report.Finding{{Control: "x", Verdict: "fail", Severity: "low", Message: "m", Location: report.Location{File: c.file}}}}
			run := render(t, sarif.Renderer{Root: c.root}, r)
			if got := *run.Results[0].Locations[0].PhysicalLocation.ArtifactLocation.URI; got != c.want {
				t.Errorf("URI %q, want %q", got, c.want)
			}
		})
	}
}

func TestTheWorstResultsAreKept(t *testing.T) {
	t.Parallel()
	waived := reporttest.Many(0, 0, 0, 0, 0)
	for _, f := range append(reporttest.Many(6000, 0, 0, 0, 0).Findings, reporttest.Many(0, 0, 0, 0, 7).Findings...) {
		if f.Severity == "critical" {
			f.Verdict = "waived"
		}
		waived.Findings = append(waived.Findings, f)
	}
	for name, c := range map[string]struct {
		r    *report.Report
		want map[string]int
		note string
	}{
		"as many as the limit":                {reporttest.Many(1000, 1000, 1000, 1000, 1000), map[string]int{"privileged": 1000, "run-as-root": 1000, "image-tag": 1000, "cpu-limit": 1000, "note": 1000}, ""},
		"many of the mildest":                 {reporttest.Many(0, 0, 0, 0, 5001), map[string]int{"note": 5000}, "1 results"},
		"many of one severity":                {reporttest.Many(0, 0, 0, 6000, 0), map[string]int{"cpu-limit": 5000}, "1000 results"},
		"a few worse than many":               {reporttest.Many(3, 0, 6000, 0, 5), map[string]int{"privileged": 3, "image-tag": 4997}, "1008 results"},
		"many of the worst":                   {reporttest.Many(6000, 3, 0, 0, 0), map[string]int{"privileged": 5000}, "1003 results"},
		"waived ones give way to failures":    {waived, map[string]int{"note": 7, "privileged": 4993}, "1007 results"},
		"a severity nobody knows is the last": {&report.Report{Findings: append(reporttest.Many(0, 0, 0, 0, 5000).Findings, report.Finding{Control: "x", Verdict: "fail", Severity: "none", Message: "m"})}, map[string]int{"note": 5000}, "1 results"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := render(t, sarif.Renderer{}, c.r)
			got := make(map[string]int)
			for _, res := range run.Results {
				got[*res.RuleID]++
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			var notes []string
			for _, n := range run.Invocations[0].ToolExecutionNotifications {
				notes = append(notes, *n.Message.Text)
			}
			if said := strings.Join(notes, " "); !strings.HasPrefix(said, c.note) || c.note == "" && said != "" {
				t.Errorf("notifications %q, want them to start with %q", said, c.note)
			}
		})
	}
}

func TestManyUnknownVerdictsAreCounted(t *testing.T) {
	t.Parallel()
	r := reporttest.Many(0, 0, 0, 2500, 0)
	for i := range r.Findings {
		r.Findings[i].Verdict = "unknown"
	}
	notes := render(t, sarif.Renderer{}, r).Invocations[0].ToolExecutionNotifications
	if got := len(notes); got != 1001 {
		t.Fatalf("%d notifications, want 1001", got)
	}
	if got, want := *notes[1000].Message.Text, "1500 more things"; !strings.HasPrefix(got, want) {
		t.Errorf("the last one says %q, want %q", got, want)
	}
}

func TestVerdictsBecomeResults(t *testing.T) {
	t.Parallel()
	run := render(t, sarif.Renderer{}, reporttest.Report())
	want := reporttest.Verdicts(reporttest.Report(), "fail", "waived")
	if len(run.Results) != len(want) {
		t.Fatalf("%d results, want %d: failures and what is waived", len(run.Results), len(want))
	}
	for i, res := range run.Results {
		if *res.RuleID != want[i].Control {
			t.Errorf("result %d is of %s, want %s", i, *res.RuleID, want[i].Control)
		}
		if got := len(res.Suppressions) == 1; got != (want[i].Verdict == "waived") {
			t.Errorf("result %d, %s: suppressed %v", i, want[i].Verdict, got)
		}
		state := map[string]string{"new": "new", "known": "unchanged"}[want[i].Baseline]
		if got := res.BaselineState; got == nil && state != "" || got != nil && *got != state {
			t.Errorf("result %d: baseline state %v, want %q", i, got, state)
		}
	}
	levels := map[string]string{"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
	for i, res := range run.Results {
		if res.Level != levels[want[i].Severity] {
			t.Errorf("result %d, %s: level %s", i, want[i].Severity, res.Level)
		}
	}
}

func TestAWaivedFindingWithoutAWaiverIsSuppressedAllTheSame(t *testing.T) {
	t.Parallel()
	run := render(t, sarif.Renderer{}, &report.Report{Findings: []report.Finding{{Control: "x", Verdict: "waived", Severity: "low", Message: "m"}}})
	if len(run.Results) != 1 || len(run.Results[0].Suppressions) != 1 {
		t.Errorf("results %+v, want one, suppressed", run.Results)
	}
}
