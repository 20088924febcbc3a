package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/helm"
	"github.com/redoubt-k8s/redoubt/internal/source/kustomize"
)

// workshop builds charts and kustomizations again, in copies of them: what is
// tried must not be on the disk where others see it.
type workshop struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of Fix
	input  Input
	limits decode.Limits
	copies map[string]*replica
}

// replica is a copy of the files that a chart or kustomization is made from.
type replica struct {
	temporary string
	// base is the folder that the copy is one of.
	base string
	// others are files that lie elsewhere, by their path.
	others map[string]string
}

// bounds of a copy.
const (
	maxCopied      = 128 << 20
	maxCopiedFiles = 20_000
)

// close removes the copies.
func (w *workshop) close() {
	for _, c := range w.copies {
		_ = os.RemoveAll(c.temporary) // a temporary folder
	}
}

// roots lists the charts and kustomizations that objects come from, with the
// texts of what can be edited.
func (w *workshop) roots(inv *inventory.Inventory, texts map[string][]byte, locked map[string]string) map[string]*fix.Root {
	out := make(map[string]*fix.Root)
	for _, o := range inv.Objects {
		dir := o.Origin.Root
		if dir == "" || out[dir] != nil {
			continue
		}
		r := &fix.Root{Kind: o.Origin.Kind, Taken: make(map[string]bool)}
		switch o.Origin.Kind {
		case inventory.FromHelm:
			r.Files = []string{path.Join(dir, "values.yaml")}
			for _, name := range w.input.Helm.ValueFiles {
				r.Files = append(r.Files, filepath.ToSlash(name))
			}
			r.Build = func(texts map[string][]byte) ([]*inventory.Object, error) { return w.chart(dir, texts) }
		case inventory.FromKustomize:
			if _, name, err := kustomize.ReadFile(filesys.MakeFsOnDisk(), filepath.FromSlash(dir)); err == nil {
				r.Files = []string{filepath.ToSlash(name)}
			}
			r.Build = func(texts map[string][]byte) ([]*inventory.Object, error) { return w.kustomization(dir, texts) }
		case inventory.FromManifest, inventory.FromCluster, inventory.FromSnapshot:
			continue
		}
		entries, err := os.ReadDir(filepath.FromSlash(dir))
		if err != nil {
			r.Files = nil // an archive
		}
		for _, e := range entries {
			r.Taken[e.Name()] = true
		}
		r.Files = slices.DeleteFunc(r.Files, func(name string) bool {
			text, why := readText(name, nil)
			if why != "" {
				locked[name] = why
				return text == nil
			}
			texts[name] = text
			return false
		})
		out[dir] = r
	}
	return out
}

// replica copies files below a folder, once.
func (w *workshop) replica(dir, base string, files []string) (*replica, error) {
	if c := w.copies[dir]; c != nil {
		return c, nil
	}
	temporary, err := os.MkdirTemp("", "redoubt-*")
	if err != nil {
		return nil, err
	}
	if resolved, err := filepath.EvalSymlinks(temporary); err == nil {
		temporary = resolved
	}
	c := &replica{temporary: temporary, base: base, others: make(map[string]string)}
	w.copies[dir] = c
	total := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if total += len(text); total > maxCopied {
			return nil, fmt.Errorf("it has more than %d MiB", maxCopied>>20)
		}
		if err := c.write(file, text); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// place is where the copy of a file is.
func (c *replica) place(file string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(c.base, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s lies outside of %s", file, c.base)
	}
	return filepath.Join(c.temporary, "copy", rel), nil
}

func (c *replica) write(file string, text []byte) error {
	at, err := c.place(file)
	if err != nil {
		return err
	}
	const private = 0o700
	if err := os.MkdirAll(filepath.Dir(at), private); err != nil {
		return err
	}
	return os.WriteFile(at, text, private&^0o100) //nolint:gosec // place keeps it within the copy
}

// with writes texts into the copy while something is done.
func (c *replica) with(texts map[string][]byte, do func() error) error {
	err := func() error {
		for name, text := range texts {
			if err := c.write(filepath.FromSlash(name), text); err != nil {
				return err
			}
		}
		return do()
	}()
	for name := range texts {
		err = errors.Join(err, c.restore(filepath.FromSlash(name)))
	}
	return err
}

func (c *replica) restore(name string) error {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		at, err := c.place(name)
		if err != nil {
			return err
		}
		return os.Remove(at)
	}
	if err != nil {
		return err
	}
	return c.write(name, text)
}

// chart renders a chart again.
func (w *workshop) chart(dir string, texts map[string][]byte) ([]*inventory.Object, error) {
	abs, err := filepath.Abs(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	var files []string
	if w.copies[dir] == nil {
		if files, err = filesBelow(abs); err != nil {
			return nil, err
		}
	}
	c, err := w.replica(dir, abs, files)
	if err != nil {
		return nil, err
	}
	valueFiles := slices.Clone(w.input.Helm.ValueFiles)
	inside := make(map[string][]byte)
	for name, text := range texts {
		i := slices.IndexFunc(valueFiles, func(v string) bool { return filepath.ToSlash(v) == name })
		if i < 0 {
			inside[name] = text
			continue
		}
		valueFiles[i] = filepath.Join(c.temporary, fmt.Sprintf("values-%d.yaml", i))
		if err := os.WriteFile(valueFiles[i], text, 0o600); err != nil {
			return nil, err
		}
	}
	place, err := c.place(abs)
	if err != nil {
		return nil, err
	}
	var inv *inventory.Inventory
	err = c.with(inside, func() error {
		s := &helm.Source{
			Path: filepath.ToSlash(place), ValueFiles: valueFiles, Set: w.input.Helm.Set, SetString: w.input.Helm.SetString,
			Release: w.input.Helm.Release, Namespace: w.input.Helm.Namespace, Limits: w.limits,
		}
		inv, err = s.Read(w.ctx)
		return err
	})
	return moved(inv, place, dir, err)
}

// filesBelow lists the files of a chart.
func filesBelow(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.Type().IsRegular():
			out = append(out, name)
		}
		if len(out) > maxCopiedFiles {
			return fmt.Errorf("it has more than %d files", maxCopiedFiles)
		}
		return nil
	})
	return out, err
}

// kustomization builds a kustomization again.
func (w *workshop) kustomization(dir string, texts map[string][]byte) ([]*inventory.Object, error) {
	abs, err := filepath.Abs(filepath.FromSlash(dir))
	if err != nil {
		return nil, err
	}
	c := w.copies[dir]
	if c == nil {
		s := &kustomize.Source{Path: dir, Limits: w.limits}
		if _, err := s.Read(w.ctx); err != nil {
			return nil, err
		}
		base, files := abs, make([]string, 0, len(s.Used()))
		for file := range s.Used() {
			file, err := filepath.Abs(filepath.FromSlash(file))
			if err != nil {
				return nil, err
			}
			for !strings.HasPrefix(file, strings.TrimSuffix(base, string(filepath.Separator))+string(filepath.Separator)) && base != filepath.Dir(base) {
				base = filepath.Dir(base)
			}
			files = append(files, file)
		}
		if c, err = w.replica(dir, base, files); err != nil {
			return nil, err
		}
	}
	place, err := c.place(abs)
	if err != nil {
		return nil, err
	}
	var inv *inventory.Inventory
	err = c.with(texts, func() error {
		inv, err = (&kustomize.Source{Path: filepath.ToSlash(place), Limits: w.limits}).Read(w.ctx)
		return err
	})
	return moved(inv, place, dir, err)
}

// moved makes the objects of a copy those of the folder it is a copy of.
func moved(inv *inventory.Inventory, from, to string, err error) ([]*inventory.Object, error) {
	if err != nil {
		return nil, err
	}
	for _, g := range inv.Gaps {
		if g.Broken {
			return nil, errors.New(strings.ReplaceAll(g.Why, from, to))
		}
	}
	seen := make(map[*inventory.Origin]bool)
	for _, o := range inv.Objects {
		if seen[o.Origin] {
			continue
		}
		seen[o.Origin] = true
		o.Origin.Root = to
		rel, err := filepath.Rel(from, filepath.FromSlash(o.Origin.File))
		if err != nil {
			return nil, err
		}
		o.Origin.File = path.Join(to, filepath.ToSlash(rel))
	}
	return inv.Objects, nil
}
