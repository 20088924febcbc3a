package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var ephemeralContainers = &blast.Step{
	ID:    "ephemeral-containers",
	Title: "adds a container to running pods",
	Needs: "A right to update or patch pods/ephemeralcontainers.",
	Gives: "Code in the pods beside their own containers, with the security context admission lets through.",
	MITRE: []string{"T1609", "T1610"}, Difficulty: blast.Trivial,
	Control: "ephemeral-containers", Fix: "remove pods/ephemeralcontainers from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("update patch", core, "pods/ephemeralcontainers")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			codeInPods(f, h, emit)
			privilegedHere(f, &h, emit)
		},
	},
}

// privilegedHere emits the move to the nodes for who can choose the security
// context of containers in existing pods.
func privilegedHere(f *blast.Facts, h *blast.Holding, emit blast.Emit) {
	if h.Names != nil {
		return
	}
	for _, namespace := range namespacesOf(f, h) {
		if len(f.WorkloadsIn(namespace)) == 0 {
			continue
		}
		switch admits, _ := f.Admission(namespace); admits {
		case blast.AdmitsAnything:
			for _, w := range f.WorkloadsIn(namespace) {
				emit(h.Move(f.Hosts(w)))
			}
		case blast.AdmitsUnknown:
			for _, w := range f.WorkloadsIn(namespace) {
				emit(h.Maybe(f.Hosts(w), whyAdmission(namespace)))
			}
		case blast.AdmitsNoEscape:
		}
	}
}

func whyAdmission(namespace string) string {
	return "what admission lets into namespace " + namespace + " is not known"
}
