package fix

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Patch is what is to be done to an object that no file at hand says.
type Patch struct {
	// Chart is the chart that renders the object, "" for a live one.
	Chart  string `json:"chart,omitempty"`
	Object string `json:"object"`
	// Controls are those whose findings it answers.
	Controls []string `json:"controls"`
	// Type is that of the patch, or create for an object that is missing.
	Type PatchType `json:"type"`
	// File is the name it has in a folder of patches.
	File string `json:"file"`
	// Command applies it there, for a live object.
	Command string `json:"command,omitempty"`
	// Text is the patch, or the object.
	Text string `json:"patch"`
	// Result is the object as it shall be.
	Result *inventory.Object `json:"-"`
}

// PatchType says how a patch is merged, as kubectl calls it.
type PatchType string

// The ways to patch.
const (
	Strategic PatchType = "strategic"
	Merge     PatchType = "merge"
	JSON      PatchType = "json"
	Create    PatchType = "create"
)

// postRender works out patches for the findings in charts that are left. They
// are judged as edits are, on the objects as the patches would leave them.
func (s *session) postRender() error {
	roots := make(map[string]*Root)
	keys := s.objectKeys()
	for i := range s.state.findings {
		f := &s.state.findings[i]
		if s.wanted(f) && f.Object.Origin.Kind == inventory.FromHelm && s.rejected[findingKey(f, keys[f.Object])] != "" {
			roots[f.Object.Origin.Root] = &Root{Kind: inventory.FromHelm, Files: []string{f.Object.Origin.Root}}
		}
	}
	if len(roots) == 0 {
		return nil
	}
	opts := s.Options
	opts.Roots, opts.Texts, opts.Ask = roots, nil, nil
	v := newSession(s.state.inv, opts)
	v.virtual, v.declined, v.judged = true, s.declined, s.judged
	v.state = state{inv: s.state.inv, texts: make(map[string][]byte), findings: s.state.findings}
	for dir, r := range roots {
		v.checked[dir] = nil
		r.Build = func(map[string][]byte) ([]*inventory.Object, error) { return v.patchedObjects(dir), nil }
	}
	if err := v.rounds(); err != nil {
		return err
	}
	objects := make(map[objectKey]*inventory.Object)
	for o, k := range v.objectKeys() {
		objects[k] = o
	}
	byPlace := func(a, b objectKey) int {
		return cmp.Or(cmp.Compare(a.root, b.root), cmp.Compare(a.file, b.file), a.index-b.index)
	}
	for _, k := range slices.SortedFunc(maps.Keys(v.patched), byPlace) {
		o := objects[k]
		tree, err := patchOf(o, o.Name, v.patched[k])
		if err != nil {
			return err
		}
		text, err := tree.text()
		if err != nil {
			return err
		}
		p := Patch{Chart: k.root, Object: o.Ref(), Type: Strategic, File: s.chartFile(o), Text: string(text), Result: o}
		for _, e := range v.result.Edits {
			if e.Object == p.Object && !slices.Contains(p.Controls, e.Control) {
				p.Controls = append(p.Controls, e.Control)
			}
		}
		s.result.Patches = append(s.result.Patches, p)
	}
	return nil
}

// applyVirtually takes note of edits of rendered objects.
func (s *session) applyVirtually(proposals []*proposal) applied {
	out := applied{refused: make(map[*proposal]string)}
	objects := make(map[objectKey]*inventory.Object)
	for o, k := range s.objectKeys() {
		objects[k] = o
	}
	for _, p := range proposals {
		o := objects[p.object]
		if !isLive(o) {
			if _, err := patchOf(o, o.Name, slices.Concat(s.patched[p.object], p.changes)); err != nil {
				out.refused[p] = err.Error()
				continue
			}
		}
		out.made = append(out.made, p)
	}
	s.pending = out.made
	s.tries++
	out.text = strconv.AppendInt(nil, int64(s.tries), 10)
	return out
}

// patchedObjects are the objects of a chart with the edits that are tried.
func (s *session) patchedObjects(dir string) []*inventory.Object {
	keys := s.objectKeys()
	pending := make(map[objectKey][]edit.Change)
	for _, p := range s.pending {
		pending[p.object] = append(pending[p.object], p.changes...)
	}
	var out []*inventory.Object
	for _, o := range s.own(dir) {
		root := withChanges(o.Root, pending[keys[o]])
		if root != o.Root {
			twin := inventory.NewObject(root, o.Origin)
			twin.Duplicates, twin.Ignores = o.Duplicates, o.Ignores
			o = twin
		}
		out = append(out, o)
	}
	return out
}

// withChanges is a tree with changes. What goes is taken out last and from the
// end, so that positions in lists stay valid until then.
func withChanges(root *inventory.Node, changes []edit.Change) *inventory.Node {
	var gone [][]string
	now := root
	for _, c := range changes {
		segments := inventory.SplitPath(c.Path)
		switch c.Op {
		case edit.Set:
			now = withField(now, segments, c.Value)
			continue
		case edit.Move:
			now = withField(now, inventory.SplitPath(c.To), root.At(c.Path))
		case edit.Rename:
			now = withField(now, append(slices.Clone(segments[:len(segments)-1]), c.To), root.At(c.Path))
		case edit.Remove:
		}
		gone = append(gone, segments)
	}
	slices.SortFunc(gone, func(a, b []string) int { return -compareSegments(a, b) })
	for _, segments := range slices.CompactFunc(gone, slices.Equal) {
		now = withField(now, segments, nil)
	}
	return now
}

// compareSegments orders paths, positions in lists by their number.
func compareSegments(a, b []string) int {
	return slices.CompareFunc(a, b, func(x, y string) int {
		n, err := strconv.Atoi(x)
		m, err2 := strconv.Atoi(y)
		if err == nil && err2 == nil {
			return n - m
		}
		return cmp.Compare(x, y)
	})
}

// withField is a tree with another value at a path, or without it if the value
// is nil. The parts that are new are where their parent is.
func withField(n *inventory.Node, segments []string, value *inventory.Node) *inventory.Node {
	out := *n
	if len(segments) == 0 {
		out.Kind, out.Text, out.Items = value.Kind, value.Text, at(value, n).Items
		return &out
	}
	key, last := segments[0], len(segments) == 1
	i := slices.IndexFunc(n.Items, func(item inventory.Node) bool { return n.Kind == inventory.Map && item.Key == key })
	if n.Kind == inventory.List {
		if position, err := strconv.Atoi(key); err == nil && position >= 0 && position < len(n.Items) {
			i = position
		}
	}
	out.Items = slices.Clone(n.Items)
	switch {
	case i < 0 && value == nil:
	case i < 0:
		if n.Kind != inventory.List {
			out.Kind, out.Text = inventory.Map, ""
		}
		item := inventory.Node{Line: n.Line, Column: n.Column}
		if key != edit.Append {
			item.Key = key
		} else {
			out.Kind = inventory.List
		}
		out.Items = append(out.Items, *withField(&item, segments[1:], value))
	case last && value == nil:
		out.Items = slices.Delete(out.Items, i, i+1)
	default:
		out.Items[i] = *withField(&out.Items[i], segments[1:], value)
	}
	return &out
}

// at is a value with all its parts at the place of another.
func at(value, place *inventory.Node) *inventory.Node {
	out := *value
	out.Line, out.Column = place.Line, place.Column
	out.Items = slices.Clone(value.Items)
	for i := range out.Items {
		out.Items[i] = *at(&out.Items[i], place)
	}
	return &out
}

// answered says in the reason of a refusal that there is a patch.
func (s *session) answered(f *finding.Finding) string {
	for _, p := range s.result.Patches {
		if f.Object != nil && f.Object.Origin.Root == p.Chart && f.Object.Ref() == p.Object && slices.Contains(p.Controls, f.Control) {
			return fmt.Sprintf("; the patch for %s below does it", p.Object)
		}
	}
	return ""
}
