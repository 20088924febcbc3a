package edit

import (
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// action is what becomes of one node.
type action int

const (
	descend action = iota
	set
	remove
	rename
)

// want is a node of the tree of all changes to one object.
type want struct {
	key      string
	action   action
	content  content
	to       string
	children []*want
	// changes are the changes this node is for; those below are with them.
	changes []int
}

// content is a value to be written: a scalar, a map, a list, or text as the
// author wrote it.
type content struct {
	key   string
	kind  inventory.NodeKind
	text  string
	items []content
	raw   *raw
}

// raw is the text of a moved field, from its colon to its end.
type raw struct {
	text string
	// indent is the column of the key it had.
	indent int
}

func contentOf(n *inventory.Node) content {
	if n == nil {
		return content{}
	}
	c := content{key: n.Key, kind: n.Kind, text: n.Text}
	for _, item := range n.All() {
		c.items = append(c.items, contentOf(item))
	}
	return c
}

func (c *content) equal(o *content) bool {
	if c.kind != o.kind || c.text != o.text || len(c.items) != len(o.items) || (c.raw == nil) != (o.raw == nil) || c.raw != nil && *c.raw != *o.raw {
		return false
	}
	for i := range c.items {
		if c.items[i].key != o.items[i].key || !c.items[i].equal(&o.items[i]) {
			return false
		}
	}
	return true
}

// scalar tells whether the value is no collection, or an empty one.
func (c *content) scalar() bool { return c.raw == nil && len(c.items) == 0 }

// child finds or makes the child for a segment of a path. Each appended item
// is a child of its own.
func (w *want) child(key string) *want {
	for _, c := range w.children {
		if c.key == key && key != Append && key != Prepend {
			return c
		}
	}
	c := &want{key: key}
	w.children = append(w.children, c)
	return c
}

// reach goes down to the node of a path.
func (w *want) reach(path string, change int) (*want, error) {
	segments := inventory.SplitPath(path)
	if len(segments) == 0 {
		return nil, ErrNoField
	}
	for _, s := range segments {
		if w.action != descend {
			return nil, ErrConflict
		}
		w.changes = append(w.changes, change)
		w = w.child(s)
	}
	w.changes = append(w.changes, change)
	return w, nil
}

// put decides what becomes of the node at a path.
func (w *want) put(path string, a action, c content, change int) error {
	at, err := w.reach(path, change)
	if err != nil {
		return err
	}
	if len(at.children) > 0 || at.action != descend && (at.action != a || !at.content.equal(&c)) {
		return ErrConflict
	}
	at.action, at.content = a, c
	return nil
}

// wish enters a change into the tree of an object.
func (d *document) wish(w *want, root *yaml.Node, c *Change, i int) error {
	switch c.Op {
	case Set:
		return w.put(c.Path, set, contentOf(c.Value), i)
	case Remove:
		if at, _, err := d.find(root, c.Path); err != nil || at == nil {
			return orNoField(err)
		}
		return w.put(c.Path, remove, content{}, i)
	case Rename:
		at, err := w.reach(c.Path, i)
		if err != nil {
			return err
		}
		if at.action != descend || len(at.children) > 0 {
			return ErrConflict
		}
		at.action, at.to = rename, c.To
		return nil
	case Move:
		return d.wishMove(w, root, c, i)
	}
	return ErrLayout
}

func orNoField(err error) error {
	if err != nil {
		return err
	}
	return ErrNoField
}

func (d *document) wishMove(w *want, root *yaml.Node, c *Change, i int) error {
	value, key, err := d.find(root, c.Path)
	if err != nil || value == nil || key == nil {
		return orNoField(err)
	}
	there, _, err := d.find(root, c.To)
	if err != nil {
		return err
	}
	if err := w.put(c.Path, remove, content{}, i); err != nil || there != nil {
		if there != nil && !treeOf(there).equal(treeOf(value)) {
			return ErrTaken
		}
		return err
	}
	if d.anchored(value) {
		return ErrAnchor
	}
	moved, err := d.moved(key, value)
	if err != nil {
		return err
	}
	return w.put(c.To, set, moved, i)
}

// moved is the content of a field as it is written.
func (d *document) moved(key, value *yaml.Node) (content, error) {
	c := contentOfYAML(value)
	from, err := d.colon(key)
	if err != nil {
		return c, err
	}
	to := from
	start, err := d.offset(key)
	if err != nil {
		return c, err
	}
	indent := d.column(start)
	if !absent(value) {
		if to, err = d.end(value, indent); err != nil {
			return c, err
		}
	}
	if end := d.lineEnd(to); d.blankOrComment(to, end) {
		to = end
	}
	c.raw = &raw{text: string(d.text[from:to]), indent: indent}
	return c, nil
}

func (d *document) blankOrComment(from, to int) bool {
	at := d.skip(from, " \t", false)
	return at >= to || d.text[at] == '#'
}

// contentOfYAML is a value without the way it is written.
func contentOfYAML(n *yaml.Node) content {
	var c content
	switch n.Kind {
	case yaml.MappingNode:
		c.kind = inventory.Map
		for i := 0; i+1 < len(n.Content); i += 2 {
			item := contentOfYAML(n.Content[i+1])
			item.key = n.Content[i].Value
			c.items = append(c.items, item)
		}
	case yaml.SequenceNode:
		c.kind = inventory.List
		for _, item := range n.Content {
			c.items = append(c.items, contentOfYAML(item))
		}
	case yaml.ScalarNode:
		c.text = n.Value
		switch n.ShortTag() {
		case "!!null":
			c.kind = inventory.Null
		case "!!bool":
			c.kind = inventory.Bool
		case "!!int":
			c.kind = inventory.Int
		case "!!float":
			c.kind = inventory.Float
		default:
			c.kind = inventory.String
		}
	case yaml.AliasNode, yaml.DocumentNode:
	}
	return c
}

// find follows a path. It returns the value and, for an entry of a map, its
// key; nil if nothing is there. What makes the way unsafe is an error.
func (d *document) find(n *yaml.Node, path string) (*yaml.Node, *yaml.Node, error) {
	var key *yaml.Node
	for _, s := range inventory.SplitPath(path) {
		if n.Kind == yaml.AliasNode || d.shared[n] {
			return nil, nil, ErrAnchor
		}
		var err error
		switch n.Kind {
		case yaml.MappingNode:
			key, n, err = lookup(n, s)
		case yaml.SequenceNode:
			key = nil
			n = item(n, s)
		case yaml.ScalarNode, yaml.AliasNode, yaml.DocumentNode:
			return nil, nil, nil
		}
		if err != nil || n == nil {
			return nil, nil, err
		}
	}
	return n, key, nil
}

// item is the item of a list at a position, nil if there is none.
func item(n *yaml.Node, position string) *yaml.Node {
	if i, err := strconv.Atoi(position); err == nil && i >= 0 && i < len(n.Content) {
		return n.Content[i]
	}
	return nil
}

// lookup finds an entry of a map that may be edited.
func lookup(n *yaml.Node, name string) (*yaml.Node, *yaml.Node, error) {
	var key, value *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Style == 0 {
			return nil, nil, ErrMerge
		}
		if k.Value != name || k.Kind != yaml.ScalarNode {
			continue
		}
		if key != nil {
			return nil, nil, ErrDuplicate
		}
		key, value = k, n.Content[i+1]
	}
	return key, value, nil
}

// anchored tells whether something in a value is referred to from elsewhere, or
// refers to something.
func (d *document) anchored(n *yaml.Node) bool {
	if n.Anchor != "" || n.Kind == yaml.AliasNode {
		return true
	}
	return slices.ContainsFunc(n.Content, d.anchored)
}
