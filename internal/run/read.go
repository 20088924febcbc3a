package run

import (
	"context"
	"errors"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/files"
	"github.com/redoubt-k8s/redoubt/internal/source/manifest"
)

// totalBytes bounds all input of one run.
const totalBytes = 4 << 30

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
	r := &reader{in: in, inv: inv, limits: decode.DefaultLimits()}
	if in.MaxFileSize > 0 {
		r.limits.Bytes = in.MaxFileSize
	}
	if err := r.units(ctx, found.Units); err != nil {
		return nil, err
	}
	return inv, nil
}

// reader gathers what the sources deliver.
type reader struct {
	in     Input
	inv    *inventory.Inventory
	limits decode.Limits
	errs   []error
}

func (r *reader) units(ctx context.Context, units []files.Unit) error {
	var plain []string
	for _, u := range units {
		switch u.Kind {
		case files.Manifest, files.Stdin:
			plain = append(plain, u.Path)
		case files.Dockerfile, files.Chart, files.Kustomization:
		}
	}
	r.take((&manifest.Source{
		Paths: plain, Stdin: r.in.Stdin, Limits: r.limits, TotalBytes: totalBytes, KeepGoing: r.in.KeepGoing,
		Progress: r.progress("reading files"),
	}).Read(ctx))
	return errors.Join(r.errs...)
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
