package decode

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// builder turns the nodes of one YAML document into a tree.
type builder struct {
	*decoder

	root *root
	line int32
	// open are the anchors being expanded, to notice one that contains itself.
	open map[*yaml.Node]bool
	// expanded counts the values that come from aliases.
	expanded int
}

// maxExpanded bounds the values that aliases add to one document. It is above
// all that kubectl takes.
const maxExpanded = 1_000_000

func (b *builder) at(n *yaml.Node) int32 {
	return b.line + int32(n.Line) //nolint:gosec // bounded by the size of the file
}

func (b *builder) build(from *yaml.Node, to *inventory.Node, depth int) error {
	if to.Line == 0 {
		to.Line, to.Column = b.at(from), int32(from.Column) //nolint:gosec // bounded by the size of the file
	}
	if err := b.count(depth, to.Line); err != nil {
		return err
	}
	if len(b.open) > 0 {
		if b.expanded++; b.expanded > maxExpanded {
			return b.fail(to.Line, fmt.Sprintf("aliases expand to more than %d values", maxExpanded), "write the values out, or remove nested aliases")
		}
	}
	switch from.Kind {
	case yaml.ScalarNode:
		return b.scalar(from, to)
	case yaml.SequenceNode:
		to.Kind = inventory.List
		to.Items = make([]inventory.Node, len(from.Content))
		for i, c := range from.Content {
			b.enterItem(i)
			if err := b.build(c, &to.Items[i], depth+1); err != nil {
				return err
			}
			b.leave()
		}
		return nil
	case yaml.MappingNode:
		return b.mapping(from, to, depth)
	case yaml.AliasNode:
		return b.alias(from, to, depth)
	case yaml.DocumentNode:
	}
	return b.fail(to.Line, "unexpected YAML document within a document", "")
}

func (b *builder) alias(from *yaml.Node, to *inventory.Node, depth int) error {
	if b.open[from.Alias] {
		return b.fail(to.Line, "anchor &"+from.Value+" contains itself", "")
	}
	if b.open == nil {
		b.open = make(map[*yaml.Node]bool)
	}
	b.open[from.Alias] = true
	defer delete(b.open, from.Alias)
	return b.build(from.Alias, to, depth+1)
}

func (b *builder) mapping(from *yaml.Node, to *inventory.Node, depth int) error {
	to.Kind = inventory.Map
	e := entries{items: make([]inventory.Node, 0, len(from.Content)/2)}
	for i := 0; i+1 < len(from.Content); i += 2 {
		k, v := from.Content[i], from.Content[i+1]
		if isMerge(k) {
			if err := b.merge(v, &e, depth); err != nil {
				return err
			}
			continue
		}
		line := b.at(k)
		key, err := b.key(k, line)
		if err != nil {
			return err
		}
		e.items = append(e.items, inventory.Node{Key: key, Line: line, Column: int32(k.Column)}) //nolint:gosec // bounded by the size of the file
		if err := b.enter(key, line); err != nil {
			return err
		}
		if err := b.build(v, &e.items[len(e.items)-1], depth+1); err != nil {
			return err
		}
		b.leave()
	}
	to.Items = b.dedupe(e, b.root)
	return nil
}

func isMerge(k *yaml.Node) bool {
	return k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Style == 0 && (k.Tag == "" || k.ShortTag() == "!!merge")
}

// merge adds the entries of a "<<" map, or list of maps, where the "<<" stands.
// For kubectl a later entry overrules an earlier one, merged or not; YAML's own
// rule, that merged entries never overrule, is not what it follows. Of a list
// of maps the first has precedence.
func (b *builder) merge(from *yaml.Node, e *entries, depth int) error {
	sources := []*yaml.Node{from}
	if from.Kind == yaml.SequenceNode {
		sources = from.Content
	}
	for i := range sources {
		source := sources[len(sources)-1-i]
		if source.Kind != yaml.MappingNode && (source.Kind != yaml.AliasNode || source.Alias.Kind != yaml.MappingNode) {
			return b.fail(b.at(source), "a merge key << needs a map or a list of maps", "")
		}
		var merged inventory.Node
		if err := b.build(source, &merged, depth+1); err != nil {
			return err
		}
		for len(e.merged) < len(e.items) {
			e.merged = append(e.merged, false)
		}
		for _, item := range merged.Items {
			e.items, e.merged = append(e.items, item), append(e.merged, true)
		}
	}
	return nil
}

// key is the text of a map key as JSON has it.
func (b *builder) key(k *yaml.Node, line int32) (string, error) {
	if k.Kind == yaml.AliasNode {
		k = k.Alias
	}
	if k.Kind != yaml.ScalarNode {
		return "", b.fail(line, "a map key must be a string", "")
	}
	var n inventory.Node
	err := b.scalar(k, &n)
	switch {
	case n.Kind == inventory.Float:
		// kubectl writes numbers in keys in single precision, infinity included.
		return b.intern(floatKey(k.Value)), nil
	case err != nil:
		return "", err
	case n.Kind == inventory.Null:
		return "", b.fail(line, "a map key is null", "quote it if it is meant as text")
	}
	return b.intern(n.Text), nil
}

func floatKey(text string) string {
	f := parseFloat(text)
	switch {
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	case math.IsNaN(f):
		return ".nan"
	}
	return strconv.FormatFloat(f, 'g', -1, 32)
}

func (b *builder) scalar(from *yaml.Node, to *inventory.Node) error {
	plain := from.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) == 0
	explicit := from.Style&yaml.TaggedStyle != 0
	tag := from.ShortTag()
	want, typed := typedTags[tag]
	switch {
	case explicit && typed:
		to.Kind, to.Text = resolvePlain(from.Value)
		if to.Kind != want && (to.Kind != inventory.Int || want != inventory.Float) {
			return b.fail(b.at(from), fmt.Sprintf("%q is no %s", from.Value, tag[2:]), "")
		}
	case explicit && tag == "!!binary":
		raw, err := base64.StdEncoding.DecodeString(from.Value)
		if err != nil {
			return b.fail(b.at(from), fmt.Sprintf("!!binary value is not base64: %v", err), "")
		}
		to.Kind, to.Text = inventory.String, string(raw)
	case explicit || !plain:
		to.Kind, to.Text = inventory.String, from.Value
	default:
		to.Kind, to.Text = resolvePlain(from.Value)
	}
	if to.Kind == inventory.Float && to.Text == "" {
		return b.fail(b.at(from), from.Value+" has no place in JSON", "")
	}
	return nil
}

// typedTags are the tags that demand a type of a scalar.
var typedTags = map[string]inventory.NodeKind{
	"!!int": inventory.Int, "!!float": inventory.Float, "!!bool": inventory.Bool, "!!null": inventory.Null,
}
