package edit

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// end is where a node ends, not counting line breaks and comments after it.
// indent is the indentation of the collection around it, -1 for none.
func (d *document) end(n *yaml.Node, indent int) (int, error) {
	pos, err := d.start(n)
	if err != nil {
		return 0, err
	}
	switch n.Kind {
	case yaml.AliasNode:
		if end := pos + 1 + len(n.Value); end <= len(d.text) && string(d.text[pos:end]) == "*"+n.Value {
			return end, nil
		}
	case yaml.ScalarNode:
		return d.scalarEnd(n, pos, indent)
	case yaml.MappingNode, yaml.SequenceNode:
		if n.Style&yaml.FlowStyle != 0 {
			return d.flowEnd(n, pos)
		}
		return d.blockEnd(n, pos)
	case yaml.DocumentNode:
	}
	return 0, ErrLayout
}

func (d *document) blockEnd(n *yaml.Node, pos int) (int, error) {
	if len(n.Content) == 0 {
		return 0, ErrLayout
	}
	last := n.Content[len(n.Content)-1]
	if !absent(last) {
		return d.end(last, d.column(pos))
	}
	if n.Kind == yaml.MappingNode {
		return d.colon(n.Content[len(n.Content)-2])
	}
	return d.dash(n, len(n.Content)-1)
}

// column is the number of characters before a position in its line.
func (d *document) column(pos int) int {
	marks := d.marks(d.line(pos))
	i, exact := slices.BinarySearch(marks, pos)
	if !exact {
		i--
	}
	return i*stride + utf8.RuneCount(d.text[marks[i]:pos])
}

// absent tells whether a value is not written at all.
func absent(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Value == "" && n.Anchor == "" &&
		n.Style&(yaml.TaggedStyle|yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
}

// colon is the position after the colon of a key.
func (d *document) colon(key *yaml.Node) (int, error) {
	if key.Kind != yaml.ScalarNode || key.Anchor != "" || key.Style&(yaml.TaggedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return 0, ErrLayout
	}
	pos, err := d.end(key, -1)
	if err != nil {
		return 0, err
	}
	pos = d.skip(pos, " \t", false)
	if pos >= len(d.text) || d.text[pos] != ':' {
		return 0, ErrLayout
	}
	return pos + 1, nil
}

// dash is the position after the dash of an item of a block list.
func (d *document) dash(n *yaml.Node, i int) (int, error) {
	first, err := d.start(n)
	if err != nil {
		return 0, err
	}
	offset := first - d.lineStart(first)
	item, err := d.offset(n.Content[i])
	if err != nil {
		return 0, err
	}
	if absent(n.Content[i]) {
		// Such an item has the position right after its dash, or further on.
		item = min(item, len(d.text))
	}
	for line := d.lineStart(item); ; line = d.lineStart(line - 1) {
		at := line + offset
		if at < len(d.text) && at <= item && d.text[at] == '-' && (i == 0 || d.blank(line, at)) {
			return at + 1, nil
		}
		if line <= d.lineStart(first) || line == 0 {
			return 0, ErrLayout
		}
	}
}

func (d *document) scalarEnd(n *yaml.Node, pos, indent int) (int, error) {
	if pos >= len(d.text) && n.Value != "" {
		return 0, ErrLayout
	}
	switch {
	case n.Style&yaml.DoubleQuotedStyle != 0:
		return d.quotedEnd(pos, '"')
	case n.Style&yaml.SingleQuotedStyle != 0:
		return d.quotedEnd(pos, '\'')
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		return d.blockScalarEnd(pos, indent)
	}
	// A plain scalar may go over several lines, which are folded.
	for i := 0; i < len(n.Value); i++ {
		if strings.IndexByte(" \t\n", n.Value[i]) >= 0 {
			continue
		}
		pos = d.skip(pos, " \t\r\n", false)
		if pos >= len(d.text) || d.text[pos] != n.Value[i] {
			return 0, ErrLayout
		}
		pos++
	}
	return pos, nil
}

func (d *document) quotedEnd(pos int, quote byte) (int, error) {
	if pos >= len(d.text) || d.text[pos] != quote {
		return 0, ErrLayout
	}
	for pos++; pos < len(d.text); pos++ {
		switch c := d.text[pos]; {
		case c == '\\' && quote == '"':
			pos++
		case c == quote && quote == '\'' && pos+1 < len(d.text) && d.text[pos+1] == quote:
			pos++
		case c == quote:
			return pos + 1, nil
		}
	}
	return 0, ErrLayout
}

// blockScalarEnd is the end of the last line of a literal or folded scalar;
// empty lines after it are a part of it only if they are kept.
func (d *document) blockScalarEnd(pos, indent int) (int, error) {
	if pos >= len(d.text) || d.text[pos] != '|' && d.text[pos] != '>' {
		return 0, ErrLayout
	}
	end := d.lineEnd(pos)
	header, _, _ := strings.Cut(string(d.text[pos:end]), " ")
	keep := strings.Contains(header, "+")
	within := -1
	if i := strings.IndexAny(header, "123456789"); i >= 0 {
		within = max(indent, 0) + int(header[i]-'0')
	}
	for line := d.nextLine(pos); line < len(d.text); line = d.nextLine(line) {
		text := d.text[line:d.lineEnd(line)]
		spaces := len(text) - len(bytes.TrimLeft(text, " "))
		switch {
		case spaces == len(text):
			if keep || within >= 0 && spaces > within {
				end = line + len(text)
			}
			continue
		case within < 0 && spaces <= indent, within >= 0 && spaces < within:
			return end, nil
		case within < 0:
			within = spaces
		}
		end = line + len(text)
	}
	return end, nil
}

// flowEnd is the position after the closing bracket.
func (d *document) flowEnd(n *yaml.Node, pos int) (int, error) {
	closing := byte(']')
	if n.Kind == yaml.MappingNode {
		closing = '}'
	}
	if pos >= len(d.text) || d.text[pos] != closing-2 {
		return 0, ErrLayout // a pair without braces, as in [a: b]
	}
	pos++
	for _, c := range n.Content {
		if absent(c) {
			continue
		}
		end, err := d.end(c, -1)
		if err != nil {
			return 0, err
		}
		pos = max(pos, end)
	}
	pos = d.skip(pos, " \t\r\n,:?", true)
	if pos >= len(d.text) || d.text[pos] != closing {
		return 0, ErrLayout
	}
	return pos + 1, nil
}
