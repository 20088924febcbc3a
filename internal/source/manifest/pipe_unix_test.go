//go:build unix

package manifest_test

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/manifest"
)

func TestPipesAreNeverOpened(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe.yaml")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan *inventory.Inventory, 1)
	go func() { done <- read(t, &manifest.Source{Paths: []string{pipe}}) }()
	select {
	case <-time.After(10 * time.Second):
		t.Fatal("the source waits for a pipe")
	case inv := <-done:
		if diff := cmp.Diff(summary(inv), seen{Gaps: []string{"pipe.yaml:0: not a regular file"}}); diff != "" {
			t.Error("-got +want\n", diff)
		}
	}
}
