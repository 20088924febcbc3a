package files_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/source/files"
)

// tree makes files; a name that ends in a slash is a folder, a text that starts
// with "->" makes a symbolic link.
func tree(t *testing.T, content map[string]string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range content {
		path := filepath.Join(dir, filepath.FromSlash(name))
		parent := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			parent = path
		}
		if err := os.MkdirAll(parent, 0o750); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if target, ok := strings.CutPrefix(text, "->"); ok {
			err = os.Symlink(target, path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// names are the units, by kind and path below dir.
func names(t *testing.T, found files.Found, dir string) []string {
	t.Helper()
	var out []string
	for _, u := range found.Units {
		kind := [...]string{"manifest", "stdin", "dockerfile", "chart", "kustomization"}[u.Kind]
		rel, err := filepath.Rel(dir, filepath.FromSlash(u.Path))
		if u.Kind == files.Stdin {
			rel, err = u.Path, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, kind+" "+filepath.ToSlash(rel))
	}
	return out
}

type walkCase struct {
	name    string
	content map[string]string
	opts    files.Options
	// paths are below the folder; none means the folder itself.
	paths   []string
	want    []string
	skipped map[string]int
}

const (
	outOfFolder = "symbolic link out of the folder"
	toNowhere   = "symbolic link to nowhere"
	ignored     = "ignored by .gitignore or exclude"
)

func (tc *walkCase) run(t *testing.T) {
	t.Helper()
	dir := tree(t, tc.content)
	paths := []string{dir}
	if len(tc.paths) > 0 {
		paths = nil
	}
	for _, p := range tc.paths {
		paths = append(paths, filepath.Join(dir, p))
	}
	found, err := files.Walk(t.Context(), paths, tc.opts)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(t, found, dir), tc.want); diff != "" {
		t.Error("units: -got +want\n", diff)
	}
	want := tc.skipped
	if want == nil {
		want = make(map[string]int)
	}
	if diff := cmp.Diff(found.Skipped, want); diff != "" {
		t.Error("skipped: -got +want\n", diff)
	}
}

func TestWalkTellsKinds(t *testing.T) {
	t.Parallel()
	for _, tc := range []walkCase{
		{
			name:    "YAML and JSON are read in any letter case, other files are not",
			content: map[string]string{"a.yaml": "", "b.yml": "", "c.json": "", "D.YAML": "", "e.Yml": "", "f.txt": "", "g": "", "h.yaml.bak": ""},
			want:    []string{"manifest D.YAML", "manifest a.yaml", "manifest b.yml", "manifest c.json", "manifest e.Yml"},
		},
		{
			name:    "the files kubeadm writes are read without a telling extension",
			content: map[string]string{"admin.conf": "", "kubelet.conf": "", "nginx.conf": "", "dev.kubeconfig": ""},
			want:    []string{"manifest admin.conf", "manifest dev.kubeconfig", "manifest kubelet.conf"},
		},
		{
			name: "Dockerfiles are known by their usual names, what belongs to them is not taken for one",
			content: map[string]string{
				"Dockerfile": "", "a.Dockerfile": "", "Dockerfile.prod": "", "Containerfile": "", "Dockerfile.dockerignore": "", "dockerfile.go": "",
				"Dockerfile.yaml": "", "Dockerfile.md": "",
			},
			want: []string{"dockerfile Containerfile", "dockerfile Dockerfile", "dockerfile Dockerfile.prod", "manifest Dockerfile.yaml", "dockerfile a.Dockerfile"},
		},
		{
			name:    "a chart is one unit, and so is an archive of one",
			content: map[string]string{"shop/Chart.yaml": "", "shop/templates/a.yaml": "", "old.tgz": "", "z.yaml": ""},
			want:    []string{"chart old.tgz", "chart shop", "manifest z.yaml"},
		},
		{
			name:    "the files of a kustomization are listed beside it, for what it does not use",
			content: map[string]string{"k/kustomization.yaml": "", "k/a.yaml": "", "l/Kustomization": ""},
			want:    []string{"kustomization k", "manifest k/a.yaml", "manifest k/kustomization.yaml", "kustomization l"},
		},
		{
			name:    "a folder named Chart.yaml makes no chart",
			content: map[string]string{"Chart.yaml/a.yaml": "", "b.yaml": ""},
			want:    []string{"manifest Chart.yaml/a.yaml", "manifest b.yaml"},
		},
		{
			name:    "a link to nowhere makes no chart, so that the manifests beside it are read",
			content: map[string]string{"Chart.yaml": "->gone", "b.yaml": ""},
			want:    []string{"manifest b.yaml"}, skipped: map[string]int{toNowhere: 1},
		},
		{
			name:    "the program's own configuration is no manifest",
			content: map[string]string{".redoubt.yaml": "", "a.yaml": ""}, want: []string{"manifest a.yaml"},
		},
		{
			name:    "hidden folders are read, but for those of git and node",
			content: map[string]string{".github/a.yaml": "", ".git/b.yaml": "", "node_modules/c.yaml": "", ".d.yaml": ""},
			want:    []string{"manifest .d.yaml", "manifest .github/a.yaml"},
		},
		{
			name:    "a file that is named is read with any extension",
			content: map[string]string{"a.txt": "", "b": "", "c.tar.gz": "", "Dockerfile": ""}, paths: []string{"b", "a.txt", "c.tar.gz", "Dockerfile"},
			want: []string{"dockerfile Dockerfile", "manifest a.txt", "manifest b", "chart c.tar.gz"},
		},
		{
			name:    "a file that is named twice is read once",
			content: map[string]string{"a/b.yaml": ""}, paths: []string{"a/b.yaml", ".", "a", "a/../a/b.yaml"}, want: []string{"manifest a/b.yaml"},
		},
		{
			name:    "the order is that of the paths, whatever the order of the arguments",
			content: map[string]string{"b/1.yaml": "", "a/2.yaml": "", "a.yaml": "", "B.yaml": ""}, paths: []string{"b", "a", "a.yaml", "B.yaml"},
			want: []string{"manifest B.yaml", "manifest a.yaml", "manifest a/2.yaml", "manifest b/1.yaml"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(t)
		})
	}
}

func TestWalkHonoursGitignore(t *testing.T) {
	t.Parallel()
	for _, tc := range []walkCase{
		{
			name:    "patterns count in a work tree of git",
			content: map[string]string{".git/": "", ".gitignore": "# no\nb.yaml\n", "a.yaml": "", "b.yaml": "", "c/b.yaml": ""},
			want:    []string{"manifest a.yaml"}, skipped: map[string]int{ignored: 2},
		},
		{
			name:    "patterns count outside of git, too",
			content: map[string]string{".gitignore": "b.yaml", "a.yaml": "", "b.yaml": ""}, want: []string{"manifest a.yaml"}, skipped: map[string]int{ignored: 1},
		},
		{
			name:    "a pattern with a leading slash counts in its own folder only",
			content: map[string]string{".gitignore": "/b.yaml\r\n", "b.yaml": "", "c/b.yaml": ""}, want: []string{"manifest c/b.yaml"}, skipped: map[string]int{ignored: 1},
		},
		{
			name:    "a pattern for folders spares a file of that name",
			content: map[string]string{".gitignore": "out.yaml/\n", "out.yaml": "", "c/out.yaml/d.yaml": ""}, want: []string{"manifest out.yaml"}, skipped: map[string]int{ignored: 1},
		},
		{
			name:    "a later negation brings a file back",
			content: map[string]string{".gitignore": "*.yaml\n!keep.yaml\n", "a.yaml": "", "keep.yaml": ""}, want: []string{"manifest keep.yaml"}, skipped: map[string]int{ignored: 1},
		},
		{
			name:    "a negation does not bring back what lies in an ignored folder",
			content: map[string]string{".gitignore": "out/\n!out/keep.yaml\n", "out/keep.yaml": ""}, skipped: map[string]int{ignored: 1},
		},
		{
			name:    "a nested file adds to the outer one and overrules it",
			content: map[string]string{".gitignore": "a.yaml\n", "in/.gitignore": "!a.yaml\nb.yaml\n", "a.yaml": "", "b.yaml": "", "in/a.yaml": "", "in/b.yaml": ""},
			want:    []string{"manifest b.yaml", "manifest in/a.yaml"}, skipped: map[string]int{ignored: 2},
		},
		{
			name:    "patterns of one folder do not count in its sibling",
			content: map[string]string{"a/.gitignore": "*.yaml", "a/x.yaml": "", "b/x.yaml": ""}, want: []string{"manifest b/x.yaml"}, skipped: map[string]int{ignored: 1},
		},
		{
			name:    "two stars stand for any folders",
			content: map[string]string{".gitignore": "**/gen/*.yaml\n", "gen/a.yaml": "", "x/y/gen/b.yaml": "", "x/c.yaml": ""}, want: []string{"manifest x/c.yaml"}, skipped: map[string]int{ignored: 2},
		},
		{
			name:    "files above the named folder count up to the root of the work tree",
			content: map[string]string{".gitignore": "c.yaml", "repo/.git/": "", "repo/.gitignore": "b.yaml", "repo/k/a.yaml": "", "repo/k/b.yaml": "", "repo/k/c.yaml": ""},
			paths:   []string{"repo/k"}, want: []string{"manifest repo/k/a.yaml", "manifest repo/k/c.yaml"}, skipped: map[string]int{ignored: 1},
		},
		{
			name:    "a folder that is named is read although it is ignored",
			content: map[string]string{".git/": "", ".gitignore": "build/", "build/a.yaml": ""}, paths: []string{"build"}, want: []string{"manifest build/a.yaml"},
		},
		{
			name:    "a file that is named is read although it is ignored",
			content: map[string]string{".gitignore": "*.yaml", "a.yaml": ""}, paths: []string{"a.yaml"}, want: []string{"manifest a.yaml"},
		},
		{
			name:    "all is read when told so",
			content: map[string]string{".gitignore": "*.yaml", "in/.gitignore": "*", "in/a.yaml": ""}, opts: files.Options{NoGitignore: true}, want: []string{"manifest in/a.yaml"},
		},
		{
			name:    "a folder named .gitignore says nothing",
			content: map[string]string{".git/": "", ".gitignore/x.yaml": "", "k/a.yaml": ""}, paths: []string{"k"}, want: []string{"manifest k/a.yaml"},
		},
		{
			name:    "a line without end in a .gitignore does no harm",
			content: map[string]string{".gitignore": strings.Repeat("x", 100_000) + "\nb.yaml\n", "a.yaml": "", "b.yaml": ""}, want: []string{"manifest a.yaml"}, skipped: map[string]int{ignored: 1},
		},
		{
			name:    "excluded globs and folders are left alone",
			content: map[string]string{"a.yaml": ""}, opts: files.Options{Exclude: []string{"/*/nothing", "/"}}, skipped: map[string]int{ignored: 1},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(t)
		})
	}
}

func TestWalkFollowsLinksWithin(t *testing.T) {
	t.Parallel()
	for _, tc := range []walkCase{
		{
			name:    "links in a circle end",
			content: map[string]string{"a/loop": "->..", "a/self": "->.", "a/x.yaml": "", "b": "->c", "c": "->b"}, want: []string{"manifest a/x.yaml"}, skipped: map[string]int{toNowhere: 2},
		},
		{
			name:    "a link out of the folder is not followed",
			content: map[string]string{"in/up": "->../out", "in/file.yaml": "->../out/s.yaml", "in/a.yaml": "", "in/abs.yaml": "->/etc/hosts", "out/s.yaml": ""},
			paths:   []string{"in"}, want: []string{"manifest in/a.yaml"}, skipped: map[string]int{outOfFolder: 3},
		},
		{
			name:    "a folder whose name starts like the named one is outside",
			content: map[string]string{"in/up": "->../inside", "inside/s.yaml": "", "in/a.yaml": ""}, paths: []string{"in"}, want: []string{"manifest in/a.yaml"}, skipped: map[string]int{outOfFolder: 1},
		},
		{
			name:    "a link that is named is followed",
			content: map[string]string{"link": "->real", "real/a.yaml": "", "f.yaml": "->real/a.yaml"}, paths: []string{"link", "f.yaml"}, want: []string{"manifest f.yaml", "manifest link/a.yaml"},
		},
		{
			name:    "a file is read once however many links lead to it",
			content: map[string]string{"..data": "->..2024", "..2024/a.yaml": "", "a.yaml": "->..data/a.yaml", "b.yaml": "->a.yaml"}, want: []string{"manifest ..2024/a.yaml"},
		},
		{
			name:    "a link is read when nothing else leads to the file",
			content: map[string]string{"data": "", "a.yaml": "->data", "b.yaml": "->data"}, want: []string{"manifest a.yaml"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(t)
		})
	}
}

func TestExcludeIsByPath(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"vendor/a.yaml": "", "x/b.gen.yaml": "", "x/c.yaml": ""})
	found, err := files.Walk(t.Context(), []string{dir}, files.Options{Exclude: []string{dir + "/vendor", dir + "/x/*.gen.yaml"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(t, found, dir), []string{"manifest x/c.yaml"}); diff != "" {
		t.Error("-got +want\n", diff)
	}
	if _, err := files.Walk(t.Context(), []string{dir}, files.Options{Exclude: []string{"[a"}}); err == nil || !strings.Contains(err.Error(), `"[a"`) {
		t.Errorf("got error %v, want one that names the broken pattern", err)
	}
}

func TestFolderWithoutPermissionIsSaidAndTheRestRead(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may list every folder")
	}
	dir := tree(t, map[string]string{"a.yaml": "", "closed/b.yaml": ""})
	closed := filepath.Join(dir, "closed")
	if err := os.Chmod(closed, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(closed, 0o700) })
	found, err := files.Walk(t.Context(), []string{dir}, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(t, found, dir), []string{"manifest a.yaml"}); diff != "" {
		t.Error("-got +want\n", diff)
	}
	if diff := cmp.Diff(found.Unreadable, []files.Unreadable{{Path: filepath.ToSlash(closed), Why: "permission denied"}}); diff != "" {
		t.Error("-got +want\n", diff)
	}
	if _, err := files.Walk(t.Context(), []string{closed}, files.Options{}); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("got error %v for a folder that was named", err)
	}
}

func TestStandardInput(t *testing.T) {
	t.Parallel()
	found, err := files.Walk(t.Context(), []string{"-", "-"}, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(found.Units, []files.Unit{{Kind: files.Stdin, Path: "-", Named: true}}); diff != "" {
		t.Error("-got +want\n", diff)
	}
}

func TestWalkFails(t *testing.T) {
	t.Parallel()
	many := make(map[string]string)
	for i := range 30 {
		many[fmt.Sprintf("%02d.yaml", i)] = ""
	}
	for _, tc := range []struct {
		name    string
		content map[string]string
		path    string
		opts    files.Options
		want    string
	}{
		{"a path that is not there is named", nil, "gone.yaml", files.Options{}, "gone.yaml: no such file or folder"},
		{"a link in a circle is named", map[string]string{"a": "->a"}, "a", files.Options{}, "too many levels of symbolic links"},
		{"more files than allowed", many, ".", files.Options{MaxFiles: 20}, "more than 20 files"},
		{"folders nested without end", map[string]string{strings.Repeat("d/", 220) + "a.yaml": ""}, ".", files.Options{}, "nested deeper than 200"},
		{"a .gitignore of a size nobody writes", map[string]string{".gitignore": strings.Repeat("x\n", 10_001)}, ".", files.Options{}, ".gitignore: more than 10000 lines"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, tc.content)
			_, err := files.Walk(t.Context(), []string{filepath.Join(dir, tc.path)}, tc.opts)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestEveryMissingPathIsNamed(t *testing.T) {
	t.Parallel()
	_, err := files.Walk(t.Context(), []string{"gone-1", "", "gone-2"}, files.Options{})
	if err == nil {
		t.Fatal("no error")
	}
	want := "gone-1: no such file or folder\nan empty path was given; name a file or a folder\ngone-2: no such file or folder"
	if diff := cmp.Diff(err.Error(), want); diff != "" {
		t.Error("-got +want\n", diff)
	}
}

func TestWalkEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := files.Walk(ctx, []string{tree(t, nil)}, files.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

func TestUnreadableFolderIsNamed(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root reads everything")
	}
	dir := tree(t, map[string]string{"secret/a.yaml": ""})
	if err := os.Chmod(filepath.Join(dir, "secret"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(filepath.Join(dir, "secret"), 0o750); err != nil {
			t.Error(err)
		}
	})
	if _, err := files.Walk(t.Context(), []string{dir}, files.Options{}); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("got error %v, want one that names the folder", err)
	}
}
