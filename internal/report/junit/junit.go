// Package junit writes a report as JUnit XML: a suite for each object, a case
// for each control that has something to say about it.
package junit

import (
	"cmp"
	"encoding/xml"
	"io"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

// Renderer writes JUnit XML. Failures fail, what is waived or not applicable
// is skipped, unknown verdicts and gaps are errors.
type Renderer struct{}

type suites struct {
	XMLName  xml.Name `xml:"testsuites"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Suites   []*suite `xml:"testsuite"`
}

type suite struct {
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Cases    []testcase `xml:"testcase"`
}

type testcase struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	File    string   `xml:"file,attr,omitempty"`
	Line    int32    `xml:"line,attr,omitempty"`
	Failure *outcome `xml:"failure,omitempty"`
	Error   *outcome `xml:"error,omitempty"`
	Skipped *outcome `xml:"skipped,omitempty"`
}

type outcome struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

// Render implements [report.Renderer].
func (Renderer) Render(w io.Writer, r *report.Report) error {
	all := &suites{Name: "redoubt"}
	byName := make(map[string]*suite)
	at := func(name string) *suite {
		if byName[name] == nil {
			byName[name] = &suite{Name: name}
			all.Suites = append(all.Suites, byName[name])
		}
		return byName[name]
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		name := cmp.Or(report.Clean(f.Object.String()), report.Clean(f.Location.File), "input")
		at(name).add(caseOf(f, name))
	}
	for _, g := range r.Gaps {
		at("input").add(testcase{
			Name: report.Clean(g.What), Class: "input", File: report.Clean(g.File), Line: g.Line,
			Error: &outcome{Message: report.Clean(g.Why), Type: "gap"},
		})
	}
	for _, s := range all.Suites {
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		all.Skipped += s.Skipped
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *suite) add(c testcase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

func caseOf(f *report.Finding, class string) testcase {
	c := testcase{Name: report.Clean(f.Control), Class: class, File: report.Clean(f.Location.File), Line: f.Location.Line}
	if f.Container != "" {
		c.Name += " [" + report.Clean(f.Container) + "]"
	}
	if f.Path != "" {
		c.Name += " " + report.Clean(f.Path)
	}
	msg := report.Clean(f.Message)
	switch f.Verdict {
	case "pass":
	case "fail":
		c.Failure = &outcome{Message: msg, Type: report.Clean(f.Severity), Text: details(f)}
	case "waived":
		c.Skipped = &outcome{Message: "waived"}
		if f.Waiver != nil {
			c.Skipped.Message = report.Clean("waived: " + f.Waiver.Reason + " (" + f.Waiver.Source + ")")
		}
	case "not-applicable":
		c.Skipped = &outcome{Message: "not applicable"}
	default:
		// Whatever is no pass must not look like one.
		c.Error = &outcome{Message: cmp.Or(msg, "it could not be told"), Type: "unknown"}
	}
	return c
}

// details is the text of a failure: where, what and what to do.
func details(f *report.Finding) string {
	lines := []string{report.Place(f.Location), report.Clean(f.Message)}
	if f.Fix.Text != "" {
		lines = append(lines, "fix: "+report.Clean(f.Fix.Text))
	}
	if lines[0] == "" {
		lines = lines[1:]
	}
	return strings.Join(lines, "\n") + "\n"
}
