// Package files finds what there is to read below the paths a user names, and
// says of each thing what it is: a manifest, a chart, a kustomization, a
// Dockerfile. It reads no contents but those of .gitignore files.
package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/pathglob"
)

// Kind says what a unit is.
type Kind int

// The kinds of units.
const (
	Manifest Kind = iota
	Stdin
	Dockerfile
	Chart
	Kustomization
)

// Unit is one thing to read.
type Unit struct {
	Kind Kind
	// Path is as the user would open it, with forward slashes. For a chart or
	// kustomization it is the folder or archive.
	Path string
	// Named is set when the user named the path, rather than a folder above it.
	Named bool
}

// Found is the outcome of a walk.
type Found struct {
	Units []Unit
	// Skipped counts what was left alone, by reason.
	Skipped map[string]int
	// Unreadable are folders below the named ones that can't be listed.
	Unreadable []Unreadable
}

// Unreadable is a folder that can't be listed, and why.
type Unreadable struct{ Path, Why string }

// Options steer a walk.
type Options struct {
	// NoGitignore reads what .gitignore files exclude, too.
	NoGitignore bool
	// Exclude are globs of paths to leave alone, as [pathglob.Within] reads them.
	Exclude []string
	// MaxFiles bounds the number of units; 0 means the default.
	MaxFiles int
}

const (
	defaultMaxFiles = 2_000_000
	maxDepth        = 200
)

// Walk finds the units below the paths, sorted by path. "-" is standard input.
func Walk(ctx context.Context, paths []string, opts Options) (Found, error) {
	if opts.MaxFiles == 0 {
		opts.MaxFiles = defaultMaxFiles
	}
	for _, glob := range opts.Exclude {
		if err := pathglob.Check(glob); err != nil {
			return Found{}, fmt.Errorf("exclude %q: %w", glob, err)
		}
	}
	w := &walker{
		ctx: ctx, opts: opts, seen: make(map[string]bool), links: make(map[string]string),
		found: Found{Skipped: make(map[string]int)},
	}
	var errs []error
	for _, p := range paths {
		errs = append(errs, w.start(p))
	}
	w.dropLinks()
	slices.SortStableFunc(w.found.Units, func(a, b Unit) int { return strings.Compare(a.Path, b.Path) })
	w.found.Units = slices.CompactFunc(w.found.Units, func(a, b Unit) bool { return a.Path == b.Path && a.Kind == b.Kind })
	return w.found, errors.Join(errs...)
}

type walker struct {
	ctx   context.Context //nolint:containedctx // lives as long as one call of Walk
	opts  Options
	found Found
	// seen are the folders visited, links resolved, so that cycles end.
	seen map[string]bool
	// top is the folder being walked, links resolved.
	top string
	// links are the files found through symbolic links, with their targets.
	links map[string]string
}

// dropLinks removes links to files that are found anyhow, as in the folders a
// cluster mounts from a ConfigMap.
func (w *walker) dropLinks() {
	if len(w.links) == 0 {
		return
	}
	seen := make(map[string]bool)
	for _, u := range w.found.Units {
		if w.links[u.Path] != "" {
			continue
		}
		if target, err := filepath.EvalSymlinks(filepath.FromSlash(u.Path)); err == nil {
			seen[target] = true
		}
	}
	w.found.Units = slices.DeleteFunc(w.found.Units, func(u Unit) bool {
		target := w.links[u.Path]
		if target == "" || u.Named {
			return false
		}
		second := seen[target]
		seen[target] = true
		return second
	})
}

func (w *walker) add(k Kind, path string, named bool) {
	w.found.Units = append(w.found.Units, Unit{Kind: k, Path: filepath.ToSlash(path), Named: named})
}

func (w *walker) start(path string) error {
	if path == "-" {
		w.add(Stdin, "-", true)
		return nil
	}
	if path == "" {
		return errors.New("an empty path was given; name a file or a folder")
	}
	path = filepath.Clean(path)
	info, err := os.Stat(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: no such file or folder", path)
		}
		return fmt.Errorf("%s: %w", path, errors.Unwrap(err))
	}
	if info.Mode().IsRegular() {
		w.add(kindOf(path), path, true)
		return nil
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: neither a file nor a folder; what comes through a pipe is read from -", path)
	}
	if w.top, err = filepath.EvalSymlinks(path); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	ignored := &ignorer{off: w.opts.NoGitignore, exclude: w.opts.Exclude}
	if err := ignored.above(path); err != nil {
		return err
	}
	if ignored.gitignored(path, true) {
		ignored.patterns = nil // who names a folder wants it read
	}
	return w.dir(path, ignored, 0)
}

// kindOf classifies a file that was named by the user.
func kindOf(path string) Kind {
	switch name := strings.ToLower(filepath.Base(path)); {
	case isDockerfile(name):
		return Dockerfile
	case strings.HasSuffix(name, ".tgz"), strings.HasSuffix(name, ".tar.gz"):
		return Chart
	}
	return Manifest
}

// besides are endings of files that belong to a Dockerfile, or are about one.
var besides = map[string]bool{
	".dockerignore": true, ".yaml": true, ".yml": true, ".json": true, ".md": true, ".txt": true, ".go": true, ".py": true, ".js": true,
	".ts": true, ".rb": true, ".sh": true, ".html": true, ".rst": true, ".tgz": true, ".gz": true, ".tmpl": true, ".j2": true, ".erb": true,
}

func isDockerfile(name string) bool {
	return name == "dockerfile" || name == "containerfile" || strings.HasPrefix(name, "dockerfile.") && !besides[filepath.Ext(name)] ||
		strings.HasSuffix(name, ".dockerfile") || strings.HasSuffix(name, ".containerfile")
}

// known are names without a telling extension that hold what we read.
var known = map[string]bool{
	"admin.conf": true, "super-admin.conf": true, "kubelet.conf": true, "bootstrap-kubelet.conf": true,
	"controller-manager.conf": true, "scheduler.conf": true, "kubeconfig": true,
}

// configName is the configuration of this program, which is no manifest.
const configName = ".redoubt.yaml"

func isManifest(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json", ".kubeconfig":
		return true
	}
	return known[name]
}

func (w *walker) dir(path string, ignored *ignorer, depth int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("%s: folders are nested deeper than %d; name a folder further down", path, maxDepth)
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil || w.seen[resolved] {
		return nil //nolint:nilerr // a link that leads nowhere, or in a circle
	}
	w.seen[resolved] = true
	entries, err := os.ReadDir(path)
	if err != nil && depth > 0 {
		w.found.Unreadable = append(w.found.Unreadable, Unreadable{filepath.ToSlash(path), reason(err)})
		return nil
	}
	if err != nil {
		return fmt.Errorf("list %s: %s", path, reason(err))
	}
	if ignored, err = ignored.enter(path, entries); err != nil {
		return err
	}
	if has(path, entries, "Chart.yaml") {
		w.add(Chart, path, depth == 0)
		return nil
	}
	if has(path, entries, "kustomization.yaml", "kustomization.yml", "Kustomization") {
		w.add(Kustomization, path, depth == 0)
	}
	for _, e := range entries {
		if err := w.entry(path, e, ignored, depth); err != nil {
			return err
		}
	}
	return nil
}

// reason is an error of the file system without the path, which stands beside
// it anyhow.
func reason(err error) string {
	if broken, ok := errors.AsType[*fs.PathError](err); ok {
		err = broken.Err
	}
	return err.Error()
}

// has tells whether a folder has a file of one of the names. Pipes and devices
// are no files: who opened one might wait forever.
func has(dir string, entries []fs.DirEntry, names ...string) bool {
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return slices.Contains(names, e.Name()) && (e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0 && isRegular(filepath.Join(dir, e.Name())))
	})
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (w *walker) entry(dir string, e fs.DirEntry, ignored *ignorer, depth int) error {
	path := filepath.Join(dir, e.Name())
	mode := e.Type()
	if mode&fs.ModeSymlink != 0 {
		info, ok := w.follow(path)
		if !ok {
			return nil
		}
		mode = info.Mode()
	}
	if ignored.match(path, mode.IsDir()) {
		w.found.Skipped["ignored by .gitignore or exclude"]++
		return nil
	}
	switch {
	case mode.IsDir():
		if e.Name() == ".git" || e.Name() == "node_modules" {
			return nil
		}
		return w.dir(path, ignored, depth+1)
	case mode.IsRegular():
		w.file(path, e)
	}
	if len(w.found.Units) > w.opts.MaxFiles {
		return fmt.Errorf("more than %d files below the paths; name fewer folders", w.opts.MaxFiles)
	}
	return nil
}

func (w *walker) file(path string, e fs.DirEntry) {
	name := strings.ToLower(e.Name())
	switch {
	case isDockerfile(name):
		w.add(Dockerfile, path, false)
	case e.Name() == configName:
		return
	case isManifest(name):
		w.add(Manifest, path, false)
	case strings.HasSuffix(name, ".tgz"):
		w.add(Chart, path, false)
	default:
		return
	}
	if e.Type()&fs.ModeSymlink != 0 {
		if target, err := filepath.EvalSymlinks(path); err == nil {
			w.links[filepath.ToSlash(path)] = target
		}
	}
}

// follow resolves a symbolic link. Links that lead out of the named folder or
// nowhere are not followed.
func (w *walker) follow(path string) (fs.FileInfo, bool) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		w.found.Skipped["symbolic link to nowhere"]++
		return nil, false
	}
	if target != w.top && !strings.HasPrefix(target, strings.TrimSuffix(w.top, string(filepath.Separator))+string(filepath.Separator)) {
		w.found.Skipped["symbolic link out of the folder"]++
		return nil, false
	}
	info, err := os.Stat(target)
	return info, err == nil
}
