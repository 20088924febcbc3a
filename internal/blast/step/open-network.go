package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var openNetwork = &blast.Step{
	ID:    "open-network",
	Title: "opens the network between workloads",
	Needs: "A right to write or delete network policies.",
	Gives: "Connections the policies forbade.",
	MITRE: []string{"T1562.004"}, Difficulty: blast.Trivial,
	Control: "network-policy-write", Fix: "remove networkpolicies from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("create update patch delete", "networking.k8s.io", "networkpolicies")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Outcome(h.Namespace, "the end of network policies")))
		},
	},
}
