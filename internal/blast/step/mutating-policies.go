package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var mutatingPolicies = &blast.Step{
	ID:    "mutating-policies",
	Title: "changes objects with an admission policy of its own",
	Needs: "Rights to write mutating admission policies and their bindings.",
	Gives: "Every object that is written is the intruder's to change, in the API server itself: so the whole cluster.",
	MITRE: []string{"T1546"}, Difficulty: blast.Hard,
	Control: "admission-policy-write", Fix: "remove the policies from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{
			requests("create update patch", admission, "mutatingadmissionpolicies"),
			requests("create update patch", admission, "mutatingadmissionpolicybindings"),
		},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Maybe(f.Admin(), "the API server must be of a version that has such policies, with the feature on"))
		},
	},
}
