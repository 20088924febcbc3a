package decode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// maxDocuments bounds the documents of a file: parsing one costs something even
// if it is a few bytes long. maxBroken is after how many broken ones a file is
// given up.
const (
	maxDocuments = 200_000
	maxBroken    = 1000
)

func (d *decoder) tooMany(line int32) *Error {
	return d.fail(line, fmt.Sprintf("the file has more than %d documents; the rest of it was not read", maxDocuments), "split it")
}

// yaml decodes a stream of documents. Each is parsed on its own, so that a
// broken one does not hide the others.
func (d *decoder) yaml(data []byte) ([]root, []error) {
	var roots []root
	var errs []error
	documents := 0
	for doc := range splitDocuments(data) {
		if d.commentsOnly(doc) {
			continue
		}
		if documents++; documents > maxDocuments {
			return roots, append(errs, d.tooMany(doc.line+1))
		}
		found, err := d.chunk(doc)
		roots = append(roots, found...)
		if err == nil {
			continue
		}
		errs = append(errs, err)
		if len(errs) >= maxBroken {
			return roots, append(errs, d.fail(doc.line+1, fmt.Sprintf("%d documents of the file are broken; the rest of it was not read", maxBroken), ""))
		}
	}
	return roots, errs
}

// document is a part of a file that holds one YAML document.
type document struct {
	text []byte
	// line is the number of lines before text.
	line int32
}

// splitDocuments cuts at lines that start with "---", as kubectl does. Such a
// line ends a document even within a block scalar.
func splitDocuments(data []byte) iter.Seq[document] {
	return func(yield func(document) bool) {
		start, startLine, line := 0, int32(0), int32(0)
		var h head
		for pos := 0; pos < len(data); {
			next := len(data)
			if end := bytes.IndexByte(data[pos:], '\n'); end >= 0 {
				next = pos + end + 1
			}
			text := data[pos:next]
			if isSeparator(text) && pos > start && !h.open() {
				if !yield(document{data[start:pos], startLine}) {
					return
				}
				start, startLine = pos, line
			}
			h.see(text)
			line++
			pos = next
		}
		yield(document{data[start:], startLine})
	}
}

// head notices directives, such as %YAML, at the start of a file: the "---"
// after them does not end a document, it starts theirs.
type head struct{ over, directive bool }

func (h *head) open() bool { return !h.over && h.directive }

func (h *head) see(line []byte) {
	if h.over {
		return
	}
	line = bytes.TrimSpace(line)
	h.over = len(line) > 0 && line[0] != '#' && line[0] != '%'
	h.directive = h.directive || len(line) > 0 && line[0] == '%'
}

// commentsOnly tells whether a document holds nothing, and remembers the
// inline waivers in its comments.
func (d *decoder) commentsOnly(doc document) bool {
	ignores := false
	for line := range bytes.Lines(doc.text) {
		line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("---")))
		if len(line) > 0 && line[0] != '#' {
			return false
		}
		ignores = ignores || bytes.Contains(line, ignoreMarker)
	}
	if ignores {
		d.rememberIgnores(string(doc.text))
	}
	return true
}

func isSeparator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || rest[0] == '\n' || rest[0] == ' ' || rest[0] == '\r' || rest[0] == '\t')
}

func (d *decoder) chunk(doc document) ([]root, error) {
	dec := yaml.NewDecoder(bytes.NewReader(doc.text))
	var roots []root
	var nodes []*yaml.Node
	for {
		var top yaml.Node
		err := dec.Decode(&top)
		if errors.Is(err, io.EOF) {
			d.retain(Document{doc.text, int(doc.line), nodes})
			return roots, nil
		}
		if err != nil {
			return roots, d.yamlError(doc, err)
		}
		if len(top.Content) == 0 {
			continue
		}
		nodes = append(nodes, top.Content[0])
		r := root{node: new(inventory.Node)}
		b := &builder{decoder: d, root: &r, line: doc.line}
		d.restart()
		if err := b.build(top.Content[0], r.node, 0); err != nil {
			return roots, hinted(err, doc.text)
		}
		if top.Content[0].Kind == yaml.ScalarNode && r.node.Kind == inventory.Null {
			continue // an empty document is nothing, not something foreign
		}
		if bytes.Contains(doc.text, ignoreMarker) {
			d.collectIgnores(&top)
		}
		roots = append(roots, r)
	}
}

// retain keeps the nodes of a document for those who want them.
func (d *decoder) retain(doc Document) {
	if d.keep {
		d.kept = append(d.kept, doc)
	}
}

// hinted says of a text with actions of a template that it is one.
func hinted(err error, text []byte) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Hint == "" && bytes.Contains(text, []byte("{{")) {
		e.Hint = templateHint
	}
	return err
}

const templateHint = "this looks like a template; scan the chart folder that has the Chart.yaml instead"

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

// yamlError gives the fault of a document its line in the file and, for the
// usual mistakes, words a person understands.
func (d *decoder) yamlError(doc document, err error) *Error {
	line, msg := int32(0), err.Error()
	if m := yamlLine.FindStringSubmatch(strings.SplitN(msg, "\n", 2)[0]); m != nil {
		msg = m[2]
		if n, err := strconv.ParseInt(m[1], 10, 32); err == nil {
			line = int32(n)
		}
	}
	lines := bytes.Split(doc.text, []byte("\n"))
	hint := ""
	if i := slices.IndexFunc(lines, func(l []byte) bool { return !utf8.Valid(l) }); i >= 0 {
		line, hint = int32(i)+1, "the text is not UTF-8; save it as UTF-8" //nolint:gosec // bounded by the size of the file
	} else if tab := tabLine(lines, int(line)); tab > 0 {
		line, hint = int32(tab), "a tab is used for indentation; YAML allows spaces only" //nolint:gosec // bounded by the size of the file
	} else if bytes.Contains(doc.text, []byte("{{")) {
		hint = templateHint
	}
	if line == 0 {
		line = 1
	}
	if n := int32(len(lines)); line > n { //nolint:gosec // bounded by the size of the file
		line = n
	}
	return &Error{File: d.file, Line: doc.line + line, Msg: "invalid YAML: " + msg, Hint: hint, Foreign: !looksLikeKubernetes(doc.text)}
}

// tabLine finds a line indented by a tab at or next to the reported one.
func tabLine(lines [][]byte, near int) int {
	for _, n := range []int{near, near + 1, near - 1} {
		if n < 1 || n > len(lines) {
			continue
		}
		indent := lines[n-1][:len(lines[n-1])-len(bytes.TrimLeft(lines[n-1], " \t"))]
		if bytes.IndexByte(indent, '\t') >= 0 {
			return n
		}
	}
	return 0
}

var (
	versionKey = regexp.MustCompile(`(?mi)(^[ \t-]*|[{,][ \t]*)["']?apiVersion["']?[ \t]*:`)
	kindKey    = regexp.MustCompile(`(?mi)(^[ \t-]*|[{,][ \t]*)["']?kind["']?[ \t]*:`)
)

// looksLikeKubernetes tells whether a text that does not parse was meant as an
// object: it names an apiVersion and a kind.
func looksLikeKubernetes(text []byte) bool {
	return versionKey.Match(text) && kindKey.Match(text)
}
