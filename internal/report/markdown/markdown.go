// Package markdown writes a report as Markdown, sized for a comment on a pull
// request.
package markdown

import (
	"cmp"
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

// The lengths to which texts from strangers are cut, in characters.
const (
	maxName = 300
	maxText = 600
)

// page is the text as it grows.
type page struct {
	out   strings.Builder
	limit int
	// left counts what did not fit.
	left int
}

// reserve is kept free for what must follow: the ends of sections, and the
// words about what does not fit.
const reserve = 400

// row writes a line if there is room for it.
func (p *page) row(line string) {
	if p.out.Len()+len(line)+reserve > p.limit {
		p.left++
		return
	}
	p.out.WriteString(line)
}

// Render implements [report.Renderer].
func (m Renderer) Render(w io.Writer, r *report.Report) error {
	p := &page{limit: cmp.Or(m.Limit, defaultLimit)}
	p.head(r)
	for _, severity := range []string{"critical", "high", "medium", "low", "info"} {
		open := ""
		if severity == "critical" || severity == "high" {
			open = " open"
		}
		p.section("<details"+open+">", severity, r.Findings, func(f *report.Finding) bool {
			return f.Verdict == "fail" && (f.Severity == severity || severity == "info" && report.Rank(f.Severity) > report.Rank(severity))
		})
	}
	p.section("<details>", "could not be told", r.Findings, func(f *report.Finding) bool { return f.Verdict == "unknown" })
	p.gaps(r.Gaps)
	if p.left > 0 {
		fmt.Fprintf(&p.out, "\n%d more do not fit here; the other formats have them.\n", p.left)
	}
	_, err := io.WriteString(w, p.out.String())
	return err
}

func (p *page) head(r *report.Report) {
	c := r.Summary.Fail
	p.out.WriteString("## Redoubt\n\n| critical | high | medium | low | info | passed | waived | unknown |\n|---|---|---|---|---|---|---|---|\n")
	fmt.Fprintf(&p.out, "| %d | %d | %d | %d | %d | %d | %d | %d |\n", c.Critical, c.High, c.Medium, c.Low, c.Info, r.Summary.Pass, r.Summary.Waived, r.Summary.Unknown)
	if r.Summary.New != nil {
		fmt.Fprintf(&p.out, "\n%d findings are new since the baseline.\n", *r.Summary.New)
	}
	fmt.Fprintf(&p.out, "\n%s.\n", strings.Join([]string{report.Count(r.Scan.Files, "file"), report.Count(r.Scan.Objects, "object"), report.Count(r.Scan.Controls, "control")}, ", "))
}

// section writes a table of the findings that belong to it.
func (p *page) section(open, title string, findings []report.Finding, belongs func(*report.Finding) bool) {
	n := 0
	for i := range findings {
		if belongs(&findings[i]) {
			n++
		}
	}
	start := fmt.Sprintf("\n%s<summary>%d %s</summary>\n\n| where | what | fix |\n|---|---|---|\n", open, n, title)
	if n == 0 || p.out.Len()+len(start)+reserve > p.limit {
		p.left += n
		return
	}
	p.out.WriteString(start)
	for i := range findings {
		if belongs(&findings[i]) {
			p.row(row(&findings[i]))
		}
	}
	p.out.WriteString("\n</details>\n")
}

func (p *page) gaps(gaps []report.Gap) {
	if len(gaps) == 0 {
		return
	}
	p.out.WriteString("\n### Could not be read\n\n")
	for _, g := range gaps {
		where := ""
		if g.File != "" {
			where = " (" + place(report.Location{File: g.File, Line: g.Line}) + ")"
		}
		p.row("* **" + strings.TrimSpace(escape(g.What, maxName)) + "**" + where + ": " + escape(g.Why, maxText) + "\n")
	}
}

func row(f *report.Finding) string {
	who := f.Object.String()
	if f.Container != "" {
		who += " [" + f.Container + "]"
	}
	where := make([]string, 0, 2)
	for _, part := range []string{place(f.Location), escape(who, maxName)} {
		if part != "" {
			where = append(where, part)
		}
	}
	mark := ""
	if f.Baseline == "new" {
		mark = " **new**"
	}
	return fmt.Sprintf("| %s | **%s**%s<br>%s | %s |\n", strings.Join(where, "<br>"), escape(f.Control, maxName), mark, escape(f.Message, maxText), escape(f.Fix.Text, maxText))
}

// place is file and line as code. Where a name holds what ends code or a cell,
// HTML stands for the backquotes.
func place(l report.Location) string {
	if l.File == "" {
		return ""
	}
	l.File = report.Clip(l.File, maxName)
	if text := report.Place(l); !strings.ContainsAny(text, "`|\\<>&") {
		return "`" + text + "`"
	}
	return "<code>" + escape(report.Place(l), maxName) + "</code>"
}

// plain turns all that means something in Markdown, or to a code host, into
// text: markup, HTML, formulas, mentions, references and links.
var plain = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "$", "&#36;",
	"://", "&#58;//", "www.", "www&#46;", "@", "@\u200b", "#", "\\#\u200b",
	"\\", "\\\\", "|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "~", "\\~", "[", "\\[", "]", "\\]", "!", "\\!",
)

// escape makes text from strangers plain, and not too long.
func escape(s string, most int) string { return plain.Replace(report.Clip(s, most)) }
