package decode_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

func TestPositions(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: v1\nkind: A\n" // two lines
	for _, c := range []struct {
		name, file, text, path, want string
		// object is which of the file's objects is meant.
		object int
	}{
		{name: "an entry stands where its key does", text: head + "a:\n  b: 1\n", path: "a.b", want: "4:3"},
		{name: "a quoted key starts at its quote", text: head + "a:\n  \"b\": 1\n", path: "a.b", want: "4:3"},
		{name: "an explicit key starts after its mark", text: head + "? a\n: 1\n", path: "a", want: "3:3"},
		{name: "an item stands after its dash", text: head + "a:\n- b: 1\n  c: 2\n", path: "a[0]", want: "4:3"},
		{name: "the second key of an item has its own line", text: head + "a:\n- b: 1\n  c: 2\n", path: "a[0].c", want: "5:3"},
		{name: "an item within an item stands after both dashes", text: head + "a:\n- - b\n  - c\n", path: "a[0][1]", want: "5:5"},
		{name: "entries in flow style have columns", text: head + "a: {b: 1, c: {d: 2}}\n", path: "a.c.d", want: "3:15"},
		{name: "items in flow style have columns", text: head + "a: [x, 'y', {z: 1}]\n", path: "a[2].z", want: "3:14"},
		{name: "flow style may span lines", text: head + "a: {\n  b: 1,\n  c: [1,\n    2]}\n", path: "a.c[1]", want: "6:5"},
		{name: "comments and blank lines count", text: "# top\n\n" + head + "# more\na: # here\n  # and there\n  b: 1\n", path: "a.b", want: "8:3"},
		{name: "a block of text counts its lines", text: head + "a: |\n  x\n\n  y\nb: 1\n", path: "b", want: "7:1"},
		{name: "an anchored item starts at its anchor", text: head + "a:\n- &x b\n", path: "a[0]", want: "4:3"},
		{name: "what an alias stands for is where the alias is", text: head + "a: &x {b: 1}\nc: *x\n", path: "c", want: "4:1"},
		{name: "what is below an alias is where the anchor is", text: head + "a: &x {b: 1}\nc: *x\n", path: "c.b", want: "3:8"},
		{name: "a merged entry is where the anchor is", text: head + "a: &x {b: 1}\nc:\n  <<: *x\n", path: "c.b", want: "3:8"},
		{name: "of duplicates the position is that in force", text: head + "a: 1\nb: 2\na: 3\n", path: "a", want: "5:1"},
		{name: "line ends of Windows count once", text: strings.ReplaceAll(head+"a:\n  b: 1\n", "\n", "\r\n"), path: "a.b", want: "4:3"},
		{name: "columns count characters", text: head + "a: {é: ü, b: 1}\n", path: "a.b", want: "3:11"},
		{name: "a byte order mark has no column", text: "\ufeff" + head, path: "apiVersion", want: "1:1"},
		{name: "the second document counts on", text: head + "---\n# x\n" + head + "a: 1\n", path: "a", want: "7:1", object: 1},
		{name: "an object starts at its first key", text: "---\n# x\n" + head, path: "", want: "3:1"},
		{name: "a document may start on the line of its separator", text: "--- {apiVersion: v1, kind: A, b: 1}\n", path: "b", want: "1:31"},
		{name: "an item of a List starts where it stands", text: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n- apiVersion: v1\n  kind: B\n  a: 1\n", path: "", want: "6:3", object: 1},
		{name: "a field of an item of a List is where it stands", text: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n- apiVersion: v1\n  kind: B\n  a: 1\n", path: "a", want: "8:3", object: 1},
		{name: "an entry in JSON stands where its key does", file: "a.json", text: "{\n  \"apiVersion\": \"v1\", \"kind\": \"A\",\n  \"a\": {\n    \"b\" : [ 1,\n 2 ]\n}}", path: "a.b", want: "4:5"},
		{name: "an item in JSON stands where it starts", file: "a.json", text: "{\n  \"apiVersion\": \"v1\", \"kind\": \"A\",\n  \"a\": {\n    \"b\" : [ 1,\n 2 ]\n}}", path: "a.b[1]", want: "5:2"},
		{name: "keys on one line of JSON have columns", file: "a.json", text: `{"apiVersion":"v1","kind":"A","a":[{"b":1}]}`, path: "a[0].b", want: "1:37"},
		{name: "columns in JSON count characters", file: "a.json", text: `{"apiVersion":"v1","kind":"A","é":"ü😀","b":1}`, path: "b", want: "1:40"},
		{name: "the second value in JSON has its own place", file: "a.json", text: `{"apiVersion":"v1","kind":"A"}` + "\n\n  " + `{"apiVersion":"v1","kind":"B"}`, path: "", want: "3:3", object: 1},
		{name: "JSON in a file named yaml has the same places", text: `{"apiVersion":"v1","kind":"A","é":"ü😀","b":1}`, path: "b", want: "1:40"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.file == "" {
				c.file = "a.yaml"
			}
			res, err := decode.File([]byte(c.text), &inventory.Origin{File: c.file}, decode.DefaultLimits())
			if err != nil || len(res.Objects) <= c.object {
				t.Fatalf("got %d objects and error %v", len(res.Objects), err)
			}
			n := res.Objects[c.object].Root.At(c.path)
			if n == nil {
				t.Fatalf("nothing at %s in %s", c.path, res.Objects[c.object].Root.JSON())
			}
			if got := fmt.Sprintf("%d:%d", n.Line, n.Column); got != c.want {
				t.Errorf("%s is at %s, want %s", c.path, got, c.want)
			}
		})
	}
}

func TestDuplicateKeys(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: v1\nkind: A\n"
	var many strings.Builder
	many.WriteString(head + "a:\n")
	for i := range 20 {
		fmt.Fprintf(&many, "  k%d: 1\n", i)
	}
	for _, c := range []struct {
		name, text string
		want       []inventory.Duplicate
		value      string
	}{
		{name: "the last wins", text: head + "a: 1\nb: 2\na: 3\n", want: []inventory.Duplicate{{Path: "a", Line: 3, Column: 1, WinnerLine: 5}}, value: `{"a":3,"b":2}`},
		{
			name: "each that is overruled is recorded", text: head + "a: 1\na: 2\na: 3\n", value: `{"a":3}`,
			want: []inventory.Duplicate{{Path: "a", Line: 3, Column: 1, WinnerLine: 4}, {Path: "a", Line: 4, Column: 1, WinnerLine: 5}},
		},
		{
			name: "keys that are equal as text are duplicates", text: head + "a: {1: x, \"1\": z}\n", value: `{"a":{"1":"z"}}`,
			want: []inventory.Duplicate{{Path: "a.1", Line: 3, Column: 5, WinnerLine: 3}},
		},
		{name: "duplicates are found among many keys", text: many.String() + "  k3: 2\n", want: []inventory.Duplicate{{Path: "a.k3", Line: 7, Column: 3, WinnerLine: 24}}},
		{
			name: "a key with dots has a path in brackets", text: head + "a:\n- {x.y/z: 1, x.y/z: 2}\n", value: `{"a":[{"x.y/z":2}]}`,
			want: []inventory.Duplicate{{Path: "a[0][x.y/z]", Line: 4, Column: 4, WinnerLine: 4}},
		},
		{
			name: "the loss of a whole map is one duplicate", text: head + "a: {b: 1}\na: {c: 2}\n", value: `{"a":{"c":2}}`,
			want: []inventory.Duplicate{{Path: "a", Line: 3, Column: 1, WinnerLine: 4}},
		},
		{name: "a key that overrules a merged one is meant", text: head + "a:\n  <<: {b: 1}\n  b: 2\n", value: `{"a":{"b":2}}`},
		{
			name: "a merge that changes a key is recorded", text: head + "a:\n  b: 2\n  <<: {b: 1}\n", value: `{"a":{"b":1}}`,
			want: []inventory.Duplicate{{Path: "a.b", Line: 4, Column: 3, WinnerLine: 5}},
		},
		{name: "a merge that changes nothing is not", text: head + "a:\n  b: 1\n  <<: {b: 1}\n", value: `{"a":{"b":1}}`},
		{name: "merges may overrule each other", text: head + "a:\n  <<: {b: 1}\n  <<: {b: 2}\n", value: `{"a":{"b":2}}`},
		{
			name: "duplicates are found in JSON", text: `{"apiVersion":"v1","kind":"A","a":1,"a":2}`, value: `{"a":2}`,
			want: []inventory.Duplicate{{Path: "a", Line: 1, Column: 31, WinnerLine: 1}},
		},
		{name: "an empty key may be duplicated", text: head + "\"\": 1\n\"\": 2\n", value: `{"":2}`, want: []inventory.Duplicate{{Path: "", Line: 3, Column: 1, WinnerLine: 4}}},
		{
			name: "the path in an item of a List starts at the item", text: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n  a: {b: 1, b: 2}\n", value: `{"a":{"b":2}}`,
			want: []inventory.Duplicate{{Path: "a.b", Line: 6, Column: 7, WinnerLine: 6}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res, err := decode.File([]byte(c.text), &inventory.Origin{File: "a.yaml"}, decode.DefaultLimits())
			if err != nil || len(res.Objects) != 1 {
				t.Fatalf("got %d objects and error %v", len(res.Objects), err)
			}
			if diff := cmp.Diff(c.want, res.Objects[0].Duplicates); diff != "" {
				t.Errorf("duplicates (-want +got):\n%s", diff)
			}
			want := strings.Replace(c.value, "{", `{"apiVersion":"v1","kind":"A",`, 1)
			if got := string(res.Objects[0].Root.JSON()); c.value != "" && got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestIgnoreComments(t *testing.T) {
	t.Parallel()
	const head = "apiVersion: v1\nkind: A\n"
	covers := func(path string, line int32) []inventory.Ignore {
		return []inventory.Ignore{{Controls: []string{"x"}, Reason: "why", Line: line, Path: path}}
	}
	for _, c := range []struct {
		name, text string
		want       []inventory.Ignore
		// object is which of the file's objects has the waivers; no other has any.
		object int
	}{
		{name: "a comment at the end of a line covers that field", text: head + "a: 1 # redoubt:ignore x why\nb: 2\n", want: covers("a", 3)},
		{name: "a comment on its own line covers the field after it", text: head + "a: 1\n# redoubt:ignore x why\nb: {c: 1}\n", want: covers("b", 4)},
		{name: "a comment at the dash covers the item", text: head + "a:\n- b: 1 # redoubt:ignore x why\n  c: 2\n", want: covers("a[0]", 4)},
		{name: "a comment at the second field of an item covers that field", text: head + "a:\n- b: 1\n  c: 2 # redoubt:ignore x why\n", want: covers("a[0].c", 5)},
		{name: "a comment after a key covers what is below", text: head + "a: # redoubt:ignore x why\n  b: 1\n", want: covers("a", 3)},
		{name: "a comment before the first field covers the object", text: "# redoubt:ignore x why\n" + head, want: covers("", 1)},
		{name: "a comment after the separator covers the object", text: "---\n# redoubt:ignore x why\n" + head, want: covers("", 2)},
		{name: "a comment before the first separator covers the object", text: "# redoubt:ignore x why\n---\n" + head, want: covers("", 1)},
		{name: "a comment at the separator covers the object", text: "--- # redoubt:ignore x why\n" + head, want: covers("", 1)},
		{name: "a comment in the second document covers the second object", text: head + "---\n# redoubt:ignore x why\n" + head, want: covers("", 4), object: 1},
		{name: "a comment at the first field covers that field", text: "apiVersion: v1 # redoubt:ignore x why\nkind: A\n", want: covers("apiVersion", 1)},
		{name: "a comment in a List covers the item after it", text: "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n# redoubt:ignore x why\n- apiVersion: v1\n  kind: B\n", want: covers("", 6), object: 1},
		{name: "a comment works with line ends of Windows", text: strings.ReplaceAll(head+"a: 1 # redoubt:ignore x why\n", "\n", "\r\n"), want: covers("a", 3)},
		{name: "the marker in text is no comment", text: head + "a: \"# redoubt:ignore x why\"\nb: |\n  # redoubt:ignore x why\n"},
		{name: "a comment after the last field covers nothing", text: head + "# redoubt:ignore x why\n"},
		{name: "a comment without a control is none", text: head + "a: 1 # redoubt:ignore\n"},
		{
			name: "several controls, a reason and a last day", text: head + "a: 1 # redoubt:ignore x,y until we move (until 2027-01-31)\n",
			want: []inventory.Ignore{{Controls: []string{"x", "y"}, Reason: "until we move", Line: 3, Path: "a", Until: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)}},
		},
		{
			name: "a day that is none stays in the reason", text: head + "a: 1 # redoubt:ignore x why until 2027-02-31\n",
			want: []inventory.Ignore{{Controls: []string{"x"}, Reason: "why until 2027-02-31", Line: 3, Path: "a"}},
		},
		{
			name: "two comments in a row cover the same field", text: head + "# redoubt:ignore x why\n# redoubt:ignore y why\na: 1\n",
			want: []inventory.Ignore{{Controls: []string{"x"}, Reason: "why", Line: 3, Path: "a"}, {Controls: []string{"y"}, Reason: "why", Line: 4, Path: "a"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			res, err := decode.File([]byte(c.text), &inventory.Origin{File: "a.yaml"}, decode.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			for i, o := range res.Objects {
				var want []inventory.Ignore
				if i == c.object {
					want = c.want
				}
				if diff := cmp.Diff(want, o.Ignores); diff != "" {
					t.Errorf("waivers of object %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}
