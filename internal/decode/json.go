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

// json decodes a stream of JSON values.
func (d *decoder) json(data []byte) ([]root, []error) {
	p := &jsonParser{decoder: d, data: data, tokens: json.NewDecoder(bytes.NewReader(data)), line: 1}
	p.tokens.UseNumber()
	var roots []root
	for {
		r := root{node: new(inventory.Node)}
		p.root = &r
		token, err := p.next()
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err == nil {
			err = p.value(token, r.node, "", 0)
		}
		if err != nil {
			return roots, []error{p.explain(err)}
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
	// offset is how far line has been counted; lineStart is where it begins.
	offset, lineStart int64
	line              int32
}

// next reads a token; after it, line and lineStart say where it starts.
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

func (p *jsonParser) seek(to int64) {
	for ; p.offset < to; p.offset++ {
		if p.data[p.offset] == '\n' {
			p.line++
			p.lineStart = p.offset + 1
		}
	}
}

func (p *jsonParser) column() int32 { return int32(p.offset-p.lineStart) + 1 } //nolint:gosec // bounded by the size of the file

func (p *jsonParser) value(token json.Token, to *inventory.Node, path string, depth int) error {
	if to.Line == 0 {
		to.Line, to.Column = p.line, p.column()
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
			return p.object(to, path, depth)
		}
		return p.array(to, path, depth)
	}
	return nil
}

func (p *jsonParser) object(to *inventory.Node, path string, depth int) error {
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
		to.Items = append(to.Items, inventory.Node{Key: key, Line: p.line, Column: p.column()})
		if token, err = p.next(); err != nil {
			return err
		}
		if err := p.value(token, &to.Items[len(to.Items)-1], inventory.Join(path, key), depth+1); err != nil {
			return err
		}
	}
	to.Items = dedupe(to.Items, path, p.root)
	return nil
}

func (p *jsonParser) array(to *inventory.Node, path string, depth int) error {
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
		if err := p.value(token, &to.Items[i], inventory.JoinIndex(path, i), depth+1); err != nil {
			return err
		}
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
	foreign := !bytes.Contains(p.data, []byte(`"apiVersion"`)) || !bytes.Contains(p.data, []byte(`"kind"`))
	return &Error{File: p.file, Line: p.line, Msg: "invalid JSON: " + msg, Foreign: foreign}
}
