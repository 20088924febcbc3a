package edit

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// entry is a field on lines of its own.
func (d *document) entry(c *content, indent int) []string {
	head := strings.Repeat(" ", indent) + d.name(c.key, d.json) + ":"
	if c.raw != nil {
		return reindent(head+c.raw.text, indent-c.raw.indent)
	}
	if c.scalar() || d.short(c) {
		return []string{head + " " + d.inline(c, d.json)}
	}
	return append([]string{head}, d.below(c, indent)...)
}

// below are the lines of a value under a key in the given column.
func (d *document) below(c *content, indent int) []string {
	if c.raw != nil {
		return []string{strings.Repeat(" ", indent+d.step) + strings.TrimSpace(c.raw.text)}
	}
	var lines []string
	at := indent + d.step
	if c.kind == inventory.List && d.compact {
		at = indent
	}
	for i := range c.items {
		if c.kind == inventory.List {
			lines = append(lines, d.item(&c.items[i], at)...)
		} else {
			lines = append(lines, d.entry(&c.items[i], at)...)
		}
	}
	return lines
}

// item is an item of a list on lines of its own.
func (d *document) item(c *content, indent int) []string {
	head := strings.Repeat(" ", indent) + "- "
	if c.kind != inventory.Map || len(c.items) == 0 {
		return []string{head + d.inline(c, d.json)}
	}
	var lines []string
	for i := range c.items {
		lines = append(lines, d.entry(&c.items[i], indent+len("- "))...)
	}
	lines[0] = head + lines[0][len(head):]
	return lines
}

// short tells whether a list is written in brackets.
func (d *document) short(c *content) bool {
	if c.kind != inventory.List || !d.flow {
		return false
	}
	for i := range c.items {
		if !c.items[i].scalar() {
			return false
		}
	}
	return true
}

// reindent moves all lines but the first.
func reindent(text string, by int) []string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	for i := 1; i < len(lines); i++ {
		switch {
		case strings.TrimSpace(lines[i]) == "":
		case by >= 0:
			lines[i] = strings.Repeat(" ", by) + lines[i]
		default:
			spaces := len(lines[i]) - len(strings.TrimLeft(lines[i], " "))
			lines[i] = lines[i][min(spaces, -by):]
		}
	}
	return lines
}

// inline is a value on one line.
func (d *document) inline(c *content, json bool) string { //nolint:revive // a style of the author's
	if c.raw != nil && !json {
		if text := strings.TrimSpace(c.raw.text); text != "" && !strings.ContainsAny(text, "\n#") {
			return text
		}
	}
	parts := make([]string, len(c.items))
	for i := range c.items {
		parts[i] = d.inline(&c.items[i], json)
		if c.kind == inventory.Map {
			parts[i] = d.name(c.items[i].key, json) + ": " + parts[i]
		}
	}
	switch c.kind {
	case inventory.Map:
		return "{" + strings.Join(parts, ", ") + "}"
	case inventory.List:
		return "[" + strings.Join(parts, ", ") + "]"
	case inventory.String:
		return d.name(c.text, json)
	case inventory.Null:
		return "null"
	case inventory.Bool, inventory.Int, inventory.Float:
	}
	return c.text
}

// plain are texts that need no quotes anywhere.
var (
	plain    = regexp.MustCompile(`^(--)?[A-Za-z/][A-Za-z0-9_./=-]*(:[A-Za-z0-9_./-]+)*$`)
	quantity = regexp.MustCompile(`^[0-9]+(m|Ki|Mi|Gi)$`)
	reserved = regexp.MustCompile(`(?i)^(y|n|yes|no|on|off|true|false|null)$`)
)

// name writes a text, in quotes where it needs them.
func (*document) name(s string, json bool) string { //nolint:revive // a style of the author's
	if !json && !reserved.MatchString(s) && (plain.MatchString(s) || quantity.MatchString(s)) {
		return s
	}
	return quoted(s)
}

// list is a text with commas, which needs no quotes outside of brackets.
func list(s string) bool { return plain.MatchString(strings.ReplaceAll(s, ",", "-")) }

func quoted(s string) string { return string(inventory.AppendJSONString(nil, s)) }

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
