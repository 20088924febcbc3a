package step

import (
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var redirectServices = &blast.Step{
	ID:    "redirect-services",
	Title: "redirects the traffic of Services",
	Needs: "A right to write Endpoints, EndpointSlices or Services.",
	Gives: "What clients send to the Services, credentials among it.",
	MITRE: []string{"T1557"}, Difficulty: blast.Easy,
	Control: "endpoints-write", Fix: "remove endpoints, endpointslices and services from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{slices.Concat(
			requests("create update patch", core, "endpoints services"), requests("create update patch", "discovery.k8s.io", "endpointslices"),
		)},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Outcome(h.Namespace, "the traffic of Services")))
		},
	},
}
