package step

import (
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var movePods = &blast.Step{
	ID:    "move-pods",
	Title: "draws pods to a node of its choice",
	Needs: "A right to change or delete nodes, their status, or to bind pods to nodes.",
	Gives: "Other workloads' pods, with their tokens, on the node the intruder has; or no place for them at all.",
	MITRE: []string{"T1496", "T1499"}, Difficulty: blast.Hard,
	Control: "node-write", Fix: "remove nodes and pods/binding from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{slices.Concat(
			requests("update patch delete", core, "nodes"), requests("update patch", core, "nodes/status"),
			requests("create", core, "pods/binding bindings"),
		)},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Outcome(h.Namespace, "the choice on which node pods run")))
		},
	},
}
