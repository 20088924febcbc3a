// Package edit changes single fields in the text of YAML and JSON files and
// leaves every byte around them as it is: comments, quoting, anchors,
// indentation, key order, line endings.
//
// It knows nothing of Kubernetes. It refuses what it can't do safely, and
// proves every edit by reading the result again.
package edit

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Op is what a change does to its field.
type Op int

// The operations.
const (
	// Set gives a field a value; missing maps on the way are made.
	Set Op = iota
	// Remove takes a field or an item of a list away.
	Remove
	// Rename gives a field another name.
	Rename
	// Move takes a field, as it is written, to another path.
	Move
)

// Append is the segment of a path that stands for a new item at the end of a
// list, as in providers[-].
const Append = "-"

// Prepend is the segment of a path that stands for a new item before the first
// of a list that has some, as in rules[+].
const Prepend = "+"

// Place is where a value starts, 1-based, in lines and characters.
type Place struct{ Line, Column int32 }

// Change is one change to one field of an object in a file.
type Change struct {
	// Object is where the map starts that Path is relative to.
	Object Place
	Op     Op
	// Path is the field.
	Path string
	// Value is for [Set].
	Value *inventory.Node
	// To is the new name for [Rename], the new path for [Move].
	To string
}

// Why a change is refused.
var (
	ErrNotFound  = errors.New("the object is not where it was when the file was read")
	ErrAnchor    = errors.New("an anchor is used in several places, and the edit would change all of them; write the value out by hand")
	ErrMerge     = errors.New("a merge key << brings in fields here; edit what it refers to by hand")
	ErrDuplicate = errors.New("a field on the way stands there twice; keep one of the two first")
	ErrTemplate  = errors.New("the file is a template; edit its source, or scan what it renders to")
	ErrEncoding  = errors.New("the text is not UTF-8; save it as UTF-8 first")
	ErrLayout    = errors.New("the text is laid out in a way that can't be edited safely; edit it by hand")
	ErrConflict  = errors.New("another edit changes the same field")
	ErrTaken     = errors.New("a field of that name is there already, with another value")
	ErrNoField   = errors.New("the field is not there")
)

// Apply makes the changes and returns the new text. For each change there is an
// error, nil if it was made. A refused change leaves no trace.
func Apply(data []byte, changes []Change) ([]byte, []error) {
	return run(data, changes, nil, (*document).prove)
}

// Parsed is a part of a file as the YAML library reads it, by whoever did so
// before.
type Parsed struct {
	Text []byte
	// Line is the number of lines before the text.
	Line int
	// Nodes are the top values of its documents. They are not changed.
	Nodes []*yaml.Node
}

// Draft is [Apply] for callers who read the new text anyway and compare its
// values with those they asked for: it leaves the reading to them where values
// are all there is. Documents in which they are not, for they have anchors,
// tags or repeated keys, or in which something else than their top is changed,
// are proven here. What was parsed of the file before need not be parsed again.
func Draft(data []byte, changes []Change, parsed []Parsed) ([]byte, []error) {
	return run(data, changes, parsed, func(d *document, found []splice, changes []Change, own []int) error {
		if d.plain(changes, own) {
			return nil
		}
		return d.prove(found, changes, own)
	})
}

// proof reads the outcome of splices again.
type proof func(d *document, found []splice, changes []Change, own []int) error

func run(data []byte, changes []Change, parsed []Parsed, prove proof) ([]byte, []error) {
	errs := make([]error, len(changes))
	if !utf8.Valid(data) {
		for i := range errs {
			errs[i] = ErrEncoding
		}
		return data, errs
	}
	body, mark := data, 0
	if rest, ok := bytes.CutPrefix(data, []byte("\xef\xbb\xbf")); ok {
		body, mark = rest, len(data)-len(rest)
	}
	var all []splice
	left := make([]int, 0, len(changes))
	for i := range changes {
		left = append(left, i)
		errs[i] = ErrNotFound
	}
	for _, part := range split(body) {
		var own []int
		for _, i := range left {
			if line := int(changes[i].Object.Line) - 1; line >= part.first && line < part.first+part.count {
				own = append(own, i)
			}
		}
		if len(own) == 0 {
			continue
		}
		doc, err := part.parse(parsed)
		for _, i := range own {
			errs[i] = err
		}
		if err != nil {
			continue
		}
		for _, s := range doc.apply(changes, own, errs, prove) {
			all = append(all, splice{s.start + part.start, s.end + part.start, s.text})
		}
	}
	return append(bytes.Clone(data[:mark]), splices(body, all)...), errs
}

// parse finds the nodes of a part, among those that are known if they are.
func (p *part) parse(known []Parsed) (*document, error) {
	i, ok := slices.BinarySearchFunc(known, p.first, func(k Parsed, line int) int { return k.Line - line })
	if ok && bytes.Equal(known[i].Text, p.text) {
		d, err := open(p.text, p.first)
		if err != nil {
			return nil, err
		}
		d.roots = known[i].Nodes
		return d.surveyed(), nil
	}
	return parse(p.text, p.first)
}

// apply works out the splices for the changes of one part of the file, and
// leaves out those that can't be made.
func (d *document) apply(changes []Change, own []int, errs []error, prove proof) []splice {
	for range len(own) + 1 {
		trial := slices.DeleteFunc(slices.Clone(own), func(i int) bool { return errs[i] != nil })
		if len(trial) == 0 {
			return nil
		}
		found, refused := d.plan(changes, trial)
		if len(refused) == 0 {
			err := prove(d, found, changes, trial)
			if err == nil {
				return found
			}
			if len(trial) > 1 {
				return d.oneByOne(changes, trial, errs)
			}
			refused[trial[0]] = err
		}
		for i, err := range refused {
			errs[i] = err
		}
	}
	return nil
}

// maxOneByOne bounds the edits of a document that are tried one by one.
const maxOneByOne = 200

// oneByOne adds one change after the other, and leaves out those that do not go
// with those before.
func (d *document) oneByOne(changes []Change, trial []int, errs []error) []splice {
	var made []int
	var out []splice
	for n, i := range trial {
		if n >= maxOneByOne {
			errs[i] = fmt.Errorf("%w (too many edits get into each other's way)", ErrLayout)
			continue
		}
		next := append(slices.Clone(made), i)
		found, refused := d.plan(changes, next)
		err := refused[i]
		if err == nil && len(refused) > 0 {
			err = ErrConflict
		}
		if err == nil {
			err = d.prove(found, changes, next)
		}
		if errs[i] = err; err == nil {
			made, out = next, found
		}
	}
	return out
}

// splice puts text in the place of the bytes from start to end.
type splice struct {
	start, end int
	text       string
}

// ordered sorts splices by place; what is inserted comes before what is removed
// at the same place.
func ordered(all []splice) []splice {
	return slices.SortedStableFunc(slices.Values(all), func(a, b splice) int {
		return cmp.Or(a.start-b.start, a.end-b.end)
	})
}

// splices carries out what does not overlap, in order.
func splices(text []byte, all []splice) []byte {
	all = ordered(all)
	var out []byte
	done := 0
	for _, s := range all {
		out = append(append(out, text[done:s.start]...), s.text...)
		done = s.end
	}
	return append(out, text[done:]...)
}

// overlap tells whether two splices touch the same bytes.
func overlap(all []splice) bool {
	sorted := ordered(all)
	for i := 1; i < len(sorted); i++ {
		if sorted[i].start < sorted[i-1].end {
			return true
		}
	}
	return false
}

// plan turns changes into splices. Changes that can't be made are returned with
// the reason; the splices are then incomplete.
func (d *document) plan(changes []Change, own []int) ([]splice, map[int]error) {
	refused := make(map[int]error)
	roots := make(map[Place]*want)
	var order []Place
	for _, i := range own {
		c := &changes[i]
		root := d.object(c.Object)
		if root == nil {
			refused[i] = ErrNotFound
			continue
		}
		w := roots[c.Object]
		if w == nil {
			w = new(want)
			roots[c.Object], order = w, append(order, c.Object)
		}
		if err := d.wish(w, root, c, i); err != nil {
			refused[i] = err
		}
	}
	p := &planner{document: d, refused: refused}
	for _, place := range order {
		if len(refused) == 0 {
			p.node(entry{value: d.object(place)}, roots[place])
		}
	}
	if len(refused) == 0 && overlap(p.splices) {
		refused[own[len(own)-1]] = ErrConflict
	}
	return p.splices, refused
}

// prove makes the splices and reads the result again: it must be the original
// with the changes, and nothing else.
func (d *document) prove(found []splice, changes []Change, own []int) error {
	got, err := parse(splices(d.text, found), d.first)
	if err != nil {
		return fmt.Errorf("%w (the result would not be YAML)", ErrLayout)
	}
	want := d.trees()
	for _, i := range own {
		if err := want.change(d, &changes[i]); err != nil {
			return err
		}
	}
	if !want.equal(got.trees()) {
		return fmt.Errorf("%w (the result would not be what was asked for)", ErrLayout)
	}
	return nil
}

// plain tells whether a reader of the values of a document would see all that
// changes can do to it.
func (d *document) plain(changes []Change, own []int) bool {
	if len(d.roots) != 1 || d.odd {
		return false
	}
	for _, i := range own {
		if d.object(changes[i].Object) != d.roots[0] {
			return false
		}
	}
	return true
}

// part is a stretch of a file between two lines that start with "---".
type part struct {
	text         []byte
	start        int
	first, count int
}

// split cuts a file at the lines that start with "---", where kubectl does. A
// part that holds directives only belongs to the next.
func split(text []byte) []part {
	var out []part
	cur := part{}
	head, directive := true, false
	pos, line := 0, 0
	for l := range bytes.Lines(text) {
		trimmed := strings.TrimSpace(string(l))
		rest, sep := bytes.CutPrefix(l, []byte("---"))
		switch {
		case sep && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0):
			if pos > cur.start && (!head || !directive) {
				cur.text, cur.count = text[cur.start:pos], line-cur.first
				out = append(out, cur)
				cur = part{start: pos, first: line}
			}
			head, directive = false, false
		case head:
			directive = directive || strings.HasPrefix(trimmed, "%")
			head = trimmed == "" || trimmed[0] == '#' || trimmed[0] == '%'
		}
		pos += len(l)
		line++
	}
	cur.text, cur.count = text[cur.start:], line-cur.first
	return append(out, cur)
}
