// Package dockerfile turns a Dockerfile into an object, so that controls can
// judge it. It executes nothing.
package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Kind is the kind of the objects this package makes.
const Kind = "Dockerfile"

const (
	maxFile   = 1 << 20
	maxStages = 1000
	// maxValue bounds a value: one may double another, over and over.
	maxValue = 4 << 10
)

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
	if limit := min(limits.Bytes, maxFile); int64(len(data)) > limit {
		return decode.Result{}, &decode.Error{File: origin.File, Msg: fmt.Sprintf("the Dockerfile is larger than %d KiB", limit>>10)}
	}
	if bytes.Contains(data, []byte{0}) {
		return decode.Result{}, &decode.Error{File: origin.File, Msg: "invalid Dockerfile: the file is binary, not text"}
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
	b := &builder{file: origin.File, global: &scope{own: make(map[string]string)}, byName: make(map[string]*scope)}
	for _, n := range parsed.AST.Children {
		if err := b.instruction(n); err != nil {
			return decode.Result{}, err
		}
	}
	if len(b.stages) == 0 {
		return decode.Result{}, b.fail(1, "there is no FROM instruction")
	}
	root := &inventory.Node{Kind: inventory.Map, Line: 1, Column: 1, Items: []inventory.Node{{Key: "stages", Kind: inventory.List, Line: 1, Column: 1, Items: b.stages}}}
	o := &inventory.Object{Kind: Kind, Name: path.Base(origin.File), Root: root, Origin: origin}
	return decode.Result{Objects: []*inventory.Object{o}}, nil
}

func text(key, value string, line int32) inventory.Node {
	return inventory.Node{Key: key, Kind: inventory.String, Text: value, Line: line, Column: 1}
}

// scope holds the values of ARG and ENV that are in force.
type scope struct {
	own map[string]string
	// base is the scope of the stage this one is built on, may be nil.
	base *scope
}

func (s *scope) get(name string) (string, bool) {
	for ; s != nil; s = s.base {
		if v, ok := s.own[name]; ok {
			return v, v != unknown
		}
	}
	return "", false
}

// unknown is the value of what was too long to keep.
const unknown = "\x00"

type builder struct {
	file   string
	stages []inventory.Node
	// global are the arguments before the first FROM. They count in FROM, and
	// in a stage that names them again.
	global *scope
	// local are the values of the current stage, nil before the first.
	local *scope
	// byName are the scopes of the stages so far: one that is built on another
	// takes its values over.
	byName map[string]*scope
}

func (b *builder) fail(line int32, msg string) *decode.Error {
	return &decode.Error{File: b.file, Line: line, Msg: "invalid Dockerfile: " + msg}
}

// known are the instructions there are.
var known = []string{
	"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER", "ONBUILD", "RUN",
	"SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
}

func (b *builder) instruction(n *parser.Node) error {
	cmd := strings.ToUpper(n.Value)
	line := int32(n.StartLine) //nolint:gosec // a line number fits
	args := arguments(n)
	switch {
	case !slices.Contains(known, cmd):
		return b.fail(line, "there is no instruction "+cmd)
	case cmd == "FROM":
		return b.from(args, line)
	case b.local == nil && cmd != "ARG":
		return b.fail(line, cmd+" stands before the first FROM")
	}
	b.remember(cmd, args)
	if b.local == nil {
		return nil
	}
	items := make([]inventory.Node, 0, len(args)+len(n.Flags))
	for _, a := range slices.Concat(n.Flags, args) {
		if cmd == "USER" {
			a = unquote(b.local.resolve(a))
		}
		items = append(items, text("", a, line))
	}
	var whole strings.Builder
	whole.WriteString(n.Original)
	for _, h := range n.Heredocs {
		whole.WriteString("\n" + h.Content + h.Name)
		if cmd == "RUN" { // the content is a script; elsewhere it is a file
			items = append(items, text("", h.Content, line))
		}
	}
	stage := &b.stages[len(b.stages)-1]
	list := &stage.Items[len(stage.Items)-1]
	list.Items = append(list.Items, inventory.Node{Kind: inventory.Map, Line: line, Column: 1, Items: []inventory.Node{
		text("cmd", cmd, line),
		{Key: "args", Kind: inventory.List, Line: line, Column: 1, Items: items},
		text("text", whole.String(), line),
	}})
	return nil
}

// arguments are the words of an instruction; for ONBUILD and the like those of
// the instruction within come along.
func arguments(n *parser.Node) []string {
	var out []string
	for a := n.Next; a != nil; a = a.Next {
		if a.Value != "" || len(a.Children) == 0 {
			out = append(out, a.Value)
		}
		for _, child := range a.Children {
			out = append(append(out, child.Value), arguments(child)...)
		}
	}
	return out
}

func (b *builder) from(args []string, line int32) error {
	if len(args) == 0 || args[0] == "" {
		return b.fail(line, "FROM names no image")
	}
	name := ""
	if len(args) >= 3 && strings.EqualFold(args[1], "as") {
		name = args[2]
	}
	base := unquote(b.global.resolve(args[0]))
	if len(b.stages) >= maxStages {
		return b.fail(line, fmt.Sprintf("there are more than %d stages", maxStages))
	}
	b.local = &scope{own: make(map[string]string), base: b.byName[strings.ToLower(base)]}
	if name != "" {
		b.byName[strings.ToLower(name)] = b.local
	}
	b.stages = append(b.stages, inventory.Node{Kind: inventory.Map, Line: line, Column: 1, Items: []inventory.Node{
		text("name", name, line), text("base", base, line),
		{Key: "instructions", Kind: inventory.List, Line: line, Column: 1},
	}})
	return nil
}

// remember keeps the values that ARG and ENV set.
func (b *builder) remember(cmd string, args []string) {
	in := b.local
	if in == nil {
		in = b.global
	}
	switch cmd {
	case "ARG":
		for _, a := range args {
			name, value, ok := strings.Cut(a, "=")
			if ok {
				in.set(name, value)
			} else if value, ok := b.global.get(name); ok {
				in.own[name] = value
			}
		}
	case "ENV": // the parser gives name, value, separator
		for i := 0; i+1 < len(args); i += 3 {
			in.set(args[i], args[i+1])
		}
	}
}

func (s *scope) set(name, value string) {
	if !strings.HasPrefix(value, "'") {
		value = s.resolve(value)
	}
	if len(value) > maxValue {
		s.own[name] = unknown
		return
	}
	s.own[name] = unquote(value)
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

var variable = regexp.MustCompile(`\\.|\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+])([^}$]*))?\}|\$([A-Za-z_][A-Za-z0-9_]*)`)

// resolve puts known values in; unknown ones stay as they are, and so does what
// needs more of a shell.
func (s *scope) resolve(in string) string {
	size := len(in)
	return variable.ReplaceAllStringFunc(in, func(m string) string {
		if m[0] == '\\' || size > maxValue {
			return m
		}
		parts := variable.FindStringSubmatch(m)
		value, set := s.get(parts[1] + parts[4])
		if strings.HasPrefix(parts[2], ":") {
			set = set && value != ""
		}
		switch strings.TrimPrefix(parts[2], ":") {
		case "-":
			if !set {
				value = parts[3]
			}
		case "+": // what is not known here may be set in the base image
			if !set {
				return m
			}
			value = parts[3]
		default:
			if !set {
				return m
			}
		}
		size += len(value)
		return value
	})
}
