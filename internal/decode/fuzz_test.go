package decode_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// fuzzLimits keep one run of a fuzz target short.
var fuzzLimits = decode.Limits{Bytes: 1 << 16, Depth: 50, Nodes: 20_000}

// The document under test stands below a key of an object, so that it comes
// back whatever it is.
const (
	yamlFrame = "apiVersion: v1\nkind: Thing\ndata:\n"
	jsonFrame = `{"apiVersion":"v1","kind":"Thing","data":`
)

func FuzzYAML(f *testing.F) {
	for _, s := range []string{
		"a: 1", "yes: no", "0777: 0o17", "? a\n: b", "x: &a {b: 1}\ny: {b: 2, <<: *a}", "<<: [{a: 1}, {a: 2}]",
		"- 1.5\n- .inf\n- 2001-01-01", "1.5: x\n1e20: y", "!!int \"3\"", "!!float 3", "!!binary aGk=", "|\n a\n  b", "\"\\ud83d\"",
		"a: [b, {c: d}]", "{a: b, c: [1, 0b-1]}", "x: &a [*a]", "---\n--- b", "a:\tb", "'it''s'", "a: b: c", "key: # redoubt:ignore a b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bounded(t, []byte(text), "a.yaml")
		framed := []byte(yamlFrame + indent(text))
		res := bounded(t, framed, "a.yaml")
		if len(res.Objects) != 1 || !readWhole(framed) {
			return
		}
		same(t, framed, res.Objects[0])
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		"1", "-0", "1.0", "1e3", `"\ud83d\ude00"`, `{"a":1,"a":2}`, `[1,[2,{"b":null}]]`, `{"a":tru`, `[1,]`, `"é"`, "18446744073709551616", "}{",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		bounded(t, []byte(text), "a.json")
		framed := []byte(jsonFrame + text + "}")
		res := bounded(t, framed, "a.json")
		var want any
		if json.Unmarshal(framed, &want) != nil {
			return // not one JSON value: read as YAML, or refused
		}
		if len(res.Objects) != 1 {
			return
		}
		if diff := cmp.Diff(want, value(t, res.Objects[0].Root.JSON())); diff != "" {
			t.Errorf("value differs from encoding/json's (-want +got):\n%s", diff)
		}
	})
}

// indent puts a text below a key.
func indent(text string) string {
	out := make([]byte, 0, len(text)+64)
	for line := range bytes.Lines([]byte(text)) {
		out = append(append(out, ' '), line...)
	}
	return string(out)
}

// loneTag is the tag "!", which makes a string of any scalar. The parser here
// does not tell it from no tag. The API server refuses such a string where
// another type belongs.
var loneTag = regexp.MustCompile(`!([\s,\]}]|$)`)

// readWhole tells whether kubectl reads the text as a whole: it takes only the
// first document of what stands between two "---".
func readWhole(text []byte) bool {
	return !bytes.Contains(text, []byte("---")) && !bytes.Contains(text, []byte("...")) && !loneTag.Match(text)
}

func bounded(t *testing.T, data []byte, name string) decode.Result {
	t.Helper()
	res, err := decode.File(data, &inventory.Origin{File: name}, fuzzLimits)
	lines := int32(2)
	for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
		lines += int32(bytes.Count(data, []byte(end)))
	}
	for _, fault := range decode.Faults(err) {
		if fault.Line < 0 || fault.Line > lines || fault.Msg == "" {
			t.Errorf("fault %+v: line is outside of the text, or there is no message", fault)
		}
	}
	count := 0
	for _, o := range res.Objects {
		if o.APIVersion == "" || o.Kind == "" {
			t.Errorf("object at line %d has apiVersion %q and kind %q", o.Root.Line, o.APIVersion, o.Kind)
		}
		if raw := o.Root.JSON(); !json.Valid(raw) {
			t.Errorf("no JSON: %s", raw)
		}
		count += wellFormed(t, o.Root, 0, lines)
	}
	if count > 2*fuzzLimits.Nodes {
		t.Errorf("%d values came out, more than the limit allows", count)
	}
	return res
}

func wellFormed(t *testing.T, n *inventory.Node, depth int, lines int32) int {
	t.Helper()
	if depth > fuzzLimits.Depth {
		t.Fatalf("depth %d is above the limit", depth)
	}
	if n.Line < 1 || n.Line > lines || n.Column < 1 {
		t.Errorf("%q (%s): position %d:%d is outside of the text", n.Key, n.Text, n.Line, n.Column)
	}
	seen := make(map[string]bool)
	count := 1
	for _, child := range n.All() {
		if n.Kind == inventory.Map && seen[child.Key] {
			t.Errorf("key %q occurs twice", child.Key)
		}
		seen[child.Key] = true
		count += wellFormed(t, child, depth+1, lines)
	}
	return count
}

// same compares with what kubectl makes of the text. Keys that become equal
// only as text, such as 1 and "1", fall to either value by chance there: ours
// must be one that occurs.
func same(t *testing.T, text []byte, o *inventory.Object) {
	t.Helper()
	got := value(t, o.Root.JSON())
	tries := 1
	if len(o.Duplicates) > 0 {
		tries = 200
	}
	diff := ""
	for range tries {
		converted, err := yaml.YAMLToJSON(text)
		if err != nil {
			return // kubectl refuses it: nothing to be equal to
		}
		if diff = cmp.Diff(value(t, converted), got); diff == "" {
			return
		}
	}
	t.Errorf("value differs from kubectl's (-want +got):\n%s\n%s", diff, text)
}

func value(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
