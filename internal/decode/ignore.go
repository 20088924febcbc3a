package decode

import (
	"bytes"
	"regexp"
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
		for line := range strings.Lines(comment) {
			if strings.Contains(line, string(ignoreMarker)) {
				if d.ignores == nil {
					d.ignores = make(map[string]bool)
				}
				d.ignores[strings.TrimSpace(line)] = true
			}
		}
	}
	for _, c := range n.Content {
		d.collectIgnores(c)
	}
}

// attachIgnores gives each object the inline waivers that cover a part of it.
func (d *decoder) attachIgnores(data []byte, objects []*inventory.Object) {
	if len(d.ignores) == 0 {
		return
	}
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
		cover(objects, ignore)
	}
}

// cover finds the object and node that start on the line of the comment or
// first after it. A comment before the first field covers the whole object.
func cover(objects []*inventory.Object, ignore inventory.Ignore) {
	var best *inventory.Object
	var bestNode position
	for _, o := range objects {
		p := position{line: -1}
		first(o.Root, "", ignore.Line, &p)
		if p.line >= 0 && (best == nil || p.line < bestNode.line) {
			best, bestNode = o, p
		}
	}
	if best == nil {
		return
	}
	ignore.Path = bestNode.path
	if bestNode.line == best.Root.Line && ignore.Line < best.Root.Line {
		ignore.Path = ""
	}
	best.Ignores = append(best.Ignores, ignore)
}

type position struct {
	line, column int32
	path         string
}

// first finds the outermost node at or after a line.
func first(n *inventory.Node, path string, from int32, best *position) {
	for i, child := range n.All() {
		next := inventory.JoinIndex(path, i)
		if n.Kind == inventory.Map {
			next = inventory.Join(path, child.Key)
		}
		if child.Line >= from && (best.line < 0 || child.Line < best.line) {
			*best = position{child.Line, child.Column, next}
		}
		first(child, next, from, best)
	}
}
