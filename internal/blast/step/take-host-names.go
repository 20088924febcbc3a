package step

import (
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var takeHostNames = &blast.Step{
	ID:    "take-host-names",
	Title: "takes over host names at the ingress",
	Needs: "A right to write Ingresses or routes of the Gateway API.",
	Gives: "Traffic from outside for names and paths of others; with snippet annotations, code in the ingress controller.",
	MITRE: []string{"T1557", "T1584"}, Difficulty: blast.Easy,
	Control: "ingress-snippet", Fix: "remove ingresses and routes from the rule, and switch snippets off in the controller", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{slices.Concat(
			requests("create update patch", "networking.k8s.io", "ingresses"), requests("create update patch", "gateway.networking.k8s.io", "httproutes"),
		)},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Gain("host names and paths at the ingress")))
		},
	},
}
