package kustomize_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/kustomize"
)

// tree writes the files of a txtar text.
func tree(t *testing.T, text string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range txtar.Parse([]byte(text)).Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func build(t *testing.T, dir string) (*inventory.Inventory, []string) {
	t.Helper()
	s := &kustomize.Source{Path: dir, Limits: decode.DefaultLimits()}
	inv, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	inv.Seal()
	var used []string
	for file := range s.Used() {
		used = append(used, file)
	}
	slices.Sort(used)
	return inv, used
}

const pod = `apiVersion: v1
kind: Pod
metadata:
  name: a
spec:
  hostPID: true
  containers:
  - name: c
    image: x:1
`

// below is a slash path relative to the root of the tree.
func below(t *testing.T, root, path string) string {
	t.Helper()
	rel, err := filepath.Rel(root, filepath.FromSlash(path))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(rel)
}

func TestFieldsPointToTheResourceFile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, text string
		paths      []string
		want       []string
	}{
		{
			"a base", "-- k/kustomization.yaml --\nresources: [a.yaml]\n-- k/a.yaml --\n# c\n" + pod,
			[]string{"metadata.name", "spec.hostPID"},
			[]string{"Pod/a metadata.name=a k/a.yaml:5", "Pod/a spec.hostPID=true k/a.yaml:7"},
		},
		{
			"an overlay on a base beside it", "-- base/kustomization.yaml --\nresources: [a.yaml]\n-- base/a.yaml --\n" + pod + "-- k/kustomization.yaml --\nresources: [../base]\n",
			[]string{"spec.hostPID"},
			[]string{"Pod/a spec.hostPID=true base/a.yaml:6"},
		},
		{
			"a second object of a file", "-- k/kustomization.yaml --\nresources: [a.yaml]\n-- k/a.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: z}\n---\n" + pod,
			[]string{"spec.hostPID"},
			[]string{"Pod/a spec.hostPID=true k/a.yaml:10"},
		},
		{
			"a prefix, a suffix and a namespace", "-- k/kustomization.yaml --\nnamePrefix: p-\nnameSuffix: -s\nnamespace: ns\nresources: [a.yaml]\n-- k/a.yaml --\n" + pod,
			[]string{"metadata.name", "spec.hostPID"},
			[]string{"ns/Pod/p-a-s metadata.name=p-a-s k/a.yaml:4", "ns/Pod/p-a-s spec.hostPID=true k/a.yaml:6"},
		},
		{
			"what a patch adds points to the parent in the resource file",
			"-- k/kustomization.yaml --\nresources: [a.yaml]\npatches:\n- path: p.yaml\n-- k/p.yaml --\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  hostPID: false\n  hostIPC: true\n-- k/a.yaml --\n" + pod,
			[]string{"spec.hostPID", "spec.hostIPC"},
			[]string{"Pod/a spec.hostPID=false k/a.yaml:6", "Pod/a spec.hostIPC=true k/a.yaml:5"},
		},
		{
			"a patch in place", "-- k/kustomization.yaml --\nresources: [a.yaml]\npatches:\n- target: {kind: Pod}\n  patch: |\n    - {op: replace, path: /spec/hostPID, value: false}\n-- k/a.yaml --\n" + pod,
			[]string{"spec.hostPID"},
			[]string{"Pod/a spec.hostPID=false k/a.yaml:6"},
		},
		{
			"an image that is replaced", "-- k/kustomization.yaml --\nresources: [a.yaml]\nimages: [{name: x, newName: registry.example.com/y, newTag: \"2\"}]\n-- k/a.yaml --\n" + pod,
			[]string{"spec.containers[0].image"},
			[]string{"Pod/a spec.containers[0].image=registry.example.com/y:2 k/a.yaml:9"},
		},
		{
			"a component", "-- k/kustomization.yaml --\nresources: [a.yaml]\ncomponents: [../c]\n-- k/a.yaml --\n" + pod +
				"-- c/kustomization.yaml --\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n- target: {kind: Pod}\n  patch: '[{\"op\": \"remove\", \"path\": \"/spec/hostPID\"}]'\n",
			[]string{"spec.hostPID", "metadata.name"},
			[]string{"Pod/a metadata.name=a k/a.yaml:4"},
		},
		{
			"a transformer of Kustomize's own", "-- k/kustomization.yaml --\nresources: [a.yaml]\ntransformers: [t.yaml]\n-- k/a.yaml --\n" + pod +
				"-- k/t.yaml --\napiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t, annotations: {see: https://example.com}}\ntarget: {kind: Pod}\npatch: '[{\"op\": \"replace\", \"path\": \"/spec/hostPID\", \"value\": false}]'\n",
			[]string{"spec.hostPID"},
			[]string{"Pod/a spec.hostPID=false k/a.yaml:6"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := tree(t, tc.text)
			inv, _ := build(t, filepath.Join(dir, "k"))
			var got []string
			for _, g := range inv.Gaps {
				got = append(got, "gap "+g.Why)
			}
			for _, o := range inv.Objects {
				for _, p := range tc.paths {
					if n, exact := o.Root.Nearest(p); exact {
						got = append(got, fmt.Sprintf("%s %s=%s %s:%d", o.Ref(), p, n.Text, below(t, dir, o.Origin.File), n.Line))
					}
				}
			}
			got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "Pod/z") })
			if diff := cmp.Diff(got, tc.want); diff != "" {
				t.Error("-got +want\n", diff)
			}
		})
	}
}

func TestGeneratedObjects(t *testing.T) {
	t.Parallel()
	dir := tree(t, "-- kustomization.yaml --\n\nconfigMapGenerator:\n- name: c\n  files: [f.txt]\n  literals: [url=https://example.com/x.git]\n-- f.txt --\nhello\n")
	inv, used := build(t, dir)
	if len(inv.Objects) != 1 || len(inv.Gaps) != 0 {
		t.Fatalf("%d objects, gaps %v; want one object", len(inv.Objects), inv.Gaps)
	}
	o := inv.Objects[0]
	got := []string{o.Kind, o.Root.Find("data", "f.txt").Str(), o.Root.Find("data", "url").Str(), below(t, dir, o.Origin.File)}
	if diff := cmp.Diff(got, []string{"ConfigMap", "hello\n", "https://example.com/x.git", "kustomization.yaml"}); diff != "" {
		t.Error("-got +want\n", diff)
	}
	if o.Annotations() != nil {
		t.Errorf("annotations %s, want those of the input only", o.Annotations().JSON())
	}
	if diff := cmp.Diff(used, []string{dir + "/f.txt", dir + "/kustomization.yaml"}); diff != "" {
		t.Error("used: -got +want\n", diff)
	}
}

type refusal struct {
	name, text string
	// place is the file and line of the only gap, want words of it.
	place, want string
}

func (tc *refusal) run(t *testing.T) {
	t.Helper()
	dir := tree(t, tc.text)
	inv, _ := build(t, filepath.Join(dir, "k"))
	if len(inv.Gaps) != 1 {
		t.Fatalf("%d gaps %v and %d objects, want one gap", len(inv.Gaps), inv.Gaps, len(inv.Objects))
	}
	g := inv.Gaps[0]
	if got := fmt.Sprintf("%s:%d", below(t, dir, g.File), g.Line); got != tc.place {
		t.Errorf("the gap is at %s, want %s: %s", got, tc.place, g.Why)
	}
	if !g.Broken || !strings.Contains(g.Why, tc.want) {
		t.Errorf("the gap is %t %q, want broken with %q", g.Broken, g.Why, tc.want)
	}
	if len(inv.Objects) != 0 {
		t.Errorf("%d objects, want none", len(inv.Objects))
	}
}

func TestNothingIsFetchedNorRun(t *testing.T) {
	t.Parallel()
	const head = "-- k/a.yaml --\n" + pod + "-- k/kustomization.yaml --\nresources:\n- a.yaml\n"
	const fetched = "nothing is fetched"
	for _, tc := range []refusal{
		{"a repository over HTTPS", head + "- https://github.com/a/b//c?ref=v1\n", "k/kustomization.yaml:3", fetched},
		{"a repository without a scheme", head + "- github.com/a/b\n", "k/kustomization.yaml:3", fetched},
		{"a repository over SSH", head + "- git@example.com:a/b.git\n", "k/kustomization.yaml:3", fetched},
		{"a repository of any user and host", head + "- me@example.com:a/b\n", "k/kustomization.yaml:3", fetched},
		{"a repository with a forced protocol", head + "- git::SSH://example.com/a/b\n", "k/kustomization.yaml:3", fetched},
		{"a repository on this machine", head + "- file:///srv/repo\n", "k/kustomization.yaml:3", fetched},
		{"a file over HTTP, in capitals", head + "- HTTP://example.com/a.yaml\n", "k/kustomization.yaml:3", fetched},
		{"a remote component", head + "components:\n- https://example.com/a/b\n", "k/kustomization.yaml:4", fetched},
		{"a remote patch", head + "patches:\n- path: https://example.com/p.yaml\n", "k/kustomization.yaml:4", fetched},
		{"a remote file for a ConfigMap", head + "configMapGenerator:\n- name: x\n  files:\n  - a=https://example.com/f\n", "k/kustomization.yaml:6", fetched},
		{"a remote environment file", head + "secretGenerator:\n- name: x\n  envs: [\"https://example.com/f\"]\n", "k/kustomization.yaml:5", fetched},
		{"a remote schema", head + "openapi:\n  path: https://example.com/s.json\n", "k/kustomization.yaml:4", fetched},
		{"a remote definition", head + "crds: ['https://example.com/s.json']\n", "k/kustomization.yaml:3", fetched},
		{"a remote replacement", head + "replacements: [{path: 'https://example.com/s.yaml'}]\n", "k/kustomization.yaml:3", fetched},
		{"a reference behind an alias", head + "namePrefix: &x https://example.com/a\ncomponents: [*x]\n", "k/kustomization.yaml:3", fetched},
		{"a reference that is spelled with escapes", head + "crds: [\"\\x68ttps://example.com/s.json\"]\n", "k/kustomization.yaml:3", fetched},
		{"a remote reference in a base", "-- k/kustomization.yaml --\nresources: [../b]\n-- b/kustomization.yaml --\n\nresources: ['https://example.com/a.yaml']\n", "b/kustomization.yaml:2", fetched},
		{
			"a remote reference in a transformer's file", head + "transformers: [t.yaml]\n-- k/t.yaml --\napiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\npath: https://example.com/p\n",
			"k/t.yaml:4", fetched,
		},
		{
			"a remote reference in a generator's second document",
			head + "generators: [t.yaml]\n-- k/t.yaml --\nkind: x\n---\napiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: t}\nfiles: [\"a=https://example.com/p\"]\n",
			"k/t.yaml:6", fetched,
		},
		{
			"a remote reference in a transformer in place", head + "transformers:\n- |\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: t}\n  path: https://example.com/p\n",
			"k/kustomization.yaml:4", fetched,
		},
		{"a transformer from a folder", head + "transformers: [../t]\n-- t/kustomization.yaml --\nresources: [t.yaml]\n", "k/kustomization.yaml:3", "plugins from folder ../t"},
		{"a chart", head + "helmCharts:\n- {name: x, repo: 'https://example.com'}\n", "k/kustomization.yaml:3", "would run helm"},
		{"a chart, the old way", head + "helmChartInflationGenerator:\n- {chartName: x}\n", "k/kustomization.yaml:3", "would run helm"},
		{
			"a program as a plugin",
			head + "generators: [g.yaml]\n-- k/g.yaml --\napiVersion: v1\nkind: G\nmetadata:\n  name: g\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: /bin/true}\n", "k:0", "",
		},
		{
			"a container as a plugin",
			head + "transformers: [g.yaml]\n-- k/g.yaml --\napiVersion: v1\nkind: G\nmetadata:\n  name: g\n  annotations:\n    config.kubernetes.io/function: |\n      container: {image: x}\n", "k:0", "",
		},
		{"a plugin of the old kind", head + "generators: [g.yaml]\n-- k/g.yaml --\napiVersion: someteam.example.com/v1\nkind: ChartInflator\nmetadata: {name: g}\n", "k:0", "plugins"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(t)
		})
	}
}

func TestNoRequestIsMade(t *testing.T) {
	t.Parallel()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		fmt.Fprint(w, pod) //nolint:errcheck // a test that fails shows it
	}))
	t.Cleanup(server.Close)
	for _, fields := range []string{
		"resources: [URL]", "patches: [{path: URL}]", "openapi: {path: URL}", "crds: [URL]", "configurations: [URL]", "configMapGenerator: [{name: x, files: [URL]}]",
		"replacements: [{path: URL}]", "transformers: [URL]", "generators: [URL]", "validators: [URL]", "patchesStrategicMerge: [URL]", "patchesJson6902: [{path: URL}]",
		"bases: [URL]", "resources: [a.yaml]\ntransformers: [\"{apiVersion: builtin, kind: PatchTransformer, metadata: {name: t}, path: URL}\"]",
		"resources: [a.yaml]\nvalidators: [\"{apiVersion: builtin, kind: PatchTransformer, metadata: {name: t}, path: URL}\"]",
	} {
		dir := tree(t, "-- a.yaml --\n"+pod+"-- kustomization.yaml --\n"+strings.ReplaceAll(fields, "URL", server.URL+"/x")+"\n")
		inv, _ := build(t, dir)
		if n := calls.Swap(0); n != 0 || len(inv.Gaps) != 1 {
			t.Errorf("%s: %d requests and %d gaps, want no request and a gap", fields, n, len(inv.Gaps))
		}
	}
}

func TestFilesOutsideOfTheKustomizationAreRefused(t *testing.T) {
	t.Parallel()
	for _, tc := range []refusal{
		{"a resource file", "-- a.yaml --\n" + pod + "-- k/kustomization.yaml --\nresources: [../a.yaml]\n", "k:0", "security; file"},
		{"a file for a ConfigMap", "-- secret --\nx\n-- k/kustomization.yaml --\nconfigMapGenerator: [{name: x, files: [../secret]}]\n", "k:0", "security; file"},
		{"an absolute path", "-- k/kustomization.yaml --\nsecretGenerator: [{name: x, files: [/etc/hosts]}]\n", "k:0", "security; file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(t)
		})
	}
	t.Run("a link", func(t *testing.T) {
		t.Parallel()
		dir := tree(t, "-- secret --\nx\n-- k/kustomization.yaml --\nconfigMapGenerator: [{name: x, files: [link]}]\n")
		if err := os.Symlink("../secret", filepath.Join(dir, "k", "link")); err != nil {
			t.Fatal(err)
		}
		inv, used := build(t, filepath.Join(dir, "k"))
		if len(inv.Gaps) != 1 || !strings.Contains(inv.Gaps[0].Why, "security; file") {
			t.Errorf("gaps %v, want one about the file outside", inv.Gaps)
		}
		if slices.ContainsFunc(used, func(f string) bool { return strings.HasSuffix(f, "secret") }) {
			t.Errorf("the build read %v", used)
		}
	})
}

func TestBrokenKustomizations(t *testing.T) {
	t.Parallel()
	var deep strings.Builder
	for i := range 16 { // each builds twice on the next: 65536 in all
		fmt.Fprintf(&deep, "-- k%d/kustomization.yaml --\nresources: [a, b]\n-- k%d/a/kustomization.yaml --\nnamePrefix: a\nresources: [../../k%d]\n-- k%d/b/kustomization.yaml --\nnamePrefix: b\nresources: [../../k%d]\n", i, i, i+1, i, i+1)
	}
	for _, tc := range []refusal{
		{"no YAML", "-- k/kustomization.yaml --\nresources:\n- a.yaml\n  b: [\n", "k/kustomization.yaml:3", "invalid kustomization"},
		{"no YAML in a base", "-- k/kustomization.yaml --\nresources: [../b]\n-- b/kustomization.yaml --\n\n\nresources: [\n", "b/kustomization.yaml:3", "invalid kustomization"},
		{"an unknown field", "-- k/kustomization.yaml --\nnamePrefix: x\nresource: [a.yaml]\n", "k/kustomization.yaml:2", "resource"},
		{"a field of the wrong type", "-- k/kustomization.yaml --\nnamePrefix: x\nresources: a.yaml\n", "k/kustomization.yaml:2", "resources"},
		{"a resource that is not there", "-- k/kustomization.yaml --\nresources: [gone.yaml]\n", "k/kustomization.yaml:1", "gone.yaml"},
		{"an empty file", "-- k/kustomization.yaml --\n", "k:0", "empty"},
		{"two files", "-- k/kustomization.yaml --\nnamePrefix: x\n-- k/kustomization.yml --\nnamePrefix: x\n", "k:0", "multiple kustomization files"},
		{"a circle", "-- k/kustomization.yaml --\nresources: [../l]\n-- l/kustomization.yaml --\nresources: [../k]\n", "k:0", "cycle"},
		{"builds on builds that grow without end", deep.String() + "-- k16/kustomization.yaml --\nresources: [a.yaml]\n-- k16/a.yaml --\n" + pod + "-- k/kustomization.yaml --\nresources: [../k0]\n", "k16/kustomization.yaml:0", "more than 200 times"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(t)
		})
	}
}

func TestAFileOfManyObjectsIsReadOnce(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("-- kustomization.yaml --\nresources: [a.yaml]\n-- a.yaml --\n")
	for i := range 600 { // more often than a build may read a file
		fmt.Fprintf(&text, "---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: s%d\n", i)
	}
	inv, _ := build(t, tree(t, text.String()))
	if len(inv.Objects) != 600 || len(inv.Gaps) != 0 {
		t.Fatalf("%d objects and gaps %v, want 600 objects", len(inv.Objects), inv.Gaps)
	}
	for i, o := range inv.Objects {
		if want := int32(5*i + 5); o.Root.Find("metadata", "name").Line != want {
			t.Errorf("%s is on line %d, want %d", o.Name, o.Root.Find("metadata", "name").Line, want)
		}
	}
}

func TestReadFileTellsWhatIsPartOfObjects(t *testing.T) {
	t.Parallel()
	dir := tree(t, "-- Kustomization --\nkind: Component\nresources: [a.yaml]\npatches: [{path: p.yaml}, {patch: x}]\npatchesStrategicMerge: [q.yaml]\npatchesJson6902: [{path: r.yaml}]\nreplacements: [{path: s.yaml}]\n")
	f, name, err := kustomize.ReadFile(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	got := append([]string{f.Kind, filepath.Base(name)}, f.Partial()...)
	if diff := cmp.Diff(got, []string{"Component", "Kustomization", "q.yaml", "p.yaml", "r.yaml", "s.yaml"}); diff != "" {
		t.Error("-got +want\n", diff)
	}
	if _, name, err := kustomize.ReadFile(filesys.MakeFsOnDisk(), t.TempDir()); name != "" || err != nil {
		t.Errorf("got %q, %v for an empty folder, want nothing", name, err)
	}
}
