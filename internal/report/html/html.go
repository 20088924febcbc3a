// Package html writes a report as one page that works offline: no requests, no
// code but its own.
package html

import (
	"crypto/sha256"
	_ "embed" // the page is part of the program
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

//go:embed page.html
var page string

//go:embed page.css
var style string

//go:embed page.js
var script string

// Renderer writes HTML.
type Renderer struct{}

// finding is a finding with its source lines, as the page reads it.
type finding struct {
	*report.Finding

	First int32    `json:"first,omitempty"`
	Lines []string `json:"lines,omitempty"`
}

// Render implements [report.Renderer].
func (Renderer) Render(w io.Writer, r *report.Report) error {
	t, err := template.New("page").Parse(page)
	if err != nil {
		return err
	}
	findings := make([]finding, len(r.Findings))
	for i := range r.Findings {
		findings[i] = finding{Finding: &r.Findings[i]}
		if e := r.Findings[i].Excerpt; e != nil {
			findings[i].First, findings[i].Lines = e.First, e.Lines
		}
	}
	shell := *r
	shell.Findings = nil
	// encoding/json escapes <, > and &, so the data can't end the element it
	// stands in.
	data, err := json.Marshal(map[string]any{"report": shell, "findings": findings})
	if err != nil {
		return err
	}
	return t.Execute(w, map[string]any{
		"Style":  template.CSS(style), //nolint:gosec // our own text
		"Script": template.JS(script), //nolint:gosec // our own text
		"Data":   template.JS(data),   //nolint:gosec // JSON with <, > and & escaped
		"Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; style-src '" + hash(style) + "'; script-src '" + hash(script) + "'",
		"Total":  r.Summary.Fail.Total(),
	})
}

// hash is the source expression by which a policy allows one inline text.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
