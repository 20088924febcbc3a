package edit_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/gen"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var corpus = flag.String("corpus", "", "a folder of manifests to edit, too")

// TestEveryEditChangesNothingElse edits every field of every manifest of the
// examples and of generated ones, in each way, and reads the result with the
// YAML library alone: it differs at the announced path only, and the text
// differs in one stretch of lines only.
func TestEveryEditChangesNothingElse(t *testing.T) {
	t.Parallel()
	p := &property{t: t}
	for _, text := range append(gen.Manifests(64, gen.Options{Seed: 5}), manifests(t, "../../examples")...) {
		p.file([]byte(text))
	}
	if *corpus != "" {
		for _, text := range manifests(t, *corpus) {
			p.file([]byte(text))
		}
	}
	for _, e := range edits {
		p.file([]byte(e.text))
	}
	t.Logf("%d files, %d edits made, %d refused: %v", p.files, p.made, p.refused, p.reasons)
	if p.made < 1_500 || p.refused*50 > p.made && *corpus == "" {
		t.Errorf("%d edits were made and %d refused", p.made, p.refused)
	}
}

func manifests(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
			return err
		}
		text, err := os.ReadFile(name)
		if len(text) < 64<<10 {
			out = append(out, string(text))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type property struct {
	t             *testing.T
	files, tried  int
	made, refused int
	reasons       map[string]int
}

// parts reads the documents of a text, nil if it can't be read.
func parts(text []byte) []*yaml.Node {
	var out []*yaml.Node
	for dec := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var n yaml.Node
		err := dec.Decode(&n)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			return nil
		}
		if len(n.Content) > 0 {
			out = append(out, n.Content[0])
		}
	}
}

func (p *property) file(text []byte) {
	docs := parts(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))
	if len(docs) == 0 {
		return
	}
	p.files++
	for i, root := range docs {
		if root.Kind == yaml.MappingNode && len(root.Content) > 0 {
			(&walk{property: p, text: text, doc: i, root: root}).node(root, "", 0)
		}
	}
}

// walk goes over one document of a text.
type walk struct {
	*property

	text []byte
	doc  int
	root *yaml.Node
}

// node edits below a node. Long lists are sampled.
func (p *walk) node(n *yaml.Node, path string, depth int) {
	if depth > 12 || n.Kind == yaml.AliasNode {
		return
	}
	try := func(op edit.Op, at, to string, v *inventory.Node) {
		p.try(p.text, p.doc, edit.Change{Object: edit.Place{Line: int32(p.root.Line), Column: int32(p.root.Column)}, Op: op, Path: at, To: to, Value: v})
	}
	switch n.Kind {
	case yaml.MappingNode:
		try(edit.Set, inventory.JoinPath(path, "zzNew.zzInner"), "", boolean(false))
		try(edit.Set, inventory.JoinPath(path, "zzList"), "", list("ALL", "1"))
		for i := 0; i+1 < len(n.Content) && i < 40; i += 2 {
			at := inventory.Join(path, n.Content[i].Value)
			try(edit.Set, at, "", str("new value"))
			try(edit.Set, at, "", dict("zz", boolean(true)))
			try(edit.Remove, at, "", nil)
			try(edit.Rename, at, "zzRenamed", nil)
			try(edit.Move, at, inventory.JoinPath(path, "zzMoved.zzField"), nil)
			try(edit.Move, at, "zzTop", nil)
			p.node(n.Content[i+1], at, depth+1)
		}
	case yaml.SequenceNode:
		try(edit.Set, path+"[-]", "", str("new item"))
		try(edit.Set, path+"[-]", "", dict("zz", dict("ww", boolean(true))))
		for i := range min(len(n.Content), 6) {
			at := inventory.JoinIndex(path, i)
			try(edit.Remove, at, "", nil)
			p.node(n.Content[i], at, depth+1)
		}
	case yaml.ScalarNode, yaml.AliasNode, yaml.DocumentNode:
	}
}

func (p *property) try(text []byte, doc int, c edit.Change) {
	const sample = 29
	if p.tried++; p.tried%sample != 0 {
		return
	}
	got, errs := edit.Apply(text, []edit.Change{c})
	if errs[0] != nil {
		p.refused++
		if p.reasons == nil {
			p.reasons = make(map[string]int)
		}
		p.reasons[errs[0].Error()]++
		if !bytes.Equal(got, text) {
			p.t.Errorf("a refused edit changed the text: %v", c)
		}
		return
	}
	p.made++
	fail := func(format string, args ...any) {
		p.t.Helper()
		p.t.Errorf("%d %s %s: %s\nfrom\n%s\nto\n%s", c.Op, c.Path, c.To, fmt.Sprintf(format, args...), text, got)
	}
	before, after := parts(text), parts(got)
	if len(before) != len(after) {
		fail("%d documents became %d", len(before), len(after))
		return
	}
	for i := range before {
		want := generic(before[i])
		if i == doc {
			want = mutate(want, inventory.SplitPath(c.Path), c)
			if c.Op == edit.Move {
				moved := pick(generic(before[i]), inventory.SplitPath(c.Path))
				want = mutate(want, inventory.SplitPath(c.To), edit.Change{Op: edit.Set, Value: &inventory.Node{Kind: inventory.String, Text: "moved"}})
				want = swap(want, moved)
			}
		}
		if g, w := fmt.Sprintf("%v", generic(after[i])), fmt.Sprintf("%v", want); g != w {
			fail("document %d is\n%s\nwant\n%s", i, g, w)
		}
	}
	if c.Op != edit.Move {
		stretch(text, got, c, before[doc], fail)
	}
}

// stretch demands that the lines that differ are those of the edited field, and
// what is new.
func stretch(text, got []byte, c edit.Change, root *yaml.Node, fail func(string, ...any)) {
	a, b := strings.SplitAfter(string(text), "\n"), strings.SplitAfter(string(got), "\n")
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	changed := len(a) - head - tail
	field := root
	for _, s := range inventory.SplitPath(c.Path) {
		next := child(field, s)
		if next == nil {
			break
		}
		field = next
	}
	limit := lineCount(field) + 2
	if changed > limit {
		fail("%d lines differ, the field has about %d", changed, limit)
	}
}

func child(n *yaml.Node, s string) *yaml.Node {
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(s); err == nil && i < len(n.Content) {
			return n.Content[i]
		}
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == s {
			return n.Content[i+1]
		}
	}
	return nil
}

// lineCount is about how many lines a value has.
func lineCount(n *yaml.Node) int {
	last := n.Line
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		last = max(last, n.Line+strings.Count(n.Value, "\n")+len(n.Value)/20)
		for _, c := range n.Content {
			walk(c)
		}
	}
	walk(n)
	return last - n.Line + 1
}

// entry is a field of a map, in order.
type entry struct {
	key   string
	value any
}

// generic is the meaning of a value, with the order of keys.
func generic(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		out := []entry{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			out = append(out, entry{n.Content[i].Value, generic(n.Content[i+1])})
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, c := range n.Content {
			out = append(out, generic(c))
		}
		return out
	case yaml.ScalarNode:
		if n.ShortTag() == "!!null" {
			return "null"
		}
		return n.ShortTag() + " " + n.Value
	case yaml.AliasNode:
		return "*" + n.Value
	case yaml.DocumentNode:
	}
	return nil
}

func fromNode(n *inventory.Node) any {
	switch n.Kind {
	case inventory.Map:
		out := []entry{}
		for _, item := range n.All() {
			out = append(out, entry{item.Key, fromNode(item)})
		}
		return out
	case inventory.List:
		out := []any{}
		for _, item := range n.All() {
			out = append(out, fromNode(item))
		}
		return out
	case inventory.Bool:
		return "!!bool " + n.Text
	case inventory.String:
		return "!!str " + n.Text
	case inventory.Null, inventory.Int, inventory.Float:
	}
	return nil
}

// mutate does to a value what an edit shall do.
func mutate(v any, path []string, c edit.Change) any {
	if len(path) == 0 {
		return fromNode(c.Value)
	}
	switch have := v.(type) {
	case []any:
		if path[0] == edit.Append {
			return append(slices.Clone(have), mutate(nil, path[1:], c))
		}
		i, _ := strconv.Atoi(path[0])
		out := slices.Clone(have)
		if len(path) == 1 && c.Op == edit.Remove {
			return slices.Delete(out, i, i+1)
		}
		out[i] = mutate(have[i], path[1:], c)
		return out
	case []entry:
		out := slices.Clone(have)
		for i := range out {
			if out[i].key != path[0] {
				continue
			}
			switch {
			case len(path) == 1 && (c.Op == edit.Remove || c.Op == edit.Move):
				return slices.Delete(out, i, i+1)
			case len(path) == 1 && c.Op == edit.Rename:
				out[i].key = c.To
			default:
				out[i].value = mutate(out[i].value, path[1:], c)
			}
			return out
		}
		return append(out, entry{path[0], mutate(nil, path[1:], c)})
	}
	return []entry{{path[0], mutate(nil, path[1:], c)}}
}

// pick is the value at a path.
func pick(v any, path []string) any {
	for _, s := range path {
		switch have := v.(type) {
		case []any:
			i, _ := strconv.Atoi(s)
			v = have[i]
		case []entry:
			for _, e := range have {
				if e.key == s {
					v = e.value
				}
			}
		}
	}
	return v
}

// swap puts the moved value in the place of its stand-in.
func swap(v, moved any) any {
	switch have := v.(type) {
	case []any:
		out := slices.Clone(have)
		for i := range out {
			out[i] = swap(out[i], moved)
		}
		return out
	case []entry:
		out := slices.Clone(have)
		for i := range out {
			out[i].value = swap(out[i].value, moved)
		}
		return out
	case string:
		if have == "!!str moved" {
			return moved
		}
	}
	return v
}
