package run

import (
	"context"
	"errors"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/dockerfile"
	"github.com/redoubt-k8s/redoubt/internal/source/files"
	"github.com/redoubt-k8s/redoubt/internal/source/helm"
	"github.com/redoubt-k8s/redoubt/internal/source/kustomize"
	"github.com/redoubt-k8s/redoubt/internal/source/manifest"
)

// totalBytes bounds all input of one run.
const totalBytes = 1 << 30

// read finds what there is and reads it, each kind through its source.
func read(ctx context.Context, in Input) (*inventory.Inventory, error) {
	found, err := files.Walk(ctx, in.Paths, files.Options{NoGitignore: in.NoGitignore, Exclude: in.Exclude})
	if err != nil {
		return nil, err
	}
	inv := new(inventory.Inventory)
	for reason, n := range found.Skipped {
		for range n {
			inv.Skip(reason)
		}
	}
	for _, u := range found.Unreadable {
		inv.AddGap(inventory.Gap{What: "folder " + u.Path, Why: u.Why + "; make it readable, or exclude it", File: u.Path, Broken: true})
	}
	r := &reader{in: in, inv: inv, limits: decode.DefaultLimits(), leave: make(map[string]string)}
	if in.MaxFileSize > 0 {
		r.limits.Bytes = in.MaxFileSize
	}
	r.kustomizations(ctx, of(found.Units, files.Kustomization))
	r.charts(ctx, found.Units)
	r.plain(ctx, found.Units)
	return inv, errors.Join(r.errs...)
}

// reader gathers what the sources deliver.
type reader struct {
	in     Input
	inv    *inventory.Inventory
	limits decode.Limits
	errs   []error
	// leave are files that are not judged on their own, and why; "" says that
	// they were read as a part of something else.
	leave map[string]string
}

func of(units []files.Unit, kind files.Kind) []string {
	var out []string
	for _, u := range units {
		if u.Kind == kind {
			out = append(out, u.Path)
		}
	}
	return out
}

// kustomizations builds those that no other of the input builds on. Components
// are built by what uses them only.
func (r *reader) kustomizations(ctx context.Context, dirs []string) {
	disk := filesys.MakeFsOnDisk()
	parsed := make(map[string]kustomize.File)
	below := make(map[string]bool)
	for _, dir := range dirs {
		f, name, err := kustomize.ReadFile(disk, filepath.FromSlash(dir))
		if err != nil {
			// The build reports the fault with its place.
			f = kustomize.File{}
		}
		parsed[dir] = f
		r.leave[filepath.ToSlash(name)] = ""
		for _, p := range f.Partial() {
			r.leave[path.Join(dir, filepath.ToSlash(p))] = "kustomize patch"
		}
		for _, ref := range slices.Concat(f.Resources, f.Bases, f.Components) {
			below[path.Join(dir, filepath.ToSlash(ref))] = true
		}
	}
	for _, dir := range dirs {
		if parsed[dir].Kind == "Component" || below[dir] {
			continue
		}
		s := &kustomize.Source{Path: dir, Limits: r.limits}
		r.take(s.Read(ctx))
		for file := range s.Used() {
			if _, known := r.leave[file]; !known {
				r.leave[file] = ""
			}
		}
	}
}

func (r *reader) charts(ctx context.Context, units []files.Unit) {
	for _, u := range units {
		if u.Kind != files.Chart {
			continue
		}
		s := &helm.Source{
			Path: u.Path, ValueFiles: r.in.Helm.ValueFiles, Set: r.in.Helm.Set, SetString: r.in.Helm.SetString,
			Release: r.in.Helm.Release, Namespace: r.in.Helm.Namespace, Limits: r.limits,
		}
		inv, err := s.Read(ctx)
		if err != nil && !u.Named && strings.HasSuffix(u.Path, ".tgz") && strings.Contains(err.Error(), "Chart.yaml file is missing") {
			r.inv.Skip("archive that is no chart")
			continue
		}
		r.take(inv, err)
	}
}

// plain reads what is left: manifests and Dockerfiles.
func (r *reader) plain(ctx context.Context, units []files.Unit) {
	var paths []string
	for _, p := range append(of(units, files.Manifest), of(units, files.Stdin)...) {
		reason, leave := r.leave[p]
		switch {
		case !leave:
			paths = append(paths, p)
		case reason != "":
			r.inv.Skip(reason)
		}
	}
	r.take((&manifest.Source{
		Paths: paths, Stdin: r.in.Stdin, Limits: r.limits, TotalBytes: totalBytes, Decode: r.in.decode,
		Progress: r.progress("reading files"), Sized: r.in.Sized,
	}).Read(ctx))
	r.take((&manifest.Source{
		Paths: of(units, files.Dockerfile), Limits: r.limits, Decode: dockerfile.Decode,
	}).Read(ctx))
}

func (r *reader) take(inv *inventory.Inventory, err error) {
	if err != nil {
		r.errs = append(r.errs, err)
	}
	r.inv.Merge(inv)
}

func (r *reader) progress(what string) func(done, total int) {
	if r.in.Progress == nil {
		return nil
	}
	return func(done, total int) { r.in.Progress(what, done, total) }
}
