package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var changeWorkloads = &blast.Step{
	ID:    "change-workloads",
	Title: "changes what a workload runs",
	Needs: "A right to update or patch Deployments, DaemonSets, StatefulSets, ReplicaSets or CronJobs.",
	Gives: "Pods with any image, service account, Secret and volume of the namespace, in place of the workload's own.",
	MITRE: []string{"T1610", "T1525"}, Difficulty: blast.Trivial,
	Control: "workload-create", Fix: "remove update and patch on workloads from the rule", Effort: 3,
	Right: &blast.Right{
		Needs: [][]blast.Request{changePods},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if h.Names == nil {
				emit(h.Move(f.All(blast.PodsIn, h.Namespace)))
				return
			}
			// The named workload may not be there; where it is, its pods can be
			// given any account, Secret and volume of the namespace.
			for _, namespace := range namespacesOf(f, &h) {
				for _, w := range f.WorkloadsIn(namespace) {
					for _, name := range h.Names {
						if w.Object.Name == name {
							emit(h.Move(f.All(blast.PodsIn, namespace)))
						}
					}
				}
			}
		},
	},
}
