package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var shareProcessNamespace = &blast.Step{
	ID:    "share-process-namespace",
	Title: "reaches into the other containers of the pod",
	Needs: "The containers of the pod see each other's processes (shareProcessNamespace), and there is more than one.",
	Gives: "Files, environment and memory of the other containers: what a sidecar holds is the application's, too.",
	MITRE: []string{"T1057", "T1552"}, Difficulty: blast.Trivial,
	Control: "share-process-namespace", Fix: "take shareProcessNamespace off the pod", Effort: 1,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, p := range w.Pods {
			if p.SharedProcesses && len(p.Running) > 1 {
				emit(blast.Move{From: w.Code, To: f.Gain("files and environment of all containers of " + w.Ref()), Object: p.Template.Object, Path: p.At("shareProcessNamespace")})
				return
			}
		}
	},
}
