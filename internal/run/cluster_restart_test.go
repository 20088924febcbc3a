package run_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

func TestAScanDuringARestartOfTheServerIsWholeOrSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Without: clustertest.ControlPlaneOnly})
	from := run.Cluster{Kubeconfig: c.Kubeconfig}
	want := verdictsAtRest(t, from)
	type outcome struct {
		rep *report.Report
		err error
	}
	stop, ended := make(chan struct{}), make(chan []outcome)
	go func() {
		var all []outcome
		for {
			rep, err := run.ScanCluster(t.Context(), liveOptions(), from)
			all = append(all, outcome{rep, err})
			select {
			case <-stop:
				ended <- all
				return
			default:
			}
		}
	}()
	c.RestartAPIServer(t, clustertest.Options{})
	close(stop)
	all := <-ended
	for _, o := range all {
		switch {
		case o.err != nil:
			known := []string{"the connection failed", "not ready or too busy", "no answer within", "ask the server what it serves"}
			if !slices.ContainsFunc(known, func(s string) bool { return strings.Contains(o.err.Error(), s) }) {
				t.Errorf("got error %v, want one that speaks of the connection", o.err)
			}
		case len(o.rep.Gaps) == 0:
			if diff := cmp.Diff(byVerdict(o.rep), want); diff != "" {
				t.Errorf("a scan that calls itself whole differs:\n%s", diff)
			}
		case o.rep.Summary.Unknown == 0:
			t.Errorf("gaps %+v make nothing unknown", o.rep.Gaps)
		}
	}
	t.Logf("%d scans", len(all))
}

// verdictsAtRest scans until a new server has made all its default roles.
func verdictsAtRest(t *testing.T, from run.Cluster) map[string]string {
	t.Helper()
	last := byVerdict(scanLive(t, liveOptions(), from))
	for same := 0; same < 3; same++ {
		time.Sleep(300 * time.Millisecond)
		now := byVerdict(scanLive(t, liveOptions(), from))
		if !cmp.Equal(now, last) {
			same = 0
		}
		last = now
	}
	return last
}

// byVerdict are the verdicts of a report by finding.
func byVerdict(rep *report.Report) map[string]string {
	out := make(map[string]string)
	for i := range rep.Findings {
		out[rep.Findings[i].Fingerprint] = rep.Findings[i].Verdict
	}
	return out
}
