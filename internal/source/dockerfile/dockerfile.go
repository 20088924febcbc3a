// Package dockerfile turns a Dockerfile into an object, so that controls can
// judge it. It executes nothing.
package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Kind is the kind of the objects this package makes.
const Kind = "Dockerfile"

// Decode reads one Dockerfile. The root of its object has the form
//
//	stages:
//	- name: build
//	  base: golang:1.26
//	  instructions:
//	  - {cmd: USER, args: [app], text: USER app}
//
// with ARG and ENV values put in where they are known.
func Decode(data []byte, origin *inventory.Origin, limits decode.Limits) (decode.Result, error) {
	if int64(len(data)) > limits.Bytes {
		return decode.Result{}, &decode.Error{File: origin.File, Msg: "the file is too large", Hint: "raise --max-file-size"}
	}
	parsed, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		line := int32(0)
		var located *parser.LocationError
		if errors.As(err, &located) && len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
			line = int32(located.Locations[0][0].Start.Line) //nolint:gosec // a line number fits
		}
		return decode.Result{}, &decode.Error{File: origin.File, Line: line, Msg: fmt.Sprintf("invalid Dockerfile: %v", err)}
	}
	b := &builder{args: make(map[string]string)}
	for _, n := range parsed.AST.Children {
		b.instruction(n)
	}
	root := &inventory.Node{Kind: inventory.Map, Line: 1, Column: 1, Items: []inventory.Node{{Key: "stages", Kind: inventory.List, Line: 1, Column: 1, Items: b.stages}}}
	o := &inventory.Object{Kind: Kind, Name: path.Base(origin.File), Root: root, Origin: origin}
	return decode.Result{Objects: []*inventory.Object{o}}, nil
}

type builder struct {
	stages []inventory.Node
	// args are the values of ARG and ENV so far.
	args map[string]string
}

func text(key, value string, line int32) inventory.Node {
	return inventory.Node{Key: key, Kind: inventory.String, Text: value, Line: line, Column: 1}
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$([A-Za-z_][A-Za-z0-9_]*)`)

// resolve puts known values in; unknown ones stay as they are.
func (b *builder) resolve(s string) string {
	return variable.ReplaceAllStringFunc(s, func(m string) string {
		parts := variable.FindStringSubmatch(m)
		name := parts[1] + parts[3]
		if v, ok := b.args[name]; ok {
			return v
		}
		if parts[2] != "" {
			return parts[2]
		}
		return m
	})
}

func (b *builder) instruction(n *parser.Node) {
	cmd := strings.ToUpper(n.Value)
	line := int32(n.StartLine) //nolint:gosec // a line number fits
	var args []string
	for a := n.Next; a != nil; a = a.Next {
		args = append(args, a.Value)
	}
	if cmd == "FROM" {
		b.from(args, line)
		return
	}
	b.remember(cmd, args)
	if len(b.stages) == 0 {
		return // ARG before the first FROM
	}
	items := make([]inventory.Node, 0, len(args)+len(n.Flags))
	for _, a := range append(append([]string(nil), n.Flags...), args...) {
		if cmd == "USER" {
			a = b.resolve(a)
		}
		items = append(items, text("", a, line))
	}
	stage := &b.stages[len(b.stages)-1]
	list := &stage.Items[len(stage.Items)-1]
	list.Items = append(list.Items, inventory.Node{Kind: inventory.Map, Line: line, Column: 1, Items: []inventory.Node{
		text("cmd", cmd, line),
		{Key: "args", Kind: inventory.List, Line: line, Column: 1, Items: items},
		text("text", n.Original, line),
	}})
}

func (b *builder) from(args []string, line int32) {
	if len(args) == 0 {
		return
	}
	name := ""
	if len(args) >= 3 && strings.EqualFold(args[1], "as") {
		name = args[2]
	}
	b.stages = append(b.stages, inventory.Node{Kind: inventory.Map, Line: line, Column: 1, Items: []inventory.Node{
		text("name", name, line), text("base", b.resolve(args[0]), line),
		{Key: "instructions", Kind: inventory.List, Line: line, Column: 1},
	}})
}

// remember keeps the values that ARG and ENV set.
func (b *builder) remember(cmd string, args []string) {
	switch cmd {
	case "ARG":
		for _, a := range args {
			if k, v, ok := strings.Cut(a, "="); ok {
				b.args[k] = strings.Trim(v, `"'`)
			}
		}
	case "ENV": // the parser gives name, value, separator
		for i := 0; i+1 < len(args); i += 3 {
			b.args[args[i]] = strings.Trim(b.resolve(args[i+1]), `"'`)
		}
	}
}
