package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var wildcard = &blast.Step{
	ID:    "wildcard",
	Title: "may do everything",
	Needs: "A binding in the whole cluster gives every verb on every resource.",
	Gives: "The whole cluster.",
	MITRE: []string{"T1078", "T1098.006"}, Difficulty: blast.Trivial,
	Control: "cluster-admin-binding", Fix: "bind a role that names what is needed", Effort: 3,
	Right: &blast.Right{
		Wild:  true,
		Needs: [][]blast.Request{{{Verb: "*", Group: "*", Resource: "*", Cluster: true}}},
		Gain:  func(f *blast.Facts, h blast.Holding, emit blast.Emit) { emit(h.Move(f.Admin())) },
	},
}
