// Package manifest reads plain files: manifests, configuration files of
// components, kubeconfigs and standard input.
package manifest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Source reads files.
type Source struct {
	// Paths are the files; "-" is standard input.
	Paths []string
	// Stdin is read for "-".
	Stdin io.Reader
	// Limits bound each file.
	Limits decode.Limits
	// TotalBytes bounds the size of all files together.
	TotalBytes int64
	// Progress is called after each file; may be nil.
	Progress func(done, total int)
	// Sized is told after each file how many bytes were read so far; may be nil.
	Sized func(bytes int64)
	// Decode turns the bytes of a file into objects; nil means YAML or JSON.
	Decode func(data []byte, origin *inventory.Origin, limits decode.Limits) (decode.Result, error)
}

// outcome is what one file gave.
type outcome struct {
	res   decode.Result
	err   error
	bytes int64
}

// Read reads all files, in parallel. What can't be read becomes a gap; an error
// means that the run was cut off or that the files are too large together.
func (s *Source) Read(ctx context.Context) (*inventory.Inventory, error) {
	if s.Decode == nil {
		s.Decode = decode.File
	}
	outcomes := make([]outcome, len(s.Paths))
	var total atomic.Int64
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range s.Paths {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			out := &outcomes[i]
			out.res, out.bytes, out.err = s.file(path)
			sum := total.Add(out.bytes)
			if s.Sized != nil {
				s.Sized(sum)
			}
			if s.TotalBytes > 0 && sum > s.TotalBytes {
				return fmt.Errorf("the files are larger than %d MiB together; name fewer folders", s.TotalBytes>>20)
			}
			if s.Progress != nil {
				s.Progress(int(done.Add(1)), len(s.Paths))
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return new(inventory.Inventory), err
	}
	return collect(outcomes), nil
}

func collect(outcomes []outcome) *inventory.Inventory {
	inv := &inventory.Inventory{Files: len(outcomes)}
	for i := range outcomes {
		out := &outcomes[i]
		inv.Bytes += out.bytes
		inv.Add(out.res.Objects...)
		for range out.res.Foreign {
			inv.Skip("not Kubernetes")
		}
		for _, fault := range decode.Faults(out.err) {
			if fault.Foreign {
				inv.Skip("not Kubernetes")
				continue
			}
			inv.AddGap(inventory.Gap{What: fault.File, Why: fault.Reason(), File: fault.File, Line: fault.Line, Broken: true})
		}
	}
	return inv
}

func (s *Source) file(path string) (decode.Result, int64, error) {
	origin := &inventory.Origin{Kind: inventory.FromManifest, File: path}
	data, err := s.bytes(path)
	if err != nil {
		return decode.Result{}, int64(len(data)), &decode.Error{File: path, Msg: err.Error()}
	}
	res, err := s.Decode(data, origin, s.Limits)
	return res, int64(len(data)), err
}

// bytes reads a file, at most one byte more than the limit allows.
func (s *Source) bytes(path string) ([]byte, error) {
	in := s.Stdin
	size := int64(0)
	if path != "-" {
		info, err := os.Stat(path)
		if err != nil {
			return nil, errors.Unwrap(err)
		}
		if !info.Mode().IsRegular() { // opening a pipe may wait forever
			return nil, errors.New("not a regular file")
		}
		if size = info.Size(); size > s.Limits.Bytes {
			return nil, fmt.Errorf("the file has %d MiB, more than the limit of %d MiB; raise --max-file-size, or split it", size>>20, s.Limits.Bytes>>20)
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, errors.Unwrap(err)
		}
		defer f.Close() //nolint:errcheck // only read
		in = f
	}
	if in == nil {
		return nil, errors.New("there is no standard input")
	}
	return read(io.LimitReader(in, s.Limits.Bytes+1), size)
}

// read is [io.ReadAll] with a buffer of the expected size.
func read(in io.Reader, size int64) ([]byte, error) {
	buf := make([]byte, 0, size+512)
	for {
		n, err := in.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}
