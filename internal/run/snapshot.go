package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
	"github.com/redoubt-k8s/redoubt/internal/source/snapshot"
)

// SnapshotOptions say what to keep of which cluster.
type SnapshotOptions struct {
	Cluster

	// Output is the file to write.
	Output string
	// Now is the time at the start.
	Now time.Time
	// Version is that of the program.
	Version string
	// Progress is told what is being done; may be nil.
	Progress func(what string, done, total int)
}

// Taken says what a snapshot holds.
type Taken struct {
	Server, ServerVersion string
	Objects               int
	Gaps                  []inventory.Gap
}

// Snapshot reads a cluster into a file. The file appears when it is whole.
func Snapshot(ctx context.Context, opts SnapshotOptions) (*Taken, error) {
	client, err := opts.connect(ctx, opts.Version, opts.Progress)
	if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(filepath.Dir(opts.Output), ".redoubt-snapshot-*")
	if err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	defer os.Remove(file.Name()) //nolint:errcheck // it is gone if all went well
	taken, err := stream(ctx, client, file, opts)
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, err
	}
	if err := os.Rename(file.Name(), opts.Output); err != nil {
		return nil, fmt.Errorf("write snapshot: %w", err)
	}
	return taken, nil
}

func stream(ctx context.Context, client *cluster.Client, out io.Writer, opts SnapshotOptions) (*Taken, error) {
	w, err := snapshot.NewWriter(out, snapshot.Header{
		Server: client.Server(), ServerVersion: client.Version(), ClusterWide: true,
		Taken: opts.Now.UTC().Format(time.RFC3339), By: "redoubt " + opts.Version,
	})
	if err != nil {
		return nil, err
	}
	taken := &Taken{Server: client.Server(), ServerVersion: client.Version()}
	rest, err := client.Stream(ctx, cluster.Resources(nil), func(o *inventory.Object) error {
		taken.Objects++
		return w.Object(o)
	})
	if err != nil {
		return nil, err
	}
	taken.Gaps = rest.Gaps
	return taken, w.Close(rest)
}

// isSnapshot tells whether a file is a snapshot.
func isSnapshot(path string) bool {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return false
	}
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close() //nolint:errcheck // only read
	const enough = 64
	start := make([]byte, enough)
	n, err := io.ReadFull(file, start)
	return (err == nil || errors.Is(err, io.ErrUnexpectedEOF)) && snapshot.Is(start[:n])
}

// scanSnapshot judges a snapshot as the cluster it was taken of.
func scanSnapshot(ctx context.Context, opts ScanOptions) (*report.Report, error) {
	if err := opts.openSnapshot(); err != nil {
		return nil, err
	}
	return Scan(ctx, opts)
}

// openSnapshot takes the snapshot among the paths in their place.
func (o *ScanOptions) openSnapshot() error {
	taken, err := snapshotIn(o.Paths)
	if err != nil {
		return err
	}
	o.live, o.Paths = taken, nil
	return nil
}

// snapshotIn reads the snapshot among paths, which must be the only one.
func snapshotIn(paths []string) (*live, error) {
	path := paths[slices.IndexFunc(paths, isSnapshot)]
	if len(paths) > 1 {
		return nil, fmt.Errorf("%s is a snapshot of a whole cluster: give it by itself", path)
	}
	inv, header, err := readSnapshot(path)
	if err != nil {
		return nil, err
	}
	return &live{
		name: filepath.ToSlash(path), version: header.ServerVersion,
		read: func(context.Context) (*inventory.Inventory, error) { return inv, nil },
	}, nil
}
