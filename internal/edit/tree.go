package edit

import (
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// tree is the meaning of a document: what an edit must not change elsewhere.
type tree struct {
	key    string
	kind   yaml.Kind
	tag    string
	value  string
	anchor string
	items  []*tree
	// first are new items before the others, left out until the end so that
	// positions stay valid.
	first []*tree
}

func treeOf(n *yaml.Node) *tree {
	t := &tree{kind: n.Kind, tag: n.ShortTag(), value: n.Value, anchor: n.Anchor}
	switch n.Kind {
	case yaml.MappingNode:
		t.value = ""
		for i := 0; i+1 < len(n.Content); i += 2 {
			item := treeOf(n.Content[i+1])
			item.key = keyText(n.Content[i])
			t.items = append(t.items, item)
		}
	case yaml.SequenceNode, yaml.DocumentNode:
		for _, c := range n.Content {
			t.items = append(t.items, treeOf(c))
		}
	case yaml.ScalarNode:
		if t.tag == "!!null" {
			t.value = ""
		}
	case yaml.AliasNode:
		t.tag = "alias"
	}
	return t
}

// keyText is the text of a key; one that is no scalar can't be edited anyway.
func keyText(k *yaml.Node) string {
	if k.Kind == yaml.AliasNode {
		return "*" + k.Value
	}
	return k.Value
}

func (t *tree) equal(o *tree) bool {
	if t.key != o.key || t.kind != o.kind || t.tag != o.tag || t.value != o.value || t.anchor != o.anchor || len(t.items) != len(o.items) {
		return false
	}
	for i := range t.items {
		if !t.items[i].equal(o.items[i]) {
			return false
		}
	}
	return true
}

// trees are the documents of a text, with the objects that changes may name.
type trees struct {
	roots []*tree
	// of finds the tree of a node.
	of map[*yaml.Node]*tree
	// gone are taken out at the end, so that positions in lists stay valid.
	gone map[*tree]bool
}

func (d *document) trees() *trees {
	out := &trees{of: make(map[*yaml.Node]*tree), gone: make(map[*tree]bool)}
	for _, r := range d.roots {
		t := treeOf(r)
		out.roots = append(out.roots, t)
		out.index(r, t)
	}
	return out
}

func (ts *trees) index(n *yaml.Node, t *tree) {
	ts.of[n] = t
	for i, item := range t.items {
		child := n.Content[i]
		if n.Kind == yaml.MappingNode {
			child = n.Content[2*i+1]
		}
		ts.index(child, item)
	}
}

// change does to the meaning what the edit shall do to the text.
func (ts *trees) change(d *document, c *Change) error {
	root := ts.of[d.object(c.Object)]
	if root == nil {
		return ErrNotFound
	}
	segments := inventory.SplitPath(c.Path)
	switch c.Op {
	case Set:
		value := c.Value
		if value == nil {
			value = new(inventory.Node)
		}
		return root.put(segments, treeOfContent(contentOf(value)))
	case Remove:
		at := root.at(segments)
		if at == nil {
			return ErrNoField
		}
		ts.gone[at] = true
	case Rename:
		at := root.at(segments)
		if at == nil {
			return ErrNoField
		}
		at.key = c.To
	case Move:
		at := root.at(segments)
		if at == nil {
			return ErrNoField
		}
		ts.gone[at] = true
		copied := *at
		return root.put(inventory.SplitPath(c.To), &copied)
	}
	return nil
}

func (t *tree) at(segments []string) *tree {
	for _, s := range segments {
		i := t.find(s)
		if i < 0 {
			return nil
		}
		t = t.items[i]
	}
	return t
}

func (t *tree) find(segment string) int {
	if t.kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(segment); err == nil && i >= 0 && i < len(t.items) {
			return i
		}
		return -1
	}
	for i, item := range t.items {
		if item.key == segment && t.kind == yaml.MappingNode {
			return i
		}
	}
	return -1
}

// put sets a value, making the maps on the way.
func (t *tree) put(segments []string, value *tree) error {
	for n, s := range segments {
		i := t.find(s)
		if i < 0 {
			if s == Prepend && n == len(segments)-1 && t.kind == yaml.SequenceNode && len(t.items) > 0 {
				t.first = append(t.first, value)
				return nil
			}
			var err error
			if i, err = t.add(s); err != nil {
				return err
			}
		}
		if n == len(segments)-1 {
			value.key = t.items[i].key
			t.items[i] = value
			return nil
		}
		t = t.items[i]
	}
	return ErrNoField
}

// add makes an empty field or item and returns its position.
func (t *tree) add(segment string) (int, error) {
	if t.kind == yaml.ScalarNode && t.tag == "!!null" {
		t.kind, t.tag = yaml.MappingNode, "!!map"
	}
	added := segment == Append || segment == Prepend
	if added && t.kind == yaml.MappingNode && len(t.items) == 0 {
		t.kind, t.tag = yaml.SequenceNode, "!!seq"
	}
	if t.kind != yaml.MappingNode && !added {
		return 0, ErrNoField
	}
	item := &tree{kind: yaml.ScalarNode, tag: "!!null"}
	if t.kind == yaml.MappingNode {
		item.key = segment
	}
	t.items = append(t.items, item)
	return len(t.items) - 1, nil
}

func treeOfContent(c content) *tree {
	t := &tree{key: c.key, kind: yaml.ScalarNode, value: c.text}
	switch c.kind {
	case inventory.Map:
		t.kind, t.tag, t.value = yaml.MappingNode, "!!map", ""
	case inventory.List:
		t.kind, t.tag, t.value = yaml.SequenceNode, "!!seq", ""
	case inventory.Null:
		t.tag, t.value = "!!null", ""
	case inventory.Bool:
		t.tag = "!!bool"
	case inventory.Int:
		t.tag = "!!int"
	case inventory.Float:
		t.tag = "!!float"
	case inventory.String:
		t.tag = "!!str"
	}
	for _, item := range c.items {
		t.items = append(t.items, treeOfContent(item))
	}
	return t
}

// equal compares with what was read, without what is gone.
func (ts *trees) equal(o *trees) bool {
	if len(ts.roots) != len(o.roots) {
		return false
	}
	for i := range ts.roots {
		ts.prune(ts.roots[i])
		if !ts.roots[i].equal(o.roots[i]) {
			return false
		}
	}
	return true
}

func (ts *trees) prune(t *tree) {
	kept := t.items[:0]
	for _, item := range t.items {
		if !ts.gone[item] {
			ts.prune(item)
			kept = append(kept, item)
		}
	}
	t.items = append(t.first, kept...) //nolint:gocritic // in front of the others
	t.first = nil
}
