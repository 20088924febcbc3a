package edit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// document is a stretch of text with the nodes the YAML library finds in it.
type document struct {
	text []byte
	// first is the number of lines of the file before the text.
	first int
	lines []int
	// marked are the marks of lines, made when first needed.
	marked map[int][]int
	roots  []*yaml.Node
	// objects are the maps by where they start.
	objects map[Place]*yaml.Node
	// shared are the nodes that aliases refer to.
	shared map[*yaml.Node]bool
	// odd is set for documents that are more than their values.
	odd bool
	style
}

// style is how the author writes.
type style struct {
	// step is the indentation of a level.
	step int
	// compact lists have their dashes in the column of their key.
	compact bool
	// flow lists of scalars stand in brackets.
	flow bool
	// json is set for text in braces with quoted names.
	json bool
	eol  string
}

func parse(text []byte, first int) (*document, error) {
	d, err := open(text, first)
	if err != nil {
		return nil, err
	}
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var top yaml.Node
		err := dec.Decode(&top)
		if errors.Is(err, io.EOF) {
			return d.surveyed(), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w (%w)", ErrLayout, err)
		}
		if len(top.Content) > 0 {
			d.roots = append(d.roots, top.Content[0])
		}
	}
}

// open takes a text whose nodes are not known yet.
func open(text []byte, first int) (*document, error) {
	if template(text) {
		return nil, ErrTemplate
	}
	if oddBreaks(text) {
		return nil, fmt.Errorf("%w (it has unusual line breaks)", ErrLayout)
	}
	d := &document{text: text, first: first, lines: []int{0}, marked: make(map[int][]int), objects: make(map[Place]*yaml.Node), shared: make(map[*yaml.Node]bool)}
	for i, c := range text {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	return d, nil
}

// surveyed looks at all nodes.
func (d *document) surveyed() *document {
	votes := &votes{steps: make(map[int]int)}
	for _, r := range d.roots {
		d.survey(r, nil, votes)
	}
	d.style = votes.style()
	if bytes.Contains(d.text, []byte("\r\n")) {
		d.eol = "\r\n"
	}
	return d
}

// template tells whether the text is made by a template engine: actions of Go
// templates outside values, in comments too, and annotations of ytt.
func template(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSpace(line)
		if len(line) < 2 {
			continue
		}
		comment := line[0] == '#'
		switch {
		case bytes.HasPrefix(line, []byte("{{")), bytes.HasPrefix(line, []byte("<%")), bytes.HasPrefix(line, []byte("{%")):
			return true
		case comment && (line[1] == '@' || bytes.Contains(line, []byte("{{"))):
			return true
		}
	}
	return false
}

// oddBreaks finds what the YAML library takes for the end of a line and other
// programs don't.
func oddBreaks(text []byte) bool {
	for _, odd := range []string{"\u0085", "\u2028", "\u2029"} {
		if bytes.Contains(text, []byte(odd)) {
			return true
		}
	}
	for i, c := range text {
		if c == '\r' && (i+1 == len(text) || text[i+1] != '\n') {
			return true
		}
	}
	return false
}

// survey walks over all nodes, notes where maps start and how the author
// writes.
func (d *document) survey(n, parent *yaml.Node, v *votes) {
	d.odd = d.odd || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0
	switch n.Kind {
	case yaml.AliasNode:
		d.shared[n.Alias] = true
		return
	case yaml.MappingNode:
		d.odd = d.odd || repeated(n)
		d.objects[Place{int32(n.Line + d.first), int32(n.Column)}] = n //nolint:gosec // bounded by the size of the file
	case yaml.SequenceNode, yaml.ScalarNode, yaml.DocumentNode:
	}
	v.node(n, parent)
	for _, c := range n.Content {
		d.survey(c, n, v)
	}
}

// repeated tells whether a map has a key twice, or one that is no scalar.
func repeated(n *yaml.Node) bool {
	const few = 12 // above which looking at each pair takes longer
	if len(n.Content) > few {
		seen := make(map[string]bool, len(n.Content)/2) //nolint:mnd // keys and values
		for i := 0; i+1 < len(n.Content); i += 2 {
			if k := n.Content[i]; k.Kind != yaml.ScalarNode || seen[k.Value] {
				return true
			}
			seen[n.Content[i].Value] = true
		}
		return false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		for j := 0; j < i; j += 2 {
			if n.Content[j].Value == n.Content[i].Value {
				return true
			}
		}
		if n.Content[i].Kind != yaml.ScalarNode {
			return true
		}
	}
	return false
}

// object is the map that starts at a place.
func (d *document) object(at Place) *yaml.Node { return d.objects[at] }

// votes count habits.
type votes struct {
	steps                             map[int]int
	compact, spread                   int
	flowScalars, blockScalars         int
	flowQuoted, flowMaps, firstIsFlow int
}

func (v *votes) node(n, parent *yaml.Node) {
	flow := n.Style&yaml.FlowStyle != 0
	if parent == nil && flow {
		v.firstIsFlow++
	}
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.ScalarNode {
		if flow {
			v.flowScalars++
		} else {
			v.blockScalars++
		}
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	if flow && len(n.Content) > 0 {
		v.flowMaps++
		if n.Content[0].Style&yaml.DoubleQuotedStyle != 0 {
			v.flowQuoted++
		}
	}
	if !flow && len(n.Content) > 0 {
		v.block(n)
	}
}

// block looks at how far the values of a map are indented.
func (v *votes) block(n *yaml.Node) {
	indent := n.Content[0].Column
	for i := 1; i < len(n.Content); i += 2 {
		child := n.Content[i]
		if child.Style&yaml.FlowStyle != 0 || len(child.Content) == 0 || child.Anchor != "" {
			continue
		}
		switch step := child.Content[0].Column - indent; {
		case child.Kind == yaml.MappingNode && step > 0:
			v.steps[step]++
		case child.Kind == yaml.SequenceNode && child.Column == indent:
			v.compact++
		case child.Kind == yaml.SequenceNode:
			v.spread++
		}
	}
}

func (v *votes) style() style {
	s := style{step: 2, eol: "\n"}
	best := 0
	for step := 1; step <= 8; step++ {
		if v.steps[step] > best {
			s.step, best = step, v.steps[step]
		}
	}
	s.compact = v.compact >= v.spread
	s.flow = v.flowScalars > v.blockScalars || v.flowScalars+v.blockScalars == 0
	s.json = v.firstIsFlow > 0 && v.flowQuoted == v.flowMaps
	return s
}

// offset is where a node starts in the text.
func (d *document) offset(n *yaml.Node) (int, error) {
	if n.Line < 1 || n.Line > len(d.lines) || n.Column < 1 {
		return 0, ErrLayout
	}
	marks := d.marks(n.Line - 1)
	back := (n.Column - 1) % stride
	at := (n.Column - 1) / stride
	if at >= len(marks) {
		return 0, ErrLayout
	}
	pos := marks[at]
	for range back {
		if pos >= len(d.text) {
			return 0, ErrLayout
		}
		_, size := utf8.DecodeRune(d.text[pos:])
		pos += size
	}
	return pos, nil
}

// stride is the number of characters between two marks.
const stride = 64

// marks are the positions of every 64th character of a line: a file may be one
// long line.
func (d *document) marks(line int) []int {
	if known, ok := d.marked[line]; ok {
		return known
	}
	end := len(d.text)
	if line+1 < len(d.lines) {
		end = d.lines[line+1]
	}
	var out []int
	count := 0
	for pos := d.lines[line]; pos < end; count++ {
		if count%stride == 0 {
			out = append(out, pos)
		}
		_, size := utf8.DecodeRune(d.text[pos:])
		pos += size
	}
	if count%stride == 0 {
		out = append(out, end)
	}
	d.marked[line] = out
	return out
}

// start is where the value of a node starts, after its anchor and tag.
func (d *document) start(n *yaml.Node) (int, error) {
	pos, err := d.offset(n)
	if err != nil {
		return 0, err
	}
	for n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		if pos >= len(d.text) || d.text[pos] != '&' && d.text[pos] != '!' {
			break
		}
		for pos < len(d.text) && !strings.ContainsRune(" \t\r\n", rune(d.text[pos])) {
			pos++
		}
		pos = d.skip(pos, " \t\r\n", true)
	}
	return pos, nil
}

// skip goes over characters, and over comments where they may stand.
func (d *document) skip(pos int, over string, comments bool) int {
	for pos < len(d.text) {
		c := d.text[pos]
		switch {
		case strings.IndexByte(over, c) >= 0:
			pos++
		case comments && c == '#' && (pos == 0 || strings.IndexByte(" \t\r\n,[]{}", d.text[pos-1]) >= 0):
			pos = d.lineEnd(pos)
		default:
			return pos
		}
	}
	return pos
}

// lineStart and lineEnd are the borders of the line around a position, its end
// without the line break.
func (d *document) lineStart(pos int) int { return d.lines[d.line(pos)] }

// line is the line a position is in.
func (d *document) line(pos int) int {
	i, exact := slices.BinarySearch(d.lines, pos)
	if !exact {
		i--
	}
	return i
}

func (d *document) lineEnd(pos int) int {
	next := d.nextLine(pos)
	if next == 0 || d.text[next-1] != '\n' {
		return next
	}
	end := next - 1
	if end > pos && d.text[end-1] == '\r' {
		end--
	}
	return end
}

// nextLine is the start of the line after a position.
func (d *document) nextLine(pos int) int {
	if i := d.line(pos) + 1; i < len(d.lines) {
		return d.lines[i]
	}
	return len(d.text)
}

// blank tells whether only spaces stand between two positions.
func (d *document) blank(from, to int) bool {
	return len(bytes.TrimSpace(d.text[from:to])) == 0
}
