package decode

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// yaml decodes a stream of documents. Each is parsed on its own, so that a
// broken one does not hide the others.
func (d *decoder) yaml(data []byte) ([]root, []error) {
	var roots []root
	var errs []error
	for _, chunk := range splitDocuments(data) {
		found, err := d.chunk(chunk)
		roots = append(roots, found...)
		if err != nil {
			errs = append(errs, err)
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
func splitDocuments(data []byte) []document {
	var docs []document
	start, startLine, line := 0, int32(0), int32(0)
	for pos := 0; pos < len(data); {
		end := bytes.IndexByte(data[pos:], '\n')
		next := len(data)
		if end >= 0 {
			next = pos + end + 1
		}
		if pos > start && isSeparator(data[pos:next]) && !onlyDirectives(data[start:pos]) {
			docs = append(docs, document{data[start:pos], startLine})
			start, startLine = pos, line
		}
		line++
		pos = next
	}
	return append(docs, document{data[start:], startLine})
}

func isSeparator(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	return ok && (len(rest) == 0 || rest[0] == '\n' || rest[0] == ' ' || rest[0] == '\r' || rest[0] == '\t')
}

// onlyDirectives tells whether text is the head of a document: %YAML lines and
// comments before its "---".
func onlyDirectives(text []byte) bool {
	directive := false
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#':
		case line[0] == '%':
			directive = true
		default:
			return false
		}
	}
	return directive
}

func (d *decoder) chunk(doc document) ([]root, error) {
	dec := yaml.NewDecoder(bytes.NewReader(doc.text))
	var roots []root
	for {
		var top yaml.Node
		err := dec.Decode(&top)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			return roots, d.yamlError(doc, err)
		}
		if len(top.Content) == 0 {
			continue
		}
		r := root{node: new(inventory.Node)}
		b := &builder{decoder: d, root: &r, line: doc.line}
		if err := b.build(top.Content[0], r.node, "", 0); err != nil {
			return roots, err
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
	if tab := tabLine(lines, int(line)); tab > 0 {
		line, hint = int32(tab), "a tab is used for indentation; YAML allows spaces only"
	} else if bytes.Contains(doc.text, []byte("{{")) {
		hint = "this looks like a template; scan the chart folder that has the Chart.yaml instead"
	}
	if line == 0 {
		line = 1
	}
	if n := int32(len(lines)); line > n {
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

var typeLine = regexp.MustCompile(`(?mi)^[ \t]*["']?(apiVersion|kind)["']?[ \t]*:`)

// looksLikeKubernetes tells whether a text that does not parse was meant as an
// object: it names an apiVersion and a kind.
func looksLikeKubernetes(text []byte) bool {
	seen := [2]bool{}
	for _, m := range typeLine.FindAllSubmatch(text, 64) {
		seen[len(m[1])/len("apiVersion")] = true
	}
	return seen[0] && seen[1]
}

// builder turns the nodes of one YAML document into a tree.
type builder struct {
	*decoder

	root *root
	line int32
	// open are the anchors being expanded, to notice one that contains itself.
	open map[*yaml.Node]bool
}

func (b *builder) build(from *yaml.Node, to *inventory.Node, path string, depth int) error {
	if to.Line == 0 {
		to.Line, to.Column = b.line+int32(from.Line), int32(from.Column) //nolint:gosec // bounded by the size of the file
	}
	if err := b.count(depth, to.Line); err != nil {
		return err
	}
	switch from.Kind {
	case yaml.ScalarNode:
		return b.scalar(from, to)
	case yaml.SequenceNode:
		to.Kind = inventory.List
		to.Items = make([]inventory.Node, len(from.Content))
		for i, c := range from.Content {
			if err := b.build(c, &to.Items[i], inventory.JoinIndex(path, i), depth+1); err != nil {
				return err
			}
		}
		return nil
	case yaml.MappingNode:
		return b.mapping(from, to, path, depth)
	case yaml.AliasNode:
		if b.open[from.Alias] {
			return b.fail(to.Line, "anchor &"+from.Value+" contains itself", "")
		}
		if b.open == nil {
			b.open = make(map[*yaml.Node]bool)
		}
		b.open[from.Alias] = true
		defer delete(b.open, from.Alias)
		return b.build(from.Alias, to, path, depth+1)
	case yaml.DocumentNode:
	}
	return b.fail(to.Line, "unexpected YAML document within a document", "")
}

func (b *builder) mapping(from *yaml.Node, to *inventory.Node, path string, depth int) error {
	to.Kind = inventory.Map
	to.Items = make([]inventory.Node, 0, len(from.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(from.Content); i += 2 {
		k, v := from.Content[i], from.Content[i+1]
		if isMerge(k) {
			merges = append(merges, v)
			continue
		}
		line := b.line + int32(k.Line) //nolint:gosec // bounded by the size of the file
		key, err := b.key(k, line)
		if err != nil {
			return err
		}
		to.Items = append(to.Items, inventory.Node{Key: key, Line: line, Column: int32(k.Column)}) //nolint:gosec // bounded by the size of the file
		if err := b.build(v, &to.Items[len(to.Items)-1], inventory.Join(path, key), depth+1); err != nil {
			return err
		}
	}
	to.Items = dedupe(to.Items, path, b.root)
	for _, m := range merges {
		if err := b.merge(m, to, path, depth); err != nil {
			return err
		}
	}
	return nil
}

func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Style == 0 && (k.Tag == "" || k.ShortTag() == "!!merge")
}

// merge adds the entries of a "<<" map, or list of maps, that are not there yet.
func (b *builder) merge(from *yaml.Node, to *inventory.Node, path string, depth int) error {
	var merged inventory.Node
	if err := b.build(from, &merged, path, depth+1); err != nil {
		return err
	}
	sources := []inventory.Node{merged}
	if merged.Kind == inventory.List {
		sources = merged.Items
	}
	for _, s := range sources {
		if s.Kind != inventory.Map {
			return b.fail(merged.Line, "a merge key << needs a map or a list of maps", "")
		}
		for _, item := range s.Items {
			if to.Get(item.Key) == nil {
				to.Items = append(to.Items, item)
			}
		}
	}
	return nil
}

// key is the text of a map key as JSON has it.
func (b *builder) key(k *yaml.Node, line int32) (string, error) {
	if k.Kind == yaml.AliasNode {
		k = k.Alias
	}
	if k.Kind != yaml.ScalarNode {
		return "", b.fail(line, "a map key must be a string", "")
	}
	var n inventory.Node
	if err := b.scalar(k, &n); err != nil {
		return "", err
	}
	if n.Kind == inventory.Null {
		return "", b.fail(line, "a map key is null", "quote it if it is meant as text")
	}
	return b.intern(n.Text), nil
}

func (b *builder) scalar(from *yaml.Node, to *inventory.Node) error {
	plain := from.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	explicit := from.Style&yaml.TaggedStyle != 0
	switch tag := from.ShortTag(); {
	case explicit && tag == "!!binary":
		raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(from.Value), ""))
		if err != nil {
			return b.fail(to.Line, fmt.Sprintf("!!binary value is not base64: %v", err), "")
		}
		to.Kind, to.Text = inventory.String, string(raw)
	case explicit && (tag == "!!int" || tag == "!!float" || tag == "!!bool" || tag == "!!null"):
		to.Kind, to.Text = resolvePlain(from.Value)
		if to.Kind == inventory.String {
			return b.fail(to.Line, fmt.Sprintf("%q is no %s", from.Value, strings.TrimPrefix(tag, "!!")), "")
		}
	case explicit || !plain:
		to.Kind, to.Text = inventory.String, from.Value
	default:
		to.Kind, to.Text = resolvePlain(from.Value)
	}
	if to.Kind == inventory.Float && to.Text == "" {
		return b.fail(to.Line, from.Value+" has no place in JSON", "")
	}
	return nil
}
