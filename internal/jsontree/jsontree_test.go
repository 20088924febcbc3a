package jsontree_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/jsontree"
)

func TestTreesSayWhatTheTextSays(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, want string }{
		{"all kinds of values", ` {"a": [1, -2.5e3, true, false, null, "x\n\u00e9"], "b": {"c": {}, "d": []}} `, `{"a":[1,-2.5e3,true,false,null,"x\n\u00e9"],"b":{"c":{},"d":[]}}`},
		{"the last of equal keys counts", `{"a":1,"b":2,"a":3}`, `{"b":2,"a":3}`},
		{"the last of equal keys counts among many", `{"a":1,"b":2,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"a":3}`, `{"b":2,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"a":3}`},
		{"a scalar", `"x"`, `"x"`},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			root, err := new(jsontree.Parser).Parse([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := json.Unmarshal(root.JSON(), &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOpaqueValuesAreNotRead(t *testing.T) {
	t.Parallel()
	var seen []string
	p := &jsontree.Parser{Opaque: map[string]func([]byte) string{
		"drop": func(raw []byte) string { seen = append(seen, string(raw)); return "" },
		"keep": func([]byte) string { return "kept" },
	}}
	root, err := p.Parse([]byte(`{"a": {"drop": [{"x": "]}\\\"]"}, [1]], "b": 1}, "keep": {"y": {}}, "labels": {"drop": "text"}, "c": 2}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(root.JSON()), `{"a":{"b":1},"keep":"kept","labels":{"drop":"text"},"c":2}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if diff := cmp.Diff(seen, []string{`[{"x": "]}\\\"]"}, [1]]`}); diff != "" {
		t.Error(diff)
	}
	if root, err := p.Parse([]byte(`{"drop": [`)); err == nil {
		t.Errorf("a value without an end was taken for %s", root.JSON())
	}
}

func TestEqualValuesOfSharedKeysShareTheirItems(t *testing.T) {
	t.Parallel()
	p := &jsontree.Parser{Shared: map[string]func(*inventory.Node){"env": nil}}
	const text = `{"a":{"env":[{"x":"]\\\""}]},"b":{"env":[{"x":"]\\\""}]},"c":{"env":[{"x":"other"}],"env":"text"},"d":{"env":[1,2]}}`
	for range 2 {
		root, err := p.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		want := `{"a":{"env":[{"x":"]\\\""}]},"b":{"env":[{"x":"]\\\""}]},"c":{"env":"text"},"d":{"env":[1,2]}}`
		if got := string(root.JSON()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if a, b := root.Find("a", "env"), root.Find("b", "env"); &a.Items[0] != &b.Items[0] {
			t.Error("equal values are stored twice")
		}
	}
	for _, broken := range []string{`{"env":[{"x":"`, `{"env":[}`, `{"env":[1,]}`, `{"env":{"a":1]}`} {
		if root, err := p.Parse([]byte(broken)); err == nil {
			t.Errorf("%q was taken for %s", broken, root.JSON())
		}
	}
}

func TestSharedValuesAreEditedOnce(t *testing.T) {
	t.Parallel()
	edits := 0
	p := &jsontree.Parser{
		Suffixed: "token-", Unique: map[string]bool{"uid": true},
		Shared: map[string]func(*inventory.Node){"mounts": func(n *inventory.Node) {
			edits++
			n.Items = slices.DeleteFunc(n.Items, func(m inventory.Node) bool { return strings.HasPrefix(m.Get("name").Str(), "token-") })
		}},
	}
	for _, tc := range []struct {
		name, text, want string
		edits            int
	}{
		{"the first is edited", `{"uid":"1","mounts":[{"name":"a"},{"name":"token-abc12"}]}`, `{"uid":"1","mounts":[{"name":"a"}]}`, 1},
		{"another random end makes no difference", `{"uid":"2","mounts":[{"name":"a"},{"name":"token-xyz98"}]}`, `{"uid":"2","mounts":[{"name":"a"}]}`, 1},
		{"other names do", `{"mounts":[{"name":"b"},{"name":"token-xyz98"}]}`, `{"mounts":[{"name":"b"}]}`, 2},
		{"an end that is not random does", `{"mounts":[{"name":"a"},{"name":"token-ABC12"}]}`, `{"mounts":[{"name":"a"}]}`, 3},
		{"a value that keeps such a name", `{"mounts":[{"name":"a","of":"token-abc12"}]}`, `{"mounts":[{"name":"a","of":"token-abc12"}]}`, 4},
		{"is not taken for one with another", `{"mounts":[{"name":"a","of":"token-xyz98"}]}`, `{"mounts":[{"name":"a","of":"token-xyz98"}]}`, 5},
		{"nor is one that keeps it as a key", `{"mounts":[{"token-abc12":1}]}`, `{"mounts":[{"token-abc12":1}]}`, 6},
		{"whatever its key", `{"mounts":[{"token-xyz98":1}]}`, `{"mounts":[{"token-xyz98":1}]}`, 7},
		{"a name that is cut off", `{"mounts":["token-ab"]}`, `{"mounts":["token-ab"]}`, 8},
	} {
		root, err := p.Parse([]byte(tc.text))
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		if got := string(root.JSON()); got != tc.want || edits != tc.edits {
			t.Errorf("%s: got %s after %d edits, want %s after %d", tc.name, got, edits, tc.want, tc.edits)
		}
	}
}

func TestBrokenTextIsAnError(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "{", "[", `{"a"}`, `{"a":}`, `{"a":1,}`, "[1,]", "[1 2]", "tru", "01", "-", "1.", `"a`, `"\x"`, "\"\x01\"", "{}{}", `{1:2}`,
		strings.Repeat("[", 300) + strings.Repeat("]", 300),
	} {
		if root, err := new(jsontree.Parser).Parse([]byte(text)); err == nil {
			t.Errorf("%q was taken for %s", text, root.JSON())
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.5,"x",null,true]}`, `"\ud800"`, `{"a":1,"a":2}`, "[[[", "1e400"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := new(jsontree.Parser).Parse(data)
		deep := strings.Count(string(data), "[")+strings.Count(string(data), "{") > 190
		if !deep && (err == nil) != json.Valid(data) {
			t.Fatalf("%q: got error %v, encoding/json says valid is %t", data, err, json.Valid(data))
		}
		if err == nil && !json.Valid(root.JSON()) {
			t.Fatalf("%q became %q", data, root.JSON())
		}
		sharing := &jsontree.Parser{Shared: map[string]func(*inventory.Node){"a": nil}}
		for range 2 {
			again, failed := sharing.Parse(data)
			if (failed == nil) != (err == nil) || err == nil && string(again.JSON()) != string(root.JSON()) {
				t.Fatalf("%q: with shared values it becomes %q, %v", data, again.JSON(), failed)
			}
		}
	})
}
