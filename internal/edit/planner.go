package edit

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// planner gathers the splices for the changes to a document.
type planner struct {
	*document

	splices []splice
	refused map[int]error
}

// entry is a value with the key before it, if it is in a map.
type entry struct {
	key, value *yaml.Node
	// indent is the column of the key, or of the dash.
	indent int
}

func (p *planner) add(start, end int, text string) {
	p.splices = append(p.splices, splice{start, end, text})
}

// refuse records why the changes of a node can't be made.
func (p *planner) refuse(w *want, err error) {
	if err == nil {
		return
	}
	for _, i := range w.changes {
		p.refused[i] = err
	}
}

// node makes the changes below a value.
func (p *planner) node(e entry, w *want) {
	n := e.value
	if n.Kind == yaml.AliasNode || p.shared[n] {
		p.refuse(w, ErrAnchor)
		return
	}
	switch {
	case n.Kind == yaml.MappingNode:
		p.mapping(e, w)
	case n.Kind == yaml.SequenceNode:
		p.sequence(e, w)
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" && e.key != nil:
		c, err := w.build()
		if err == nil {
			err = p.replace(e, &c)
		}
		p.refuse(w, err)
	default:
		p.refuse(w, ErrNoField)
	}
}

// build makes the value of a field that is not there yet.
func (w *want) build() (content, error) {
	switch {
	case w.action == set:
		c := w.content
		c.key = w.key
		return c, nil
	case w.action != descend:
		return content{}, ErrNoField
	}
	c := content{key: w.key, kind: inventory.Map}
	for _, child := range w.children {
		item, err := child.build()
		if err != nil {
			return c, err
		}
		if item.key == Append || item.key == Prepend {
			c.kind, item.key = inventory.List, ""
		} else if _, err := strconv.Atoi(item.key); err == nil {
			return c, ErrNoField
		}
		c.items = append(c.items, item)
	}
	return c, nil
}

// collection is a map or list with what becomes of each of its entries.
type collection struct {
	entry

	flow    bool
	entries []entry
	gone    []bool
	added   []content
	// first are new items before those that are there.
	first []content
	// wants has the changes to each entry, nil for none.
	wants []*want
}

func (p *planner) mapping(e entry, w *want) {
	c := &collection{entry: e, flow: e.value.Style&yaml.FlowStyle != 0}
	for i := 0; i+1 < len(e.value.Content); i += 2 {
		c.entries = append(c.entries, entry{key: e.value.Content[i], value: e.value.Content[i+1]})
	}
	c.gone, c.wants = make([]bool, len(c.entries)), make([]*want, len(c.entries))
	for _, child := range w.children {
		key, _, err := lookup(e.value, child.key)
		if err == nil && key == nil {
			var item content
			if item, err = child.build(); err == nil {
				c.added = append(c.added, item)
			}
		}
		if err != nil {
			p.refuse(child, err)
			return
		}
		if key != nil {
			i := slices.IndexFunc(c.entries, func(e entry) bool { return e.key == key })
			c.wants[i], c.gone[i] = child, child.action == remove
		}
	}
	p.refuse(w, p.rewrite(c))
}

func (p *planner) sequence(e entry, w *want) {
	c := &collection{entry: e, flow: e.value.Style&yaml.FlowStyle != 0}
	for _, n := range e.value.Content {
		c.entries = append(c.entries, entry{value: n})
	}
	c.gone, c.wants = make([]bool, len(c.entries)), make([]*want, len(c.entries))
	for _, child := range w.children {
		if child.key == Append || child.key == Prepend {
			item, err := child.build()
			if err != nil {
				p.refuse(child, err)
				return
			}
			item.key = ""
			if child.key == Prepend && len(c.entries) > 0 {
				c.first = append(c.first, item)
			} else {
				c.added = append(c.added, item)
			}
			continue
		}
		i, err := strconv.Atoi(child.key)
		if err != nil || i < 0 || i >= len(c.entries) {
			p.refuse(child, ErrNoField)
			return
		}
		c.wants[i], c.gone[i] = child, child.action == remove
	}
	p.refuse(w, p.rewrite(c))
}

// rewrite carries out what was decided for the entries of a collection.
func (p *planner) rewrite(c *collection) error {
	c.indent = flowIndent
	if len(c.entries) > 0 && !c.flow {
		start, err := p.start(c.value)
		if err != nil {
			return err
		}
		c.indent = p.column(start)
	}
	for i := range c.entries {
		e := &c.entries[i]
		e.indent = c.indent
		if c.wants[i] == nil {
			continue
		}
		if c.gone[i] {
			if p.sharedWithin(e.value) {
				return ErrAnchor
			}
			continue
		}
		if err := p.inner(c, i); err != nil {
			p.refuse(c.wants[i], err)
			return nil
		}
	}
	if c.flow || len(c.entries) == 0 {
		return p.flowEntries(c)
	}
	return p.blockEntries(c)
}

// sharedWithin tells whether something in a value is referred to.
func (d *document) sharedWithin(n *yaml.Node) bool {
	return d.shared[n] || slices.ContainsFunc(n.Content, d.sharedWithin)
}

// inner makes the changes to one entry that stays.
func (p *planner) inner(c *collection, i int) error {
	e, w := c.entries[i], c.wants[i]
	switch w.action {
	case descend:
		p.node(e, w)
		return nil
	case set:
		if p.sharedWithin(e.value) || e.value.Kind == yaml.AliasNode && !w.content.scalar() {
			return ErrAnchor
		}
		if w.content.raw != nil {
			return ErrTaken
		}
		return p.replace(e, &w.content)
	case rename:
		if e.key == nil {
			return ErrNoField
		}
		if taken, _, err := lookup(c.value, w.to); err != nil || taken != nil {
			return errors.Join(err, ErrTaken)
		}
		start, err := p.offset(e.key)
		if err != nil {
			return err
		}
		end, err := p.end(e.key, -1)
		if err != nil {
			return err
		}
		p.add(start, end, p.likeOld(e.key, &content{kind: inventory.String, text: w.to}))
	case remove:
	}
	return nil
}

// likeOld writes a scalar in the quotes of the one it replaces.
func (p *planner) likeOld(old *yaml.Node, c *content) string {
	if c.kind == inventory.String {
		switch {
		case old.Style&yaml.DoubleQuotedStyle != 0:
			return quoted(c.text)
		case old.Style&yaml.SingleQuotedStyle != 0 && !strings.ContainsAny(c.text, "'\n\r\t") && printable(c.text):
			return "'" + c.text + "'"
		}
	}
	return p.inline(c, p.json)
}

// replace puts another value in the place of the one of an entry.
func (p *planner) replace(e entry, c *content) error {
	n := e.value
	isBlock := n.Style&yaml.FlowStyle == 0 && len(n.Content) > 0
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0:
		return ErrAnchor
	case isBlock:
		return p.replaceBlock(e, c)
	case absent(n):
		if e.key == nil {
			return ErrLayout
		}
		at, err := p.colon(e.key)
		if err != nil {
			return err
		}
		return p.fill(e, at, at, c)
	}
	start, err := p.offset(n)
	if err != nil {
		return err
	}
	end, err := p.end(n, e.indent)
	if err != nil {
		return err
	}
	if n.Kind != yaml.ScalarNode || c.scalar() || e.key == nil {
		if c.kind == inventory.String && n.Kind == yaml.ScalarNode && n.Style == 0 && e.indent != flowIndent && list(c.text) && strings.Contains(c.text, ",") {
			p.add(start, end, c.text)
			return nil
		}
		p.add(start, end, p.likeOld(n, c))
		return nil
	}
	at, err := p.colon(e.key)
	if err != nil {
		return err
	}
	return p.fill(e, at, end, c)
}

// fill puts a value after a colon, where nothing or a scalar stands.
func (p *planner) fill(e entry, at, end int, c *content) error {
	if c.scalar() || e.indent == flowIndent {
		p.add(at, end, " "+p.inline(c, p.json))
		return nil
	}
	if !p.blankOrComment(end, p.lineEnd(end)) {
		return ErrLayout
	}
	p.add(at, end, "")
	p.insertAfter(end, p.below(c, e.indent))
	return nil
}

// flowIndent marks entries within braces or brackets.
const flowIndent = -2

func (p *planner) replaceBlock(e entry, c *content) error {
	if e.key == nil {
		return ErrLayout
	}
	start, err := p.start(e.value)
	if err != nil {
		return err
	}
	end, err := p.end(e.value, e.indent)
	if err != nil {
		return err
	}
	first := p.lineStart(start)
	if !p.blank(first, start) || first == 0 {
		return ErrLayout
	}
	if c.scalar() {
		at, err := p.colon(e.key)
		if err != nil {
			return err
		}
		p.add(at, at, " "+p.inline(c, p.json))
		p.deleteLines(first, end)
		return nil
	}
	if c.raw != nil {
		return ErrTaken
	}
	lines := p.below(c, e.indent)
	p.add(first, p.lineEnd(end), strings.Join(lines, p.eol))
	return nil
}

// insertAfter puts lines behind the line of a position.
func (p *planner) insertAfter(pos int, lines []string) {
	next := p.nextLine(pos)
	if next > 0 && p.text[next-1] == '\n' && next > pos {
		p.add(next, next, strings.Join(lines, p.eol)+p.eol)
		return
	}
	p.add(next, next, p.eol+strings.Join(lines, p.eol))
}

// deleteLines removes whole lines, from the start of one to the line of end.
func (p *planner) deleteLines(first, end int) {
	last := p.lineEnd(end)
	if next := p.nextLine(last); next > last {
		p.add(first, next, "")
		return
	}
	// The last line of a text without a line break at its end.
	if first > 0 {
		first--
		if first > 0 && p.text[first-1] == '\r' {
			first--
		}
	}
	p.add(first, last, "")
}
