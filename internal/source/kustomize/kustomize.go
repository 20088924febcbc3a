// Package kustomize builds kustomizations with Kustomize's own engine and reads
// what comes out. It uses no network, runs no plugins and writes nothing.
package kustomize

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Names are the names a kustomization file may have.
func Names() []string { return []string{"kustomization.yaml", "kustomization.yml", "Kustomization"} }

// Source builds one kustomization.
type Source struct {
	// Path is the folder.
	Path   string
	Limits decode.Limits

	used map[string]bool
	// sources are the objects of the resource files, by path.
	sources map[string][]*inventory.Object
}

// Used are the files that the build read, as paths like those of the walker;
// they must not be judged on their own.
func (s *Source) Used() map[string]bool { return s.used }

// File is the part of a kustomization file that matters before it is built.
type File struct {
	Kind       string   `json:"kind"`
	Resources  []string `json:"resources"`
	Bases      []string `json:"bases"`
	Components []string `json:"components"`
	Patches    []struct {
		Path string `json:"path"`
	} `json:"patches"`
	PatchesJSON6902 []struct {
		Path string `json:"path"`
	} `json:"patchesJson6902"`
	PatchesStrategicMerge []string `json:"patchesStrategicMerge"`
	Replacements          []struct {
		Path string `json:"path"`
	} `json:"replacements"`
}

// ReadFile reads the kustomization file of a folder. Its name is returned, ""
// if there is none.
func ReadFile(fsys filesys.FileSystem, dir string) (File, string, error) {
	var f File
	for _, name := range Names() {
		file := filepath.Join(dir, name)
		if !fsys.Exists(file) {
			continue
		}
		text, err := readFile(file, decode.DefaultLimits().Bytes)
		if err != nil {
			return f, file, err
		}
		return f, file, yaml.Unmarshal(text, &f)
	}
	return f, "", nil
}

// Partial lists the files a kustomization names as patches and the like: they
// are parts of objects, not objects.
func (f *File) Partial() []string {
	out := slices.Clone(f.PatchesStrategicMerge)
	for _, p := range slices.Concat(f.Patches, f.PatchesJSON6902, f.Replacements) {
		if p.Path != "" {
			out = append(out, p.Path)
		}
	}
	return out
}

// Read builds the kustomization. What does not build becomes a gap.
func (s *Source) Read(ctx context.Context) (*inventory.Inventory, error) {
	inv := new(inventory.Inventory)
	s.used, s.sources = make(map[string]bool), make(map[string][]*inventory.Object)
	for _, f := range decode.Faults(s.read(ctx, inv)) {
		inv.AddGap(inventory.Gap{What: "kustomization " + s.Path, Why: f.Reason(), File: f.File, Line: f.Line, Broken: true})
	}
	return inv, ctx.Err()
}

func (s *Source) read(ctx context.Context, inv *inventory.Inventory) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	abs, err := filepath.Abs(s.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", s.Path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	watched := newWatcher(ctx, abs, s.Limits)
	built, err := build(ctx, watched, abs)
	files, refused := watched.close()
	for _, file := range files {
		s.used[s.shown(abs, file)] = true
	}
	if refused != nil {
		refused.File = s.shown(abs, refused.File)
		return refused
	}
	if err != nil {
		return s.fail(err, abs, files)
	}
	inv.Files += len(files)
	for _, r := range built.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			return s.fail(err, abs, files)
		}
		origin, err := r.GetOrigin()
		file := ""
		if err == nil && origin != nil {
			file = origin.Path
			if origin.Path == "" {
				file = origin.ConfiguredIn
			}
		}
		if err := s.object(inv, watched, text, file); err != nil {
			return err
		}
	}
	return nil
}

// timeout bounds a build. It reads files only, so that it is much.
const timeout = time.Minute

var errTimeout = errors.New("the build takes longer than a minute")

// build runs Kustomize. When the time is up the build ends at the next file it
// reads.
func build(ctx context.Context, fsys filesys.FileSystem, dir string) (resmap.ResMap, error) {
	type outcome struct {
		built resmap.ResMap
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- outcome{nil, fmt.Errorf("kustomize gave up: %v", r)}
			}
		}()
		opts := krusty.MakeDefaultOptions()
		opts.LoadRestrictions = types.LoadRestrictionsRootOnly
		opts.PluginConfig = types.DisabledPluginConfig()
		built, err := krusty.MakeKustomizer(opts).Run(fsys, dir)
		done <- outcome{built, err}
	}()
	select {
	case <-ctx.Done():
		return nil, errTimeout
	case o := <-done:
		return o.built, o.err
	}
}

var (
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	wrongType    = regexp.MustCompile(`cannot unmarshal .* field \w+\.([\w.]+) of type`)
)

// fail makes a fault of the build. Kustomize itself tells no lines.
func (s *Source) fail(err error, abs string, files []string) *decode.Error {
	fault := &decode.Error{File: s.Path, Msg: "kustomize build: " + s.relative(err.Error(), abs)}
	for _, form := range []*regexp.Regexp{unknownField, wrongType} {
		m := form.FindStringSubmatch(err.Error())
		if m == nil {
			continue
		}
		key := m[1][strings.LastIndexByte(m[1], '.')+1:]
		for _, file := range files {
			if !slices.Contains(Names(), filepath.Base(file)) {
				continue
			}
			if line := lineOfKey(file, key); line > 0 {
				fault.File, fault.Line = s.shown(abs, file), line
				return fault
			}
		}
	}
	return fault
}

// relative makes a message one line, with paths as the user gave them.
func (s *Source) relative(msg, abs string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(msg), " "), abs, s.Path)
}

// shown turns an absolute path into one as the user would write it.
func (s *Source) shown(abs, file string) string {
	rel, err := filepath.Rel(abs, file)
	if err != nil {
		return filepath.ToSlash(file)
	}
	return path.Join(filepath.ToSlash(s.Path), filepath.ToSlash(rel))
}

// withOrigins adds originAnnotations to the build metadata of a kustomization
// file.
func withOrigins(data []byte) []byte {
	var doc map[string]any
	if yaml.Unmarshal(data, &doc) != nil || doc == nil {
		return data
	}
	metadata, ok := doc["buildMetadata"].([]any)
	if doc["buildMetadata"] != nil && !ok || slices.Contains(metadata, any(types.OriginAnnotations)) {
		return data
	}
	doc["buildMetadata"] = append(metadata, types.OriginAnnotations)
	out, err := yaml.Marshal(doc)
	if err != nil {
		return data
	}
	return out
}

const originAnnotation = "config.kubernetes.io/origin"

// object decodes one result and gives its fields the places they have in the
// file they come from.
func (s *Source) object(inv *inventory.Inventory, fsys filesys.FileSystem, text []byte, file string) error {
	origin := &inventory.Origin{Kind: inventory.FromKustomize, File: path.Join(filepath.ToSlash(s.Path), filepath.ToSlash(file)), Root: s.Path}
	res, err := decode.File(text, origin, s.Limits)
	if err != nil {
		return err
	}
	for _, o := range res.Objects {
		dropAnnotation(o.Root)
		var source *inventory.Object
		if file != "" {
			source = s.find(fsys, file, o)
		}
		if source == nil {
			flatten(o.Root, 1)
		} else {
			place(o.Root, source.Root)
			o.Ignores = source.Ignores
		}
	}
	inv.Add(res.Objects...)
	return nil
}

// dropAnnotation removes what withOrigins made Kustomize add.
func dropAnnotation(root *inventory.Node) {
	meta := root.Get("metadata")
	annotations := meta.Get("annotations")
	if annotations == nil {
		return
	}
	annotations.Items = slices.DeleteFunc(annotations.Items, func(n inventory.Node) bool { return n.Key == originAnnotation })
	if len(annotations.Items) == 0 {
		meta.Items = slices.DeleteFunc(meta.Items, func(n inventory.Node) bool { return n.Key == "annotations" })
	}
}

// find looks for the object in its resource file. Kustomize may have added a
// prefix or suffix to the name.
func (s *Source) find(fsys filesys.FileSystem, file string, o *inventory.Object) *inventory.Object {
	abs, err := filepath.Abs(filepath.Join(s.Path, filepath.FromSlash(file)))
	if err != nil {
		return nil
	}
	candidates, known := s.sources[abs]
	if !known {
		data, err := fsys.ReadFile(abs)
		if err != nil {
			return nil
		}
		res, _ := decode.File(data, &inventory.Origin{File: file}, s.Limits)
		candidates = res.Objects
		s.sources[abs] = candidates
	}
	var best *inventory.Object
	for _, candidate := range candidates {
		if candidate.Kind != o.Kind {
			continue
		}
		if candidate.Name == o.Name {
			return candidate
		}
		if strings.Contains(o.Name, candidate.Name) && (best == nil || len(candidate.Name) > len(best.Name)) {
			best = candidate
		}
	}
	return best
}

// place copies positions from the source where a field is in both, and gives
// fields that a patch or transformer added the position of their parent.
func place(n, source *inventory.Node) {
	n.Line, n.Column = source.Line, source.Column
	for i := range n.Items {
		child := &n.Items[i]
		var twin *inventory.Node
		if n.Kind == inventory.Map {
			twin = source.Get(child.Key)
		} else {
			twin = sameItem(child, source, i)
		}
		if twin == nil || twin.Kind != child.Kind && len(child.Items) > 0 {
			child.Line, child.Column = n.Line, n.Column
			flatten(child, n.Line)
			continue
		}
		place(child, twin)
	}
}

// sameItem finds the item of a list that another came from: by the key that
// identifies it, else by position.
func sameItem(item, list *inventory.Node, i int) *inventory.Node {
	for _, key := range []string{"name", "mountPath", "containerPort", "key", "ip", "host"} {
		id := item.Get(key)
		if id == nil {
			continue
		}
		for _, candidate := range list.All() {
			if candidate.Get(key) != nil && candidate.Get(key).Text == id.Text {
				return candidate
			}
		}
		return nil
	}
	return list.Index(i)
}

// flatten gives everything below n one line.
func flatten(n *inventory.Node, line int32) {
	n.Line, n.Column = line, max(n.Column, 1)
	for i := range n.Items {
		flatten(&n.Items[i], line)
	}
}
