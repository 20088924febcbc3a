package helm

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// marker is a YAML comment that names a file and line of the chart.
const marker = " #@redoubt:"

var (
	markerForm = regexp.MustCompile(` #@redoubt:(\d+):(\d+)@`)
	// markable are lines that end a plain key, value or list item, so that a
	// comment after them changes nothing.
	markable = regexp.MustCompile(`^\s*(-\s+)?[A-Za-z0-9_./-]+:(\s.*)?$`)
	// filling are lines of a template that are one action and put text in.
	filling = regexp.MustCompile(`^\s*(-\s+)?\{\{-?\s*.*\}\}\s*$`)
	control = regexp.MustCompile(`\{\{-?\s*(if|else|end|range|with|define|block|break|continue|/\*|\$[A-Za-z0-9_]*\s*:?=)`)
	opening = regexp.MustCompile(`:\s*[|>][-+0-9]*\s*$|:\s*["'][^"']*$`)
)

// mark appends a marker to lines of the templates. Lines of block scalars and
// of template comments are left alone.
func mark(files []*archive.BufferedFile) []*archive.BufferedFile {
	out := make([]*archive.BufferedFile, len(files))
	for i, f := range files {
		out[i] = f
		if !strings.Contains("/"+f.Name, "/templates/") || !strings.HasSuffix(f.Name, ".yaml") && !strings.HasSuffix(f.Name, ".yml") {
			continue
		}
		out[i] = &archive.BufferedFile{Name: f.Name, Data: markLines(f.Data, i)}
	}
	return out
}

func markLines(data []byte, file int) []byte {
	lines := bytes.Split(data, []byte("\n"))
	block := -1 // indentation of a key that opens a block scalar
	action := 0 // how many template actions are open
	for i, line := range lines {
		text := string(bytes.TrimRight(line, "\r"))
		indent := len(text) - len(strings.TrimLeft(text, " "))
		inBlock := block >= 0 && (indent > block || strings.TrimSpace(text) == "")
		if !inBlock {
			block = -1
		}
		before := action
		action += strings.Count(text, "{{") - strings.Count(text, "}}")
		if inBlock || before > 0 || action > 0 {
			continue
		}
		if opening.MatchString(text) {
			block = indent
			continue
		}
		if (markable.MatchString(text) || filling.MatchString(text) && !control.MatchString(text)) && !strings.HasSuffix(strings.TrimSpace(text), "-}}") {
			lines[i] = fmt.Appendf(nil, "%s%s%d:%d@", text, marker, file, i+1)
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

// lineMap gives for each line of the output, counted from 1, the line of the
// template it comes from.
type lineMap []int32

func (m lineMap) at(line int32) int32 {
	if line < 1 || len(m) == 0 {
		return line
	}
	return m[min(int(line), len(m))-1]
}

// traceLines maps lines of the output to lines of the template. With a marked
// rendering of the same number of lines the markers say it; without, lines are
// aligned by their text.
func traceLines(plain, marked, _ string, source [][]byte) lineMap {
	lines := strings.Split(plain, "\n")
	out := make(lineMap, len(lines))
	twins := strings.Split(marked, "\n")
	if len(twins) != len(lines) {
		return align(lines, source)
	}
	own, found := ownMarker(twins, source)
	if !found {
		return align(lines, source)
	}
	last, from := int32(1), 0
	for i, line := range twins {
		n := markedLine(line, own, len(source))
		if n == 0 {
			continue
		}
		between(lines[from:i+1], out[from:i+1], source, last, n)
		out[i] = n
		last, from = n, i+1
	}
	between(lines[from:], out[from:], source, last, int32(len(source))) //nolint:gosec // a line number fits
	return out
}

// markedLine is the line of the template that a marker names, 0 if there is no
// marker of the template.
func markedLine(line, own string, lines int) int32 {
	for _, m := range markerForm.FindAllStringSubmatch(line, -1) {
		if n, err := strconv.ParseInt(m[2], 10, 32); err == nil && m[1] == own && n >= 1 && int(n) <= lines {
			return int32(n)
		}
	}
	return 0
}

// between places the lines of the output that come before one with a marker. A
// line that stands in the template, after the last marker, is there; others
// were put in by an action: by that of the next marker, if there it has one.
func between(lines []string, out lineMap, source [][]byte, last, next int32) {
	at := last
	for i, line := range lines {
		if n := lineWithKey(line, source, at, next); n > 0 {
			at = n
		} else if strings.TrimSpace(line) != "" && at == last {
			at = fillingAfter(source, last, next)
		}
		out[i] = at
	}
}

// lineWithKey looks for the line of the template, after from and up to to, with
// the key of a line of the output.
func lineWithKey(line string, source [][]byte, from, to int32) int32 {
	key, _, ok := strings.Cut(strings.TrimSpace(line), ":")
	if !ok || key == "" {
		return 0
	}
	for n := from + 1; n <= to; n++ {
		if bytes.HasPrefix(bytes.TrimSpace(source[n-1]), []byte(key+":")) {
			return n
		}
	}
	return 0
}

// fillingAfter is the first line after from, up to to, with an action that puts
// text in; from if there is none.
func fillingAfter(source [][]byte, from, to int32) int32 {
	for n := from + 1; n <= to; n++ {
		if bytes.Contains(source[n-1], []byte("{{")) && !control.Match(source[n-1]) {
			return n
		}
	}
	return from
}

// ownMarker is the file number of the template itself, as opposed to those of
// helpers it includes: that whose marked lines occur in the source.
func ownMarker(twins []string, source [][]byte) (string, bool) {
	votes := make(map[string]int)
	for _, line := range twins {
		m := markerForm.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil || n < 1 || n > len(source) {
			continue
		}
		key, _, _ := strings.Cut(strings.TrimSpace(markerForm.ReplaceAllString(line, "")), ":")
		if key != "" && bytes.Contains(source[n-1], []byte(key)) {
			votes[m[1]]++
		}
	}
	best, most := "", 0
	keys := make([]string, 0, len(votes))
	for k := range votes {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if votes[k] > most {
			best, most = k, votes[k]
		}
	}
	return best, most > 0
}

// align walks both texts and matches lines whose key is the same.
func align(lines []string, source [][]byte) lineMap {
	out := make(lineMap, len(lines))
	at := 0
	for i, line := range lines {
		key, _, _ := strings.Cut(strings.TrimSpace(line), ":")
		if key != "" {
			for j := at; j < len(source); j++ {
				if bytes.HasPrefix(bytes.TrimSpace(source[j]), []byte(key)) {
					at = j
					break
				}
			}
		}
		out[i] = int32(at) + 1
	}
	return out
}

// relocate gives the nodes of a rendered object the places of the template.
func relocate(n *inventory.Node, lines lineMap, source [][]byte) {
	n.Line = lines.at(n.Line)
	if at := int(n.Line) - 1; n.Key != "" && at >= 0 && at < len(source) {
		n.Column = 1
		if i := bytes.Index(source[at], []byte(n.Key)); i >= 0 {
			n.Column = int32(i) + 1 //nolint:gosec // a column fits
		}
	}
	for i := range n.Items {
		relocate(&n.Items[i], lines, source)
	}
}

var (
	valueRef   = regexp.MustCompile(`\.Values((?:\.[A-Za-z_][A-Za-z0-9_]*)+)`)
	secretName = regexp.MustCompile(`(?i)(password|passwd|secret|token|key|credential|auth)`)
)

// maxValue is how much of a value is shown.
const maxValue = 80

// valuesOn tells for each line of a template which values it reads.
func (r *rendering) valuesOn(source [][]byte) map[int32][]inventory.Value {
	out := make(map[int32][]inventory.Value)
	for i, line := range source {
		for _, m := range valueRef.FindAllSubmatch(line, -1) {
			key := strings.TrimPrefix(string(m[1]), ".")
			v := inventory.Value{Key: key, Value: r.show(key), From: r.from(key)}
			at := int32(i) + 1
			if !slices.Contains(out[at], v) {
				out[at] = append(out[at], v)
			}
		}
	}
	return out
}

func (r *rendering) show(key string) string {
	if secretName.MatchString(key) {
		return "***"
	}
	values, err := r.top.Table("Values")
	if err != nil {
		return ""
	}
	var current any = map[string]any(values)
	for part := range strings.SplitSeq(key, ".") {
		m, ok := current.(map[string]any)
		if !ok {
			return "not set"
		}
		if current, ok = m[part]; !ok {
			return "not set"
		}
	}
	if m, ok := current.(map[string]any); ok {
		return fmt.Sprintf("%d settings", len(m))
	}
	text := fmt.Sprint(current)
	return text[:min(len(text), maxValue)]
}

// from says what set a value.
func (r *rendering) from(key string) string {
	for k := key; k != ""; {
		if from, ok := r.origins[k]; ok {
			return from
		}
		i := strings.LastIndexByte(k, '.')
		if i < 0 {
			break
		}
		k = k[:i]
	}
	return "values.yaml"
}
