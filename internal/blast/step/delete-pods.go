package step

import (
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var deletePods = &blast.Step{
	ID:    "delete-pods",
	Title: "stops other workloads",
	Needs: "A right to delete pods or workloads, or to evict pods.",
	Gives: "An end to the workloads, as often as the intruder likes.",
	MITRE: []string{"T1485", "T1489"}, Difficulty: blast.Trivial,
	Fix: "remove delete and deletecollection from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{slices.Concat(
			requests("delete deletecollection", core, "pods"), requests("create", core, "pods/eviction"),
			requests("delete deletecollection", "apps", "deployments statefulsets daemonsets"),
		)},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if h.Names == nil {
				emit(h.Move(f.Outcome(h.Namespace, "an end to the workloads")))
			}
		},
	},
}
