package run_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/gen"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// folder writes n generated manifests into a folder.
func folder(tb testing.TB, n int, same float64) (string, int64) {
	tb.Helper()
	dir := tb.TempDir()
	size := int64(0)
	for i, text := range gen.Manifests(n, gen.Options{Seed: 7, Same: same}) {
		size += int64(len(text))
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%05d.yaml", i)), []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir, size
}

// folders are the inputs of the benchmarks: how many files, and which share of
// the workloads has an equal among the others.
var folders = []struct {
	name string
	n    int
	same float64
}{{"241", 241, 0}, {"5000-distinct", 5000, 0}, {"5000-half-equal", 5000, 0.5}}

// BenchmarkScan is the whole scan of a folder, loading and compiling the
// controls included.
func BenchmarkScan(b *testing.B) {
	for _, bc := range folders {
		b.Run(bc.name, func(b *testing.B) {
			dir, size := folder(b, bc.n, bc.same)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := run.Scan(b.Context(), run.ScanOptions{Input: run.Input{Paths: []string{dir}}, Now: time.Unix(0, 0)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParse is the yardstick: the same files through the YAML library
// alone, one after the other.
func BenchmarkParse(b *testing.B) {
	for _, bc := range folders {
		b.Run(bc.name, func(b *testing.B) {
			dir, size := folder(b, bc.n, bc.same)
			b.SetBytes(size)
			b.ReportAllocs()
			for b.Loop() {
				parse(b, dir)
			}
		})
	}
}

func parse(b *testing.B, dir string) {
	b.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			b.Fatal(err)
		}
		for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
			var n yaml.Node
			if err := dec.Decode(&n); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkScanMemory reports the largest heap of a scan as a multiple of the
// input.
func BenchmarkScanMemory(b *testing.B) {
	dir, size := folder(b, 5000, 0)
	const heap = "/memory/classes/heap/objects:bytes"
	for b.Loop() {
		runtime.GC()
		var peak uint64
		done := make(chan struct{})
		var watching sync.WaitGroup
		watching.Go(func() {
			sample := []metrics.Sample{{Name: heap}}
			for tick := time.NewTicker(2 * time.Millisecond); ; {
				select {
				case <-done:
					tick.Stop()
					return
				case <-tick.C:
					metrics.Read(sample)
					peak = max(peak, sample[0].Value.Uint64())
				}
			}
		})
		_, err := run.Scan(b.Context(), run.ScanOptions{Input: run.Input{Paths: []string{dir}}, Now: time.Unix(0, 0)})
		close(done)
		watching.Wait()
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(peak)/float64(size), "peak-B/input-B")
	}
}
