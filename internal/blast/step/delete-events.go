package step

import (
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var deleteEvents = &blast.Step{
	ID:    "delete-events",
	Title: "removes traces",
	Needs: "A right to delete events.",
	Gives: "Nobody sees from the events what was done.",
	MITRE: []string{"T1070"}, Difficulty: blast.Trivial,
	Control: "events-delete", Fix: "remove delete on events from the rule", Effort: 1,
	Right: &blast.Right{
		Needs: [][]blast.Request{slices.Concat(
			requests("delete deletecollection", core, "events"), requests("delete deletecollection", "events.k8s.io", "events"),
		)},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Outcome(h.Namespace, "the events, to delete,")))
		},
	},
}
