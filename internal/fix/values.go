package fix

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// maxCandidates bounds the values that are tried for one field.
const maxCandidates = 6

// throughValues finds the values that the fields of an edit come from. Which
// they are is not guessed: the chart is rendered with the new value, and the
// field must have it then.
func (s *session) throughValues(p *proposal, o *inventory.Object, refused error) (*proposal, error) {
	for _, c := range p.changes {
		if c.Op != edit.Set || plainPath(c.Path) != c.Path {
			return nil, refused
		}
		v, err := s.value(p, o, &c)
		if err != nil {
			return nil, err
		}
		if v == nil || p.target != "" && p.target != v.file {
			return nil, refused
		}
		p.target = v.file
		change, err := v.change(s.state.texts[v.file], c.Value)
		if err != nil {
			return nil, err
		}
		p.values = append(p.values, change)
	}
	if why := s.Locked[p.target]; why != "" {
		return nil, errors.New(why)
	}
	return p, nil
}

// valueAt is a value in a values file.
type valueAt struct{ file, path string }

// change sets the value.
func (v *valueAt) change(text []byte, value *inventory.Node) (edit.Change, error) {
	root, err := edit.Tree(text)
	if err != nil {
		return edit.Change{}, err
	}
	return edit.Change{
		Object: edit.Place{Line: root.Line, Column: root.Column},
		Op:     edit.Set, Path: v.path, Value: value,
	}, nil
}

// value is where the value of a field is set, nil if no value makes it.
func (s *session) value(p *proposal, o *inventory.Object, c *edit.Change) (*valueAt, error) {
	id := fmt.Sprint(p.object, c.Path, string(c.Value.JSON()))
	if v, known := s.values[id]; known {
		return v, nil
	}
	for _, v := range s.candidates(o, c.Path) {
		ok, err := s.makes(p, &v, c)
		if err != nil {
			return nil, err
		}
		if ok {
			s.values[id] = &v
			return &v, nil
		}
	}
	s.values[id] = nil
	return nil, nil
}

// candidates are the values that may make a field: those that the template
// reads on its line, and those that are named as it is or as what it is in.
func (s *session) candidates(o *inventory.Object, path string) []valueAt {
	near, _ := o.Root.Nearest(path)
	segments := inventory.SplitPath(path)
	var found []candidate
	below := subchart(o.Origin.Root, o.Origin.File)
	for line, values := range o.Origin.Values {
		for _, v := range values {
			if below != "" && !under(v.Key, "global") {
				// The chart around it sets the values of a subchart, below its name.
				key := below + v.Key
				found = append(found, candidatesOf(s.setter(o.Origin.Root, key), key, segments, line == near.Line)...)
				continue
			}
			if file := s.valuesFile(o.Origin.Root, v.From); file != "" {
				found = append(found, candidatesOf(file, v.Key, segments, line == near.Line)...)
			}
		}
	}
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.far, b.far), cmp.Compare(a.file, b.file), cmp.Compare(a.path, b.path))
	})
	var out []valueAt
	for _, c := range found {
		if !slices.Contains(out, c.valueAt) && len(out) < maxCandidates {
			out = append(out, c.valueAt)
		}
	}
	return out
}

// subchart is the way to the values of the subchart that a template is a part
// of, with a dot at its end; "" for the chart itself.
func subchart(dir, file string) string {
	rest, _ := strings.CutPrefix(file, dir+"/")
	way := ""
	for {
		next, ok := strings.CutPrefix(rest, "charts/")
		if !ok {
			return way
		}
		name, within, ok := strings.Cut(next, "/")
		if !ok {
			return way
		}
		way, rest = way+name+".", within
	}
}

// setter is the values file that sets a key or, if none does, that of the chart.
func (s *session) setter(dir, key string) string {
	files := s.Roots[dir].Files
	for _, file := range slices.Backward(files) {
		root, err := edit.Tree(s.state.texts[file])
		if err == nil && root.At(key) != nil {
			return file
		}
	}
	return files[0]
}

// candidate is a value that may make a field. The less far it is, the likelier.
type candidate struct {
	valueAt

	far int
}

// candidatesOf takes a value for the field itself, and for each of the maps it
// is in.
func candidatesOf(file, key string, segments []string, here bool) []candidate { //nolint:revive // a property of the value
	var out []candidate
	name := strings.ToLower(key[strings.LastIndexByte(key, '.')+1:])
	for depth := len(segments); depth > 0; depth-- {
		alike := strings.HasSuffix(name, strings.ToLower(segments[depth-1]))
		if !alike && !here {
			continue
		}
		at := key
		for _, s := range segments[depth:] {
			at = inventory.Join(at, s)
		}
		far := len(segments) - depth
		if !here {
			far += len(segments)
		}
		if !alike {
			far += len(segments) + len(segments)
		}
		out = append(out, candidate{valueAt{file, at}, far})
	}
	return out
}

// valuesFile is the file of the name that a value is said to come from.
func (s *session) valuesFile(dir, from string) string {
	for i, file := range s.Roots[dir].Files {
		if file == from || i == 0 && from == "values.yaml" {
			return file
		}
	}
	return ""
}

// makes tells whether setting a value gives the field its own, and changes
// nothing else of the object.
func (s *session) makes(p *proposal, v *valueAt, c *edit.Change) (bool, error) {
	change, err := v.change(s.state.texts[v.file], c.Value)
	if err != nil {
		return false, err
	}
	text, errs := edit.Apply(s.state.texts[v.file], []edit.Change{change})
	if errs[0] != nil {
		return false, nil //nolint:nilerr // another value may do
	}
	texts := map[string][]byte{v.file: text}
	for name, text := range s.state.texts {
		if texts[name] == nil {
			texts[name] = text
		}
	}
	objects, err := s.build(p.root, texts)
	if errors.Is(err, errBuilds) {
		return false, err
	}
	now := keysOf(objects)[p.object]
	if err != nil || now == nil {
		return false, nil //nolint:nilerr // another value may do
	}
	was := keysOf(s.own(p.root))[p.object]
	for _, path := range differ(was.Root, now.Root, "") {
		if !under(path, c.Path) && !under(c.Path, path) {
			return false, nil
		}
	}
	got := now.Root.At(c.Path)
	return got != nil && got.Equal(c.Value), nil
}

// lineIn is the line of a field in a values file, or of what it is put into.
func lineIn(text []byte, path string) int32 {
	root, err := edit.Tree(text)
	if err != nil {
		return 1
	}
	near, _ := root.Nearest(path)
	return near.Line
}
