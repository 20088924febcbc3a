// Package markdown writes a report as Markdown, sized for a comment on a pull
// request.
package markdown

import (
	"fmt"
	"io"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/report"
)

// Renderer writes Markdown.
type Renderer struct {
	// Limit bounds the size in bytes; 0 means 60,000, below what code hosts
	// take for a comment.
	Limit int
}

const defaultLimit = 60_000

// Render implements [report.Renderer].
func (m Renderer) Render(w io.Writer, r *report.Report) error {
	limit := m.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	var b strings.Builder
	head(&b, r)
	left := 0
	for _, severity := range []string{"critical", "high", "medium", "low", "info"} {
		left += section(&b, r, severity, limit)
	}
	if left > 0 {
		fmt.Fprintf(&b, "\n%d more findings do not fit here; the other formats have them.\n", left)
	}
	if len(r.Gaps) > 0 {
		b.WriteString("\n### Could not be read\n\n")
		for _, g := range r.Gaps {
			fmt.Fprintf(&b, "* %s: %s\n", escape(g.What), escape(g.Why))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func head(b *strings.Builder, r *report.Report) {
	c := r.Summary.Fail
	b.WriteString("## Redoubt\n\n| critical | high | medium | low | info | passed | waived | unknown |\n|---|---|---|---|---|---|---|---|\n")
	fmt.Fprintf(b, "| %d | %d | %d | %d | %d | %d | %d | %d |\n", c.Critical, c.High, c.Medium, c.Low, c.Info, r.Summary.Pass, r.Summary.Waived, r.Summary.Unknown)
	if r.Summary.New != nil {
		fmt.Fprintf(b, "\n%d findings are new since the baseline.\n", *r.Summary.New)
	}
	fmt.Fprintf(b, "\n%d files, %d objects, %d controls.\n", r.Scan.Files, r.Scan.Objects, r.Scan.Controls)
}

// section writes the failures of one severity and returns how many did not fit.
func section(b *strings.Builder, r *report.Report, severity string, limit int) int {
	var rows []string
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Verdict == "fail" && f.Severity == severity {
			rows = append(rows, row(f))
		}
	}
	if len(rows) == 0 {
		return 0
	}
	open := ""
	if severity == "critical" || severity == "high" {
		open = " open"
	}
	fmt.Fprintf(b, "\n<details%s><summary>%d %s</summary>\n\n| where | what | fix |\n|---|---|---|\n", open, len(rows), severity)
	left := 0
	for _, line := range rows {
		if b.Len()+len(line) > limit {
			left++
			continue
		}
		b.WriteString(line)
	}
	b.WriteString("\n</details>\n")
	return left
}

func row(f *report.Finding) string {
	who := f.Object.String()
	if f.Container != "" {
		who += " [" + f.Container + "]"
	}
	mark := ""
	if f.Baseline == "new" {
		mark = " **new**"
	}
	return fmt.Sprintf("| `%s:%d`<br>%s | **%s**%s<br>%s | %s |\n", code(f.Location.File), f.Location.Line, escape(who), escape(f.Control), mark, escape(f.Message), escape(f.Fix.Text))
}

// escape makes text from strangers plain: no markup, no HTML, no mentions.
func escape(s string) string {
	return strings.NewReplacer("\\", "\\\\", "|", "\\|", "<", "&lt;", ">", "&gt;", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "]", "\\]", "#", "\\#", "@", "@\u200b", "!", "\\!").Replace(report.Clean(s))
}

// code makes text safe within backquotes in a table.
func code(s string) string {
	return strings.NewReplacer("`", "'", "|", "\\|").Replace(report.Clean(s))
}
