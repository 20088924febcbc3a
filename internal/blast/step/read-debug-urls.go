package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var readDebugURLs = &blast.Step{
	ID:    "read-debug-urls",
	Title: "reads the insides of the API server",
	Needs: "A right to get /debug/pprof or /logs of the API server.",
	Gives: "Memory profiles and log files of the API server, with what passes through it.",
	MITRE: []string{"T1613", "T1552"}, Difficulty: blast.Easy,
	Control: "wildcard-rights", Fix: "remove the paths from nonResourceURLs", Effort: 1,
	Right: &blast.Right{
		Needs: [][]blast.Request{{{Verb: "get", URL: "/debug/pprof/heap"}, {Verb: "get", URL: "/logs/"}, {Verb: "get", URL: "/debug/pprof/"}}},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Gain("profiles and log files of the API server")))
		},
	},
}
