package decode

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var (
	ignoreMarker = []byte("redoubt:ignore")
	ignoreForm   = regexp.MustCompile(`#\s*redoubt:ignore\s+(\S+)\s*(.*?)\s*$`)
	untilForm    = regexp.MustCompile(`\s*\(?until (\d{4}-\d{2}-\d{2})\)?$`)
)

// collectIgnores remembers the comments of a document that hold an inline
// waiver. Only text the YAML parser takes for a comment counts: the same words
// within a string are none.
func (d *decoder) collectIgnores(n *yaml.Node) {
	for _, comment := range []string{n.HeadComment, n.LineComment, n.FootComment} {
		d.rememberIgnores(comment)
	}
	for _, c := range n.Content {
		d.collectIgnores(c)
	}
}

func (d *decoder) rememberIgnores(comment string) {
	for line := range strings.Lines(comment) {
		if strings.Contains(line, string(ignoreMarker)) {
			if d.ignores == nil {
				d.ignores = make(map[string]bool)
			}
			d.ignores[strings.TrimSpace(line)] = true
		}
	}
}

// attachIgnores gives each object the inline waivers that cover a part of it:
// the outermost node that starts on the line of the comment or first after it.
// A comment before the first field covers the whole object.
func (d *decoder) attachIgnores(data []byte, objects []*inventory.Object) {
	if len(d.ignores) == 0 {
		return
	}
	var lines []int32
	for _, o := range objects {
		lines = linesBelow(o.Root, lines)
	}
	slices.Sort(lines)
	t := targets{waiting: make(map[int32][]inventory.Ignore)}
	for _, ignore := range d.parseIgnores(data) {
		if i, _ := slices.BinarySearch(lines, ignore.Line); i < len(lines) {
			t.waiting[lines[i]] = append(t.waiting[lines[i]], ignore)
		}
	}
	for _, o := range objects {
		t.object = o
		t.visit(o.Root)
	}
}

// parseIgnores reads the waivers out of the text, which knows the lines.
func (d *decoder) parseIgnores(data []byte) []inventory.Ignore {
	var out []inventory.Ignore
	line := int32(0)
	for text := range bytes.Lines(data) {
		line++
		m := ignoreForm.FindSubmatchIndex(bytes.TrimRight(text, "\r\n"))
		if m == nil || !d.ignores[strings.TrimSpace(string(text[m[0]:]))] {
			continue
		}
		ignore := inventory.Ignore{
			Controls: strings.Split(string(text[m[2]:m[3]]), ","),
			Reason:   string(text[m[4]:m[5]]),
			Line:     line,
		}
		if u := untilForm.FindStringSubmatch(ignore.Reason); u != nil {
			if until, err := time.Parse(time.DateOnly, u[1]); err == nil {
				ignore.Until = until
				ignore.Reason = strings.TrimSuffix(ignore.Reason, u[0])
			}
		}
		out = append(out, ignore)
	}
	return out
}

func linesBelow(n *inventory.Node, lines []int32) []int32 {
	for _, child := range n.All() {
		if last := len(lines) - 1; last < 0 || lines[last] != child.Line {
			lines = append(lines, child.Line)
		}
		lines = linesBelow(child, lines)
	}
	return lines
}

// targets looks for the nodes that waivers are waiting for, by line.
type targets struct {
	waiting map[int32][]inventory.Ignore
	object  *inventory.Object
	place   []segment
}

func (t *targets) visit(n *inventory.Node) {
	for i, child := range n.All() {
		step := segment{"", i}
		if n.Kind == inventory.Map {
			step = segment{child.Key, -1}
		}
		t.place = append(t.place, step)
		for _, ignore := range t.waiting[child.Line] {
			if child.Line != t.object.Root.Line || ignore.Line >= child.Line {
				ignore.Path = pathOf(t.place)
			}
			t.object.Ignores = append(t.object.Ignores, ignore)
		}
		delete(t.waiting, child.Line)
		t.visit(child)
		t.place = t.place[:len(t.place)-1]
	}
}
