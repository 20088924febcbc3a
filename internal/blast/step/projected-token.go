package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var projectedToken = &blast.Step{
	ID:    "projected-token",
	Title: "reads a token made for another service",
	Needs: "The pod mounts a token with an audience of its own.",
	Gives: "The account's identity at that service; the API server does not take the token.",
	MITRE: []string{"T1528"}, Difficulty: blast.Trivial,
	Control: "projected-token", Fix: "remove the volume from pods that don't call the service", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, p := range w.Pods {
			for _, t := range p.Tokens {
				if t.Name != "sts.amazonaws.com" && t.Name != "api://AzureADTokenExchange" {
					emit(blast.Move{From: w.Held, To: f.Vertex(blast.Outside, "", "whatever trusts tokens for "+t.Name), Object: p.Template.Object, Path: t.Path})
				}
			}
		}
	},
}
