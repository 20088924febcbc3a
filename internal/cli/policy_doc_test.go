package cli_test

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/cli"
	"github.com/redoubt-k8s/redoubt/internal/clustertest"
)

var address = regexp.MustCompile(`https://\S+`)

// TestThePolicyGuideShowsWhatProveAdmissionPrints runs the transcript of
// docs/policy.md against a real API server: bad objects get in, the generated
// policies are applied, and bad objects are refused.
func TestThePolicyGuideShowsWhatProveAdmissionPrints(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(text), "```console\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatal("docs/policy.md has no transcript")
	}
	c := clustertest.Start(t, clustertest.Options{Without: clustertest.ControlPlaneOnly})
	c.Create(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")
	commands := 0
	for _, part := range strings.Split(block, "$ redoubt ")[1:] {
		commands++
		call, want, _ := strings.Cut(part, "\n")
		if generate, ok := strings.CutSuffix(call, " | kubectl apply -f -"); ok {
			c.Create(t, redoubt(t, generate, ""))
			continue
		}
		var got string
		for range 100 { // policies come by a watch
			if got = redoubt(t, call, c.Kubeconfig); got == want {
				break
			}
			time.Sleep(500 * time.Millisecond)
		}
		if diff := cmp.Diff(strings.Split(got, "\n"), strings.Split(want, "\n")); diff != "" {
			t.Errorf("redoubt %s (-got +want):\n%s", call, diff)
		}
	}
	if commands != 3 {
		t.Errorf("the transcript has %d commands, want 3", commands)
	}
}

// redoubt runs a command and returns what it prints on standard output.
func redoubt(t *testing.T, call, kubeconfig string) string {
	t.Helper()
	args := strings.Fields(call)
	if kubeconfig != "" {
		args = append(args, "--kubeconfig", kubeconfig)
	}
	var out, errs bytes.Buffer
	if code := cli.Main(t.Context(), args, cli.Streams{Out: &out, Err: &errs}); code != 0 && code != 1 {
		t.Fatalf("redoubt %s ends with %d: %s", call, code, errs.String())
	}
	return address.ReplaceAllString(out.String(), "https://shop.example")
}
