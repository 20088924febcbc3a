package fix

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Root is a chart or a kustomization: what its objects are made from can be
// edited, and they can be made again.
type Root struct {
	Kind inventory.OriginKind
	// Files are those that may be edited: the values files of a chart, the
	// weakest first, or the kustomization file. None means that it can't be.
	Files []string
	// Taken are the names of the files that are in the folder.
	Taken map[string]bool
	// Build makes the objects again, with other texts for some files. Files
	// that do not exist are added.
	Build func(texts map[string][]byte) ([]*inventory.Object, error)
}

// maxBuilt bounds how often charts and kustomizations are built in one run.
const maxBuilt = 400

var errBuilds = errors.New("too many tries to build the chart or kustomization again; fix fewer at a time")

// buildError is a failure to make the objects again, for which edits are to
// blame.
type buildError struct{ err error }

func (e *buildError) Error() string { return "the result can't be built: " + e.err.Error() }

func (e *buildError) Unwrap() error { return e.err }

// root is the chart or kustomization of an object, nil if it has none that can
// be edited.
func (s *session) root(o *inventory.Object) *Root {
	r := s.Roots[o.Origin.Root]
	if r == nil || r.Kind != o.Origin.Kind || len(r.Files) == 0 || r.Build == nil {
		return nil
	}
	return r
}

// inputs tells which roots a file is an input of.
func (s *session) inputs(name string) []string {
	var out []string
	for _, dir := range slices.Sorted(maps.Keys(s.Roots)) {
		if slices.Contains(s.Roots[dir].Files, name) || s.patches[name] == dir && dir != "" {
			out = append(out, dir)
		}
	}
	return out
}

// build makes the objects of a root from given texts of its files.
func (s *session) build(dir string, texts map[string][]byte) ([]*inventory.Object, error) {
	changed := make(map[string][]byte)
	for name, text := range texts {
		if original, known := s.Texts[name]; slices.Contains(s.inputs(name), dir) && (!known || string(original) != string(text)) {
			changed[name] = text
		}
	}
	if s.built >= maxBuilt {
		return nil, &buildError{errBuilds}
	}
	s.built++
	objects, err := s.Roots[dir].Build(changed)
	if err != nil {
		return nil, &buildError{err}
	}
	return objects, nil
}

// steady makes the objects of a root from what is there, once. Objects that
// come out different each time, as those with random values do, are noted.
func (s *session) steady(dir string) error {
	if err, known := s.checked[dir]; known {
		return err
	}
	s.checked[dir] = nil
	now, err := s.build(dir, nil)
	if err == nil {
		was, again := keysOf(s.own(dir)), keysOf(now)
		if len(was) != len(again) {
			err = errChanged
		}
		for k, o := range was {
			if again[k] == nil || !again[k].Root.Equal(o.Root) {
				s.unsteady[k] = true
			}
		}
	}
	s.checked[dir] = err
	return err
}

// own are the objects of a root as they are by now.
func (s *session) own(dir string) []*inventory.Object {
	var out []*inventory.Object
	for _, o := range s.state.inv.Objects {
		if o.Origin.Root == dir && o.Origin.Kind == s.Roots[dir].Kind {
			out = append(out, o)
		}
	}
	return out
}

// keysOf names objects in the order an inventory has.
func keysOf(objects []*inventory.Object) map[objectKey]*inventory.Object {
	inv := new(inventory.Inventory)
	inv.Add(objects...)
	inv.Seal()
	out := make(map[objectKey]*inventory.Object)
	for o, k := range objectKeys(inv) {
		out[k] = o
	}
	return out
}

// announced makes sure that the objects of a root differ from what they were at
// the fields of the trial, and nowhere else.
func (s *session) announced(dir string, trial []*proposal, now []*inventory.Object) error {
	fields := fieldsOf(trial)
	was, again := keysOf(s.own(dir)), keysOf(now)
	if len(was) != len(again) {
		return &buildError{errors.New("it has another number of objects")}
	}
	for k, o := range was {
		twin := again[k]
		if twin == nil || twin.Ref() != o.Ref() {
			return &buildError{fmt.Errorf("%s is no longer in it", o.Ref())}
		}
		if s.unsteady[k] {
			continue
		}
		for _, path := range differ(o.Root, twin.Root, "") {
			if !told(fields[k], path) {
				return &buildError{fmt.Errorf("%s of %s would change, too", path, o.Ref())}
			}
		}
	}
	return nil
}

// fieldsOf are the fields that a trial announces to change.
func fieldsOf(trial []*proposal) map[objectKey][]string {
	fields := make(map[objectKey][]string)
	for _, p := range withParts(trial) {
		for _, c := range p.changes {
			fields[p.object] = append(fields[p.object], plainPath(c.Path))
			switch c.Op {
			case edit.Move:
				fields[p.object] = append(fields[p.object], c.To)
			case edit.Rename:
				parent := strings.TrimSuffix(strings.TrimSuffix(c.Path, lastOf(c.Path)), ".")
				fields[p.object] = append(fields[p.object], inventory.Join(parent, c.To))
			case edit.Set, edit.Remove:
			}
		}
	}
	return fields
}

func lastOf(path string) string {
	segments := inventory.SplitPath(path)
	last := segments[len(segments)-1]
	if strings.HasSuffix(path, "]") {
		return "[" + last + "]"
	}
	return last
}

// told tells whether a change of a path is announced.
func told(fields []string, path string) bool {
	return slices.ContainsFunc(fields, func(f string) bool { return under(path, f) || under(f, path) })
}

// strayError says that an edited file is not the one that was judged, but for
// the edits.
type strayError struct{ file string }

func (e *strayError) Error() string { return e.file + ": " + errChanged.Error() }

// strays compares the objects of edited files with what they were and what they
// are to be. If they are something else, the text does not say what it seems to,
// or the file was another one when it was read.
func (s *session) strays(texts map[string][]byte, next *state, trial []*proposal) error {
	fields := fieldsOf(trial)
	changes := make(map[objectKey][]edit.Change)
	for _, p := range withParts(trial) {
		for _, c := range p.changes {
			changes[p.object] = once(changes[p.object], c)
		}
	}
	was, now := byFile(s.state.inv), byFile(next.inv)
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if len(now[name]) < len(was[name]) {
			return &strayError{name}
		}
		for i, o := range was[name] {
			k := objectKey{file: name, index: i}
			ok := s.slow[name] && onlyTold(o.Root, now[name][i].Root, fields[k]) ||
				!s.slow[name] && asIntended(o.Root, now[name][i].Root, changes[k])
			if !ok {
				return &strayError{name}
			}
		}
	}
	return nil
}

// onlyTold tells whether two trees differ at the given fields only.
func onlyTold(old, now *inventory.Node, fields []string) bool {
	return !slices.ContainsFunc(differ(old, now, ""), func(path string) bool { return !told(fields, path) })
}

// asIntended tells whether a tree is another with changes, and nothing else.
func asIntended(old, now *inventory.Node, changes []edit.Change) bool {
	if len(changes) == 0 {
		return old.Equal(now)
	}
	w := intend(old, changes)
	return w != nil && w.made(old, now)
}

// plainPath is a path without the part that adds an item to a list.
func plainPath(path string) string {
	for _, added := range []string{"[" + edit.Append + "]", "[" + edit.Prepend + "]"} {
		if rest, ok := strings.CutSuffix(path, added); ok && rest != "" {
			return rest
		}
	}
	return path
}

// differ lists the highest fields in which two trees differ.
func differ(a, b *inventory.Node, path string) []string {
	if a.Equal(b) {
		return nil
	}
	if a == nil || b == nil || a.Kind != b.Kind || a.Kind != inventory.Map && (a.Kind != inventory.List || a.Len() != b.Len()) {
		return []string{path}
	}
	var out []string
	if a.Kind == inventory.List {
		for i := range a.Len() {
			out = append(out, differ(a.Index(i), b.Index(i), inventory.JoinIndex(path, i))...)
		}
		return out
	}
	for _, item := range a.All() {
		out = append(out, differ(item, b.Get(item.Key), inventory.Join(path, item.Key))...)
	}
	for _, item := range b.All() {
		if a.Get(item.Key) == nil {
			out = append(out, inventory.Join(path, item.Key))
		}
	}
	return out
}

// through makes an edit of a rendered object one of what it is made from.
func (s *session) through(p *proposal, o *inventory.Object) (*proposal, error) {
	if isLive(o) {
		p.root, p.target = o.Origin.Root, o.Origin.Root
		return p, s.possible(p, o)
	}
	refused := s.editable(o)
	r := s.root(o)
	if r == nil || len(p.documents) > 0 {
		return nil, refused
	}
	if err := s.steady(o.Origin.Root); err != nil {
		return nil, fmt.Errorf("the object can't be made again: %w", err)
	}
	if s.unsteady[p.object] {
		return nil, errors.New("the object comes out different each time it is rendered, so that an edit can't be proven")
	}
	p.root = o.Origin.Root
	if s.virtual {
		p.target = p.root
		_, err := patchOf(o, o.Name, p.changes)
		return p, err
	}
	if r.Kind == inventory.FromHelm {
		return s.throughValues(p, o, refused)
	}
	return s.throughPatch(p, o)
}

// applyRoot edits what objects of a root are made from.
func (s *session) applyRoot(name string, proposals []*proposal) applied {
	if s.virtual {
		return s.applyVirtually(proposals)
	}
	if s.Roots[proposals[0].root].Kind == inventory.FromKustomize {
		return s.applyPatches(name, proposals)
	}
	values := make([]*proposal, len(proposals))
	back := make(map[*proposal]*proposal)
	for i, p := range proposals {
		values[i] = &proposal{changes: p.values}
		back[values[i]] = p
	}
	done := apply(s.state.texts[name], values, edit.Apply)
	for i, p := range done.made {
		done.made[i] = back[p]
	}
	refused := make(map[*proposal]string)
	for p, why := range done.refused {
		refused[back[p]] = why
	}
	done.refused = refused
	return done
}
