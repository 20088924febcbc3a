package edit_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/edit"
)

// FuzzApply edits whatever text: it must not panic, a refused edit must leave
// the text alone, and an edit that is made must still be there when it is made
// again.
func FuzzApply(f *testing.F) {
	for _, e := range edits {
		for _, c := range e.changes {
			f.Add([]byte(e.text), int32(1), int32(1), c.Path, c.To, uint8(c.Op))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, line, column int32, path, to string, op uint8) {
		if len(text) > 4096 || len(path) > 256 {
			return
		}
		c := edit.Change{Object: edit.Place{Line: line, Column: column}, Op: edit.Op(op % 4), Path: path, To: to, Value: boolean(true)}
		got, errs := edit.Apply(text, []edit.Change{c})
		if errs[0] != nil {
			if !bytes.Equal(got, text) {
				t.Fatalf("refused (%v), but %q became %q", errs[0], text, got)
			}
			return
		}
		if c.Op != edit.Set || strings.ContainsAny(path, edit.Append+edit.Prepend) {
			return
		}
		again, errs := edit.Apply(got, []edit.Change{c})
		if errs[0] != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q became %q, and then %q (%v)", text, got, again, errs[0])
		}
	})
}
