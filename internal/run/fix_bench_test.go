//go:build unix

package run_test

import (
	"io"
	"math"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	plain "github.com/redoubt-k8s/redoubt/internal/report/text"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// mostScans is how many scans of the same input a run of fix may take.
const mostScans = 2

// cpuTime is what the process has spent by now, on all processors: unlike the
// time on the wall it does not depend on who else uses the machine.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// costs takes the time of a scan of a folder with its report and of a fix with its
// diff, as the program does them.
func costs(tb testing.TB, dir string, safety control.Safety) (time.Duration, time.Duration) {
	tb.Helper()
	took := func(do func(opts run.ScanOptions) error) time.Duration {
		runtime.GC()
		before := cpuTime(tb)
		if err := do(run.ScanOptions{Input: run.Input{Paths: []string{dir}}, Now: time.Unix(0, 0)}); err != nil {
			tb.Fatal(err)
		}
		return cpuTime(tb) - before
	}
	scan := took(func(opts run.ScanOptions) error {
		rep, err := run.Scan(tb.Context(), opts)
		if err != nil {
			return err
		}
		return plain.Renderer{}.Render(io.Discard, rep)
	})
	return scan, took(func(opts run.ScanOptions) error {
		res, err := run.Fix(tb.Context(), run.FixOptions{ScanOptions: opts, Safety: safety})
		if err != nil {
			return err
		}
		for name, text := range res.Texts {
			fix.Unified(name, res.Originals[name], text)
		}
		return nil
	})
}

// asProgram sets the collector of garbage as the program does.
func asProgram(tb testing.TB) {
	tb.Helper()
	const percent = 200
	was := debug.SetGCPercent(percent)
	tb.Cleanup(func() { debug.SetGCPercent(was) })
}

// TestFixTakesNoLongerThanTwoScans compares the least time of each; a few tries
// make up for what the machine does besides.
func TestFixTakesNoLongerThanTwoScans(t *testing.T) { //nolint:paralleltest // others would be measured, too
	if testing.Short() {
		t.Skip("takes a few seconds")
	}
	asProgram(t)
	dir, _ := folder(t, 400, 0)
	for _, safety := range []control.Safety{control.Safe, control.Review} {
		const least, most = 2, 10
		scan, fixing := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
		for n := 0; n < least || n < most && fixing > mostScans*scan; n++ {
			s, f := costs(t, dir, safety)
			scan, fixing = min(scan, s), min(fixing, f)
		}
		t.Logf("%s: scan %v, fix %v of processor time: %.2f scans", safety, scan, fixing, float64(fixing)/float64(scan))
		if fixing > mostScans*scan {
			t.Errorf("fix --safety %s takes %v, a scan of the same files %v: want at most %d scans", safety, fixing, scan, mostScans)
		}
	}
}

// BenchmarkFix reports how many scans of the same folder a run takes, by the
// least processor time of each.
func BenchmarkFix(b *testing.B) {
	asProgram(b)
	for _, bc := range folders {
		for _, safety := range []control.Safety{control.Safe, control.Review} {
			b.Run(bc.name+"-"+string(safety), func(b *testing.B) {
				dir, size := folder(b, bc.n, bc.same)
				b.SetBytes(size)
				b.ReportAllocs()
				scan, fixing := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
				for b.Loop() {
					s, f := costs(b, dir, safety)
					scan, fixing = min(scan, s), min(fixing, f)
				}
				b.ReportMetric(float64(fixing)/float64(scan), "scans")
			})
		}
	}
}
