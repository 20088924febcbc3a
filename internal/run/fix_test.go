package run_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

const weakPod = "apiVersion: v1\r\nkind: Pod\r\nmetadata: {name: a}\r\nspec:\r\n  containers:\r\n    - name: a # the only one\r\n"

func fixPaths(t *testing.T, paths ...string) *run.Fixed {
	t.Helper()
	opts := run.FixOptions{Safety: control.Safe}
	opts.Paths, opts.Now = paths, time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	opts.Selection = catalogue.Selection{IDs: []string{"privilege-escalation"}}
	res, err := run.Fix(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func content(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWriteReplacesFilesAndKeepsModeAndLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := write(t, dir, "a.yaml", weakPod, 0o640)
	link := filepath.Join(dir, "link.yaml")
	if err := os.Symlink("a.yaml", link); err != nil {
		t.Skip("needs symbolic links")
	}
	if err := fixPaths(t, link).Write(); err != nil {
		t.Fatal(err)
	}
	want := weakPod + "      securityContext:\r\n        allowPrivilegeEscalation: false\r\n"
	if diff := cmp.Diff(content(t, file), want); diff != "" {
		t.Error(diff)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v (%v)", info.Mode(), err)
	}
	if info, err = os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode became %v (%v)", info.Mode(), err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("the folder holds %v (%v)", left, err)
	}
}

func TestWriteIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(t *testing.T, file string){
		"changed meanwhile": func(t *testing.T, file string) {
			t.Helper()
			write(t, filepath.Dir(file), filepath.Base(file), weakPod+"# new\r\n", 0o600)
		},
		"read-only": func(t *testing.T, file string) {
			t.Helper()
			if err := os.Chmod(file, 0o400); err != nil {
				t.Fatal(err)
			}
		},
		"no such file": func(t *testing.T, file string) {
			t.Helper()
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			first, second := write(t, dir, "a.yaml", weakPod, 0o600), write(t, dir, "b.yaml", weakPod, 0o600)
			res := fixPaths(t, dir)
			spoil(t, second)
			if err := res.Write(); err == nil || !strings.Contains(err.Error(), "nothing was written") {
				t.Errorf("error %v", err)
			}
			if content(t, first) != weakPod {
				t.Error("the other file was written all the same")
			}
			if left, err := filepath.Glob(filepath.Join(dir, ".redoubt-*")); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
		})
	}
}

func TestReadOnlyFilesGetNoEdit(t *testing.T) {
	t.Parallel()
	file := write(t, t.TempDir(), "a.yaml", weakPod, 0o400)
	res := fixPaths(t, file)
	if len(res.Texts) > 0 || len(res.Refused) != 1 || !strings.Contains(res.Refused[0].Reason, "read-only") {
		t.Errorf("refused %v", res.Refused)
	}
}

func TestStandardInputIsNotWritten(t *testing.T) {
	t.Parallel()
	opts := run.FixOptions{Safety: control.Safe}
	opts.Paths, opts.Stdin = []string{"-"}, strings.NewReader(weakPod)
	res, err := run.Fix(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Write(); len(res.Texts) != 1 || !errors.Is(err, run.ErrStdin) {
		t.Errorf("%d texts, error %v", len(res.Texts), err)
	}
}
