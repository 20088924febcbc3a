package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var namespaceLabels = &blast.Step{
	ID:    "namespace-labels",
	Title: "takes the Pod Security label off a namespace",
	Needs: "Rights to update or patch namespaces and to create pods there.",
	Gives: "Privileged pods, and with them root on every node.",
	MITRE: []string{"T1562.001", "T1611"}, Difficulty: blast.Trivial,
	Control: "namespace-update", Fix: "remove update and patch on namespaces from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("update patch", core, "namespaces"), makePods},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if h.Namespace != "" && !named(&h, h.Namespace) {
				return
			}
			if f.OtherAdmission() {
				emit(h.Maybe(f.EveryNode(), "something else than Pod Security looks at pods, too"))
				return
			}
			emit(h.Move(f.EveryNode()))
		},
	},
}
