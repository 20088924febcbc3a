package fix

import (
	"errors"
	"fmt"
	"maps"
	pathpkg "path"
	"slices"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// patch is a strategic-merge patch as a tree.
type patch map[string]any

var errPatch = errors.New("a strategic-merge patch can't say this edit: write a JSON patch by hand, or edit what the object is made from")

// byName are lists that are merged by the name of their items.
var byName = []string{"containers", "initContainers", "ephemeralContainers", "volumes"}

// appendable are lists that are merged by a key of the item that is added.
var appendable = []string{"volumes", "volumeMounts"}

// builtIn tells whether lists of the object can be merged: those of other kinds
// are replaced as a whole.
func builtIn(o *inventory.Object) bool {
	return slices.Contains([]string{"", "apps", "batch", "policy", "autoscaling", "extensions"}, o.Group()) || strings.HasSuffix(o.Group(), ".k8s.io")
}

// patchOf is the patch that makes changes to an object of the given name.
func patchOf(o *inventory.Object, name string, changes []edit.Change) (patch, error) {
	meta := map[string]any{"name": name}
	if o.Origin.Kind == inventory.FromHelm && o.Namespace != "" {
		meta["namespace"] = o.Namespace
	}
	out := patch{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": meta}
	for _, c := range changes {
		var value any
		switch c.Op {
		case edit.Set:
			value = c.Value.Any()
		case edit.Remove:
		case edit.Rename, edit.Move:
			return nil, errPatch
		}
		if err := out.put(o, c.Path, value); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// put sets a field of the patch; nil removes the field of the object.
func (p patch) put(o *inventory.Object, path string, value any) error {
	segments := inventory.SplitPath(path)
	at, here := map[string]any(p), o.Root
	for i := 0; i < len(segments)-1; i++ {
		key, next := segments[i], segments[i+1]
		here = here.Get(key)
		isList := here != nil && here.Kind == inventory.List || next == edit.Append
		if isList && !builtIn(o) {
			return errPatch
		}
		if next == edit.Append {
			return appendTo(at, segments[i:], value)
		}
		var err error
		if isList {
			i++
			at, here, err = intoItem(at, here, key, next)
		} else {
			at, err = intoMap(at, key)
		}
		if err != nil || isList && i == len(segments)-1 {
			return errPatch
		}
	}
	at[segments[len(segments)-1]] = value
	return nil
}

// intoMap goes down into a map of the patch.
func intoMap(at map[string]any, key string) (map[string]any, error) {
	if at[key] == nil {
		at[key] = make(map[string]any)
	}
	if below, ok := at[key].(map[string]any); ok {
		return below, nil
	}
	return nil, errPatch
}

// appendTo adds an item to a list that ends the path.
func appendTo(at map[string]any, rest []string, value any) error {
	items, ok := at[rest[0]].([]any)
	if at[rest[0]] != nil && !ok || len(rest) != 2 || !slices.Contains(appendable, rest[0]) { //nolint:mnd // the list and the mark
		return errPatch
	}
	at[rest[0]] = append(items, value)
	return nil
}

// intoItem goes down into the item of a list, which is known by its name.
func intoItem(at map[string]any, list *inventory.Node, key, position string) (map[string]any, *inventory.Node, error) {
	items, ok := at[key].([]any)
	if at[key] != nil && !ok {
		return nil, nil, errPatch
	}
	i, err := strconv.Atoi(position)
	here := list.Index(i)
	name := here.Get("name").Str()
	if err != nil || name == "" || !slices.Contains(byName, key) {
		return nil, nil, errPatch
	}
	item := itemNamed(items, name)
	if item == nil {
		item = map[string]any{"name": name}
		at[key] = append(items, item)
	}
	return item, here, nil
}

func itemNamed(items []any, name string) map[string]any {
	for _, item := range items {
		if m, ok := item.(map[string]any); ok && m["name"] == name {
			return m
		}
	}
	return nil
}

// text writes a patch as YAML.
func (p patch) text() ([]byte, error) { return edit.YAML(map[string]any(p)) }

// throughPatch makes an edit of an object that Kustomize builds a patch in the
// overlay.
func (s *session) throughPatch(p *proposal, o *inventory.Object) (*proposal, error) {
	p.target = s.Roots[p.root].Files[0]
	if why := s.Locked[p.target]; why != "" {
		return nil, errors.New(why)
	}
	// That the patch can be written is seen before it is tried.
	if _, err := patchOf(o, o.Name, p.changes); err != nil {
		return nil, err
	}
	return p, nil
}

// applyPatches writes a patch file for each object, and enters new ones into
// the kustomization file. Fields that were patched before stay so.
func (s *session) applyPatches(name string, proposals []*proposal) applied {
	out := applied{text: s.state.texts[name], more: make(map[string][]byte), refused: make(map[*proposal]string)}
	root, err := edit.Tree(out.text)
	if err != nil {
		for _, p := range proposals {
			out.refused[p] = "the kustomization file can't be edited: " + err.Error()
		}
		return out
	}
	objects := keysOf(s.own(proposals[0].root))
	changes := make(map[objectKey][]edit.Change)
	var order []objectKey
	for _, p := range proposals {
		if changes[p.object] == nil {
			order = append(order, p.object)
			changes[p.object] = slices.Clone(s.patched[p.object])
		}
		changes[p.object] = append(changes[p.object], p.changes...)
	}
	var entries []edit.Change
	for _, k := range order {
		if err := s.addPatch(&out, &entries, patching{objects[k], k, changes[k], root}); err != nil {
			return refuseAll(proposals, err)
		}
	}
	for i := range entries {
		entries[i].Object = edit.Place{Line: root.Line, Column: root.Column}
	}
	text, errs := edit.Apply(out.text, entries)
	if err := errors.Join(errs...); err != nil {
		return refuseAll(proposals, err)
	}
	out.text, out.made = text, proposals
	return out
}

func refuseAll(proposals []*proposal, err error) applied {
	out := applied{refused: make(map[*proposal]string)}
	for _, p := range proposals {
		out.refused[p] = "the overlay can't be edited: " + err.Error()
	}
	return out
}

// patching is an object with all that is to be patched of it.
type patching struct {
	object  *inventory.Object
	key     objectKey
	changes []edit.Change
	// overlay is the kustomization file.
	overlay *inventory.Node
}

// addPatch writes the patch of one object.
func (s *session) addPatch(out *applied, entries *[]edit.Change, p patching) error {
	// A patch is applied before the prefix and suffix of its own kustomization.
	name := strings.TrimSuffix(strings.TrimPrefix(p.object.Name, p.overlay.Get("namePrefix").Str()), p.overlay.Get("nameSuffix").Str())
	tree, err := patchOf(p.object, name, p.changes)
	if err != nil {
		return err
	}
	written, err := tree.text()
	if err != nil {
		return err
	}
	file := s.patchFile(p.key, p.object)
	if _, known := s.state.texts[file]; !known {
		entry := dict(
			named("path", text(pathpkg.Base(file))),
			named("target", dict(named("kind", text(p.object.Kind)), named("name", text(name)))),
		)
		*entries = append(*entries, edit.Change{Op: edit.Set, Path: "patches[" + edit.Append + "]", Value: entry})
	}
	out.more[file] = written
	return nil
}

// patchFile is the name of the patch of an object: one that is not taken.
func (s *session) patchFile(k objectKey, o *inventory.Object) string {
	if name := s.patchNames[k]; name != "" {
		return name
	}
	dir := o.Origin.Root
	base := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, strings.ToLower("redoubt-"+o.Kind+"-"+o.Name))
	for n := 1; ; n++ {
		name := base
		if n > 1 {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		full := pathpkg.Join(dir, name+".yaml")
		if s.Roots[dir].Taken[name+".yaml"] || slices.Contains(slices.Collect(maps.Values(s.patchNames)), full) {
			continue
		}
		s.patchNames[k], s.patches[full] = full, dir
		return full
	}
}
