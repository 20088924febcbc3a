package html_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"html"
	"io"
	"iter"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/report"
	page "github.com/redoubt-k8s/redoubt/internal/report/html"
	"github.com/redoubt-k8s/redoubt/internal/report/reporttest"
)

// parts is a page taken apart: what stands around the data, and the data.
type parts struct {
	shell, style, data, script string
}

var (
	dataPart   = regexp.MustCompile(`(?s)(<script type="application/json" id="data">)(.*?)(</script>)`)
	stylePart  = regexp.MustCompile(`(?s)(<style>)(.*?)(</style>)`)
	scriptPart = regexp.MustCompile(`(?s)(<script>)(.*?)(</script>)`)
)

// split takes a page apart the way a browser does: a script ends at the first
// end tag, whatever stands in it.
func split(t *testing.T, out string) parts {
	t.Helper()
	var p parts
	for _, part := range []struct {
		form *regexp.Regexp
		to   *string
	}{{dataPart, &p.data}, {stylePart, &p.style}, {scriptPart, &p.script}} {
		found := part.form.FindAllStringSubmatch(out, -1)
		if len(found) != 1 {
			t.Fatalf("%d times %s, want one", len(found), part.form)
		}
		*part.to = found[0][2]
		out = part.form.ReplaceAllString(out, "$1$3")
	}
	p.shell = out
	return p
}

func TestGolden(t *testing.T) {
	t.Parallel()
	out := reporttest.Render(t, page.Renderer{}, reporttest.Report())
	if !utf8.ValidString(out) {
		t.Error("the page is no UTF-8")
	}
	p := split(t, out)
	// The hashes change with every touch of style or script; another test checks them.
	reporttest.Golden(t, "shell.html", regexp.MustCompile(`sha256-[^=]*=`).ReplaceAllString(p.shell, "sha256-HASH="))
	reporttest.Golden(t, "data.json", strings.ReplaceAll(p.data, `},{`, "},\n{")+"\n")
}

// TestOnlyTheDataHoldsText is why no text can become markup: the page around
// the data is the same whatever was scanned.
func TestOnlyTheDataHoldsText(t *testing.T) {
	t.Parallel()
	count := regexp.MustCompile(`<title>Redoubt: \d+ findings</title>`)
	blank := func(r *report.Report) parts {
		p := split(t, reporttest.Render(t, page.Renderer{}, r))
		if !count.MatchString(p.shell) {
			t.Error("the title does not say how many findings there are")
		}
		p.shell = count.ReplaceAllString(p.shell, "")
		return p
	}
	plain, hostile := blank(reporttest.Empty()), blank(reporttest.Report())
	plain.data, hostile.data = "", ""
	if diff := cmp.Diff(plain, hostile, cmp.AllowUnexported(parts{})); diff != "" {
		t.Errorf("the content of a report changes the page around it:\n%s", diff)
	}
}

func TestTheDataCannotEndItsElement(t *testing.T) {
	t.Parallel()
	data := split(t, reporttest.Render(t, page.Renderer{}, reporttest.Report())).data
	if i := strings.IndexAny(data, "<>&\u2028\u2029\x00"); i >= 0 {
		t.Errorf("%q stands in the data", data[max(0, i-20):min(len(data), i+20)])
	}
	var got struct {
		Report   report.Report `json:"report"`
		Findings []struct {
			report.Finding
			First int32    `json:"first"`
			Lines []string `json:"lines"`
		} `json:"findings"`
	}
	if err := json.Unmarshal([]byte(data), &got); err != nil {
		t.Fatal(err)
	}
	want := reporttest.Report()
	if len(got.Findings) != len(want.Findings) {
		t.Fatalf("%d findings, want %d", len(got.Findings), len(want.Findings))
	}
	for i, f := range got.Findings {
		if text := strings.ToValidUTF8(want.Findings[i].Message, ""); strings.ReplaceAll(f.Message, "\ufffd", "") != text {
			t.Errorf("message %q, want %q", f.Message, text)
		}
		if e := want.Findings[i].Excerpt; e != nil && (f.First != e.First || len(f.Lines) != len(e.Lines)) {
			t.Errorf("finding %d: excerpt of %d lines from %d, want %d from %d", i, len(f.Lines), f.First, len(e.Lines), e.First)
		}
	}
}

func TestThePageLoadsNothing(t *testing.T) {
	t.Parallel()
	p := split(t, reporttest.Render(t, page.Renderer{}, reporttest.Report()))
	for what, c := range map[string]struct{ text, forbidden string }{
		"the page":   {p.shell, `(?i)\b(src|srcset|href|action|formaction|poster|background|cite|ping|data)\s*=|<(link|iframe|object|embed|base|img|svg|video|audio)\b|//`},
		"the style":  {p.style, `(?i)@import|url\s*\(|image-set|expression\s*\(|</|//`},
		"the script": {p.script, `(?i)\bfetch\b|XMLHttpRequest|WebSocket|EventSource|sendBeacon|\bimport\b|importScripts|new Image|\bWorker\b|\.src\b|\.href\b|\blocation\s*=|window\.open|</|//`},
	} {
		if found := regexp.MustCompile(c.forbidden).FindString(c.text); found != "" {
			t.Errorf("%s has %q", what, found)
		}
	}
}

func TestTheScriptMakesNoMarkupOfText(t *testing.T) {
	t.Parallel()
	p := split(t, reporttest.Render(t, page.Renderer{}, reporttest.Empty()))
	dangerous := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|\beval\b|Function\s*\(|setAttribute|setTimeout|setInterval|javascript:`)
	if found := dangerous.FindString(p.script); found != "" {
		t.Errorf("the script uses %q", found)
	}
	if found := regexp.MustCompile(`(?i)\bon[a-z]+\s*=`).FindString(p.shell); found != "" {
		t.Errorf("the page has the inline event %q", found)
	}
}

func TestThePolicyAllowsOnlyOurOwn(t *testing.T) {
	t.Parallel()
	p := split(t, reporttest.Render(t, page.Renderer{}, reporttest.Report()))
	m := regexp.MustCompile(`<meta http-equiv="Content-Security-Policy" content="([^"]*)">`).FindStringSubmatch(p.shell)
	if m == nil {
		t.Fatal("the page has no policy")
	}
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	want := "default-src 'none'; base-uri 'none'; form-action 'none'; style-src " + hash(p.style) + "; script-src " + hash(p.script)
	if got := html.UnescapeString(m[1]); got != want {
		t.Errorf("policy %q, want %q", got, want)
	}
	if at := strings.Index(p.shell, "Content-Security-Policy"); at > strings.Index(p.shell, "<style>") || at > strings.Index(p.shell, "<script") {
		t.Error("the policy comes after what it is about")
	}
}

func TestThePageIsWellFormed(t *testing.T) {
	t.Parallel()
	p := split(t, reporttest.Render(t, page.Renderer{}, reporttest.Report()))
	ids := make(map[string]int)
	var open []string
	for token := range tokens(t, p.shell) {
		switch e := token.(type) {
		case xml.StartElement:
			open = append(open, e.Name.Local)
			for _, a := range e.Attr {
				if a.Name.Local == "id" {
					ids[a.Value]++
				}
			}
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != e.Name.Local {
				t.Fatalf("</%s> ends none of %v", e.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("%v stay open", open)
	}
	asked := regexp.MustCompile(`(?:\$|getElementById)\('(\w+)'\)`).FindAllStringSubmatch(p.script, -1)
	for _, m := range asked {
		if ids[m[1]] != 1 {
			t.Errorf("the script asks for #%s, which is %d times on the page", m[1], ids[m[1]])
		}
	}
	if len(asked) < 10 {
		t.Errorf("the script asks for only %d elements", len(asked))
	}
}

func tokens(t *testing.T, text string) iter.Seq[xml.Token] {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(text))
	dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	return func(yield func(xml.Token) bool) {
		for {
			token, err := dec.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !yield(token) {
				return
			}
		}
	}
}
