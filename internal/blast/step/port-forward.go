package step

import (
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var portForward = &blast.Step{
	ID:    "port-forward",
	Title: "reaches ports through the API server",
	Needs: "A right to create pods/portforward, or to get or create pods/proxy or services/proxy.",
	Gives: "Every port of the pods, from outside and past network policies.",
	MITRE: []string{"T1090"}, Difficulty: blast.Trivial,
	Control: "pod-port-forward", Fix: "remove portforward and proxy from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{slices.Concat(requests("create get", core, "pods/portforward"), requests("get create", core, "pods/proxy services/proxy"))},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Outcome(h.Namespace, "the ports of the pods, past network policies,")))
		},
	},
}
