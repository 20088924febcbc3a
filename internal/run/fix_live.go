package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
	"github.com/redoubt-k8s/redoubt/internal/source/kustomize"
)

// findLive opens the cluster or the snapshot that is to be read instead of
// files, if one was named.
func (o *FixOptions) findLive(ctx context.Context) error {
	switch {
	case o.Cluster != nil && len(o.Paths) > 0:
		return errors.New("--cluster reads a cluster and PATH files: give one of them")
	case o.Cluster != nil:
		client, err := o.Cluster.connect(ctx, o.Version, o.Progress)
		if err != nil {
			return err
		}
		o.live = &live{name: client.Server(), version: client.Version(), read: func(ctx context.Context) (*inventory.Inventory, error) {
			// An edit is judged by all controls, so that all is read.
			inv, err := client.Read(ctx, cluster.Resources(nil))
			if inv != nil {
				inv.Time = o.Now
			}
			return inv, err
		}}
	case slices.ContainsFunc(o.Paths, isSnapshot):
		if err := o.openSnapshot(); err != nil {
			return err
		}
	default:
		return nil
	}
	o.live.read = rooted(o.live.read, o.live.name)
	return nil
}

// rooted gives live objects the name of where they are from, as charts have.
func rooted(read func(context.Context) (*inventory.Inventory, error), name string) func(context.Context) (*inventory.Inventory, error) {
	return func(ctx context.Context) (*inventory.Inventory, error) {
		inv, err := read(ctx)
		if err != nil || len(inv.Objects) == 0 {
			return inv, err
		}
		origin := *inv.Objects[0].Origin
		origin.Root = name
		for _, o := range inv.Objects {
			o.Origin = &origin
		}
		return inv, nil
	}
}

// WriteFolder writes the patches into a folder, which must not be there or be
// empty: patches of another run would be applied with these.
func (f *Fixed) WriteFolder(dir string) (int, error) {
	files, err := fix.Folder(f.Patches, f.From)
	if err != nil || len(files) == 0 {
		return 0, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("write the patches: %w", err)
	}
	if len(entries) > 0 {
		return 0, fmt.Errorf("write the patches: %s is not empty; name a new folder", dir)
	}
	// All files are written beside the folder, which then appears as a whole.
	parent := filepath.Dir(filepath.Clean(dir))
	temporary, err := os.MkdirTemp(parent, ".redoubt-*")
	if err != nil {
		return 0, fmt.Errorf("write the patches: %w", err)
	}
	defer os.RemoveAll(temporary) //nolint:errcheck // it is gone if all went well
	for _, name := range sortedKeys(files) {
		file := filepath.Join(temporary, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), folderMode), writeNew(file, files[name])); err != nil {
			return 0, fmt.Errorf("write the patches: %w; nothing was written", err)
		}
	}
	if err := os.Chmod(temporary, folderMode); err != nil {
		return 0, fmt.Errorf("write the patches: %w; nothing was written", err)
	}
	_ = os.Remove(dir) // an empty folder, or none
	if err := os.Rename(temporary, dir); err != nil {
		return 0, fmt.Errorf("write the patches: %w; nothing was written", err)
	}
	return len(files), nil
}

// folderMode is that of folders that are made.
const folderMode = 0o755

// proveOverlays builds for each chart the overlay with its patches over what the
// chart renders, as a post-renderer would. Patches that do not make of the
// objects what they are to be are taken back.
func (w *workshop) proveOverlays(res *fix.Result) error {
	for _, chart := range fix.Charts(res.Patches) {
		files, err := fix.Overlay(res.Patches, chart)
		if err != nil {
			return err
		}
		var rendered []byte
		for _, o := range res.Final.Objects {
			if o.Origin.Kind == inventory.FromHelm && o.Origin.Root == chart {
				rendered = append(append(rendered, "---\n"...), o.Root.JSON()...)
				rendered = append(rendered, '\n')
			}
		}
		files[fix.Rendered] = rendered
		built, err := w.overlay(files)
		res.Patches = slices.DeleteFunc(res.Patches, func(p fix.Patch) bool {
			if p.Chart != chart || err == nil && slices.ContainsFunc(built, func(o *inventory.Object) bool {
				return o.Kind == p.Result.Kind && o.Name == p.Result.Name && o.Namespace == p.Result.Namespace && o.Root.Equal(p.Result.Root)
			}) {
				return false
			}
			why := "an overlay of Kustomize does not make of it what it should; write the patch by hand"
			if err != nil {
				why = fmt.Sprintf("Kustomize can't work on what the chart renders: %v", err)
			}
			res.Refused = append(res.Refused, fix.Refusal{Control: p.Controls[0], File: p.Result.Origin.File, Line: p.Result.Root.Line, Object: p.Object, Reason: why})
			return true
		})
	}
	return nil
}

// overlay builds a kustomization of the given files.
func (w *workshop) overlay(files map[string][]byte) ([]*inventory.Object, error) {
	dir, err := os.MkdirTemp("", "redoubt-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	for name, text := range files {
		if err := writeNew(filepath.Join(dir, name), text); err != nil {
			return nil, err
		}
	}
	inv, err := (&kustomize.Source{Path: filepath.ToSlash(dir), Limits: w.limits}).Read(w.ctx)
	return moved(inv, dir, "the overlay", err)
}
