package step

import (
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var deleteData = &blast.Step{
	ID:    "delete-data",
	Title: "destroys stored data",
	Needs: "A right to delete claims, volumes or whole namespaces.",
	Gives: "The end of what is stored there, where the volumes are reclaimed by deletion.",
	MITRE: []string{"T1485"}, Difficulty: blast.Trivial,
	Fix: "remove delete and deletecollection from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{slices.Concat(
			requests("delete deletecollection", core, "persistentvolumeclaims persistentvolumes"), requests("delete", core, "namespaces"),
		)},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if h.Names == nil {
				emit(h.Move(f.Outcome(h.Namespace, "the end of stored data")))
			}
		},
	},
}
