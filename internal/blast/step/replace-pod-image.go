package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var replacePodImage = &blast.Step{
	ID:    "replace-pod-image",
	Title: "gives a running pod another image",
	Needs: "A right to update or patch pods.",
	Gives: "Code in those pods: the image is the one field of a container that can change while it runs.",
	MITRE: []string{"T1610", "T1525"}, Difficulty: blast.Easy,
	Control: "workload-create", Fix: "remove update and patch on pods from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("update patch", core, "pods")},
		Gain:  codeInPods,
	},
}

// codeInPods emits moves to the workloads a right on pods covers.
func codeInPods(f *blast.Facts, h blast.Holding, emit blast.Emit) {
	if h.Names == nil {
		emit(h.Move(f.All(blast.WorkloadsOf, h.Namespace)))
		return
	}
	workloadsNamed(f, &h, emit)
}
