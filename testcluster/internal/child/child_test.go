//go:build linux || darwin

package child_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redoubt-k8s/redoubt/testcluster/internal/child"
)

func TestChildrenEnd(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"one that obeys":                       "sleep 100",
		"one that ignores the request":         "trap '' TERM; while :; do sleep 1; done",
		"one that has ended already":           "exit 3",
		"one whose own child would outlive it": "trap '' TERM; sleep 100 & sleep 100",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, t.Context(), script)
			time.Sleep(100 * time.Millisecond)
			began := time.Now() //nolint:forbidigo // the test measures
			p.Stop()
			p.Stop()
			if took := time.Since(began); took > 5*time.Second { //nolint:forbidigo // the test measures
				t.Errorf("took %s to stop", took)
			}
		})
	}
}

func TestEndOfContextEndsTheChild(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	p := start(t, ctx, "sleep 100")
	cancel()
	select {
	case <-p.Done():
	case <-time.After(5 * time.Second):
		t.Error("the child still runs")
	}
}

func TestFailureShowsTheEndOfTheLog(t *testing.T) {
	t.Parallel()
	p := start(t, t.Context(), "for i in $(seq 100); do echo line $i; done; exit 3")
	got := p.Failure().Error()
	if !strings.Contains(got, "sh ended: exit status 3") || !strings.Contains(got, "line 100") || strings.Contains(got, "line 85\n") {
		t.Errorf("got %s", got)
	}
}

func TestProgramThatIsMissingIsAnError(t *testing.T) {
	t.Parallel()
	_, err := child.Start(t.Context(), child.Spec{Name: "x", Path: "/no/such/program", Log: filepath.Join(t.TempDir(), "log")})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestOneHolderPerLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := child.TryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := child.TryLock(path); !errors.Is(err, child.ErrBusy) {
		t.Errorf("got %v for a lock that is held, want ErrBusy", err)
	}
	waits := 0
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := child.WaitLock(ctx, path, func() { waits++ }); !errors.Is(err, context.DeadlineExceeded) || waits != 1 {
		t.Errorf("got %v after %d calls", err, waits)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := child.WaitLock(t.Context(), path, func() {}); err != nil {
		t.Error(err)
	}
}

func start(t *testing.T, ctx context.Context, script string) *child.Process { //nolint:revive // t comes first in tests
	t.Helper()
	p, err := child.Start(ctx, child.Spec{
		Name: "sh", Path: "/bin/sh", Args: []string{"-c", script},
		Log: filepath.Join(t.TempDir(), "log"), Grace: 500 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}
