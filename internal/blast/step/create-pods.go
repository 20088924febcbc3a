package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var createPods = &blast.Step{
	ID:    "create-pods",
	Title: "starts pods of its own",
	Needs: "A right to create pods, or anything pods are made from.",
	Gives: "Pods with any image, service account, Secret and volume of the namespace.",
	MITRE: []string{"T1610"}, Difficulty: blast.Trivial,
	Control: "workload-create", Fix: "remove create on pods and workloads from the rule", Effort: 3,
	Right: &blast.Right{
		Needs: [][]blast.Request{makePods},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.All(blast.PodsIn, h.Namespace)))
		},
	},
}
