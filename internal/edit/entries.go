package edit

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// span is the extent of an entry in the text.
type span struct{ start, end int }

// span is where an entry stands, its key or dash included.
func (p *planner) span(c *collection, i int) (span, error) {
	e := c.entries[i]
	head := e.key
	if head == nil {
		head = e.value
	}
	start, err := p.offset(head)
	if err != nil {
		return span{}, err
	}
	inside := start
	switch {
	case e.key != nil:
		if inside, err = p.colon(e.key); err != nil {
			return span{}, err
		}
	case !c.flow:
		if inside, err = p.dash(c.value, i); err != nil {
			return span{}, err
		}
		start = inside - 1
	}
	if absent(e.value) {
		return span{start, inside}, nil
	}
	end, err := p.end(e.value, c.indent)
	return span{start, end}, err
}

// blockEntries removes and adds entries of a block collection.
func (p *planner) blockEntries(c *collection) error {
	if err := p.blockFirst(c); err != nil {
		return err
	}
	if !slices.Contains(c.gone, true) && len(c.added) == 0 {
		return nil
	}
	last := -1
	for i, gone := range c.gone {
		if !gone {
			last = i
		}
	}
	if last < 0 {
		return p.emptied(c)
	}
	for i, gone := range c.gone {
		if !gone {
			continue
		}
		if err := p.removeBlock(c, i); err != nil {
			return err
		}
	}
	if len(c.added) == 0 {
		return nil
	}
	at, err := p.span(c, last)
	if err != nil {
		return err
	}
	if !p.blankOrComment(at.end, p.lineEnd(at.end)) {
		return ErrLayout
	}
	p.insertAfter(at.end, p.entries(c, c.added))
	return nil
}

// blockFirst writes new items right below the key of their list, so that a
// comment above the first item stays with that.
func (p *planner) blockFirst(c *collection) error {
	if len(c.first) == 0 {
		return nil
	}
	if c.key == nil || !slices.Contains(c.gone, false) {
		return ErrLayout
	}
	at, err := p.colon(c.key)
	if err != nil {
		return err
	}
	if !p.blankOrComment(at, p.lineEnd(at)) {
		return ErrLayout
	}
	p.insertAfter(at, p.entries(c, c.first))
	return nil
}

// entries are the lines of new entries.
func (p *planner) entries(c *collection, added []content) []string {
	var lines []string
	for i := range added {
		if c.value.Kind == yaml.SequenceNode {
			lines = append(lines, p.item(&added[i], c.indent)...)
		} else {
			lines = append(lines, p.entry(&added[i], c.indent)...)
		}
	}
	return lines
}

// emptied is for collections that lose all their entries.
func (p *planner) emptied(c *collection) error {
	if c.key == nil {
		return ErrLayout
	}
	for i := range c.entries {
		if err := p.removeBlock(c, i); err != nil {
			return err
		}
	}
	at, err := p.colon(c.key)
	if err != nil {
		return err
	}
	if len(c.added) > 0 {
		if !p.blankOrComment(at, p.lineEnd(at)) {
			return ErrLayout
		}
		p.insertAfter(at, p.entries(c, c.added))
		return nil
	}
	empty := " {}"
	if c.value.Kind == yaml.SequenceNode {
		empty = " []"
	}
	p.add(at, at, empty)
	return nil
}

// removeBlock removes the lines of an entry. The first entry of a map that is
// an item of a list shares its line with the dash: the next takes its place.
func (p *planner) removeBlock(c *collection, i int) error {
	at, err := p.span(c, i)
	if err != nil {
		return err
	}
	line, end := p.lineStart(at.start), p.lineEnd(at.end)
	if !p.blankOrComment(at.end, end) {
		return ErrLayout
	}
	if p.blank(line, at.start) {
		p.deleteLines(line, at.end)
		return nil
	}
	if i+1 >= len(c.entries) || c.gone[i+1] || strings.Trim(string(p.text[line:at.start]), " -") != "" {
		return ErrLayout
	}
	next, err := p.span(c, i+1)
	if err != nil {
		return err
	}
	if p.blank(at.end, next.start) {
		p.add(at.start, next.start, "")
		return nil
	}
	p.add(at.start-1, end, "")
	return nil
}

// flowEntries removes and adds entries of a collection in braces or brackets.
func (p *planner) flowEntries(c *collection) error {
	if len(c.first) > 0 {
		return ErrLayout
	}
	if !slices.Contains(c.gone, true) && len(c.added) == 0 {
		return nil
	}
	open, err := p.start(c.value)
	if err != nil {
		return err
	}
	if open >= len(p.text) || p.text[open] != '{' && p.text[open] != '[' {
		return ErrLayout
	}
	open++
	spans := make([]span, len(c.entries))
	for i := range c.entries {
		if spans[i], err = p.span(c, i); err != nil {
			return err
		}
	}
	last := -1
	for i := 0; i < len(spans); i++ {
		if !c.gone[i] {
			last = i
			continue
		}
		first := i
		for i+1 < len(spans) && c.gone[i+1] {
			i++
		}
		from, to := spans[first].start, spans[i].end
		switch {
		case last >= 0:
			from = spans[last].end
		case i+1 < len(spans):
			to = spans[i+1].start
		}
		if strings.Contains(string(p.text[from:to]), "#") {
			return ErrLayout
		}
		p.add(from, to, "")
	}
	p.flowAdd(c, spans, open, last)
	return nil
}

// flowAdd writes new entries behind the last that stays.
func (p *planner) flowAdd(c *collection, spans []span, open, last int) {
	if len(c.added) == 0 {
		return
	}
	// In a map over several lines, each entry gets its own.
	separator, between, json := ", ", ": ", p.json
	at := open
	if last >= 0 {
		at = spans[last].end
		first := spans[last].start
		switch {
		case p.lineStart(first) > open:
			separator = "," + p.eol + strings.Repeat(" ", p.column(first))
			if indent := p.text[p.lineStart(first):first]; p.blank(p.lineStart(first), first) {
				separator = "," + p.eol + string(indent)
			}
		case last > 0 && p.text[first-1] == ',', p.tight(c):
			separator = ","
		}
		if p.tight(c) {
			between = ":"
		}
		if k := c.entries[last].key; k != nil && k.Style&yaml.DoubleQuotedStyle != 0 {
			json = true
		}
	}
	var b strings.Builder
	for i := range c.added {
		if i > 0 || last >= 0 {
			b.WriteString(separator)
		}
		if c.value.Kind == yaml.MappingNode {
			b.WriteString(p.name(c.added[i].key, json) + between)
		}
		b.WriteString(p.inline(&c.added[i], json))
	}
	p.add(at, at, b.String())
}

// tight tells whether the first entry of a map has no space after its colon.
func (p *planner) tight(c *collection) bool {
	if len(c.entries) == 0 || c.entries[0].key == nil || !p.json {
		return false
	}
	at, err := p.colon(c.entries[0].key)
	return err == nil && at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[at]) < 0
}
