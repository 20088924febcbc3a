package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/cli"
)

func TestInteractiveFixMakesWhatThePersonWants(t *testing.T) {
	t.Parallel()
	const pods = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a # \u202ered\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec:\n  containers:\n  - name: b\n"
	for _, tc := range []struct {
		name, answers string
		a, b          bool
		questions     int
	}{
		{"yes and no", "y\nn\n", true, false, 2},
		{"no and yes", "n\nyes\n", false, true, 2},
		{"all", "a\n", true, true, 1},
		{"quit", "q\n", false, false, 1},
		{"quit after the first", "y\nq\n", true, false, 2},
		{"the end of the input is quitting", "y\n", true, false, 2},
		{"an answer that is none is asked for again", "what\nY\nN\n", true, false, 3},
		{"no line end", "n\ny", false, true, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "a.yaml")
			if err := os.WriteFile(file, []byte(pods), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, errs bytes.Buffer
			code := cli.Main(t.Context(), []string{"fix", file, "--control", "privilege-escalation", "--interactive", "--write"}, cli.Streams{In: strings.NewReader(tc.answers), Out: &out, Err: &errs})
			text, err := os.ReadFile(file)
			if code != 0 || err != nil {
				t.Fatalf("code %d, error %v\n%s", code, err, errs.String())
			}
			first, second, _ := strings.Cut(string(text), "---\n")
			if a, b := strings.Contains(first, "allowPriv"), strings.Contains(second, "allowPriv"); a != tc.a || b != tc.b {
				t.Errorf("edited the first: %t, the second: %t\n%s", a, b, errs.String())
			}
			if n := strings.Count(errs.String(), "make this edit?"); n != tc.questions {
				t.Errorf("asked %d times, want %d\n%s", n, tc.questions, errs.String())
			}
			if !strings.Contains(errs.String(), "+      allowPrivilegeEscalation: false\n") || strings.Contains(errs.String(), "\u202e") {
				t.Errorf("the question shows no hunk, or a control character:\n%q", errs.String())
			}
		})
	}
}

func TestInteractiveFixNeedsSomebodyToAsk(t *testing.T) {
	t.Parallel()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() }) // only read
	for name, tc := range map[string]struct {
		streams cli.Streams
		path    string
		want    string
	}{
		"a pipe":         {cli.Streams{In: file}, ".", "standard input is none"},
		"standard input": {cli.Streams{In: strings.NewReader("")}, "-", "name the file"},
		"nobody":         {cli.Streams{}, ".", "nobody to ask"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var errs bytes.Buffer
			tc.streams.Out, tc.streams.Err = &errs, &errs
			if code := cli.Main(t.Context(), []string{"fix", tc.path, "--interactive"}, tc.streams); code != cli.ExitUsage || !strings.Contains(errs.String(), tc.want) {
				t.Errorf("code %d: %s", code, errs.String())
			}
		})
	}
}
