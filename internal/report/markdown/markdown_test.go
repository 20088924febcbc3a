package markdown_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/report/markdown"
	"github.com/redoubt-k8s/redoubt/internal/report/reporttest"
)

func TestGolden(t *testing.T) {
	t.Parallel()
	reporttest.Golden(t, "report.md", reporttest.Render(t, markdown.Renderer{}, reporttest.Report()))
	reporttest.Golden(t, "empty.md", reporttest.Render(t, markdown.Renderer{}, reporttest.Empty()))
}

// frame are the lines that the format itself writes and that hold no text of
// strangers.
var frame = []*regexp.Regexp{
	regexp.MustCompile(`^$`),
	regexp.MustCompile(`^## Redoubt$`),
	regexp.MustCompile(`^### Could not be read$`),
	regexp.MustCompile(`^\| critical \| high \| medium \| low \| info \| passed \| waived \| unknown \|$`),
	regexp.MustCompile(`^(\|---){3}\|$|^(\|---){8}\|$`),
	regexp.MustCompile(`^(\| \d+ ){8}\|$`),
	regexp.MustCompile(`^\| where \| what \| fix \|$`),
	regexp.MustCompile(`^<details( open)?><summary>\d+ [a-z ]+</summary>$`),
	regexp.MustCompile(`^</details>$`),
	regexp.MustCompile(`^\d+ (findings are new since the baseline|files, \d+ objects, \d+ controls)\.$`),
	regexp.MustCompile(`^\d+ more do not fit here; the other formats have them\.$`),
}

func framed(line string) bool {
	for _, f := range frame {
		if f.MatchString(line) {
			return true
		}
	}
	return false
}

// pipes counts the pipes that part cells: those without a backslash that is
// not escaped itself. That holds within code, too.
func pipes(line string) int {
	n := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '|':
			n++
		}
	}
	return n
}

var (
	ours     = regexp.MustCompile(`<br>|</?code>|\*\*`)
	escaped  = regexp.MustCompile(`\\[\\|*_~#!\[\]\x60]`)
	codeSpan = regexp.MustCompile("`[^`|\\\\<>&]*`")
	entity   = regexp.MustCompile(`&(amp|lt|gt|#36|#58|#46);`)
)

// checkText finds what would not be shown as plain text.
func checkText(t *testing.T, line string) {
	t.Helper()
	rest := codeSpan.ReplaceAllString(line, "")
	for _, allowed := range []*regexp.Regexp{ours, escaped, entity} {
		rest = allowed.ReplaceAllString(rest, "")
	}
	rest = strings.TrimPrefix(rest, "* ")
	if i := strings.IndexAny(rest, "<>&\\*_~`[]#!$\x1b\x00\u202e\u2028"); i >= 0 {
		t.Errorf("%q is left in the line %q", rest[i:min(i+20, len(rest))], line)
	}
	for _, link := range []string{"://", "www."} {
		if strings.Contains(rest, link) {
			t.Errorf("%s makes a link in the line %q", link, line)
		}
	}
	if regexp.MustCompile(`@[\w]`).MatchString(rest) {
		t.Errorf("somebody is mentioned in the line %q", line)
	}
}

// check returns how many findings and gaps the text names.
func check(t *testing.T, out string) (int, int) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Error("the output is no UTF-8")
	}
	rows, gaps, open := 0, 0, 0
	for line := range strings.Lines(out) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case framed(line):
			open += strings.Count(line, "<details") - strings.Count(line, "</details>")
		case strings.HasPrefix(line, "* "):
			gaps++
			checkText(t, line)
		default:
			rows++
			if n := pipes(line); n != 4 || !strings.HasPrefix(line, "| ") || !strings.HasSuffix(line, " |") {
				t.Errorf("the line is no row of three cells, %d pipes: %q", n, line)
			}
			checkText(t, strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|"), " | ", " "))
		}
	}
	if open != 0 {
		t.Errorf("%d sections stay open", open)
	}
	return rows, gaps
}

func TestContentBreaksNothing(t *testing.T) {
	t.Parallel()
	r := reporttest.Report()
	rows, gaps := check(t, reporttest.Render(t, markdown.Renderer{}, r))
	if want := r.Summary.Fail.Total() + r.Summary.Unknown; rows != want {
		t.Errorf("%d rows, want %d", rows, want)
	}
	if gaps != len(r.Gaps) {
		t.Errorf("%d gaps, want %d", gaps, len(r.Gaps))
	}
}

func TestEveryHostileTextInEveryPlace(t *testing.T) {
	t.Parallel()
	texts := append(reporttest.Hostile(), `\`, `\|`, `a\`, "`", "``", "|", "||", "- x", "1. x", "", " ", "&#x40;octocat", "HTTP://evil.example", "a@evil.example")
	for _, text := range texts {
		r := &report.Report{
			Findings: []report.Finding{{
				Control: "x", Verdict: "fail", Severity: "low", Object: &report.Object{Kind: text, Namespace: text, Name: text},
				Container: text, Location: report.Location{File: text, Line: 3}, Message: text, Fix: report.Fix{Text: text},
			}},
			Gaps: []report.Gap{{What: text, Why: text, File: text, Line: 3}},
		}
		if rows, gaps := check(t, reporttest.Render(t, markdown.Renderer{}, r)); rows != 1 || gaps != 1 {
			t.Errorf("%q: %d rows and %d gaps, want one of each", text, rows, gaps)
		}
	}
}

func TestSizeIsBounded(t *testing.T) {
	t.Parallel()
	gaps := reporttest.Many(0, 0, 0, 0, 0)
	for i := range 5000 {
		gaps.Gaps = append(gaps.Gaps, report.Gap{What: fmt.Sprint("file ", i), Why: "it is broken"})
	}
	long := reporttest.Many(1, 0, 0, 0, 0)
	long.Findings[0].Message = strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		r           *report.Report
		limit, want int
		rows, gaps  int
	}{
		"many findings":                             {reporttest.Many(1, 1, 1, 3000, 1), 0, 60_000, 500, 0},
		"many of the worst":                         {reporttest.Many(3000, 1, 1, 1, 1), 0, 60_000, 500, 0},
		"many gaps":                                 {gaps, 0, 60_000, 0, 500},
		"a small limit":                             {reporttest.Many(20, 20, 20, 20, 20), 3000, 3000, 10, 0},
		"a limit too small for anything":            {reporttest.Many(20, 20, 20, 20, 20), 1, 400, 0, 0},
		"a very long message, which is cut, fits":   {long, 0, 2000, 1, 0},
		"everything fits when there is not so much": {reporttest.Many(10, 10, 10, 10, 10), 0, 60_000, 50, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := reporttest.Render(t, markdown.Renderer{Limit: c.limit}, c.r)
			if len(out) > c.want {
				t.Errorf("%d bytes, at most %d", len(out), c.want)
			}
			rows, gaps := check(t, out)
			if rows < c.rows || gaps < c.gaps {
				t.Errorf("%d rows and %d gaps, at least %d and %d", rows, gaps, c.rows, c.gaps)
			}
			left := len(c.r.Findings) + len(c.r.Gaps) - rows - gaps
			if said := strings.Contains(out, fmt.Sprintf("\n%d more do not fit here", left)); said != (left > 0) {
				t.Errorf("%d are left out; said so: %v", left, said)
			}
		})
	}
}
