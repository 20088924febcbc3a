package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var readLogs = &blast.Step{
	ID:    "read-logs",
	Title: "reads logs",
	Needs: "A right to get pods/log.",
	Gives: "What programs write to their logs, credentials among it at times.",
	MITRE: []string{"T1552", "T1613"}, Difficulty: blast.Trivial,
	Control: "pod-log-read", Fix: "remove pods/log from the rule", Effort: 1,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("get", core, "pods/log")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Outcome(h.Namespace, "the logs of the pods")))
		},
	},
}
