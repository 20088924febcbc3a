// Package sarif writes a report as SARIF 2.1.0, in the form code scanning
// services take.
package sarif

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

// Renderer writes SARIF.
type Renderer struct {
	// Root is the absolute path of the checkout. Absolute paths below it are
	// written relative to it, which code scanning services ask for. Without it
	// they become file URIs.
	Root string
}

// The limits of code scanning services, and of what a reader takes in.
const (
	maxResults = 5000
	maxNotes   = 1000
	maxTags    = 20
	maxMessage = 1000
	maxText    = 4000
	maxTag     = 100
)

// informationURI is where the tool is described.
const informationURI = "https://github.com/redoubt-k8s/redoubt"

// Render implements [report.Renderer]. Failures, waived ones as suppressed
// results, are written; beyond 5,000 the mildest are left out and a
// notification says how many.
func (s Renderer) Render(w io.Writer, r *report.Report) error {
	run := sarif.NewRunWithInformationURI("Redoubt", informationURI)
	run.WithColumnKind("unicodeCodePoints")
	if r.Scan.Version != "" {
		run.Tool.Driver.Version = &r.Scan.Version
	}
	kept, dropped := choose(r.Findings)
	rules, index := rules(r.Controls, kept)
	run.Tool.Driver.Rules = rules
	for _, f := range kept {
		run.AddResult(s.result(f, index[f.Control]))
	}
	run.Invocations = []*sarif.Invocation{s.invocation(r, dropped)}
	out := sarif.NewReport()
	out.AddRun(run)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

// choose keeps the worst results up to the limit, in their order, real ones
// before waived ones.
func choose(findings []report.Finding) ([]*report.Finding, int) {
	var all []*report.Finding
	for i := range findings {
		if v := findings[i].Verdict; v == fail || v == waived {
			all = append(all, &findings[i])
		}
	}
	if len(all) <= maxResults {
		return all, 0
	}
	place := make(map[*report.Finding]int, len(all))
	for i, f := range all {
		place[f] = i
	}
	total := len(all)
	slices.SortStableFunc(all, func(a, b *report.Finding) int {
		return cmp.Or(strings.Compare(a.Verdict, b.Verdict), cmp.Compare(report.Rank(a.Severity), report.Rank(b.Severity)))
	})
	all = all[:maxResults]
	slices.SortFunc(all, func(a, b *report.Finding) int { return cmp.Compare(place[a], place[b]) })
	return all, total - len(all)
}

// The verdicts that become results, and the one that becomes a notification.
const (
	fail    = "fail"
	waived  = "waived"
	unknown = "unknown"
)

// rules describes the controls, also those that only a finding names, and
// tells where each is in the list.
func rules(controls []report.Control, findings []*report.Finding) ([]*sarif.ReportingDescriptor, map[string]int) {
	var out []*sarif.ReportingDescriptor
	index := make(map[string]int)
	add := func(c *report.Control) {
		if _, ok := index[c.ID]; !ok {
			index[c.ID] = len(out)
			out = append(out, rule(c))
		}
	}
	for i := range controls {
		add(&controls[i])
	}
	for _, f := range findings {
		add(&report.Control{ID: f.Control, Title: f.Control, Severity: f.Severity, Rationale: f.Control, Requirements: f.Requirements, Maps: f.Maps, Fix: f.Fix})
	}
	return out, index
}

// levels maps severities to SARIF levels, scores to what code scanning calls
// security-severity.
var (
	levels = map[string]string{"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}
	scores = map[string]string{"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "3.0", "info": "1.0"}
	// problems are the words code scanning has for levels.
	problems = map[string]string{"error": "error", "warning": "warning", "note": "recommendation"}
)

// level is that of a severity; one nobody knows is no reason to be silent.
func level(severity string) string { return cmp.Or(levels[severity], "warning") }

func rule(c *report.Control) *sarif.ReportingDescriptor {
	id, title := c.ID, cmp.Or(report.Clip(c.Title, maxMessage), c.ID)
	r := sarif.NewRule(id)
	r.Name = &id
	r.ShortDescription = text(title, "")
	r.FullDescription = text(cmp.Or(report.Clip(c.Rationale, maxMessage), title), "")
	r.Help = text(
		block(title+".")+block(c.Rationale)+block("Fix ("+c.Fix.Safety+"): "+c.Fix.Text),
		block("**"+markdown(title)+".**")+block(markdown(c.Rationale))+block("**Fix** ("+markdown(c.Fix.Safety)+"): "+markdown(c.Fix.Text)),
	)
	help := informationURI + "/blob/main/docs/controls/" + url.PathEscape(c.ID) + ".md"
	if c.Chapter == "policy" {
		help = informationURI + "/blob/main/docs/policy.md" // an admission policy of the user
	}
	r.HelpURI = &help
	r.DefaultConfiguration = sarif.NewReportingConfiguration()
	r.DefaultConfiguration.Level = level(c.Severity)
	r.Properties = sarif.NewPropertyBag()
	r.Properties.Add("security-severity", cmp.Or(scores[c.Severity], scores["info"]))
	r.Properties.Add("problem.severity", problems[level(c.Severity)])
	tags := []string{"security", "kubernetes"}
	if c.Chapter != "" {
		tags = append(tags, report.Clip(c.Chapter, maxTag))
	}
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

// block is a paragraph of a help text.
func block(s string) string { return report.Clip(strings.TrimSpace(s), maxText) + "\n\n" }

// markdown keeps the texts of somebody's own controls from becoming markup.
// Backquotes stay: they are how controls write the names of fields.
func markdown(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "[", "\\[", "]", "\\]", "!", "\\!", "*", "\\*").Replace(s)
}

func text(plain, markdown string) *sarif.MultiformatMessageString {
	m := sarif.NewMultiformatMessageString()
	plain, markdown = strings.TrimSpace(plain), strings.TrimSpace(markdown)
	m.Text = &plain
	if markdown != "" {
		m.Markdown = &markdown
	}
	return m
}

func (s Renderer) result(f *report.Finding, ruleIndex int) *sarif.Result {
	r := sarif.NewRuleResult(f.Control)
	r.RuleIndex = ruleIndex
	r.Level = level(f.Severity)
	msg := cmp.Or(strings.TrimSpace(f.Message), f.Control)
	if f.Object != nil {
		msg = f.Object.String() + ": " + msg
	}
	r.Message = sarif.NewTextMessage(report.Clip(msg, maxMessage))
	r.PartialFingerprints = map[string]string{"redoubt/v1": cmp.Or(f.Fingerprint, report.Fingerprint(f))}
	r.Locations = []*sarif.Location{s.location(f.Location)}
	if f.Object != nil {
		logical := sarif.NewLogicalLocation()
		name := f.Object.String()
		if f.Path != "" {
			name += "#" + f.Path
		}
		name = report.Clip(name, maxMessage)
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
	if f.Verdict == waived {
		r.Suppressions = []*sarif.Suppression{suppression(f.Waiver)}
	}
	return r
}

func suppression(w *report.Waiver) *sarif.Suppression {
	s := sarif.NewSuppression()
	kind, status := "external", "accepted"
	s.Kind, s.Status = &kind, &status
	if w != nil && w.Reason != "" {
		reason := report.Clip(w.Reason, maxMessage)
		s.Justification = &reason
	}
	return s
}

func (s Renderer) location(l report.Location) *sarif.Location {
	physical := sarif.NewPhysicalLocation()
	physical.ArtifactLocation = sarif.NewSimpleArtifactLocation(s.uri(l.File))
	line, column := max(int(l.Line), 1), max(int(l.Column), 1)
	physical.Region = sarif.NewRegion()
	physical.Region.StartLine, physical.Region.StartColumn = &line, &column
	return sarif.NewLocationWithPhysicalLocation(physical)
}

// uri is a path as a relative reference, or a file URI for an absolute one
// that is not below the root.
func (s Renderer) uri(file string) string {
	if file == "" || file == "-" {
		return "stdin"
	}
	root := strings.TrimSuffix(s.Root, "/")
	if rest, ok := strings.CutPrefix(file, root+"/"); ok && root != "" {
		file = rest
	}
	file = path.Clean(file)
	switch {
	case strings.HasPrefix(file, "/"):
		return (&url.URL{Scheme: "file", Path: file}).String()
	case drive.MatchString(file):
		return (&url.URL{Scheme: "file", Path: "/" + file}).String()
	}
	// A colon in the first folder would make it the scheme.
	return strings.ReplaceAll(strings.TrimPrefix((&url.URL{Path: file}).String(), "./"), ":", "%3A")
}

// drive is the start of an absolute path of Windows.
var drive = regexp.MustCompile(`^[A-Za-z]:/`)

// invocation tells whether the scan saw everything.
func (s Renderer) invocation(r *report.Report, dropped int) *sarif.Invocation {
	inv := sarif.NewInvocation()
	successful := true
	inv.ExecutionSuccessful = &successful
	add := func(level, message string, at *report.Location) {
		n := sarif.NewNotification()
		n.Level, n.Message = level, sarif.NewTextMessage(report.Clip(message, maxMessage))
		if at != nil && at.File != "" {
			n.Locations = []*sarif.Location{s.location(*at)}
		}
		inv.ToolExecutionNotifications = append(inv.ToolExecutionNotifications, n)
	}
	left := 0
	notify := func(level, message string, at *report.Location) {
		if len(inv.ToolExecutionNotifications) >= maxNotes {
			left++
			return
		}
		add(level, message, at)
	}
	for _, g := range r.Gaps {
		notify("warning", g.What+" could not be read: "+g.Why, &report.Location{File: g.File, Line: g.Line})
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Verdict == unknown {
			notify("note", f.Control+" on "+cmp.Or(f.Object.String(), f.Location.File, "the input")+": "+f.Message, &f.Location)
		}
	}
	if left > 0 {
		add("warning", fmt.Sprintf("%d more things could not be read or told; the other formats have them", left), nil)
	}
	if dropped > 0 {
		add("warning", fmt.Sprintf("%d results are left out, waived and mild ones first, to stay within the limits of code scanning", dropped), nil)
	}
	return inv
}
