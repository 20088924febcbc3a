package run

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/fix"
)

// edited is a folder with three files of which two are to be replaced and one
// is to be added.
func edited(t *testing.T) (string, *Fixed) {
	t.Helper()
	dir := t.TempDir()
	f := &Fixed{Result: &fix.Result{Texts: make(map[string][]byte)}, Originals: make(map[string][]byte)}
	for _, name := range []string{"a.yaml", "b.yaml"} {
		full := filepath.Join(dir, name)
		if err := os.WriteFile(full, []byte("old "+name), 0o640); err != nil {
			t.Fatal(err)
		}
		f.Originals[full], f.Texts[full] = []byte("old "+name), []byte("new "+name)
	}
	f.Texts[filepath.Join(dir, "c.yaml")] = []byte("new c.yaml")
	return dir, f
}

// holds reads a folder.
func holds(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(text)
	}
	return out
}

// failingDisk is a disk on which one call of a function fails.
func failingDisk(fills, replaces int, err error) disk {
	works := realDisk()
	return disk{
		fill: func(dir, pattern string, text []byte, mode fs.FileMode) (string, error) {
			if fills--; fills == 0 {
				return "", err
			}
			return works.fill(dir, pattern, text, mode)
		},
		replace: func(from, to string) error {
			if replaces--; replaces == 0 {
				return err
			}
			return works.replace(from, to)
		},
	}
}

func TestNothingIsHalfWritten(t *testing.T) {
	t.Parallel()
	old := map[string]string{"a.yaml": "old a.yaml", "b.yaml": "old b.yaml"}
	for name, tc := range map[string]struct {
		fills, replaces int
		err             error
		want            string
	}{
		"the disk is full at the first file":          {fills: 1, err: syscall.ENOSPC, want: "no space left on device; nothing was written"},
		"the disk is full at the last file":           {fills: 3, err: syscall.ENOSPC, want: "no space left on device; nothing was written"},
		"the folder lets nobody write":                {fills: 2, err: fs.ErrPermission, want: "nothing was written"},
		"the first file can't be replaced":            {replaces: 1, err: syscall.EBUSY, want: "what was written was set back"},
		"the second file can't be replaced":           {replaces: 2, err: syscall.EBUSY, want: "what was written was set back"},
		"the new file can't be put where it shall be": {replaces: 3, err: syscall.EROFS, want: "what was written was set back"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, f := edited(t)
			err := f.write(failingDisk(tc.fills, tc.replaces, tc.err))
			if !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %s", err, tc.want)
			}
			if diff := cmp.Diff(holds(t, dir), old); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatCanNotBeSetBackIsNamed(t *testing.T) {
	t.Parallel()
	dir, f := edited(t)
	to := failingDisk(4, 2, syscall.EIO) // the second replacement, and then the copy of the original
	err := f.write(to)
	if err == nil || !strings.Contains(err.Error(), "could not be set back: "+filepath.Join(dir, "a.yaml")) {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(holds(t, dir), map[string]string{"a.yaml": "new a.yaml", "b.yaml": "old b.yaml"}); diff != "" {
		t.Error(diff)
	}
}

func TestAFolderThatIsGoneGetsNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := fill(filepath.Join(dir, "missing"), temporaryName, []byte("x"), 0o600); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	if got := holds(t, dir); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
}

func TestFoldersWithoutWritePermissionAreRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere; the case with a disk that refuses covers it")
	}
	dir, f := edited(t)
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	if err := f.Write(); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("error %v", err)
	}
}

func TestTwoNamesOfOneFileAreSeen(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]func(old, now string) error{"a symbolic link": os.Symlink, "a hard link": os.Link} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, f := edited(t)
			other := filepath.Join(dir, "z.yaml")
			if err := link(filepath.Join(dir, "a.yaml"), other); err != nil {
				t.Skip("needs links")
			}
			f.Originals[other], f.Texts[other] = f.Originals[filepath.Join(dir, "a.yaml")], []byte("something else")
			err := f.Write()
			if err == nil || !strings.Contains(err.Error(), "are one file, and their edits differ; nothing was written") {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(holds(t, dir), map[string]string{"a.yaml": "old a.yaml", "b.yaml": "old b.yaml", "z.yaml": "old a.yaml"}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLinksThatLeadNowhereAreRefused(t *testing.T) {
	t.Parallel()
	dir, f := edited(t)
	for name, to := range map[string]string{"nowhere.yaml": "missing.yaml", "round.yaml": "round.yaml"} {
		full := filepath.Join(dir, name)
		if err := os.Symlink(to, full); err != nil {
			t.Skip("needs symbolic links")
		}
		g := &Fixed{Result: &fix.Result{Texts: map[string][]byte{full: []byte("new")}}, Originals: map[string][]byte{full: []byte("old")}}
		for text, was := range f.Originals {
			g.Originals[text], g.Texts[text] = was, f.Texts[text]
		}
		if err := g.Write(); err == nil || !strings.Contains(err.Error(), "nothing was written") {
			t.Errorf("%s: error %v", name, err)
		}
		if err := os.Remove(full); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(holds(t, dir), map[string]string{"a.yaml": "old a.yaml", "b.yaml": "old b.yaml"}); diff != "" {
		t.Error(diff)
	}
}

func TestFoldersOfPatchesAppearAsAWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := &Fixed{From: "a cluster", Result: &fix.Result{Patches: []fix.Patch{{Object: "shop/Deployment/a", Type: fix.Strategic, File: "001-a.yaml", Command: "kubectl patch deployment.apps a", Text: "spec: {}\n"}}}}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{file, filepath.Join(dir, "no", "such"), filepath.Join(file, "below")} {
		if n, err := f.WriteFolder(at); err == nil || n != 0 {
			t.Errorf("%s: %d files, error %v", at, n, err)
		}
	}
	if got := holds(t, dir); len(got) != 1 {
		t.Errorf("left behind: %v", got)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	if n, err := f.WriteFolder(empty); err != nil || n != 3 || len(holds(t, empty)) != 3 {
		t.Errorf("%d files, error %v", n, err)
	}
}
