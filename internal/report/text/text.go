// Package text writes a report for a person at a terminal: worst first,
// grouped by object, with places an editor can open.
package text

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

// Renderer writes text.
type Renderer struct {
	// Colour switches ANSI colours on.
	Colour bool
	// Width is the number of columns to fill, 80 if 0.
	Width int
}

// Render implements [report.Renderer].
func (t Renderer) Render(w io.Writer, r *report.Report) error {
	if t.Width == 0 {
		t.Width = 80
	}
	p := &page{colour: t.Colour, width: max(t.Width, 40)}
	for _, g := range group(r.Findings) {
		p.group(g)
	}
	p.aside(r.Findings)
	p.gaps(r.Gaps)
	p.podSecurity(r.PodSecurity)
	p.summary(r)
	_, err := io.WriteString(w, p.String())
	return err
}

// object is a group of findings about one object.
type object struct {
	name, file string
	findings   []*report.Finding
}

// group collects failures by object, the object with the worst one first, and
// within an object the worst first.
func group(findings []report.Finding) []*object {
	index := make(map[string]*object)
	var groups []*object
	for i := range findings {
		f := &findings[i]
		if f.Verdict != "fail" {
			continue
		}
		name := f.Object.String()
		if name == "" {
			name = f.Location.File
		}
		key := f.Location.File + "\x00" + name
		g := index[key]
		if g == nil {
			g = &object{name: name, file: f.Location.File}
			index[key] = g
			groups = append(groups, g)
		}
		g.findings = append(g.findings, f)
	}
	for _, g := range groups {
		slices.SortStableFunc(g.findings, func(a, b *report.Finding) int {
			return cmp.Compare(report.Rank(a.Severity), report.Rank(b.Severity))
		})
	}
	slices.SortStableFunc(groups, func(a, b *object) int {
		return cmp.Compare(report.Rank(a.findings[0].Severity), report.Rank(b.findings[0].Severity))
	})
	return groups
}

const (
	bold    = "1"
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	blue    = "34"
	magenta = "35"
)

var severityColour = map[string]string{"critical": magenta, "high": red, "medium": yellow, "low": blue, "info": dim}

// page is the text as it grows.
type page struct {
	strings.Builder

	colour bool
	width  int
}

func (p *page) paint(code, s string) string {
	if !p.colour || code == "" || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.Builder, format+"\n", args...) }

// The lengths to which texts from strangers are cut, in characters. What the
// report holds beyond them, the other formats have.
const (
	maxName = 300
	maxText = 2000
)

// name is a name from a stranger, made harmless.
func name(s string) string { return report.Clip(s, maxName) }

// wrapped writes text broken into lines behind an indent. A word that is
// longer than a line stays whole, so that it can be copied.
func (p *page) wrapped(indent int, code, text string) {
	room := p.width - indent
	prefix := strings.Repeat(" ", indent)
	line := ""
	for word := range strings.FieldsSeq(report.Clip(text, maxText)) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			p.line("%s%s", prefix, p.paint(code, line))
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		p.line("%s%s", prefix, p.paint(code, line))
	}
}

func (p *page) group(g *object) {
	if file := name(g.file); file != "" && g.file != g.name {
		p.line("%s  %s", p.paint(bold, name(g.name)), p.paint(dim, file))
	} else {
		p.line("%s", p.paint(bold, cmp.Or(name(g.name), "the input as a whole")))
	}
	for _, f := range g.findings {
		mark := ""
		if f.Baseline == "new" {
			mark = p.paint(bold, " new")
		}
		container := ""
		if f.Container != "" {
			container = " [" + name(f.Container) + "]"
		}
		p.at("  "+p.paint(severityColour[f.Severity], fmt.Sprintf("%-8s", name(f.Severity)))+" "+p.paint(bold, name(f.Control))+container+mark, f.Location)
		p.wrapped(11, "", f.Message)
		if f.Fix.Text != "" {
			p.wrapped(11, green, "fix: "+f.Fix.Text)
		}
		for _, v := range f.Values {
			from := ""
			if v.From != "" {
				from = " (" + v.From + ")"
			}
			p.wrapped(11, dim, "value "+v.Key+" = "+v.Value+from)
		}
	}
	p.line("")
}

// at writes a line and behind it the place it is about, if there is one.
func (p *page) at(text string, l report.Location) {
	l.File = name(l.File)
	if place := report.Place(l); place != "" {
		text += "  " + p.paint(dim, place)
	}
	p.line("%s", text)
}

// aside lists what is neither failure nor summary: unknowns, waivers, passes.
func (p *page) aside(findings []report.Finding) {
	for _, part := range []struct{ verdict, head string }{
		{"unknown", "Could not be told"}, {"waived", "Waived"}, {"pass", "Passed"},
	} {
		first := true
		for i := range findings {
			f := &findings[i]
			if f.Verdict != part.verdict {
				continue
			}
			if first {
				p.line("%s", p.paint(bold, part.head))
				first = false
			}
			who := name(f.Object.String())
			if f.Container != "" {
				who += " [" + name(f.Container) + "]"
			}
			if who != "" {
				who = "  " + who
			}
			p.at("  "+name(f.Control)+who, f.Location)
			switch {
			case f.Verdict == "unknown":
				p.wrapped(4, "", f.Message)
			case f.Waiver != nil:
				p.wrapped(4, dim, waiver(f.Waiver))
			}
		}
		if !first {
			p.line("")
		}
	}
}

func waiver(w *report.Waiver) string {
	text := w.Reason
	if w.Owner != "" {
		text += ", by " + w.Owner
	}
	if w.Until != "" {
		text += ", until " + w.Until
	}
	return strings.TrimPrefix(text+" ("+w.Source+")", ", ")
}

func (p *page) gaps(gaps []report.Gap) {
	if len(gaps) == 0 {
		return
	}
	p.line("%s", p.paint(bold, "Could not be read"))
	for _, g := range gaps {
		p.at("  "+name(g.What), report.Location{File: g.File, Line: g.Line})
		p.wrapped(4, "", g.Why)
	}
	p.line("")
}

func (p *page) podSecurity(levels []report.PodSecurity) {
	if len(levels) == 0 {
		return
	}
	counts := make(map[string]int)
	for _, l := range levels {
		counts[l.Level]++
	}
	var parts []string
	for _, level := range []string{"restricted", "baseline", "privileged", "unknown"} {
		if counts[level] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[level], level))
		}
	}
	p.line("%s  %s (version %s)", p.paint(bold, "Pod Security"), strings.Join(parts, ", "), name(levels[0].Version))
}

func (p *page) summary(r *report.Report) {
	c := r.Summary.Fail
	var parts []string
	for _, s := range []struct {
		name string
		n    int
	}{{"critical", c.Critical}, {"high", c.High}, {"medium", c.Medium}, {"low", c.Low}, {"info", c.Info}} {
		if s.n > 0 {
			parts = append(parts, p.paint(severityColour[s.name], fmt.Sprintf("%d %s", s.n, s.name)))
		}
	}
	found := p.paint(green, "nothing found")
	switch {
	case len(parts) > 0:
		found = strings.Join(parts, ", ")
	case r.Summary.Unknown > 0 || len(r.Gaps) > 0:
		found = p.paint(yellow, "nothing found, but not everything could be told")
	}
	p.line("%s      %s", p.paint(bold, "Findings"), found)
	rest := fmt.Sprintf("%d passed, %d waived, %d unknown", r.Summary.Pass, r.Summary.Waived, r.Summary.Unknown)
	if r.Summary.New != nil {
		rest += fmt.Sprintf(", %d new since the baseline", *r.Summary.New)
	}
	p.line("              %s", rest)
	p.line("%s       %s", p.paint(bold, "Scanned"), scanned(r))
	if next := worst(r); c.Total() > 0 && next != "" {
		p.line("%s          redoubt controls %s", p.paint(bold, "Next"), name(next))
	}
}

func scanned(r *report.Report) string {
	text := strings.Join([]string{
		report.Count(r.Scan.Files, "file"), report.Count(r.Scan.Objects, "object"), report.Count(r.Scan.PodTemplates, "pod template"), report.Count(r.Scan.Controls, "control"),
	}, ", ")
	reasons := make([]string, 0, len(r.Scan.Skipped))
	for reason, n := range r.Scan.Skipped {
		reasons = append(reasons, fmt.Sprintf("%d %s", n, name(reason)))
	}
	slices.Sort(reasons)
	if len(reasons) > 0 {
		text += "; skipped " + strings.Join(reasons, ", ")
	}
	return text
}

// worst is the id of the worst failing control, to explain next. Admission
// policies of the user are not among the controls that can be explained.
func worst(r *report.Report) string {
	foreign := make(map[string]bool)
	for i := range r.Controls {
		foreign[r.Controls[i].ID] = r.Controls[i].Chapter == "policy"
	}
	id, best := "", 0
	for i := range r.Findings {
		f := &r.Findings[i]
		if r := report.Rank(f.Severity); f.Verdict == "fail" && !foreign[f.Control] && (id == "" || r < best) {
			id, best = f.Control, r
		}
	}
	return id
}
