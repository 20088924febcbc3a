package edit_test

import (
	"errors"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/edit"
)

func TestTreeKnowsThePlacesOfFields(t *testing.T) {
	t.Parallel()
	root, err := edit.Tree([]byte("# head\na: &x 1\nb:\n  c: [true, {d: e}]\n  f: *x\n"))
	if err != nil {
		t.Fatal(err)
	}
	if root.Line != 2 || root.Column != 1 || string(root.JSON()) != `{"a":1,"b":{"c":[true,{"d":"e"}],"f":null}}` {
		t.Errorf("%d:%d %s", root.Line, root.Column, root.JSON())
	}
	if d := root.At("b.c[1].d"); d == nil || d.Line != 4 || d.Column != 14 {
		t.Errorf("the field is %+v", d)
	}
}

func TestTreeRefusesWhatIsNotOneMap(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{"nothing": "", "comments": "# a\n", "a list": "- a\n", "an empty map": "{}\n", "two documents": "a: 1\n---\nb: 1\n"} {
		if _, err := edit.Tree([]byte(text)); !errors.Is(err, edit.ErrNoMap) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestYAMLPutsNamesFirst(t *testing.T) {
	t.Parallel()
	got, err := edit.YAML(map[string]any{"b": []any{map[string]any{"image": "x", "name": "a"}}, "a": nil})
	if want := "a: null\nb:\n  - name: a\n    image: x\n"; err != nil || string(got) != want {
		t.Errorf("got %q (%v), want %q", got, err, want)
	}
}
