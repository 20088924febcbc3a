package edit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

func boolean(v any) *inventory.Node {
	return &inventory.Node{Kind: inventory.Bool, Text: fmt.Sprint(v)}
}

func str(s string) *inventory.Node { return &inventory.Node{Kind: inventory.String, Text: s} }

func list(items ...string) *inventory.Node {
	n := &inventory.Node{Kind: inventory.List}
	for _, s := range items {
		n.Items = append(n.Items, *str(s))
	}
	return n
}

func dict(key string, value *inventory.Node) *inventory.Node {
	v := *value
	v.Key = key
	return &inventory.Node{Kind: inventory.Map, Items: []inventory.Node{v}}
}

func set(path string, v *inventory.Node) edit.Change {
	return edit.Change{Op: edit.Set, Path: path, Value: v}
}
func remove(path string) edit.Change { return edit.Change{Op: edit.Remove, Path: path} }
func rename(path, to string) edit.Change {
	return edit.Change{Op: edit.Rename, Path: path, To: to}
}
func move(path, to string) edit.Change { return edit.Change{Op: edit.Move, Path: path, To: to} }

var edits = []struct {
	name    string
	text    string
	at      edit.Place
	changes []edit.Change
	want    string
}{
	{
		name:    "a scalar is replaced and the comment behind it stays",
		text:    "a: 1\nb:\n  c: true  # why\n  d: x\n",
		changes: []edit.Change{set("b.c", boolean(false))},
		want:    "a: 1\nb:\n  c: false  # why\n  d: x\n",
	},
	{
		name:    "a new item goes in front of a list, and a comment stays with the item it is about",
		text:    "a:\n  # first\n  - x: 1\n  - x: 2\n",
		changes: []edit.Change{set("a[+]", dict("y", str("z"))), set("a[0].x", str("q"))},
		want:    "a:\n  - \"y\": z\n  # first\n  - x: q\n  - x: 2\n",
	},
	{
		name:    "a new item in front of an empty list is its only one",
		text:    "a: []\n",
		changes: []edit.Change{set("a[+]", dict("b", str("z")))},
		want:    "a: [{b: z}]\n",
	},
	{
		name:    "a missing chain of maps is made with the indentation of the file",
		text:    "a: 1\nb:\n    c: true\nd: 2\n",
		changes: []edit.Change{set("b.e.f", boolean(false)), set("b.e.g.h", list("ALL"))},
		want:    "a: 1\nb:\n    c: true\n    e:\n        f: false\n        g:\n            h: [ALL]\nd: 2\n",
	},
	{
		name:    "lists are written as the author writes lists",
		text:    "x:\n- a\n- b\nc: 1\n",
		changes: []edit.Change{set("d.drop", list("ALL"))},
		want:    "x:\n- a\n- b\nc: 1\nd:\n  drop:\n  - ALL\n",
	},
	{
		name:    "indented lists too",
		text:    "x:\n  - a\n  - b\nc: 1\n",
		changes: []edit.Change{set("d.drop", list("ALL"))},
		want:    "x:\n  - a\n  - b\nc: 1\nd:\n  drop:\n    - ALL\n",
	},
	{
		name:    "a field is added to an item of a list",
		text:    "spec:\n  containers:\n  - name: a\n    image: x # note\n\n  # the second\n  - name: b\n    args:\n    - |\n      text\n\n    # last\nend: 1\n",
		changes: []edit.Change{set("spec.containers[0].sc.p", boolean(false)), set("spec.containers[1].sc.p", boolean(false))},
		want:    "spec:\n  containers:\n  - name: a\n    image: x # note\n    sc:\n      p: false\n\n  # the second\n  - name: b\n    args:\n    - |\n      text\n    sc:\n      p: false\n\n    # last\nend: 1\n",
	},
	{
		name:    "line breaks of Windows and a missing one at the end stay",
		text:    "a: 1\r\nb:\r\n  c: 2",
		changes: []edit.Change{set("b.d", boolean(true))},
		want:    "a: 1\r\nb:\r\n  c: 2\r\n  d: true",
	},
	{
		name:    "braces stay braces",
		text:    "a: {b: 1, c: { d: 2 } }  # x\n",
		changes: []edit.Change{set("a.c.e", boolean(true)), set("a.f.g", str("x"))},
		want:    "a: {b: 1, c: { d: 2, e: true }, f: {g: x} }  # x\n",
	},
	{
		name:    "empty braces are filled",
		text:    "a: {}\nb: 1\n",
		changes: []edit.Change{set("a.c", boolean(true))},
		want:    "a: {c: true}\nb: 1\n",
	},
	{
		name:    "a field without a value gets one",
		text:    "a:   # later\nb: null\nc: 1\n",
		changes: []edit.Change{set("a.x", boolean(true)), set("b.z", boolean(true))},
		want:    "a:   # later\n  x: true\nb:\n  z: true\nc: 1\n",
	},
	{
		name:    "a field is removed with its lines",
		text:    "a:\n  # about b\n  b: 1 # one\n  c:\n    d: 2\n  e: 3\n",
		changes: []edit.Change{remove("a.c")},
		want:    "a:\n  # about b\n  b: 1 # one\n  e: 3\n",
	},
	{
		name:    "the first field of an item gives its place to the next",
		text:    "l:\n- a: 1\n  b: 2\n- c: 3\n",
		changes: []edit.Change{remove("l[0].a")},
		want:    "l:\n- b: 2\n- c: 3\n",
	},
	{
		name:    "comments between the first field of an item and the next stay",
		text:    "l:\n- a: 1\n  # b\n  b: 2\n",
		changes: []edit.Change{remove("l[0].a")},
		want:    "l:\n-\n  # b\n  b: 2\n",
	},
	{
		name:    "the last field of a map leaves braces",
		text:    "a: # note\n  b: 1\nc: 2\n",
		changes: []edit.Change{remove("a.b")},
		want:    "a: {} # note\nc: 2\n",
	},
	{
		name:    "the only field of a map is replaced by another",
		text:    "a: # note\n  b: 1\nc: 2\n",
		changes: []edit.Change{remove("a.b"), set("a.d", boolean(true))},
		want:    "a: # note\n  d: true\nc: 2\n",
	},
	{
		name:    "an item of a list is removed and one added",
		text:    "l:\n  - a\n  - b # two\n  - c\nd: 1\n",
		changes: []edit.Change{remove("l[1]"), set("l[-]", str("d"))},
		want:    "l:\n  - a\n  - c\n  - d\nd: 1\n",
	},
	{
		name:    "a list of maps gets a map",
		text:    "l:\n- a: 1\nd: 1\n",
		changes: []edit.Change{set("l[-]", dict("x", dict("w", str("z"))))},
		want:    "l:\n- a: 1\n- x:\n    w: z\nd: 1\n",
	},
	{
		name:    "items in brackets are removed",
		text:    "l: [a, b, c]\nm: [x]\n",
		changes: []edit.Change{remove("l[0]"), remove("l[2]"), remove("m[0]")},
		want:    "l: [b]\nm: []\n",
	},
	{
		name:    "a misspelt field is renamed in its quotes",
		text:    "'policyType': [Egress] # x\nb: 1\n",
		changes: []edit.Change{rename("policyType", "policyTypes")},
		want:    "'policyTypes': [Egress] # x\nb: 1\n",
	},
	{
		name:    "a misplaced field is moved with its comments",
		text:    "c:\n- name: a\n  capabilities: # careful\n    drop:\n    - ALL  # everything\n    # none to add\n    add: []\n  sc:\n    x: 1\n  image: y\n",
		changes: []edit.Change{move("c[0].capabilities", "c[0].sc.capabilities")},
		want:    "c:\n- name: a\n  sc:\n    x: 1\n    capabilities: # careful\n      drop:\n      - ALL  # everything\n      # none to add\n      add: []\n  image: y\n",
	},
	{
		name:    "a misplaced field is moved into a map that is not there",
		text:    "c:\n- name: a\n  readOnly: \"true\" # yes\n  image: y\n",
		changes: []edit.Change{move("c[0].readOnly", "c[0].sc.readOnly")},
		want:    "c:\n- name: a\n  image: y\n  sc:\n    readOnly: \"true\" # yes\n",
	},
	{
		name:    "JSON stays JSON",
		text:    "{\n  \"a\": 1,\n  \"b\": {\n    \"c\": true\n  }\n}\n",
		changes: []edit.Change{set("b.c", boolean(false)), set("b.d.e", str("x")), remove("a")},
		want:    "{\n  \"b\": {\n    \"c\": false,\n    \"d\": {\"e\": \"x\"}\n  }\n}\n",
	},
	{
		name:    "JSON without spaces stays without",
		text:    "{\"a\":1,\"b\":{\"c\":true}}",
		changes: []edit.Change{set("b.d", str("x")), set("e", boolean(true))},
		want:    "{\"a\":1,\"b\":{\"c\":true,\"d\":\"x\"},\"e\":true}",
	},
	{
		name:    "only the document that is meant changes",
		text:    "a: 1\n---\n# second\na: 1\n--- # third\na: 1\n",
		at:      edit.Place{Line: 4, Column: 1},
		changes: []edit.Change{set("b", boolean(true))},
		want:    "a: 1\n---\n# second\na: 1\nb: true\n--- # third\na: 1\n",
	},
	{
		name:    "a block scalar is left alone, its kept line breaks too",
		text:    "a: |+\n  text\n\n\nb: >-\n  long\n  text\n",
		changes: []edit.Change{set("c", boolean(true)), remove("b")},
		want:    "a: |+\n  text\n\n\nc: true\n",
	},
	{
		name:    "a text with quotes over several lines ends where it ends",
		text:    "a: \"one\n  two \\\" #three\"\nb: 'it''s\n\n  x'\nc: plain\n  text\nd:\n  e: 1\n",
		changes: []edit.Change{remove("b"), set("c", str("yes"))},
		want:    "a: \"one\n  two \\\" #three\"\nc: \"yes\"\nd:\n  e: 1\n",
	},
	{
		name:    "the mark of UTF-8 stays",
		text:    "\xef\xbb\xbfa: 1\n",
		changes: []edit.Change{set("a", boolean(true))},
		want:    "\xef\xbb\xbfa: true\n",
	},
	{
		name:    "an anchor nobody refers to does not matter",
		text:    "a: &x\n  b: 1\nc: 2\n",
		changes: []edit.Change{set("a.d", boolean(true))},
		want:    "a: &x\n  b: 1\n  d: true\nc: 2\n",
	},
	{
		name:    "characters of several bytes do not shift the edit",
		text:    "ä: {\"ö\": \"日本\", b: 1} # ü\n",
		changes: []edit.Change{set("ä.b", boolean(true))},
		want:    "ä: {\"ö\": \"日本\", b: true} # ü\n",
	},
	{
		name:    "a list is replaced",
		text:    "a:\n  drop:\n  - NET_RAW\n  - KILL\n  x: 1\n",
		changes: []edit.Change{set("a.drop", list("ALL"))},
		want:    "a:\n  drop:\n  - ALL\n  x: 1\n",
	},
}

func TestEditsLeaveTheRestAsItIs(t *testing.T) {
	t.Parallel()
	for _, tc := range edits {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.at.Line == 0 {
				tc.at = edit.Place{Line: 1, Column: 1}
			}
			for i := range tc.changes {
				tc.changes[i].Object = tc.at
			}
			got, errs := edit.Apply([]byte(tc.text), tc.changes)
			for i, err := range errs {
				if err != nil {
					t.Errorf("change %d: %v", i, err)
				}
			}
			if diff := cmp.Diff(string(got), tc.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestUnsafeEditsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		text   string
		change edit.Change
		want   error
	}{
		{"a map that two fields share", "a: &x\n  b: 1\nc: *x\n", set("a.b", boolean(true)), edit.ErrAnchor},
		{"a map that comes from elsewhere", "a: &x\n  b: 1\nc: *x\n", set("c.b", boolean(true)), edit.ErrAnchor},
		{"a field others refer to", "a:\n  b: &x 1\nc: *x\n", remove("a.b"), edit.ErrAnchor},
		{"fields that are merged in", "a: &x\n  b: 1\nc:\n  <<: *x\n  d: 1\n", set("c.e", boolean(true)), edit.ErrMerge},
		{"a field that stands there twice", "a:\n  b: 1\n  b: 2\n", set("a.b", boolean(true)), edit.ErrDuplicate},
		{"a template", "a:\n  # {{- if .Values.x }}\n  b: 1\n", set("a.b", boolean(true)), edit.ErrTemplate},
		{"a template of ytt", "#@ if x:\na: 1\n", set("a", boolean(true)), edit.ErrTemplate},
		{"a field below a text", "a: text\n", set("a.b", boolean(true)), edit.ErrNoField},
		{"a field that is not there", "a: 1\n", remove("b"), edit.ErrNoField},
		{"a new name that is taken", "a: 1\nb: 2\n", rename("a", "b"), edit.ErrTaken},
		{"a new place that is taken", "a: 1\nb:\n  a: 2\n", move("a", "b.a"), edit.ErrTaken},
		{"a line break other programs do not see", "a: \"x\u2028y\"\nb: 1\n", set("b", boolean(true)), edit.ErrLayout},
		{"a key with a question mark", "? a\n: 1\nb: 2\n", remove("a"), edit.ErrLayout},
		{"an item of a list that is not there", "a: [1]\n", set("a[3]", boolean(true)), edit.ErrNoField},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.change.Object = edit.Place{Line: 1, Column: 1}
			if strings.HasPrefix(tc.text, "#@") {
				tc.change.Object.Line = 2
			}
			got, errs := edit.Apply([]byte(tc.text), []edit.Change{tc.change})
			if !errors.Is(errs[0], tc.want) {
				t.Errorf("error %v, want %v", errs[0], tc.want)
			}
			if string(got) != tc.text {
				t.Errorf("the text changed to %q", got)
			}
		})
	}
}

func TestARefusedChangeDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	at := edit.Place{Line: 1, Column: 1}
	changes := []edit.Change{set("a", boolean(true)), remove("x"), set("a", boolean(false)), set("b.c", boolean(true))}
	for i := range changes {
		changes[i].Object = at
	}
	got, errs := edit.Apply([]byte("a: 1\n"), changes)
	if want := "a: true\nb:\n  c: true\n"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if errs[0] != nil || !errors.Is(errs[1], edit.ErrNoField) || !errors.Is(errs[2], edit.ErrConflict) || errs[3] != nil {
		t.Errorf("errors %v", errs)
	}
}

func TestDocumentsAreAppended(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text, want string
		err              error
	}{
		{"behind the last", "a: 1\n---\nb: 2\n", "a: 1\n---\nb: 2\n---\nx: 1\n", nil},
		{"behind a missing line break", "a: 1", "a: 1\n---\nx: 1\n", nil},
		{"with the line breaks of Windows", "a: 1\r\n", "a: 1\r\n---\r\nx: 1\r\n", nil},
		{"behind a comment", "a: 1\n# end\n", "a: 1\n# end\n---\nx: 1\n", nil},
		{"not to JSON", "{\"a\": 1}\n", "", edit.ErrLayout},
		{"not to a template", "{{ if x }}\na: 1\n", "", edit.ErrTemplate},
		{"not behind an explicit end", "a: 1\n...\n", "", edit.ErrLayout},
		{"not into a text that goes on", "a: |+\n  x", "", edit.ErrLayout},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := edit.AppendDocument([]byte(tc.text), "x: 1\n")
			if string(got) != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("got %q (%v), want %q (%v)", got, err, tc.want, tc.err)
			}
		})
	}
}
