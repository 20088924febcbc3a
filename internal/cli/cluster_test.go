package cli_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/cli"
)

// refusing is an API server that gives volumes and answers everything else with
// an error.
func refusing(t *testing.T, code int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		answer := map[string]string{
			"/version": `{"gitVersion":"v1.36.3"}`,
			"/api":     `{"kind":"APIVersions","versions":["v1"]}`,
			"/apis":    `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`,
			"/api/v1": `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","kind":"Pod","namespaced":true,"verbs":["list"]},
				{"name":"persistentvolumes","kind":"PersistentVolume","verbs":["list"]}]}`,
			"/api/v1/persistentvolumes": `{"kind":"PersistentVolumeList","items":[{"metadata":{"name":"a"},"status":{"phase":"Bound"}}]}`,
		}[r.URL.Path]
		if answer == "" {
			w.WriteHeader(code)
			answer = `{"kind":"Status","message":"pods is forbidden: no"}`
		}
		_, _ = w.Write([]byte(answer)) // who has gone away is no matter of the test
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "config")
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"a","clusters":[{"name":"a","cluster":{"server":%q}}],
		"contexts":[{"name":"a","context":{"cluster":"a","user":"a"}}],"users":[{"name":"a","user":{"token":"x"}}]}`, server.URL)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWhatCanNotBeReadEndsWithThreeWhereUnknownCounts(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		code int
		args []string
		exit int
		says []string
	}{
		{"a refusal", http.StatusForbidden, []string{"--control", "privileged-container", "--fail-on-unknown"}, 3, []string{"list pods", "forbidden", "unknown"}},
		{"a refusal when unknown does not count", http.StatusForbidden, []string{"--control", "privileged-container"}, 0, []string{"list pods", "forbidden"}},
		{"a token that expires in the middle", http.StatusUnauthorized, []string{"--control", "privileged-container", "--fail-on-unknown"}, 3, []string{"list pods", "expired"}},
		{"a server that fails", http.StatusInternalServerError, []string{"--control", "privileged-container", "--fail-on-unknown"}, 3, []string{"list pods", "500"}},
		{"what the refusal does not touch", http.StatusForbidden, []string{"--control", "volume-left-behind", "--fail-on-unknown"}, 0, nil},
	} {
		t.Run(strings.ReplaceAll(tc.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			args := append([]string{"scan", "--cluster", "--kubeconfig", refusing(t, tc.code)}, tc.args...)
			if got := cli.Main(t.Context(), args, cli.Streams{Out: &out, Err: &errs}); got != tc.exit {
				t.Errorf("exit code %d, want %d\n%s%s", got, tc.exit, &out, &errs)
			}
			for _, text := range tc.says {
				if !strings.Contains(out.String(), text) {
					t.Errorf("the report does not say %q:\n%s", text, &out)
				}
			}
		})
	}
}

func TestASnapshotWithGapsEndsWithThreeWhereUnknownCounts(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	file := filepath.Join(t.TempDir(), "a.redoubt")
	streams := cli.Streams{Out: &out, Err: &errs}
	if got := cli.Main(t.Context(), []string{"snapshot", "--kubeconfig", refusing(t, http.StatusForbidden), "-o", file, "--fail-on-unknown"}, streams); got != 3 || !strings.Contains(errs.String(), "not read: list pods") {
		t.Errorf("exit code %d, want 3\n%s", got, &errs)
	}
	if got := cli.Main(t.Context(), []string{"scan", file, "--control", "privileged-container", "--fail-on-unknown"}, streams); got != 3 || !strings.Contains(out.String(), "list pods") {
		t.Errorf("exit code %d of the scan of the snapshot, want 3\n%s", got, &out)
	}
}
