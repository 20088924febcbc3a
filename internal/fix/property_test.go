package fix_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/gen"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var corpus = flag.String("corpus", "", "a folder of manifests to fix, too")

// TestFixingKeepsItsPromises fixes the examples and generated manifests, safely
// and boldly: the meaning differs at the announced paths only, no line but the
// edited ones changes, findings only go down, none gets more severe, and a
// second run has nothing to do.
func TestFixingKeepsItsPromises(t *testing.T) {
	t.Parallel()
	sets := map[string]map[string]string{"examples": examples(t), "generated": {}}
	for i, text := range gen.Manifests(96, gen.Options{Seed: 9, Same: 0.2}) {
		sets["generated"][fmt.Sprintf("%03d.yaml", i)] = text
	}
	if *corpus != "" {
		sets["corpus"] = folder(t, *corpus)
	}
	for name, files := range sets {
		for _, opts := range []fix.Options{
			{Safety: control.Safe},
			{Safety: control.Review},
			{Safety: control.Review, User: 10001, Writable: []string{"/tmp", "/var/run"}},
		} {
			t.Run(fmt.Sprintf("%s, %s, user %d", name, opts.Safety, opts.User), func(t *testing.T) {
				t.Parallel()
				keepsPromises(t, files, opts)
			})
		}
	}
}

func keepsPromises(t *testing.T, files map[string]string, opts fix.Options) {
	t.Helper()
	res := fixed(t, files, opts)
	after := maps.Clone(files)
	for name, text := range res.Texts {
		after[name] = string(text)
	}
	t.Logf("%d manifests, %d edits, findings from %d to %d, %d refused", len(files), len(res.Edits), res.Before, res.After, len(res.Refused))
	if len(res.Edits) == 0 || res.After >= res.Before {
		t.Errorf("%d edits, findings from %d to %d", len(res.Edits), res.Before, res.After)
	}
	announced(t, files, after, res)
	for name := range res.Texts {
		patched(t, name, files[name], after[name])
		untouched(t, name, files[name], after[name], res)
	}
	worst(t, files, after)
	again := fixed(t, after, opts)
	if len(again.Edits) > 0 {
		t.Errorf("the second run still edits: %+v", again.Edits[0])
	}
	if again.Before != res.After {
		t.Errorf("%d findings after the first run, %d before the second", res.After, again.Before)
	}
}

// announced walks over both trees of every object: where they differ, an edit
// says so.
func announced(t *testing.T, files, after map[string]string, res *fix.Result) {
	t.Helper()
	paths := make(map[string][]string)
	for _, e := range res.Edits {
		if e.Path != "" {
			paths[e.File] = append(paths[e.File], strings.TrimSuffix(e.Path, "[-]"))
		}
		if to, ok := strings.CutPrefix(e.After, "moved to "); ok {
			paths[e.File] = append(paths[e.File], to)
		}
		if to, ok := strings.CutPrefix(e.After, "renamed to "); ok {
			segments := inventory.SplitPath(e.Path)
			parent := strings.TrimSuffix(strings.TrimSuffix(e.Path, "["+segments[len(segments)-1]+"]"), "."+segments[len(segments)-1])
			paths[e.File] = append(paths[e.File], inventory.Join(parent, to))
		}
	}
	for name := range files {
		a, b := load(t, map[string]string{name: files[name]}), load(t, map[string]string{name: after[name]})
		if added := len(b.Objects) - len(a.Objects); added != countAdded(res, name) {
			t.Errorf("%s: %d objects became %d", name, len(a.Objects), len(b.Objects))
			continue
		}
		for i := range a.Objects {
			differences(a.Objects[i].Root, b.Objects[i].Root, "", func(path string) {
				if !slices.ContainsFunc(paths[name], func(p string) bool { return said(p, path) }) {
					t.Errorf("%s: %s of %s differs, and no edit says so", name, path, a.Objects[i].Ref())
				}
			})
		}
	}
}

// countAdded is the number of objects that edits of a file announce.
func countAdded(res *fix.Result, file string) int {
	n := 0
	for _, e := range res.Edits {
		if e.File == file && e.Path == "" && strings.HasPrefix(e.After, "added ") {
			n++
		}
	}
	return n
}

// said tells whether an edit of one path may make another differ: one above or
// below it, or the list it takes an item from.
func said(edited, path string) bool {
	if strings.HasSuffix(edited, "]") {
		edited = edited[:strings.LastIndexByte(edited, '[')]
	}
	return strings.HasPrefix(path, edited) || strings.HasPrefix(edited, path)
}

func differences(a, b *inventory.Node, path string, report func(string)) {
	if a.Equal(b) {
		return
	}
	if a == nil || b == nil || a.Kind != inventory.Map || b.Kind != inventory.Map {
		if a == nil || b == nil || a.Kind != inventory.List || b.Kind != inventory.List || a.Len() != b.Len() {
			report(path)
			return
		}
		for i := range a.Len() {
			differences(a.Index(i), b.Index(i), inventory.JoinIndex(path, i), report)
		}
		return
	}
	for _, item := range a.All() {
		differences(item, b.Get(item.Key), inventory.Join(path, item.Key), report)
	}
	for _, item := range b.All() {
		if a.Get(item.Key) == nil {
			report(inventory.Join(path, item.Key))
		}
	}
}

// worst demands that no severity has more findings than before, counted from
// the worst down.
func worst(t *testing.T, files, after map[string]string) {
	t.Helper()
	count := func(files map[string]string) []int {
		judge, _ := judge(t)
		findings, err := judge(load(t, files))
		if err != nil {
			t.Fatal(err)
		}
		out := make([]int, 0, len(finding.Severities()))
		for _, s := range finding.Severities() {
			n := 0
			for i := range findings {
				if findings[i].Verdict == finding.Fail && findings[i].Severity >= s {
					n++
				}
			}
			out = append(out, n)
		}
		return out
	}
	a, b := count(files), count(after)
	for i := range a {
		if b[i] > a[i] {
			t.Errorf("findings of severity %s and worse go from %d to %d", finding.Severities()[i], a[i], b[i])
		}
	}
	t.Logf("findings from the worst severity down: %v, then %v", a, b)
}

// untouched goes through the places where two texts differ. What was there must
// be a part of an edited field, or still be there around what came in.
func untouched(t *testing.T, name, old, now string, res *fix.Result) {
	t.Helper()
	edited := editedLines(t, name, old, res)
	at := 0
	for h := range strings.SplitSeq(fix.Unified(name, []byte(old), []byte(now)), "\n@@ ") {
		var gone, came strings.Builder
		for i, l := range strings.SplitAfter(h, "\n") {
			if start, err := hunkStart("@@ " + strings.TrimPrefix(l, "@@ ")); i == 0 && err == nil {
				at = start
				continue
			}
			switch {
			case strings.HasPrefix(l, "-") && !strings.HasPrefix(l, "--- "):
				if at++; !edited[at] {
					gone.WriteString(l[1:])
				}
			case strings.HasPrefix(l, "+") && !strings.HasPrefix(l, "+++ "):
				came.WriteString(l[1:])
			case strings.HasPrefix(l, " "):
				at++
				settled(t, name, &gone, &came)
			}
		}
		settled(t, name, &gone, &came)
	}
}

// editedLines are those of the values that edits replace or take away.
func editedLines(t *testing.T, name, old string, res *fix.Result) map[int]bool {
	t.Helper()
	edited := make(map[int]bool)
	objects := load(t, map[string]string{name: old}).Objects
	for _, e := range res.Edits {
		if e.File != name || e.Path == "" {
			continue
		}
		for _, o := range objects {
			if n := o.Root.At(e.Path); n != nil && o.Ref() == e.Object {
				for line := int(n.Line); line <= last(n); line++ {
					edited[line] = true
				}
			}
		}
	}
	return edited
}

// settled judges one place and starts the next.
func settled(t *testing.T, name string, gone, came *strings.Builder) {
	t.Helper()
	a, b := gone.String(), came.String()
	gone.Reset()
	came.Reset()
	if !insertion(a, b) {
		t.Errorf("%s: %q became %q, and no edit says so", name, a, b)
	}
}

// insertion tells whether all of a text is in another, in the same order, with
// something put into it. A null or an empty collection may make room.
func insertion(a, b string) bool {
	for line := range strings.SplitAfterSeq(a, "\n") {
		text := strings.TrimRight(line, " \t\r\n")
		for _, empty := range []string{"{}", "[]", "null", "~"} {
			text = strings.TrimSuffix(text, empty)
		}
		for i := range len(text) {
			at := strings.IndexByte(b, text[i])
			if at < 0 {
				return false
			}
			b = b[at+1:]
		}
	}
	return true
}

// last is the last line of a value, as far as its parts tell.
func last(n *inventory.Node) int {
	line := int(n.Line) + strings.Count(n.Text, "\n")
	for _, item := range n.All() {
		line = max(line, last(item))
	}
	return line
}

// patched applies the diff, as patch does, and wants the new text.
func patched(t *testing.T, name, old, now string) {
	t.Helper()
	diff := fix.Unified(name, []byte(old), []byte(now))
	got, err := apply(old, diff)
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, diff)
		return
	}
	if got != now {
		t.Errorf("%s: the diff makes something else of the file:\n%s", name, cmp.Diff(got, now))
	}
}

// apply is a strict patch: every line of context must be where the diff says.
func apply(old, diff string) (string, error) {
	lines := strings.SplitAfter(old, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	var out bytes.Buffer
	at := 0
	hunks := strings.SplitAfter(diff, "\n")
	for i := 2; i < len(hunks); i++ {
		h := hunks[i]
		text := h[min(1, len(h)):]
		if i+1 < len(hunks) && strings.HasPrefix(hunks[i+1], "\\") {
			text = strings.TrimSuffix(text, "\n")
		}
		switch {
		case strings.HasPrefix(h, "@@"):
			start, err := hunkStart(h)
			if err != nil || start < at || start > len(lines) {
				return "", fmt.Errorf("%q overlaps the hunk before (%w)", h, err)
			}
			out.WriteString(strings.Join(lines[at:start], ""))
			at = start
		case strings.HasPrefix(h, " "), strings.HasPrefix(h, "-"):
			if at >= len(lines) || lines[at] != text {
				return "", fmt.Errorf("line %d is not %q", at+1, text)
			}
			if h[0] == ' ' {
				out.WriteString(text)
			}
			at++
		case strings.HasPrefix(h, "+"):
			out.WriteString(text)
		}
	}
	return out.String() + strings.Join(lines[at:], ""), nil
}

// hunkStart is the number of lines before a hunk.
func hunkStart(head string) (int, error) {
	var start, n, newStart, newN int
	_, err := fmt.Sscanf(head, "@@ -%d,%d +%d,%d @@", &start, &n, &newStart, &newN)
	if n > 0 {
		start--
	}
	return start, err
}

func TestDiffsOfAllKindsApply(t *testing.T) {
	t.Parallel()
	for _, tc := range [][2]string{
		{"", "a\n"},
		{"a\n", ""},
		{"a\nb", "a\nb\n"},
		{"a\nb\n", "a\nb"},
		{"a\nb", "a\nb\nc"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\nx\n4\n5\n6\n7\n8\n9\ny\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n1\n2\n3\n4\n5\n6\n7\n8\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", "1\nx\n3\n4\n5\n6\n7\n8\n9\n10\ny\n12\n"},
		{"a\nb\na\nb\na\n", "b\na\nb\nc\nb\n"},
		{"a\r\nb\r\n", "a\r\nc\r\nb\r\n"},
	} {
		patched(t, "a.yaml", tc[0], tc[1])
	}
	if got := fix.Unified("a", []byte("x\n"), []byte("x\n")); got != "" {
		t.Errorf("equal texts differ: %q", got)
	}
}

func FuzzUnified(f *testing.F) {
	f.Add("a\nb\nc\n", "a\nx\nc\n")
	f.Fuzz(func(t *testing.T, old, now string) {
		if len(old)+len(now) > 2000 || strings.Contains(old+now, "\\") {
			return
		}
		got, err := apply(old, fix.Unified("a", []byte(old), []byte(now)))
		if old != now && (err != nil || got != now) {
			t.Fatalf("%q to %q gives %q (%v)", old, now, got, err)
		}
	})
}

// folder reads the manifests of a folder that can be decoded.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if _, bad := decode.File(text, &inventory.Origin{File: name}, decode.DefaultLimits()); bad == nil && err == nil {
			out[name] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
