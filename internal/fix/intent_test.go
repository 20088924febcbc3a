package fix

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/gen"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// TestIntentAgreesWithTheProof makes all kinds of changes all over manifests,
// with and without the proof of the editor: where the proof holds, so does the
// comparison of values; where it does not, the comparison fails, too, or the
// draft was refused.
func TestIntentAgreesWithTheProof(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("../../examples/shop/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal(err, names)
	}
	texts := make([]string, 0, len(names))
	for _, name := range names[:min(len(names), 5)] {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	texts = append(texts, gen.Manifests(8, gen.Options{Seed: 3})...)
	texts = append(texts,
		"apiVersion: v1\nkind: Pod\nmetadata: &m {name: a}\nspec:\n  x: *m\n  y: !!str 1\n",
		"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n  spec: {a: [1, 2, {b: c}]}\n",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  a: 1\n  b: {}\n  b: {c: 1}\n")
	var c comparison
	for _, text := range texts {
		objects, parsed := c.read(t, []byte(text))
		for i, o := range objects {
			c.t, c.text, c.parsed, c.i, c.object = t, []byte(text), parsed, i, o
			c.below(o.Root, "", 0)
		}
	}
	t.Logf("%d changes of %d manifests: %d made, %d refused by the draft", c.tried, len(texts), c.made, c.refused)
	if c.made < 1000 {
		t.Errorf("only %d changes were made", c.made)
	}
}

type comparison struct {
	t                    *testing.T
	text                 []byte
	parsed               []edit.Parsed
	i                    int
	object               *inventory.Object
	tried, made, refused int
}

func (*comparison) read(t *testing.T, text []byte) ([]*inventory.Object, []edit.Parsed) {
	t.Helper()
	res, documents, err := decode.Documents(text, &inventory.Origin{Kind: inventory.FromManifest, File: "a.yaml"}, decode.DefaultLimits())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return res.Objects, Parsed(documents)
}

func (c *comparison) below(n *inventory.Node, path string, depth int) {
	if depth > 8 {
		return
	}
	value := &inventory.Node{Kind: inventory.Map, Items: []inventory.Node{{Key: "zz", Kind: inventory.Bool, Text: "true"}}}
	switch n.Kind {
	case inventory.Map:
		c.try(edit.Change{Op: edit.Set, Path: inventory.JoinPath(path, "zzNew.zzInner"), Value: boolean("false")})
		for i := range min(n.Len(), 8) {
			at := inventory.Join(path, n.Items[i].Key)
			c.try(edit.Change{Op: edit.Set, Path: at, Value: text("new value")})
			c.try(edit.Change{Op: edit.Set, Path: at, Value: value})
			c.try(edit.Change{Op: edit.Remove, Path: at})
			c.try(edit.Change{Op: edit.Rename, Path: at, To: "zzRenamed"})
			c.try(edit.Change{Op: edit.Move, Path: at, To: inventory.JoinPath(path, "zzMoved.zzField")})
			c.below(&n.Items[i], at, depth+1)
		}
	case inventory.List:
		c.try(edit.Change{Op: edit.Set, Path: path + "[-]", Value: value})
		for i := range min(n.Len(), 3) {
			at := inventory.JoinIndex(path, i)
			c.try(edit.Change{Op: edit.Remove, Path: at})
			c.below(&n.Items[i], at, depth+1)
		}
	case inventory.Null, inventory.Bool, inventory.Int, inventory.Float, inventory.String:
	}
}

func (c *comparison) try(change edit.Change) {
	t := c.t
	t.Helper()
	if change.Path == "apiVersion" || change.Path == "kind" || change.Path == "metadata" {
		return // it would be another object
	}
	c.tried++
	change.Object = edit.Place{Line: c.object.Root.Line, Column: c.object.Root.Column}
	changes := []edit.Change{change}
	draft, refused := edit.Draft(c.text, changes, c.parsed)
	proven, unproven := edit.Apply(c.text, changes)
	if refused[0] != nil {
		c.refused++
		if unproven[0] == nil {
			t.Errorf("%+v is refused by the draft alone: %v", change, refused[0])
		}
		return
	}
	made := c.compare(draft, changes)
	switch {
	case unproven[0] == nil && (!bytes.Equal(draft, proven) || !made):
		t.Errorf("%+v is proven, and the comparison says %v of\n%s", change, made, draft)
	case unproven[0] != nil && made:
		t.Errorf("%+v is not proven (%v), and the comparison takes it:\n%s", change, unproven[0], draft)
	}
	c.made++
	if made && c.made%7 == 0 {
		c.spoil(draft, changes)
	}
}

// compare tells whether a text is as intended.
func (c *comparison) compare(draft []byte, changes []edit.Change) bool {
	res, err := decode.File(draft, &inventory.Origin{Kind: inventory.FromManifest, File: "a.yaml"}, decode.DefaultLimits())
	return err == nil && len(res.Objects) > c.i && asIntended(c.object.Root, res.Objects[c.i].Root, changes)
}

// spoil changes something else, which must be seen.
func (c *comparison) spoil(draft []byte, changes []edit.Change) {
	c.t.Helper()
	for _, more := range []edit.Change{
		{Op: edit.Set, Path: "metadata.zzOther", Value: text("x")},
		{Op: edit.Set, Path: "metadata.name", Value: text("zz")},
	} {
		objects, _ := c.read(c.t, draft)
		more.Object = edit.Place{Line: objects[c.i].Root.Line, Column: objects[c.i].Root.Column}
		spoilt, errs := edit.Apply(draft, []edit.Change{more})
		if errs[0] == nil && !bytes.HasPrefix([]byte(changes[0].Path), []byte("metadata")) && c.compare(spoilt, changes) {
			c.t.Errorf("%+v: the comparison does not see another change in\n%s", changes[0], spoilt)
		}
	}
}
