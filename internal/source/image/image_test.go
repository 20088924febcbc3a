package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/source/image"
)

type object = map[string]any

// layout is an OCI layout in the making: files by name.
type layout map[string][]byte

// blob adds a blob and returns its descriptor.
func (l layout) blob(content []byte) object {
	sum := sha256.Sum256(content)
	digest := hex.EncodeToString(sum[:])
	l["blobs/sha256/"+digest] = content
	return object{"digest": "sha256:" + digest, "size": len(content)}
}

// document is the JSON of what can always be written as such.
func document(v any) []byte {
	text, _ := json.Marshal(v) //nolint:errchkjson // maps and lists of strings
	return text
}

// image adds an image that runs as a user.
func (l layout) image(user string, volumes []string, layers ...[]byte) object {
	folders := make(object)
	for _, v := range volumes {
		folders[v] = make(object)
	}
	config := object{"User": user, "Volumes": folders}
	all := make([]object, len(layers))
	for i, content := range layers {
		all[i] = l.blob(content)
	}
	return l.blob(document(object{"config": l.blob(document(object{"config": config})), "layers": all}))
}

func (l layout) index(manifests ...object) {
	l["index.json"] = document(object{"manifests": manifests})
}

// folder writes the layout.
func (l layout) folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range l {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (l layout) archive(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(file, packed(t, l), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func packed(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func named(d object, name string) object {
	out := maps.Clone(d)
	out["annotations"] = object{"org.opencontainers.image.ref.name": name}
	return out
}

func TestLayoutSaysUserAndFolders(t *testing.T) {
	t.Parallel()
	l := make(layout)
	d := l.image("10001:10001", []string{"/data", "/var/cache/../lib", "relative", "/"})
	l.index(named(d, "registry.example.com/shop/web:1.2"))
	digest, _ := d["digest"].(string)
	want := []image.Image{{
		Names: []string{
			"registry.example.com/shop/web:1.2", "registry.example.com/shop/web:1.2@" + digest, "registry.example.com/shop/web@" + digest,
		},
		Digest: digest, User: 10001, Folders: []string{"/data", "/var/lib"},
	}}
	for form, path := range map[string]string{"folder": l.folder(t), "archive": l.archive(t)} {
		got, err := image.Read(path)
		if err != nil {
			t.Fatal(form, err)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("%s: -got +want\n%s", form, diff)
		}
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	passwd := func(text string) []byte { return packed(t, map[string][]byte{"etc/passwd": []byte(text)}) }
	for name, tc := range map[string]struct {
		user   string
		layers [][]byte
		want   int64
	}{
		"no user is root":                           {user: "", want: 0},
		"a number":                                  {user: "65532", want: 65532},
		"a number with a group":                     {user: "10:0", want: 10},
		"the name of root":                          {user: "root:root", want: 0},
		"a name without a layer is not known":       {user: "app", want: image.NoUser},
		"a name is looked up":                       {user: "app", layers: [][]byte{passwd("root:x:0:0::/:/bin/sh\napp:x:999:999::/:/bin/sh\n")}, want: 999},
		"a name with a group is, too":               {user: "app:app", layers: [][]byte{passwd("app:x:999:999::/:\n")}, want: 999},
		"a layer that is compressed":                {user: "app", layers: [][]byte{zipped(t, passwd("app:x:7:7::/:\n"))}, want: 7},
		"the uppermost layer with the file counts":  {user: "app", layers: [][]byte{passwd("app:x:1:1::/:\n"), passwd("app:x:2:2::/:\n"), packed(t, map[string][]byte{"x": nil})}, want: 2},
		"a name that is not in the file":            {user: "app", layers: [][]byte{passwd("app:x:1:1::/:\n"), passwd("other:x:2:2::/:\n")}, want: image.NoUser},
		"a layer that can't be read hides the file": {user: "app", layers: [][]byte{passwd("app:x:1:1::/:\n"), []byte(strings.Repeat("no archive", 100))}, want: image.NoUser},
		"a file that was taken out":                 {user: "app", layers: [][]byte{passwd("app:x:1:1::/:\n"), packed(t, map[string][]byte{"etc/.wh.passwd": nil})}, want: image.NoUser},
		"a number that is none":                     {user: "app", layers: [][]byte{passwd("app:x:many:1::/:\n")}, want: image.NoUser},
		"a number that is negative":                 {user: "-7", want: image.NoUser},
		"a number that is too large is a name":      {user: "99999999999", want: image.NoUser},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := make(layout)
			l.index(l.image(tc.user, nil, tc.layers...))
			got, err := image.Read(l.folder(t))
			if err != nil {
				t.Fatal(err)
			}
			if got[0].User != tc.want {
				t.Errorf("got user %d, want %d", got[0].User, tc.want)
			}
		})
	}
}

func TestPlatformsHaveToAgree(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		users []string
		want  int64
	}{
		"they do":      {[]string{"5", "5"}, 5},
		"they do not":  {[]string{"5", "6"}, image.NoUser},
		"there is one": {[]string{"5"}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := make(layout)
			var all []object
			for _, u := range tc.users {
				all = append(all, l.image(u, []string{"/" + u}))
			}
			attestation := l.image("0", nil)
			attestation["annotations"] = object{"vnd.docker.reference.type": "attestation-manifest"}
			absent := object{"digest": "sha256:" + strings.Repeat("0", 64)}
			l.index(l.blob(document(object{"manifests": append(all, attestation, absent)})))
			got, err := image.Read(l.folder(t))
			if err != nil {
				t.Fatal(err)
			}
			if got[0].User != tc.want {
				t.Errorf("got user %d, want %d", got[0].User, tc.want)
			}
		})
	}
}

func TestArchiveOfDockerSave(t *testing.T) {
	t.Parallel()
	l := layout{
		"abc.json":      document(object{"config": object{"User": "app"}}),
		"def/layer.tar": packed(t, map[string][]byte{"etc/passwd": []byte("app:x:70:70::/:\n")}),
		"manifest.json": document([]object{{"Config": "abc.json", "RepoTags": []string{"redis:latest"}, "Layers": []string{"def/layer.tar"}}}),
	}
	got, err := image.Read(l.archive(t))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, []image.Image{{Names: []string{"redis", "redis:latest"}, User: 70}}); diff != "" {
		t.Error("-got +want\n", diff)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]string{
		"docker.io/library/redis:7": {"docker.io/library/redis:7", "library/redis:7", "redis:7"},
		"localhost:5000/web":        {"localhost:5000/web", "localhost:5000/web:latest"},
		"latest":                    nil,
		"":                          nil,
		"a/*:1":                     nil,
		"a/b:1\x1b[2J":              nil,
	} {
		if diff := cmp.Diff(image.Names(name, ""), want); diff != "" {
			t.Errorf("%q: -got +want\n%s", name, diff)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	whole := func() layout {
		l := make(layout)
		l.index(l.image("1", nil))
		return l
	}
	damaged := whole()
	for name := range damaged {
		if name != "index.json" {
			damaged[name] = append(damaged[name], ' ')
		}
	}
	large := whole()
	large["index.json"] = append(bytes.Repeat([]byte(" "), 5<<20), large["index.json"]...)
	nested := make(layout)
	d := nested.image("1", nil)
	for range 9 {
		d = nested.blob(document(object{"manifests": []object{d}}))
	}
	nested.index(d)
	climbing := make(layout)
	climbing.index(object{"digest": "sha256:../../../etc/passwd"})
	for name, tc := range map[string]struct {
		path, want string
	}{
		"nothing there":           {filepath.Join(t.TempDir(), "none"), "no such file"},
		"an empty folder":         {t.TempDir(), "neither index.json nor manifest.json"},
		"an empty index":          {layout{"index.json": []byte("{}")}.folder(t), "names no image"},
		"a damaged blob":          {damaged.folder(t), "damaged"},
		"a document too large":    {large.folder(t), "larger than 4 MiB"},
		"indexes in indexes":      {nested.folder(t), "nested deeper"},
		"a digest that is a path": {climbing.folder(t), "want sha256:"},
		"a compressed archive":    {layoutFile(t, zipped(t, packed(t, whole()))), "must not be compressed"},
		"no JSON":                 {layout{"index.json": []byte("<")}.folder(t), "index.json: invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := image.Read(tc.path); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func layoutFile(t *testing.T, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.tar.gz")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestLinksOutOfALayoutAreNotFollowed(t *testing.T) {
	t.Parallel()
	l := make(layout)
	l.index(l.image("1", nil))
	dir, outside := l.folder(t), filepath.Join(t.TempDir(), "index.json")
	if err := os.Rename(filepath.Join(dir, "index.json"), outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "index.json")); err != nil {
		t.Fatal(err)
	}
	if got, err := image.Read(dir); err == nil {
		t.Errorf("got %v of a file outside", got)
	}
}

func FuzzArchive(f *testing.F) {
	f.Add([]byte("{}"), []byte("[]"))
	f.Add([]byte(`{"manifests": [{"digest": "sha256:0"}]}`), []byte(`[{"Config": "index.json", "RepoTags": ["a:b"], "Layers": ["index.json"]}]`))
	f.Fuzz(func(t *testing.T, index, manifest []byte) {
		for _, l := range []layout{{"index.json": index}, {"manifest.json": manifest, "index.json.x": index}} {
			images, err := image.Read(l.archive(t))
			if err != nil {
				continue
			}
			for _, img := range images {
				for _, name := range img.Names {
					if strings.ContainsAny(name, "*?[\\") {
						t.Errorf("name %q is a glob", name)
					}
				}
			}
		}
	})
}
