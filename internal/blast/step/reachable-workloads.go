package step

import (
	"fmt"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var reachableWorkloads = &blast.Step{
	ID:    "reachable-workloads",
	Title: "speaks to other workloads",
	Needs: "No network policy keeps the pod from the ports of other pods.",
	Gives: "A connection to their ports. What comes of it depends on what they ask of callers.",
	MITRE: []string{"T1046", "T1210"}, Difficulty: blast.Trivial,
	Control: "workload-not-isolated", Fix: "add a default-deny NetworkPolicy and allow what is needed", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		if len(f.Workloads) < 2 {
			return
		}
		m := blast.Move{From: w.Code, To: f.Gain("connections to other workloads"), Object: w.Object, Path: "metadata.labels"}
		if f.Network == nil {
			m.Possible, m.Why = true, "network policies are not worked out"
			emit(m)
			return
		}
		sure, unknown := f.Network.Workloads(w)
		m.Note = fmt.Sprintf("to %d of %d; redoubt reach says which", sure, len(f.Workloads)-1)
		switch {
		case sure > 0:
			emit(m)
		case unknown > 0:
			m.Possible, m.Why = true, fmt.Sprintf("for %d workloads it is not known whether network policies allow it", unknown)
			emit(m)
		}
	},
}
