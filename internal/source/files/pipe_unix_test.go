//go:build unix

package files_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/source/files"
)

// Who opens a pipe that nobody writes to waits forever.
func TestPipesAreNeverOpened(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{".git/": "", "sub/a.yaml": "", "sub/link.yaml": "->../pipe"})
	for _, name := range []string{"pipe", ".gitignore", "sub/.gitignore", "sub/kustomization.yaml", "sub/Chart.yaml", "sub/b.yaml", "sub/Dockerfile", "sub/c.tgz"} {
		if err := syscall.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	type outcome struct {
		found files.Found
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		found, err := files.Walk(t.Context(), []string{filepath.Join(dir, "sub")}, files.Options{})
		done <- outcome{found, err}
	}()
	select {
	case <-time.After(10 * time.Second):
		t.Fatal("the walk waits for a pipe")
	case got := <-done:
		if got.err != nil {
			t.Fatal(got.err)
		}
		if diff := cmp.Diff(names(t, got.found, dir), []string{"manifest sub/a.yaml"}); diff != "" {
			t.Error("-got +want\n", diff)
		}
	}
	if _, err := files.Walk(t.Context(), []string{filepath.Join(dir, "pipe")}, files.Options{}); err == nil || !strings.Contains(err.Error(), "neither a file nor a folder") {
		t.Errorf("got error %v, want one that says what a pipe is not", err)
	}
}
