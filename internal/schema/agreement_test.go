package schema

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// TestWalkFindsWhatTheDecoderFinds puts a field nobody knows into every struct
// of every kind, one at a time, and compares with the decoder: it refuses the
// field exactly where the walk does.
func TestWalkFindsWhatTheDecoderFinds(t *testing.T) {
	t.Parallel()
	types := maps.Clone(extra)
	for gvk, kind := range scheme.Scheme.AllKnownTypes() {
		if !strings.HasSuffix(gvk.Kind, "List") && gvk.Version != "__internal" {
			types[gvk.GroupVersion().String()+"/"+gvk.Kind] = kind
		}
	}
	if len(types) < 100 {
		t.Fatalf("only %d kinds are known", len(types))
	}
	places := 0
	tried := make(map[reflect.Type]bool)
	for name, kind := range types {
		for _, path := range structs(kind, nil, tried) {
			places++
			root := nest(path, inventory.Node{Key: "zzz", Kind: inventory.Bool, Text: "true"})
			strict, err := kjson.UnmarshalStrict(root.JSON(), reflect.New(kind).Interface())
			w := &walker{root: kind, object: &inventory.Object{Root: &root}}
			w.walk(&root, kind, "")
			want, got := err != nil || len(strict) > 0, len(w.faults) > 0
			if want != got {
				t.Errorf("%s %s: decoder finds a fault: %v (%v, %v); the walk: %v", name, path, want, err, strict, w.faults)
			}
		}
	}
	if places < 1000 {
		t.Errorf("only %d places were tried", places)
	}
}

// structs lists the paths of the struct types below a type, each type once.
func structs(t reflect.Type, path []string, tried map[reflect.Type]bool) [][]string {
	t = deref(t)
	switch t.Kind() { //nolint:exhaustive // other kinds hold no fields
	case reflect.Slice, reflect.Array:
		return structs(t.Elem(), append(slices.Clone(path), "[]"), tried)
	case reflect.Map:
		return structs(t.Elem(), append(slices.Clone(path), "key"), tried)
	case reflect.Struct:
	default:
		return nil
	}
	if tried[t] {
		return nil
	}
	tried[t] = true
	out := [][]string{path}
	for name, field := range fieldsOf(t) {
		out = append(out, structs(field, append(slices.Clone(path), name), tried)...)
	}
	return out
}

// nest puts a field at a path of otherwise empty maps and lists.
func nest(path []string, field inventory.Node) inventory.Node {
	if len(path) == 0 {
		return inventory.Node{Kind: inventory.Map, Items: []inventory.Node{field}}
	}
	child := nest(path[1:], field)
	if path[0] == "[]" {
		return inventory.Node{Kind: inventory.List, Items: []inventory.Node{child}}
	}
	child.Key = path[0]
	return inventory.Node{Kind: inventory.Map, Items: []inventory.Node{child}}
}

func TestEditDistance(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 100)
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"abc", "abc", 0},
		{"abc", "", 3},
		{"abc", "abd", 1},
		{"abc", "ab", 1},
		{"abc", "xabc", 1},
		{"abc", "acb", 1},
		{"kitten", "sitting", 3},
		{long, "a", 100},
	} {
		t.Run(fmt.Sprintf("%.8s and %.8s differ by %d", c.a, c.b, c.want), func(t *testing.T) {
			t.Parallel()
			got := []int{editDistance(c.a, c.b), editDistance(c.b, c.a)}
			if diff := cmp.Diff([]int{c.want, c.want}, got); diff != "" {
				t.Errorf("distance both ways (-want +got):\n%s", diff)
			}
		})
	}
}
