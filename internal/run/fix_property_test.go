package run_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/gen"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/run"
	"github.com/redoubt-k8s/redoubt/internal/source/helm"
	"github.com/redoubt-k8s/redoubt/internal/source/kustomize"
)

// built is a set of charts and kustomizations in a folder.
type built struct {
	dir string
	// charts and overlays are those that are fixed.
	charts, overlays []string
	values           []string
	// found is set for input that was not made for the test: there may be nothing
	// to fix in some of it.
	found bool
}

// starter writes the chart that helm create starts everybody with.
func starter(t *testing.T, dir, name string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	at, err := chartutil.Create(name, dir)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// put writes a file, making its folder.
func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// based writes a base of generated manifests and overlays of it.
func based(t *testing.T, dir string) {
	t.Helper()
	var names []string
	for i, text := range gen.Manifests(24, gen.Options{Seed: 5}) {
		if strings.Contains(text, "kind: Rollout") {
			continue // lists of such can't be merged
		}
		names = append(names, fmt.Sprintf("m%02d.yaml", i))
		put(t, filepath.Join(dir, "base", names[len(names)-1]), text)
	}
	put(t, filepath.Join(dir, "base", "kustomization.yaml"), "resources:\n- "+strings.Join(names, "\n- ")+"\n")
	put(t, filepath.Join(dir, "overlays", "prod", "kustomization.yaml"), "# production\nresources:\n  - ../../base\nnamePrefix: prod-\n")
	put(t, filepath.Join(dir, "overlays", "dev", "kustomization.yaml"), "resources: [../../base]\nnameSuffix: -dev\npatches:\n- target: {kind: Deployment}\n  patch: |\n    - {op: replace, path: /spec/replicas, value: 1}\n")
}

var builds = map[string]func(t *testing.T) built{
	"the chart that helm create makes": func(t *testing.T) built {
		t.Helper()
		dir := t.TempDir()
		return built{dir: dir, charts: []string{starter(t, dir, "web")}}
	},
	"a chart with a subchart": func(t *testing.T) built {
		t.Helper()
		dir := t.TempDir()
		at := starter(t, dir, "web")
		starter(t, filepath.Join(at, "charts"), "db")
		return built{dir: dir, charts: []string{at}}
	},
	"a chart with values of its own": func(t *testing.T) built {
		t.Helper()
		dir := t.TempDir()
		at := starter(t, dir, "web")
		prod := filepath.Join(dir, "prod.yaml")
		put(t, prod, "# production\nsecurityContext:\n  runAsUser: 1000 # app\nimage: {pullPolicy: Never}\n")
		return built{dir: dir, charts: []string{at}, values: []string{prod}}
	},
	"a chart of plain manifests": func(t *testing.T) built {
		t.Helper()
		dir := t.TempDir()
		at := filepath.Join(dir, "plain")
		put(t, filepath.Join(at, "Chart.yaml"), "apiVersion: v2\nname: plain\nversion: 1.0.0\n")
		put(t, filepath.Join(at, "values.yaml"), "unused: true\n")
		for i, text := range gen.Manifests(16, gen.Options{Seed: 6}) {
			put(t, filepath.Join(at, "templates", fmt.Sprintf("m%02d.yaml", i)), text)
		}
		return built{dir: dir, charts: []string{at}}
	},
	"two overlays of one base": func(t *testing.T) built {
		t.Helper()
		dir := t.TempDir()
		based(t, dir)
		return built{dir: dir, overlays: []string{filepath.Join(dir, "overlays", "dev"), filepath.Join(dir, "overlays", "prod")}}
	},
}

// TestFixingWhatIsBuiltKeepsItsPromises fixes charts and kustomizations: only
// values and overlays change, objects change where an edit says so, what is
// left to a post-renderer does what it says, and a second run has nothing to do.
func TestFixingWhatIsBuiltKeepsItsPromises(t *testing.T) {
	t.Parallel()
	for name, build := range builds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keepsPromises(t, build(t))
		})
	}
	if *corpus == "" {
		return
	}
	t.Run("corpus", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(*corpus)); err != nil {
			t.Fatal(err)
		}
		keepsPromises(t, found(t, dir))
	})
}

// found are the charts and the kustomizations that can be built.
func found(t *testing.T, dir string) built {
	t.Helper()
	b := built{dir: dir, found: true}
	err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		folder := filepath.Dir(name)
		switch filepath.Base(name) {
		case "Chart.yaml":
			inv, bad := (&helm.Source{Path: filepath.ToSlash(folder), Limits: decode.DefaultLimits()}).Read(t.Context())
			if bad == nil && len(inv.Gaps) == 0 {
				b.charts = append(b.charts, folder)
			} else {
				t.Logf("%s can't be rendered as it is: %v", folder, inv.Gaps)
			}
		case "kustomization.yaml":
			inv, bad := (&kustomize.Source{Path: filepath.ToSlash(folder), Limits: decode.DefaultLimits()}).Read(t.Context())
			if text, err := os.ReadFile(name); err == nil && bad == nil && len(inv.Gaps) == 0 && !bytes.Contains(text, []byte("kind: Component")) {
				b.overlays = append(b.overlays, folder)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keepsPromises(t *testing.T, b built) {
	t.Helper()
	for _, dir := range slices.Concat(b.charts, b.overlays) {
		set := func(o *run.FixOptions) {
			o.Safety, o.Helm.ValueFiles = control.Review, b.values
			o.Selection = catalogue.Selection{}
		}
		before, texts := b.objects(t, dir), files(t, b.dir)
		res := fixTree(t, dir, nil, set)
		if err := res.Write(); err != nil {
			t.Fatal(err)
		}
		after, now := b.objects(t, dir), files(t, b.dir)
		t.Logf("%s: %d objects, %d edits, %d patches, findings from %d to %d, %d refused", filepath.Base(dir), len(before), len(res.Edits), len(res.Patches), res.Before, res.After, len(res.Refused))
		if !b.found && len(res.Edits)+len(res.Patches) == 0 || res.After > res.Before {
			t.Errorf("%s: %d edits and %d patches take findings from %d to %d", dir, len(res.Edits), len(res.Patches), res.Before, res.After)
		}
		onlyInputsChange(t, texts, now, res)
		saidOfObjects(t, before, after, res)
		again := fixTree(t, dir, nil, set)
		if len(again.Edits) > 0 || again.Before != res.After || len(again.Patches) != len(res.Patches) {
			t.Errorf("%s: the second run finds %d, not %d, has %d patches, not %d, and edits %v", dir, again.Before, res.After, len(again.Patches), len(res.Patches), again.Edits)
		}
		if len(res.Patches) > 0 {
			postRendered(t, res, after)
		}
	}
}

// objects builds a chart or kustomization.
func (b *built) objects(t *testing.T, dir string) map[string]*inventory.Object {
	t.Helper()
	var inv *inventory.Inventory
	var err error
	if slices.Contains(b.charts, dir) {
		inv, err = (&helm.Source{Path: filepath.ToSlash(dir), ValueFiles: b.values, Limits: decode.DefaultLimits()}).Read(t.Context())
	} else {
		inv, err = (&kustomize.Source{Path: filepath.ToSlash(dir), Limits: decode.DefaultLimits()}).Read(t.Context())
	}
	if err != nil || len(inv.Gaps) > 0 {
		t.Fatal(err, inv.Gaps)
	}
	out := make(map[string]*inventory.Object)
	for _, o := range inv.Objects {
		out[o.APIVersion+" "+o.Ref()] = o
	}
	return out
}

// files are the texts below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			out[filepath.ToSlash(name)] = content(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// onlyInputsChange wants the announced texts and no others to change, and these
// to be values, overlays and new patches; of a file that is edited all lines
// stay but the edited ones.
func onlyInputsChange(t *testing.T, old, now map[string]string, res *run.Fixed) {
	t.Helper()
	for name := range now {
		announced, ok := res.Texts[name]
		switch {
		case ok && now[name] != string(announced):
			t.Errorf("%s is not what was announced", name)
		case !ok && now[name] != old[name]:
			t.Errorf("%s has changed", name)
		case ok && old[name] == "" && !strings.HasPrefix(path.Base(name), "redoubt-"):
			t.Errorf("%s is new", name)
		}
		if !ok || old[name] == "" {
			continue
		}
		otherLinesStay(t, name, old[name], now[name], res)
	}
	for name := range old {
		if _, ok := now[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
}

// otherLinesStay wants all lines of a file but the edited ones.
func otherLinesStay(t *testing.T, name, old, now string, res *run.Fixed) {
	t.Helper()
	edited := make(map[int]bool)
	for _, e := range res.Edits {
		edited[int(e.Line)] = edited[int(e.Line)] || e.File == name
	}
	at := 0
	kept := strings.SplitAfter(now, "\n")
	for i, line := range strings.SplitAfter(old, "\n") {
		if n := slices.Index(kept[at:], line); n >= 0 {
			at += n + 1
		} else if !edited[i+1] {
			t.Errorf("%s:%d: %q is gone, and no edit says so", name, i+1, line)
		}
	}
}

// saidOfObjects wants an edit for each object that differs, of the field if it
// is one of the object.
func saidOfObjects(t *testing.T, before, after map[string]*inventory.Object, res *run.Fixed) {
	t.Helper()
	if len(before) != len(after) {
		t.Errorf("%d objects became %d", len(before), len(after))
	}
	edits := make(map[string][]fix.Edit)
	for _, e := range res.Edits {
		edits[e.Object] = append(edits[e.Object], e)
	}
	for key, o := range before {
		twin := after[key]
		if twin == nil {
			t.Errorf("%s is gone", key)
			continue
		}
		if !twin.Root.Equal(o.Root) && len(edits[o.Ref()]) == 0 {
			t.Errorf("%s differs, and no edit says so", key)
		}
	}
}

// postRendered hands what a chart renders to the overlay that was written, and
// scans what comes out: what the patches answer is gone.
func postRendered(t *testing.T, res *run.Fixed, rendered map[string]*inventory.Object) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "patches")
	if _, err := res.WriteFolder(dir); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatal(err, entries)
	}
	var all bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(rendered)) {
		fmt.Fprintf(&all, "---\n%s\n", rendered[key].Root.JSON())
	}
	overlay := filepath.Join(dir, entries[0].Name())
	put(t, filepath.Join(overlay, "all.yaml"), all.String())
	rep, err := run.Scan(t.Context(), run.ScanOptions{Input: run.Input{Paths: []string{overlay}}, Now: time.Unix(0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	open := make(map[string]int)
	for i := range rep.Findings {
		if f := &rep.Findings[i]; f.Verdict == "fail" {
			open[f.Control+" "+f.Object.Kind+" "+f.Object.Name]++
		}
	}
	was := make(map[string]int)
	for i := range res.Refused {
		r := &res.Refused[i]
		kind, name, _ := strings.Cut(r.Object[strings.Index("/"+r.Object, "/"+kindOf(r.Object)):], "/")
		name, _, _ = strings.Cut(name, "/")
		was[r.Control+" "+kind+" "+name]++
	}
	for _, p := range res.Patches {
		kind := kindOf(p.Object)
		name := p.Object[strings.LastIndexByte(p.Object, '/')+1:]
		for _, c := range p.Controls {
			if key := c + " " + kind + " " + name; was[key] > 0 && open[key] >= was[key] {
				t.Errorf("%s is still there behind the post-renderer (%d of %d)", key, open[key], was[key])
			}
		}
	}
}

// kindOf is the kind in the reference of an object, perhaps with a container.
func kindOf(ref string) string {
	for part := range strings.SplitSeq(ref, "/") {
		if part != "" && part[0] >= 'A' && part[0] <= 'Z' {
			return part
		}
	}
	return ""
}
