package fix_test

import (
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/fix"
)

// byDigest are controls whose edit waits for a digest that somebody looked up;
// without one they are for a person.
var byDigest = map[string]bool{"image-without-digest": true, "image-latest": true, "image-volume-without-digest": true, "dockerfile-base-unpinned": true}

// TestEveryControlHasAnEditOrAReason holds the catalogue against the edits: what
// has none is left to a person, and its text says why.
func TestEveryControlHasAnEditOrAReason(t *testing.T) {
	t.Parallel()
	const why = "A person decides: "
	_, controls := judge(t)
	edited, left := 0, 0
	for id, c := range controls {
		text := strings.TrimSpace(c.Fix.Text)
		_, reason, said := strings.Cut(text, why)
		switch {
		case fix.Has(c) && said:
			t.Errorf("%s has an edit, and its text says that a person decides", id)
		case fix.Has(c) && c.Fix.Safety == control.Manual && !byDigest[id]:
			t.Errorf("%s has an edit that its safety %q keeps from being offered", id, c.Fix.Safety)
		case fix.Has(c):
			edited++
		case c.Fix.Safety != control.Manual:
			t.Errorf("%s has no edit, but its safety is %q: write an edit, or say in its text why %q", id, c.Fix.Safety, strings.TrimSuffix(why, ": "))
		case len(reason) < 20:
			t.Errorf("%s has no edit, and its text %q does not say why: end it with %q and the reason", id, text, why)
		default:
			left++
		}
	}
	t.Logf("%d controls have an edit, %d are for a person", edited, left)
	if edited < 190 || edited+left != len(controls) {
		t.Errorf("only %d of %d controls have an edit", edited, len(controls))
	}
}
