// Package helm renders charts with Helm's own engine and reads what comes out.
// It uses no network, looks nothing up in a cluster, and reads nothing outside
// of the chart but the values files it is given.
package helm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/ignore"
	"helm.sh/helm/v4/pkg/strvals"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Source renders one chart.
type Source struct {
	// Path is the folder of the chart, or its archive.
	Path string
	// ValueFiles, Set and SetString override the chart's values, in this order.
	ValueFiles, Set, SetString []string
	// Release and Namespace are what templates see as .Release; the defaults
	// are the chart's name and "default".
	Release, Namespace string
	Limits             decode.Limits
	// Timeout bounds the rendering; 0 means 20 seconds.
	Timeout time.Duration

	broken []*decode.Error
}

const (
	maxChart    = 64 << 20
	maxFiles    = 20_000
	maxRendered = 64 << 20
	timeout     = 20 * time.Second
	// maxUnpacked bounds an archive and those within it, unpacked.
	maxUnpacked = 128 << 20
)

// Read renders the chart. What does not render becomes a gap.
func (s *Source) Read(ctx context.Context) (*inventory.Inventory, error) {
	inv := new(inventory.Inventory)
	err := s.read(ctx, inv)
	for _, f := range append(decode.Faults(err), s.broken...) {
		inv.AddGap(inventory.Gap{What: "chart " + s.Path, Why: f.Reason(), File: f.File, Line: f.Line, Broken: true})
	}
	return inv, ctx.Err()
}

func (s *Source) read(ctx context.Context, inv *inventory.Inventory) error {
	files, folder, err := s.load()
	if err != nil {
		return s.fail("", 0, err, "")
	}
	inv.Files++
	for _, f := range files {
		inv.Bytes += int64(len(f.Data))
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		file := "Chart.yaml"
		if !folder {
			file = ""
		}
		return s.fail(file, 0, err, "")
	}
	if missing := missingDependencies(c); len(missing) > 0 {
		inv.AddGap(inventory.Gap{
			What: "dependencies of chart " + s.Path, File: s.Path + "/Chart.yaml",
			Why: strings.Join(missing, ", ") + " are not in charts/: run helm dependency build there",
		})
	}
	values, origins, err := s.values()
	if err != nil {
		return err
	}
	r := &rendering{origins: origins, sources: sources(c), folders: folders(files)}
	if err := s.render(ctx, c, files, values, r); err != nil {
		return err
	}
	return s.objects(inv, c, r)
}

// fail makes a fault of the chart. file is relative to the chart.
func (s *Source) fail(file string, line int32, err error, hint string) *decode.Error {
	name := s.Path
	if file != "" {
		name = path.Join(s.Path, file)
	}
	return &decode.Error{File: name, Line: line, Msg: plainMessage(err), Hint: hint}
}

// load reads the files of the chart. The second result is false for an archive.
func (s *Source) load() ([]*archive.BufferedFile, bool, error) {
	info, err := os.Stat(s.Path)
	if err != nil {
		return nil, false, errors.Unwrap(err)
	}
	if info.IsDir() {
		files, err := loadFolder(s.Path)
		if err != nil {
			return nil, true, err
		}
		left := int64(maxUnpacked)
		return files, true, checkNested(files, &left)
	}
	if !info.Mode().IsRegular() {
		return nil, false, errors.New("neither a folder nor an archive")
	}
	if info.Size() > maxChart {
		return nil, false, fmt.Errorf("the archive is larger than %d MiB", maxChart>>20)
	}
	data, err := os.ReadFile(s.Path)
	if err != nil {
		return nil, false, errors.Unwrap(err)
	}
	left := int64(maxUnpacked)
	files, err := unpack(data, &left)
	return files, false, err
}

// loadFolder reads a folder; [os.Root] keeps links from leading out of it.
func loadFolder(dir string) ([]*archive.BufferedFile, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // only read
	rules := ignore.Empty()
	if f, err := root.Open(ignore.HelmIgnore); err == nil {
		rules, err = ignore.Parse(f)
		f.Close() //nolint:errcheck,gosec // only read
		if err != nil {
			return nil, err
		}
	}
	rules.AddDefaults()
	b := &folder{root: root, rules: rules}
	err = fs.WalkDir(root.FS(), ".", b.visit)
	return b.files, err
}

// folder gathers the files of a chart.
type folder struct {
	root  *os.Root
	rules *ignore.Rules
	files []*archive.BufferedFile
	total int64
}

func (b *folder) visit(name string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	if d.IsDir() && (d.Name() == ".git" || name != "." && b.rules.Ignore(name, info)) {
		return fs.SkipDir
	}
	if !d.Type().IsRegular() || b.rules.Ignore(name, info) {
		return nil
	}
	f, err := b.root.Open(filepath.FromSlash(name))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, maxChart-b.total+1))
	if err != nil {
		return err
	}
	if b.total += int64(len(data)); b.total > maxChart || len(b.files) > maxFiles {
		return fmt.Errorf("the chart has more than %d MiB or %d files", maxChart>>20, maxFiles)
	}
	b.files = append(b.files, &archive.BufferedFile{Name: name, Data: data})
	return nil
}

func missingDependencies(c *chart.Chart) []string {
	var out []string
	for _, d := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(have *chart.Chart) bool { return have.Name() == d.Name }) {
			out = append(out, d.Name)
		}
	}
	return out
}

// values merges the overrides. The second result says which of them set a key.
func (s *Source) values() (map[string]any, map[string]string, error) {
	merged, origins := make(map[string]any), make(map[string]string)
	for _, name := range s.ValueFiles {
		f, err := os.Open(name)
		if err != nil {
			return nil, nil, &decode.Error{File: name, Msg: errors.Unwrap(err).Error(), Hint: "named by --values"}
		}
		v, err := loader.LoadValues(io.LimitReader(f, maxChart))
		f.Close() //nolint:errcheck,gosec // only read
		if err != nil {
			return nil, nil, &decode.Error{File: name, Msg: "values file: " + err.Error()}
		}
		note(origins, "", v, name)
		merged = loader.MergeMaps(merged, v)
	}
	for _, set := range []struct {
		flag  string
		items []string
		parse func(string, map[string]any) error
	}{{"--set", s.Set, strvals.ParseInto}, {"--set-string", s.SetString, strvals.ParseIntoString}} {
		for _, item := range set.items {
			if err := set.parse(item, merged); err != nil {
				return nil, nil, s.fail("", 0, fmt.Errorf("%s %s: %w", set.flag, item, err), "")
			}
			key, _, _ := strings.Cut(item, "=")
			origins[key] = set.flag
		}
	}
	return merged, origins, nil
}

func note(origins map[string]string, prefix string, v map[string]any, from string) {
	for k, child := range v {
		key := strings.TrimPrefix(prefix+"."+k, ".")
		origins[key] = from
		if m, ok := child.(map[string]any); ok {
			note(origins, key, m, from)
		}
	}
}

// rendering is what the engine made of a chart.
type rendering struct {
	plain, marked map[string]string
	top           common.Values
	origins       map[string]string
	// sources are the texts of the templates, by the path the engine uses.
	sources map[string][][]byte
	// folders are those of subcharts that lie in a folder of another name, by
	// the folder the engine takes.
	folders map[string]string
}

// render renders the chart twice: as it is, and with a marker at the end of
// lines, by which lines of the output are traced to lines of the templates.
func (s *Source) render(ctx context.Context, c *chart.Chart, files []*archive.BufferedFile, values map[string]any, r *rendering) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.Timeout, timeout))
	defer cancel()
	if err := chartutil.ProcessDependencies(c, values); err != nil {
		return s.fail("Chart.yaml", 0, err, "")
	}
	maps.Copy(r.sources, sources(c))
	release := common.ReleaseOptions{Name: cmp.Or(s.Release, c.Name()), Namespace: cmp.Or(s.Namespace, "default"), Revision: 1, IsInstall: true}
	top, err := util.ToRenderValuesWithSchemaValidation(c, values, release, nil, !closed(c))
	if err != nil {
		return s.fail("values.yaml", 0, err, "pass what is missing with --values or --set")
	}
	r.top = top
	guardTemplates(c)
	if r.plain, s.broken, err = s.withoutBroken(ctx, c, top); err != nil {
		return err
	}
	twin, err := loader.LoadFiles(mark(files))
	if err != nil {
		return nil
	}
	if err := chartutil.ProcessDependencies(twin, values); err != nil {
		return nil
	}
	guardTemplates(twin)
	for _, f := range s.broken {
		empty(twin, strings.TrimPrefix(f.File, s.Path+"/"))
		f.File = path.Join(s.Path, r.onDisk(strings.TrimPrefix(f.File, s.Path+"/")))
	}
	if marked, err := bounded(ctx, twin, top); err == nil {
		r.marked = marked
	}
	return nil
}

// maxBroken bounds how many failing templates of a chart are left out.
const maxBroken = 30

// withoutBroken renders the chart; templates that fail are left out and
// reported, so that they do not hide the others.
func (s *Source) withoutBroken(ctx context.Context, c *chart.Chart, top common.Values) (map[string]string, []*decode.Error, error) {
	var broken []*decode.Error
	for {
		plain, err := bounded(ctx, c, top)
		if err == nil {
			return plain, broken, nil
		}
		fault := s.templateError(err)
		file := strings.TrimPrefix(fault.File, s.Path+"/")
		if errors.Is(err, errTimeout) || errors.Is(err, errMemory) || len(broken) >= maxBroken || !empty(c, file) {
			return nil, nil, fault
		}
		broken = append(broken, fault)
	}
}

// empty takes the text of a template away. It returns false if there is none.
func empty(c *chart.Chart, file string) bool {
	for _, t := range c.Templates {
		if t.Name == file && len(t.Data) > 0 {
			t.Data = nil
			return true
		}
	}
	for _, d := range c.Dependencies() {
		if rest, ok := strings.CutPrefix(file, "charts/"+d.Name()+"/"); ok {
			return empty(d, rest)
		}
	}
	return false
}

var errTimeout = errors.New("rendering takes too long: a template runs without end")

// bounded renders in a goroutine. When the time is up or the memory used, the
// goroutine ends at its next call of a function that is guarded; a template
// that calls none is left behind.
func bounded(ctx context.Context, c *chart.Chart, top common.Values) (map[string]string, error) {
	type outcome struct {
		out map[string]string
		err error
	}
	done := make(chan outcome, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go watchMemory(ctx, func() { cancel(errMemory) })
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- outcome{nil, fmt.Errorf("the template engine gave up: %v", r)}
			}
		}()
		out, err := engine.Engine{CustomTemplateFuncs: newGuard(ctx).functions()}.RenderWithContext(ctx, c, top)
		done <- outcome{out, err}
	}()
	select {
	case <-ctx.Done():
	case o := <-done:
		if ctx.Err() != nil {
			break
		}
		size := 0
		for _, text := range o.out {
			size += len(text)
		}
		if size > maxRendered {
			return nil, fmt.Errorf("the chart renders to more than %d MiB", maxRendered>>20)
		}
		return o.out, o.err
	}
	if errors.Is(context.Cause(ctx), errMemory) {
		return nil, errMemory
	}
	return nil, errTimeout
}

var templatePlace = regexp.MustCompile(`([\w.-]+/[^\s:()]+\.(?:ya?ml|tpl|txt|json)):(\d+)`)

// templateError finds the template and line in an error of the engine.
func (s *Source) templateError(err error) *decode.Error {
	m := templatePlace.FindStringSubmatch(err.Error())
	if m == nil {
		return s.fail("", 0, err, "")
	}
	line, convErr := strconv.ParseInt(m[2], 10, 32)
	if convErr != nil {
		line = 0
	}
	_, file, _ := strings.Cut(m[1], "/")
	return s.fail(file, int32(line), err, "pass missing values with --values or --set")
}

// objects decodes what was rendered.
func (s *Source) objects(inv *inventory.Inventory, c *chart.Chart, r *rendering) error {
	names := make([]string, 0, len(r.plain))
	for name := range r.plain {
		names = append(names, name)
	}
	slices.Sort(names)
	var errs []error
	for _, name := range names {
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" && ext != ".json" || strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		_, file, _ := strings.Cut(name, "/")
		origin := &inventory.Origin{Kind: inventory.FromHelm, File: path.Join(s.Path, r.onDisk(file)), Root: s.Path}
		res, err := decode.File([]byte(r.plain[name]), origin, s.Limits)
		source := r.sources[file]
		lines := traceLines(r.plain[name], r.marked[name], file, source)
		for _, f := range decode.Faults(err) {
			f.File, f.Line = origin.File, lines.at(f.Line)
			f.Hint = "the rendered template is not valid; helm template shows it"
			errs = append(errs, f)
		}
		res.Objects = slices.DeleteFunc(res.Objects, func(o *inventory.Object) bool {
			test := isTest(o.Annotations().Get("helm.sh/hook").Str())
			if test {
				inv.Skip("test of a chart")
			}
			return test
		})
		for _, o := range res.Objects {
			relocate(o.Root, lines, source)
		}
		origin.Values = r.valuesOn(source)
		inv.Add(res.Objects...)
	}
	for _, crd := range c.CRDObjects() {
		origin := &inventory.Origin{Kind: inventory.FromHelm, File: path.Join(s.Path, crd.File.Name), Root: s.Path}
		res, err := decode.File(crd.File.Data, origin, s.Limits)
		errs = append(errs, err)
		inv.Add(res.Objects...)
	}
	return errors.Join(errs...)
}
