package edit

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// ErrNoMap means that a file is not one YAML map.
var ErrNoMap = errors.New("the file is not one YAML map with at least one field, so that nothing can be set in it")

// Tree reads a file that is one map, such as a values file, with the places of
// its fields. What aliases refer to is left out.
func Tree(data []byte) (*inventory.Node, error) {
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return nil, ErrLayout
	}
	d, err := parse(data, 0)
	if err != nil {
		return nil, err
	}
	if len(d.roots) != 1 || d.roots[0].Kind != yaml.MappingNode || len(d.roots[0].Content) == 0 {
		return nil, ErrNoMap
	}
	return placed(d.roots[0], d.roots[0]), nil
}

// placed is a value with its place: that of its key, if it has one.
func placed(n, at *yaml.Node) *inventory.Node {
	c := contentOfYAML(&yaml.Node{Kind: n.Kind, Tag: n.Tag, Value: n.Value, Style: n.Style})
	out := &inventory.Node{Kind: c.kind, Text: c.text, Line: int32(at.Line), Column: int32(at.Column)} //nolint:gosec // bounded by the size of the file
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			item := placed(n.Content[i+1], n.Content[i])
			item.Key = n.Content[i].Value
			out.Items = append(out.Items, *item)
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			out.Items = append(out.Items, *placed(item, item))
		}
	case yaml.ScalarNode, yaml.AliasNode, yaml.DocumentNode:
	}
	return out
}

// YAML writes a value as a new file.
func YAML(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2) //nolint:mnd // as most people do
	n, err := nameFirst(v)
	err = errors.Join(err, enc.Encode(n), enc.Close())
	return b.Bytes(), err
}

// nameFirst makes a tree of a value in which items of lists start with their
// names.
func nameFirst(v any) (*yaml.Node, error) {
	n := new(yaml.Node)
	switch v := v.(type) {
	case map[string]any:
		n.Kind = yaml.MappingNode
		keys := slices.SortedFunc(maps.Keys(v), func(a, b string) int {
			if (a == "name") != (b == "name") {
				return map[bool]int{true: -1, false: 1}[a == "name"]
			}
			return strings.Compare(a, b)
		})
		for _, key := range keys {
			child, err := nameFirst(v[key])
			if err != nil {
				return nil, err
			}
			var name yaml.Node
			name.SetString(key)
			n.Content = append(n.Content, &name, child)
		}
	case []any:
		n.Kind = yaml.SequenceNode
		for _, item := range v {
			child, err := nameFirst(item)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
	default:
		return n, n.Encode(v)
	}
	return n, nil
}
