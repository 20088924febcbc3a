package decode

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// json decodes a stream of JSON values. It returns an error twice: as people
// shall see it, and as it is.
func (d *decoder) json(data []byte) ([]root, *Error, error) {
	p := &jsonParser{decoder: d, data: data, tokens: json.NewDecoder(bytes.NewReader(data)), line: 1, column: 1}
	p.tokens.UseNumber()
	var roots []root
	for {
		r := root{node: new(inventory.Node)}
		p.root = &r
		d.restart()
		token, err := p.next()
		if errors.Is(err, io.EOF) {
			return roots, nil, nil
		}
		if err == nil {
			err = p.value(token, r.node, 0)
		}
		if err == nil && len(roots) >= maxDocuments {
			err = d.tooMany(p.line)
		}
		if err != nil {
			return roots, p.explain(err), err
		}
		roots = append(roots, r)
	}
}

// jsonParser reads tokens and keeps track of where they start.
type jsonParser struct {
	*decoder

	data   []byte
	tokens *json.Decoder
	root   *root
	// offset is how far line and column have been counted.
	offset       int64
	line, column int32
}

// next reads a token; after it, line and column say where it starts.
func (p *jsonParser) next() (json.Token, error) {
	before := p.tokens.InputOffset()
	token, err := p.tokens.Token()
	start := before
	for start < int64(len(p.data)) && strings.IndexByte(" \t\r\n:,", p.data[start]) >= 0 {
		start++
	}
	p.seek(start)
	return token, err
}

// seek counts lines, and columns in characters, up to an offset.
func (p *jsonParser) seek(to int64) {
	for ; p.offset < to; p.offset++ {
		switch c := p.data[p.offset]; {
		case c == '\n':
			p.line++
			p.column = 1
		case c&0xc0 != 0x80: // not the inside of a character
			p.column++
		}
	}
}

func (p *jsonParser) value(token json.Token, to *inventory.Node, depth int) error {
	if to.Line == 0 {
		to.Line, to.Column = p.line, p.column
	}
	if err := p.count(depth, p.line); err != nil {
		return err
	}
	switch t := token.(type) {
	case nil:
		to.Kind = inventory.Null
	case bool:
		to.Kind, to.Text = inventory.Bool, strconv.FormatBool(t)
	case string:
		to.Kind, to.Text = inventory.String, t
	case json.Number:
		to.Kind, to.Text = inventory.Int, t.String()
		if strings.ContainsAny(to.Text, ".eE") {
			to.Kind = inventory.Float
		}
	case json.Delim:
		if t == '{' {
			return p.object(to, depth)
		}
		return p.array(to, depth)
	}
	return nil
}

func (p *jsonParser) object(to *inventory.Node, depth int) error {
	to.Kind = inventory.Map
	for {
		token, err := p.next()
		if err != nil {
			return err
		}
		name, ok := token.(string)
		if !ok {
			break
		}
		key := p.intern(name)
		to.Items = append(to.Items, inventory.Node{Key: key, Line: p.line, Column: p.column})
		if token, err = p.next(); err != nil {
			return err
		}
		if err := p.enter(key, p.line); err != nil {
			return err
		}
		if err := p.value(token, &to.Items[len(to.Items)-1], depth+1); err != nil {
			return err
		}
		p.leave()
	}
	to.Items = p.dedupe(entries{items: to.Items}, p.root)
	return nil
}

func (p *jsonParser) array(to *inventory.Node, depth int) error {
	to.Kind = inventory.List
	for {
		token, err := p.next()
		if err != nil {
			return err
		}
		if token == json.Delim(']') {
			return nil
		}
		to.Items = append(to.Items, inventory.Node{})
		i := len(to.Items) - 1
		p.enterItem(i)
		if err := p.value(token, &to.Items[i], depth+1); err != nil {
			return err
		}
		p.leave()
	}
}

func (p *jsonParser) explain(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok && syntax.Offset > p.offset && syntax.Offset <= int64(len(p.data)) {
		p.seek(syntax.Offset - 1)
	}
	msg := err.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		p.seek(int64(len(p.data)))
		msg = "the file ends in the middle of a value"
	}
	return &Error{File: p.file, Line: p.line, Msg: "invalid JSON: " + msg, Foreign: !looksLikeKubernetes(p.data)}
}
