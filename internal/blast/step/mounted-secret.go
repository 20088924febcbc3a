package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var mountedSecret = &blast.Step{
	ID:    "mounted-secret",
	Title: "reads a Secret the pod is given",
	Needs: "A container of the pod gets a Secret as a file or in its environment.",
	Gives: "The content of the Secret.",
	MITRE: []string{"T1552.007"}, Difficulty: blast.Trivial,
	Fix: "give the pod only the keys it needs", Effort: 4,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, p := range w.Pods {
			for _, s := range p.Secrets {
				emit(blast.Move{From: w.Held, To: f.Vertex(blast.SecretContent, w.Namespace, s.Name), Object: p.Template.Object, Path: s.Path})
			}
		}
	},
}
