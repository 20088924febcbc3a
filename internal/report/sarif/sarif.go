// Package sarif writes a report as SARIF 2.1.0, in the form code scanning
// services take.
package sarif

import (
	"encoding/json"
	"io"
	"net/url"
	"path"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

// Renderer writes SARIF.
type Renderer struct{}

// The limits of code scanning services, and of what a reader takes in.
const (
	maxResults = 5000
	maxTags    = 20
	maxMessage = 1000
)

// informationURI is where the tool is described.
const informationURI = "https://github.com/redoubt-k8s/redoubt"

// Render implements [report.Renderer]. Failures, waived ones as suppressed
// results, are written; beyond 5,000 the mildest are left out and a
// notification says how many.
func (Renderer) Render(w io.Writer, r *report.Report) error {
	run := sarif.NewRunWithInformationURI("Redoubt", informationURI)
	if r.Scan.Version != "" {
		run.Tool.Driver.Version = &r.Scan.Version
	}
	index := make(map[string]int)
	for i := range r.Controls {
		index[r.Controls[i].ID] = i
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, rule(&r.Controls[i]))
	}
	kept, dropped := choose(r.Findings)
	for _, f := range kept {
		run.AddResult(result(f, index[f.Control]))
	}
	run.Invocations = []*sarif.Invocation{invocation(r, dropped)}
	out := sarif.NewReport()
	out.AddRun(run)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// choose keeps the worst results up to the limit, in their order.
func choose(findings []report.Finding) ([]*report.Finding, int) {
	var all []*report.Finding
	for i := range findings {
		if v := findings[i].Verdict; v == "fail" || v == "waived" {
			all = append(all, &findings[i])
		}
	}
	for worst := 4; len(all) > maxResults && worst > 0; worst-- {
		kept := all[:0:0]
		for _, f := range all {
			if report.Rank(f.Severity) < worst {
				kept = append(kept, f)
			}
		}
		all = kept
	}
	total := 0
	for i := range findings {
		if v := findings[i].Verdict; v == "fail" || v == "waived" {
			total++
		}
	}
	all = all[:min(len(all), maxResults)]
	return all, total - len(all)
}

// levels maps severities to SARIF levels, scores to what code scanning calls
// security-severity.
var (
	levels = map[string]string{"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
	scores = map[string]string{"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0", "info": "1.0"}
)

func rule(c *report.Control) *sarif.ReportingDescriptor {
	r := sarif.NewRule(c.ID)
	name := c.ID
	r.Name = &name
	r.ShortDescription = text(c.Title, "")
	r.FullDescription = text(c.Rationale, "")
	r.Help = text(
		c.Title+".\n\n"+c.Rationale+"\n\nFix ("+c.Fix.Safety+"): "+c.Fix.Text,
		"**"+c.Title+".**\n\n"+c.Rationale+"\n\n**Fix** ("+c.Fix.Safety+"): "+c.Fix.Text,
	)
	help := informationURI + "/blob/main/docs/controls/" + c.ID + ".md"
	r.HelpURI = &help
	r.DefaultConfiguration = sarif.NewReportingConfiguration()
	r.DefaultConfiguration.Level = levels[c.Severity]
	r.Properties = sarif.NewPropertyBag()
	r.Properties.Add("security-severity", scores[c.Severity])
	r.Properties.Add("problem.severity", levels[c.Severity])
	tags := []string{"security", "kubernetes", c.Chapter}
	for _, id := range c.Maps.CIS {
		tags = append(tags, "cis/"+id)
	}
	for _, id := range c.Maps.OWASP {
		tags = append(tags, "owasp/"+id)
	}
	tags = append(append(tags, c.Maps.MITRE...), c.Requirements...)
	r.Properties.WithTags(tags[:min(len(tags), maxTags)])
	return r
}

func text(plain, markdown string) *sarif.MultiformatMessageString {
	m := sarif.NewMultiformatMessageString()
	plain = strings.TrimSpace(plain)
	m.Text = &plain
	if markdown != "" {
		m.Markdown = &markdown
	}
	return m
}

func result(f *report.Finding, ruleIndex int) *sarif.Result {
	r := sarif.NewRuleResult(f.Control)
	r.RuleIndex = ruleIndex
	r.Level = levels[f.Severity]
	msg := report.Clean(f.Message)
	if f.Object != nil {
		msg = report.Clean(f.Object.String()) + ": " + msg
	}
	if len(msg) > maxMessage {
		msg = strings.ToValidUTF8(msg[:maxMessage], "")
	}
	r.Message = sarif.NewTextMessage(msg)
	r.PartialFingerprints = map[string]string{"redoubt/v1": f.Fingerprint}
	r.Locations = []*sarif.Location{location(f.Location)}
	if f.Object != nil {
		logical := sarif.NewLogicalLocation()
		name := f.Object.String()
		if f.Path != "" {
			name += "#" + f.Path
		}
		logical.FullyQualifiedName = &name
		kind := "object"
		logical.Kind = &kind
		r.Locations[0].LogicalLocations = []*sarif.LogicalLocation{logical}
	}
	switch f.Baseline {
	case "new":
		state := "new"
		r.BaselineState = &state
	case "known":
		state := "unchanged"
		r.BaselineState = &state
	}
	if f.Waiver != nil {
		s := sarif.NewSuppression()
		kind, status := "external", "accepted"
		s.Kind, s.Status, s.Justification = &kind, &status, &f.Waiver.Reason
		r.Suppressions = []*sarif.Suppression{s}
	}
	return r
}

func location(l report.Location) *sarif.Location {
	physical := sarif.NewPhysicalLocation()
	physical.ArtifactLocation = sarif.NewSimpleArtifactLocation(uri(l.File))
	line, column := max(int(l.Line), 1), max(int(l.Column), 1)
	physical.Region = sarif.NewRegion()
	physical.Region.StartLine, physical.Region.StartColumn = &line, &column
	return sarif.NewLocationWithPhysicalLocation(physical)
}

// uri is a path as a relative reference, or a file URI for an absolute one.
func uri(file string) string {
	if file == "" || file == "-" {
		return "stdin"
	}
	if strings.HasPrefix(file, "/") {
		return (&url.URL{Scheme: "file", Path: file}).String()
	}
	return strings.TrimPrefix((&url.URL{Path: path.Clean(file)}).String(), "./")
}

// invocation tells whether the scan saw everything.
func invocation(r *report.Report, dropped int) *sarif.Invocation {
	inv := sarif.NewInvocation()
	successful := true
	inv.ExecutionSuccessful = &successful
	notify := func(level, message string, at *report.Location) {
		n := sarif.NewNotification()
		n.Level, n.Message = level, sarif.NewTextMessage(report.Clean(message))
		if at != nil && at.File != "" {
			n.Locations = []*sarif.Location{location(*at)}
		}
		inv.ToolExecutionNotifications = append(inv.ToolExecutionNotifications, n)
	}
	for _, g := range r.Gaps {
		notify("warning", g.What+" could not be read: "+g.Why, &report.Location{File: g.File, Line: g.Line})
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Verdict == "unknown" {
			notify("note", f.Control+" on "+f.Object.String()+": "+f.Message, &f.Location)
		}
	}
	if dropped > 0 {
		notify("warning", "some results are left out, the mildest first, to stay within the limits of code scanning", nil)
	}
	return inv
}
