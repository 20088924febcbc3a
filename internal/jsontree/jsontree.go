// Package jsontree turns JSON that a machine wrote, such as an answer of an API
// server, into trees. They have no positions, and equal short texts share their
// memory. It does no I/O and judges nothing.
package jsontree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// maxDepth is the greatest nesting of values. The API server allows less.
const maxDepth = 200

// Parser reads JSON values. It keeps the texts it has met, so that those which
// repeat are stored once. The zero value is ready; it is for one goroutine.
type Parser struct {
	// Opaque are keys whose maps and lists are not read. The function is given
	// such a value as it stands, and says what to keep of it as a text; nothing
	// means that the entry is left out.
	Opaque map[string]func(raw []byte) string
	// Shared are keys whose maps and lists are read once for each text: equal
	// ones share their items, which must not be edited then. The function, if
	// there is one, may edit such a value when it has been read.
	Shared map[string]func(*inventory.Node)
	// Suffixed starts names that end in a few random characters. Values of shared
	// keys that differ in those only are equal, if no such name is left in them
	// when they have been edited.
	Suffixed string
	// Unique are keys whose texts hardly repeat, so that nobody looks for equal
	// ones.
	Unique map[string]bool

	known map[string]string
	bytes int
	// trees are values of shared keys by their text.
	trees  map[string]inventory.Node
	shared int
	// blurred is the memory of [Parser.blur].
	blurred []byte
	// stack holds the items of the maps and lists that are open.
	stack []inventory.Node

	data []byte
	at   int
}

// The bounds of what a parser remembers.
const (
	maxInterned = 64
	maxKnown    = 8 << 20
	maxTree     = 16 << 10
	maxTrees    = 8 << 20
)

// ErrSyntax means that the text is no JSON value.
var ErrSyntax = errors.New("invalid JSON")

// Parse reads one value that is all of data. Of keys that repeat the last
// counts.
func (p *Parser) Parse(data []byte) (*inventory.Node, error) {
	p.data, p.at, p.stack = data, 0, p.stack[:0]
	root := new(inventory.Node)
	err := p.value(root, 0)
	if err == nil {
		if p.blank(); p.at < len(data) {
			err = p.fail("text after the value")
		}
	}
	p.data = nil
	if err != nil {
		return nil, err
	}
	return root, nil
}

func (p *Parser) fail(what string) error {
	return fmt.Errorf("%w at byte %d: %s", ErrSyntax, p.at, what)
}

func (p *Parser) blank() {
	for p.at < len(p.data) {
		switch p.data[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

// next skips blanks and returns the byte at hand, 0 at the end.
func (p *Parser) next() byte {
	p.blank()
	if p.at >= len(p.data) {
		return 0
	}
	return p.data[p.at]
}

func (p *Parser) value(to *inventory.Node, depth int) error {
	if depth > maxDepth {
		return p.fail(fmt.Sprintf("nested deeper than %d", maxDepth))
	}
	switch c := p.next(); {
	case c == '{':
		return p.object(to, depth)
	case c == '[':
		return p.array(to, depth)
	case c == '"':
		text, err := p.text(p.intern)
		to.Kind, to.Text = inventory.String, text
		return err
	case c == '-' || c >= '0' && c <= '9':
		return p.number(to)
	default:
		return p.word(to)
	}
}

func (p *Parser) word(to *inventory.Node) error {
	for _, w := range []struct {
		text string
		node inventory.Node
	}{
		{"null", inventory.Node{Kind: inventory.Null}},
		{"true", inventory.Node{Kind: inventory.Bool, Text: "true"}},
		{"false", inventory.Node{Kind: inventory.Bool, Text: "false"}},
	} {
		if end := p.at + len(w.text); end <= len(p.data) && string(p.data[p.at:end]) == w.text {
			p.at = end
			to.Kind, to.Text = w.node.Kind, w.node.Text
			return nil
		}
	}
	if p.at >= len(p.data) {
		return p.fail("it ends in the middle of a value")
	}
	return p.fail("no value starts like this")
}

func (p *Parser) number(to *inventory.Node) error {
	start := p.at
	to.Kind = inventory.Int
	for ; p.at < len(p.data); p.at++ {
		c := p.data[p.at]
		if c == '.' || c == 'e' || c == 'E' {
			to.Kind = inventory.Float
		} else if c != '-' && c != '+' && (c < '0' || c > '9') {
			break
		}
	}
	if !json.Valid(p.data[start:p.at]) {
		p.at = start
		return p.fail("not a number")
	}
	to.Text = p.intern(p.data[start:p.at])
	return nil
}

// alone keeps a text by itself.
func alone(raw []byte) string { return string(raw) }

// text reads a string, and keeps it by a function.
func (p *Parser) text(keep func(raw []byte) string) (string, error) {
	start := p.at
	plain := true
	for p.at++; p.at < len(p.data); p.at++ {
		switch c := p.data[p.at]; {
		case c == '"':
			p.at++
			raw := p.data[start:p.at]
			if plain && utf8.Valid(raw) {
				return keep(raw[1 : len(raw)-1]), nil
			}
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				p.at = start
				return "", p.fail("not a string")
			}
			return s, nil
		case c == '\\':
			plain = false
			p.at++
		case c < 0x20:
			return "", p.fail("control character in a string")
		}
	}
	return "", p.fail("it ends in the middle of a string")
}

func (p *Parser) object(to *inventory.Node, depth int) error {
	to.Kind = inventory.Map
	base := len(p.stack)
	p.at++
	if p.next() == '}' {
		p.at++
		return nil
	}
	for {
		if p.next() != '"' {
			return p.fail("a key is missing")
		}
		key, err := p.text(p.intern)
		if err != nil {
			return err
		}
		if p.next() != ':' {
			return p.fail("a colon is missing")
		}
		p.at++
		if err := p.entry(key, depth); err != nil {
			return err
		}
		c := p.next()
		p.at++
		switch c {
		case ',':
		case '}':
			p.pop(to, base)
			lastCounts(to)
			return nil
		default:
			p.at--
			return p.fail("a comma or brace is missing")
		}
	}
}

// entry reads the value of a key and puts it on the stack.
func (p *Parser) entry(key string, depth int) error {
	n := inventory.Node{Key: key}
	c := p.next()
	var err error
	switch {
	case c == '"' && p.Unique[key]:
		n.Kind = inventory.String
		n.Text, err = p.text(alone)
	case c != '{' && c != '[':
		err = p.value(&n, depth+1)
	default:
		keep, opaque := p.Opaque[key]
		edit, shared := p.Shared[key]
		switch {
		case opaque:
			var raw []byte
			if raw, err = p.skip(); err != nil {
				return err
			}
			if n.Kind, n.Text = inventory.String, keep(raw); n.Text == "" {
				return nil
			}
		case shared:
			err = p.share(&n, depth, edit)
		default:
			err = p.value(&n, depth+1)
		}
	}
	p.stack = append(p.stack, n)
	return err
}

// share reads a map or list, unless one of the same text was read before.
func (p *Parser) share(to *inventory.Node, depth int, edit func(*inventory.Node)) error {
	start := p.at
	raw, err := p.skip()
	if err != nil {
		return err
	}
	name := raw
	suffixed := p.Suffixed != "" && bytes.Contains(raw, []byte(p.Suffixed))
	if suffixed {
		name = p.blur(raw)
	}
	if known, ok := p.trees[string(name)]; ok {
		to.Kind, to.Items = known.Kind, known.Items
		return nil
	}
	// Values inside may be blurred, too.
	kept := string(name)
	p.at = start
	if err := p.value(to, depth+1); err != nil {
		return err
	}
	if edit != nil {
		edit(to)
	}
	if len(raw) > maxTree || p.shared+len(raw) > maxTrees || suffixed && mentions(to, p.Suffixed) {
		return nil
	}
	p.shared += len(raw)
	if p.trees == nil {
		p.trees = make(map[string]inventory.Node)
	}
	p.trees[kept] = *to
	return nil
}

// randomLength is the number of random characters at the end of a name.
const randomLength = 5

// blur returns a text in which the random ends of names are all the same.
func (p *Parser) blur(raw []byte) []byte {
	p.blurred = append(p.blurred[:0], raw...)
	for rest := p.blurred; ; {
		at := bytes.Index(rest, []byte(p.Suffixed))
		if at < 0 {
			return p.blurred
		}
		rest = rest[at+len(p.Suffixed):]
		if len(rest) <= randomLength || rest[randomLength] != '"' {
			continue
		}
		if !bytes.ContainsFunc(rest[:randomLength], func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') }) {
			copy(rest, "00000")
		}
	}
}

// mentions tells whether a text stands in a key or value of a tree.
func mentions(n *inventory.Node, text string) bool {
	return strings.Contains(n.Key, text) || strings.Contains(n.Text, text) ||
		slices.ContainsFunc(n.Items, func(item inventory.Node) bool { return mentions(&item, text) })
}

// The bytes that matter when a value is passed over.
const (
	opens = iota + 1
	closes
	quotes
)

var brackets = [256]byte{'{': opens, '[': opens, '}': closes, ']': closes, '"': quotes}

// skip passes over the map or list at hand by its brackets and returns its text.
func (p *Parser) skip() ([]byte, error) {
	rest, open := p.data[p.at:], 0
	for i := 0; i < len(rest); i++ {
		switch brackets[rest[i]] {
		case opens:
			open++
		case closes:
			if open--; open == 0 {
				p.at += i + 1
				return rest[:i+1], nil
			}
		case quotes:
			for i++; i < len(rest) && rest[i] != '"'; i++ {
				if rest[i] == '\\' {
					i++
				}
			}
		}
	}
	p.at = len(p.data)
	return nil, p.fail("it ends in the middle of a value")
}

// pop takes the items above base off the stack.
func (p *Parser) pop(to *inventory.Node, base int) {
	to.Items = make([]inventory.Node, len(p.stack)-base)
	copy(to.Items, p.stack[base:])
	clear(p.stack[base:])
	p.stack = p.stack[:base]
}

// lastCounts removes entries whose key comes again.
func lastCounts(n *inventory.Node) {
	const few = 24
	if len(n.Items) <= few {
		for i := 0; i < len(n.Items); i++ {
			for j := i + 1; j < len(n.Items); j++ {
				if n.Items[i].Key == n.Items[j].Key {
					n.Items = append(n.Items[:i], n.Items[i+1:]...)
					i--
					break
				}
			}
		}
		return
	}
	last := make(map[string]int, len(n.Items))
	for i := range n.Items {
		last[n.Items[i].Key] = i
	}
	if len(last) == len(n.Items) {
		return
	}
	kept := make([]inventory.Node, 0, len(last))
	for i := range n.Items {
		if last[n.Items[i].Key] == i {
			kept = append(kept, n.Items[i])
		}
	}
	n.Items = kept
}

func (p *Parser) array(to *inventory.Node, depth int) error {
	to.Kind = inventory.List
	base := len(p.stack)
	p.at++
	if p.next() == ']' {
		p.at++
		return nil
	}
	for {
		var n inventory.Node
		if err := p.value(&n, depth+1); err != nil {
			return err
		}
		p.stack = append(p.stack, n)
		c := p.next()
		p.at++
		switch c {
		case ',':
		case ']':
			p.pop(to, base)
			return nil
		default:
			p.at--
			return p.fail("a comma or bracket is missing")
		}
	}
}

// intern returns the text, sharing it with equal ones met before.
func (p *Parser) intern(raw []byte) string {
	if len(raw) > maxInterned {
		return string(raw)
	}
	if s, ok := p.known[string(raw)]; ok {
		return s
	}
	s := string(raw)
	if p.known == nil {
		p.known = make(map[string]string)
	}
	if p.bytes += len(s) + 48; p.bytes < maxKnown {
		p.known[s] = s
	}
	return s
}
