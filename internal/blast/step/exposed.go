package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var exposed = &blast.Step{
	ID:    "exposed",
	Title: "breaks into an application that is open to the outside",
	Needs: "An Ingress, a route, a load balancer or a port of the node leads from outside to the workload.",
	Gives: "Code in the workload, given a hole in the application: the premise of all that follows.",
	MITRE: []string{"T1190"}, Difficulty: blast.Hard,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, e := range w.Exposed {
			from := f.Vertex(blast.Outside, "", "the internet")
			if !e.Internet && !e.Unknown {
				from = f.Vertex(blast.Outside, "", "the network of the nodes")
			}
			emit(blast.Move{From: from, To: w.Code, Object: e.Object, Path: e.Path, Note: e.How, Possible: true, Why: "given a hole in the application"})
		}
	},
}
