package pathglob_test

import (
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/pathglob"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pattern, file string
		want          bool
	}{
		"one star stays in its folder":              {"deploy/*", "deploy/x/a.yaml", false},
		"two stars cross folders":                   {"deploy/**", "deploy/x/a.yaml", true},
		"two stars match no folder, too":            {"deploy/**/a.yaml", "deploy/a.yaml", true},
		"a pattern without a slash is the whole":    {"a.yaml", "deploy/a.yaml", false},
		"many stars over a deep path end soon":      {"**/a/**/a/**/a/**/a/**/b", strings.Repeat("a/", 3000) + "c", false},
		"a dot in front does not matter":            {"./deploy/a.yaml", "deploy/a.yaml", true},
		"a name that is a pattern matches itself":   {"[a", "[a", true},
		"a broken pattern matches nothing but that": {"[a", "a", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := pathglob.Match(tc.pattern, tc.file); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pattern, file string
		want          bool
	}{
		"a folder covers what is below":          {"test/fixtures/", "test/fixtures/x/a.yaml", true},
		"a folder of a like name is another":     {"test/fix", "test/fixtures/a.yaml", false},
		"a name without a slash is at any depth": {"*.gen.yaml", "deploy/x/a.gen.yaml", true},
		"a folder without a slash, too":          {"vendor", "deploy/vendor/a.yaml", true},
		"with a slash it starts at the top":      {"x/vendor", "deploy/x/vendor/a.yaml", false},
		"two stars start anywhere":               {"**/x/vendor", "deploy/x/vendor/a.yaml", true},
		"the root covers everything":             {"/", "/a/b.yaml", true},
		"the root covers no relative path":       {"/", "a/b.yaml", false},
		"a folder of the root, by its path":      {"/a", "/a/b.yaml", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := pathglob.Within(tc.pattern, tc.file); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestCheckNamesTheBrokenPart(t *testing.T) {
	t.Parallel()
	if err := pathglob.Check("deploy/**/*.yaml"); err != nil {
		t.Errorf("got %v for a good pattern", err)
	}
	if err := pathglob.Check("deploy/[a/b"); err == nil || !strings.Contains(err.Error(), `"[a"`) {
		t.Errorf("got %v, want an error that names the part", err)
	}
}
