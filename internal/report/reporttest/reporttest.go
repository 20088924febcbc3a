// Package reporttest holds a report that has everything a report can have,
// much of it hostile, and compares what the formats make of it with golden
// files. Only tests import it.
package reporttest

import (
	"bytes"
	"flag"
	"os" //nolint:depguard // only tests import the package
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing them")

// Texts that strangers may put into names, values and files.
const (
	Script    = `</script><script>alert("pwned")</script><img src=x onerror=alert(1)>`
	Attribute = `" onmouseover="alert(1)" '><svg/onload=alert(1)>`
	Template  = `{{.Total}} ${7*7} <!-- ]]> --> &lt;b&gt; &#64;octocat javascript:alert(1)`
	Terminal  = "\x1b[2J\x1b[31mred\x1b[0m \x1b]0;title\x07 \u009b31m \x08\x7f\rover"
	Control   = "null\x00 one\x01 tab\x0b page\x0c \ufffe\uffff end"
	Lines     = "first\nsecond\r\n\n| forged | row | here |\n\u2028third\u2029fourth"
	Markdown  = "a|b \\| `code` ``` *bold* _it_ ~~no~~ [link](https://evil.example/a) ![image](https://evil.example/b.png) @octocat #1 www.evil.example $x$ </details> # head"
	Direction = "\u202egnp.exe\u202c \u2066x\u2069 \u200b\u200f\ufeff\U000e0041"
	Broken    = "caf\xe9 \xff\xfe \xed\xa0\x80 \xc0\xaf"
	File      = "deploy/a b|c`d#e?f%20<g>&\"h\".yaml"
)

// Long is text of many words, and LongWord of one.
var (
	Long     = strings.TrimSpace(strings.Repeat("a very long story ", 400))
	LongWord = strings.Repeat("x", 600)
)

// Hostile are all of them.
func Hostile() []string {
	return []string{Script, Attribute, Template, Terminal, Control, Lines, Markdown, Direction, Broken, File, Long, LongWord}
}

// Report returns the report. Each call makes a new one.
func Report() *report.Report {
	fresh := 2
	r := &report.Report{
		Schema: report.Schema,
		Scan: report.Scan{
			Version: "1.2.3", Sources: []string{"deploy", Script}, Files: 9, Objects: 21, PodTemplates: 8, Controls: 120,
			Skipped: map[string]int{"not Kubernetes": 3, "ignored " + Terminal: 1},
		},
		Summary:  report.Summary{New: &fresh},
		Findings: append(plain(), hostile()...),
		Gaps: []report.Gap{
			{What: "chart ./shop", Why: "the template shop/templates/web.yaml does not render: nil pointer", File: "shop/templates/web.yaml", Line: 7, Controls: []string{"privileged"}},
			{What: "image config of nginx:1.27", Why: "no network", Controls: []string{}},
			{What: Markdown + Script, Why: Terminal + Lines + Broken + Control, File: File, Line: 1, Controls: []string{}},
		},
		PodSecurity: []report.PodSecurity{
			{Object: *object("shop", "web"), Path: "spec.template.spec", Level: "privileged", Version: "v1.37", Blocks: []string{"privileged"}, Location: report.Location{File: "deploy/web.yaml", Line: 10, Column: 7}},
			{Object: *object("shop", "db"), Path: "spec.template.spec", Level: "restricted", Version: "v1.37", Location: report.Location{File: "deploy/db.yaml", Line: 10, Column: 7}},
			{Object: *object(Script, Terminal), Level: "unknown", Version: "v1.37", Location: report.Location{File: File}},
		},
		Controls: controls(),
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.Fingerprint = report.Fingerprint(f)
		count(&r.Summary, f)
	}
	return r
}

// Empty returns the report of a scan that found nothing.
func Empty() *report.Report { return &report.Report{Schema: report.Schema} }

// Many returns a report of as many failures of each severity.
func Many(critical, high, medium, low, info int) *report.Report {
	r := &report.Report{Schema: report.Schema, Controls: controls()}
	for _, s := range []struct {
		control, severity string
		n                 int
	}{
		{"image-tag", "medium", medium},
		{"cpu-limit", "low", low},
		{"note", "info", info},
		{"privileged", "critical", critical},
		{"run-as-root", "high", high},
	} {
		for range s.n {
			f := report.Finding{
				Control: s.control, Verdict: "fail", Severity: s.severity, Message: "it is so",
				Object: object("shop", "web"), Location: report.Location{File: "a.yaml", Line: 1, Column: 1},
			}
			f.Fingerprint = report.Fingerprint(&f)
			r.Findings = append(r.Findings, f)
			count(&r.Summary, &f)
		}
	}
	return r
}

func count(s *report.Summary, f *report.Finding) {
	bySeverity := map[string]*int{"critical": &s.Fail.Critical, "high": &s.Fail.High, "medium": &s.Fail.Medium, "low": &s.Fail.Low, "info": &s.Fail.Info}
	byVerdict := map[string]*int{"fail": bySeverity[f.Severity], "pass": &s.Pass, "unknown": &s.Unknown, "waived": &s.Waived, "not-applicable": &s.NotApplicable}
	*byVerdict[f.Verdict]++
}

func controls() []report.Control {
	one := func(id, severity, title string) report.Control {
		return report.Control{
			ID: id, Title: title, Chapter: "pod", Severity: severity, Rationale: "It weakens what keeps the container in.",
			Fix: report.Fix{Safety: "review", Text: "Take it away."},
		}
	}
	all := []report.Control{
		one("cpu-limit", "low", "Container has no CPU limit"),
		one("image-tag", "medium", "Image has no fixed tag"),
		one("note", "info", "Something to know"),
		one("own-rule", "high", Markdown+Script),
		one("privileged", "critical", "Container is privileged"),
		one("run-as-root", "high", "Container runs as root"),
		one("waiver-expired", "medium", "Waiver has expired"),
	}
	own, privileged := &all[3], &all[4]
	own.Rationale, own.Exceptions, own.Fix.Text = Terminal+Lines+Control+Broken, Attribute, Template
	own.Chapter = Markdown
	privileged.Requirements = []string{"NSA-POD-01", "CIS-5.2.2"}
	privileged.Exceptions = "Plugins of the node."
	privileged.Maps = report.Maps{PSS: "baseline", CIS: []string{"5.2.2"}, OWASP: []string{"K01"}, MITRE: []string{"T1611"}, Kubescape: []string{"C-0057"}}
	return all
}

func object(namespace, name string) *report.Object {
	return &report.Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: namespace, Name: name}
}

// plain are findings of every verdict and severity as they usually look.
func plain() []report.Finding {
	web := func(line int32) report.Location {
		return report.Location{File: "deploy/web.yaml", Line: line, Column: 9}
	}
	return []report.Finding{
		{
			Control: "image-tag", Verdict: "fail", Severity: "medium", Object: object("shop", "web"), Container: "app",
			Path: "spec.template.spec.containers[0].image", Location: web(14), Baseline: "known",
			Message: "the image shop/web:latest may be another one tomorrow",
			Fix:     report.Fix{Safety: "manual", Text: "Name a version or a digest."},
			Values:  []report.Value{{Key: "image.tag", Value: "latest", From: "values.yaml"}, {Key: "image.repository", Value: "shop/web"}},
		},
		{
			Control: "privileged", Verdict: "fail", Severity: "critical", Object: object("shop", "web"), Container: "app",
			Path: "spec.template.spec.containers[0].securityContext.privileged", Location: web(17), Baseline: "new",
			Requirements: []string{"NSA-POD-01", "CIS-5.2.2"},
			Maps:         report.Maps{PSS: "baseline", CIS: []string{"5.2.2"}, OWASP: []string{"K01"}, MITRE: []string{"T1611"}, Kubescape: []string{"C-0057"}},
			Message:      "the container is privileged, so that whoever gets into it has the node",
			Fix:          report.Fix{Safety: "review", Text: "Remove privileged, and add the capabilities that are missing then."},
			Excerpt:      &report.Excerpt{First: 16, Lines: []string{"        securityContext:", "          privileged: true", "        name: app " + Script}},
		},
		{Control: "run-as-root", Verdict: "pass", Severity: "high", Object: object("shop", "db"), Location: report.Location{File: "deploy/db.yaml", Line: 3, Column: 1}, Message: "it runs as user 70"},
		{Control: "cpu-limit", Verdict: "not-applicable", Severity: "low", Object: object("shop", "db"), Location: report.Location{File: "deploy/db.yaml", Line: 3, Column: 1}, Message: "it has no container"},
		{Control: "run-as-root", Verdict: "unknown", Severity: "high", Object: object("shop", "web"), Container: "app", Path: "spec.template.spec.containers[0].securityContext.runAsUser", Location: web(12), Message: "the manifest does not say which user, and nobody looked the image up"},
		{
			Control: "cpu-limit", Verdict: "waived", Severity: "low", Object: object("shop", "web"), Container: "app", Location: web(12),
			Message: "the container has no CPU limit", Waiver: &report.Waiver{Source: ".redoubt.yaml:4", Reason: "batch work", Owner: "shop", Until: "2027-01-31"},
		},
		{Control: "note", Verdict: "waived", Severity: "info", Object: object("shop", "web"), Location: web(1), Message: "just so", Waiver: &report.Waiver{Source: "deploy/web.yaml:1"}},
		{Control: "waiver-expired", Verdict: "fail", Severity: "medium", Location: report.Location{File: ".redoubt.yaml", Line: 9, Column: 1}, Message: "the waiver of run-as-root ended on 2026-01-31 and does not work any more: what it covered counts again"},
		{
			Control: "run-as-root", Verdict: "fail", Severity: "high", Object: object("", "old"), Location: report.Location{File: "deploy/old.yaml"},
			Message: "the container runs as root", Fix: report.Fix{Safety: "manual", Text: "Set runAsUser."}, Baseline: "new",
		},
		{Control: "note", Verdict: "fail", Severity: "info", Message: "this is about the run as a whole"},
	}
}

// hostile are findings in which every text is hostile.
func hostile() []report.Finding {
	var out []report.Finding
	all := Hostile()
	for i, text := range all {
		next := all[(i+1)%len(all)]
		verdict := []string{"fail", "waived", "unknown", "fail", "pass"}[i%5]
		f := report.Finding{
			Control: "own-rule", Verdict: verdict, Severity: []string{"high", "medium", "low"}[i%3],
			Object:    &report.Object{APIVersion: "v1", Kind: next, Namespace: text, Name: text},
			Container: next, Path: "spec." + text, Location: report.Location{File: text, Line: 3, Column: 1},
			Message: text, Fix: report.Fix{Safety: "manual", Text: next},
			Values: []report.Value{{Key: text, Value: next, From: text}},
		}
		if verdict == "waived" {
			f.Waiver = &report.Waiver{Source: text, Reason: next, Owner: text, Until: next}
		}
		if verdict == "fail" {
			f.Excerpt = &report.Excerpt{First: 2, Lines: []string{text, next}}
		}
		out = append(out, f)
	}
	return out
}

// Render renders a report, twice, since the same report must give the same
// bytes.
func Render(t *testing.T, to report.Renderer, r *report.Report) string {
	t.Helper()
	var first, second bytes.Buffer
	for _, w := range []*bytes.Buffer{&first, &second} {
		if err := to.Render(w, r); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("rendering twice differs")
	}
	return first.String()
}

// Golden compares a text with testdata/name; with -update it writes the file.
func Golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil { //nolint:gosec // part of the repository
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil { //nolint:gosec // part of the repository
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with -update", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs, -want +got; if that is right, write it with -update:\n%s", name, diff)
	}
}

// Verdicts are the findings of a report with one of the verdicts.
func Verdicts(r *report.Report, verdicts ...string) []report.Finding {
	var out []report.Finding
	for i := range r.Findings {
		if slices.Contains(verdicts, r.Findings[i].Verdict) {
			out = append(out, r.Findings[i])
		}
	}
	return out
}
