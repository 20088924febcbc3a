package schema

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/kubernetes/scheme"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"

	"github.com/redoubt-k8s/redoubt/internal/decode"
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
			w.walk(&root, kind, nil)
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

// agree wants the walk and the decoder of the API server to take or refuse an
// object alike.
func agree(t *testing.T, o *inventory.Object) {
	t.Helper()
	root := typeOf(o)
	if root == nil {
		return
	}
	w := &walker{root: root, object: o}
	w.walk(o.Root, root, nil)
	strict, err := kjson.UnmarshalStrict(o.Root.JSON(), reflect.New(root).Interface())
	if refused := err != nil || len(strict) > 0; refused != (len(w.faults) > 0) {
		t.Errorf("the walk finds %v, the decoder %v %v in\n%s", w.faults, err, strict, o.Root.JSON())
	}
}

func manifests(tb testing.TB) [][]byte {
	tb.Helper()
	var out [][]byte
	for _, pattern := range []string{"../catalogue/*/*.yaml", "../../examples/*/*.yaml", "../../examples/*/*/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			tb.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				tb.Fatal(err)
			}
			var c struct {
				Tests []struct {
					Manifest string `json:"manifest"`
				} `json:"tests"`
			}
			if err := yaml.Unmarshal(text, &c); err == nil && len(c.Tests) > 0 {
				for _, test := range c.Tests {
					out = append(out, []byte(test.Manifest))
				}
				continue
			}
			out = append(out, text)
		}
	}
	return out
}

func objects(text []byte) []*inventory.Object {
	res, err := decode.File(text, &inventory.Origin{File: "a.yaml"}, decode.Limits{Bytes: 1 << 18, Depth: 60, Nodes: 50_000})
	if err != nil {
		return nil
	}
	return res.Objects
}

func TestWalkAgreesOnAllManifests(t *testing.T) {
	t.Parallel()
	n := 0
	for _, text := range manifests(t) {
		for _, o := range objects(text) {
			n++
			agree(t, o)
		}
	}
	t.Logf("%d objects", n)
	if n < 500 {
		t.Errorf("only %d objects", n)
	}
}

func FuzzWalkAgrees(f *testing.F) {
	for _, text := range manifests(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, o := range objects(text) {
			agree(t, o)
		}
	})
}
