package run

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/podsecurity"
	"github.com/redoubt-k8s/redoubt/internal/report"
)

// makeReport turns findings into a report. Objects and trees stay behind.
func makeReport(inv *inventory.Inventory, controls []*control.Control, res check.Result) *report.Report {
	byID := make(map[string]*control.Control, len(controls))
	for _, c := range controls {
		byID[c.ID] = c
	}
	r := &report.Report{
		Schema: report.Schema,
		Scan: report.Scan{
			Files:    inv.Files,
			Objects:  len(inv.Objects),
			Controls: len(controls),
			Skipped:  inv.Skipped,
		},
		Summary:  report.Summary{Pass: res.Passed, NotApplicable: res.NotApplicable},
		Findings: reportFindings(res.Findings, byID),
		Gaps:     make([]report.Gap, 0, len(inv.Gaps)),
		Controls: make([]report.Control, 0),
	}
	used := make(map[string]bool)
	for i := range res.Findings {
		f := &res.Findings[i]
		if !used[f.Control] {
			used[f.Control] = true
			r.Controls = append(r.Controls, describe(byID[f.Control]))
		}
		count(&r.Summary, f)
	}
	slices.SortFunc(r.Controls, func(a, b report.Control) int { return cmp.Compare(a.ID, b.ID) })
	for _, g := range inv.Gaps {
		r.Gaps = append(r.Gaps, report.Gap{What: g.What, Why: g.Why, File: g.File, Line: g.Line, Controls: []string{}})
	}
	return r
}

func countTemplates(inv *inventory.Inventory) int {
	n := 0
	for _, o := range inv.Objects {
		n += len(o.PodTemplates())
	}
	return n
}

// reportFindings converts findings, whose controls must all be known, on all
// processors.
func reportFindings(findings []finding.Finding, byID map[string]*control.Control) []report.Finding {
	out := make([]report.Finding, len(findings))
	part := 1 + len(findings)/runtime.GOMAXPROCS(0)
	var wg sync.WaitGroup
	for first := 0; first < len(findings); first += part {
		wg.Go(func() {
			for i := first; i < min(first+part, len(findings)); i++ {
				out[i] = reportFinding(&findings[i], byID[findings[i].Control])
			}
		})
	}
	wg.Wait()
	return out
}

func count(s *report.Summary, f *finding.Finding) {
	switch f.Verdict {
	case finding.Fail:
		switch f.Severity {
		case finding.Critical:
			s.Fail.Critical++
		case finding.High:
			s.Fail.High++
		case finding.Medium:
			s.Fail.Medium++
		case finding.Low:
			s.Fail.Low++
		case finding.Info, finding.NoSeverity:
			s.Fail.Info++
		}
	case finding.Unknown:
		s.Unknown++
	case finding.Waived:
		s.Waived++
	case finding.Pass, finding.NotApplicable:
	}
}

func describe(c *control.Control) report.Control {
	return report.Control{
		ID: c.ID, Title: c.Title, Chapter: c.Chapter, Severity: c.Severity,
		Requirements: c.Requirements, Maps: report.Maps(c.Maps),
		Rationale: strings.TrimSpace(c.Rationale), Exceptions: strings.TrimSpace(c.Exceptions),
		Fix: report.Fix{Safety: string(c.Fix.Safety), Text: strings.TrimSpace(c.Fix.Text)},
	}
}

func reportFinding(f *finding.Finding, c *control.Control) report.Finding {
	loc := f.Location()
	out := report.Finding{
		Control:      f.Control,
		Verdict:      f.Verdict.String(),
		Severity:     f.Severity.String(),
		Requirements: c.Requirements,
		Maps:         report.Maps(c.Maps),
		Container:    f.Container,
		Path:         f.Path,
		Location:     report.Location(loc),
		Message:      strings.TrimSpace(f.Message),
		Fix:          report.Fix{Safety: string(c.Fix.Safety), Text: strings.TrimSpace(c.Fix.Text)},
	}
	if o := f.Object; o != nil {
		out.Object = &report.Object{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}
		for _, v := range o.Origin.Values[loc.Line] {
			out.Values = append(out.Values, report.Value(v))
		}
	}
	if f.Waiver != nil {
		w := report.Waiver(*f.Waiver)
		out.Waiver = &w
	}
	switch f.Baseline {
	case finding.Added:
		out.Baseline = "new"
	case finding.Known:
		out.Baseline = "known"
	case finding.Unmatched:
	}
	out.Fingerprint = report.Fingerprint(&out)
	return out
}

// countNew counts the failures that the baseline does not know.
func countNew(r *report.Report) {
	n := 0
	for i := range r.Findings {
		if r.Findings[i].Baseline == "new" {
			n++
		}
	}
	r.Summary.New = &n
}

// podSecurity is the Pod Security level of every pod template, equal templates
// judged once.
func podSecurity(inv *inventory.Inventory, version string) ([]report.PodSecurity, error) {
	switch {
	case version == "":
		version = "latest"
	case version != "latest" && !strings.HasPrefix(version, "v"):
		version = "v" + version
	}
	evaluator, err := podsecurity.New(version)
	if err != nil {
		return nil, err
	}
	var out []report.PodSecurity
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			v := evaluator.Evaluate(t)
			out = append(out, report.PodSecurity{
				Object: report.Object{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Namespace, Name: o.Name},
				Path:   t.SpecPath(), Level: v.Level, Version: version, Blocks: v.Blocks,
				Location: report.Location{File: o.Origin.File, Line: t.Spec.Line, Column: t.Spec.Column},
			})
		}
	}
	return out, nil
}
