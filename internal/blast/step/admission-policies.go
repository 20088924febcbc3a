package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var admissionPolicies = &blast.Step{
	ID:    "admission-policies",
	Title: "weakens the rules of admission",
	Needs: "A right to change or delete validating admission policies or their bindings.",
	Gives: "What the policies refused is admitted.",
	MITRE: []string{"T1562.001"}, Difficulty: blast.Trivial,
	Control: "admission-policy-write", Fix: "remove the policies from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("update patch delete", admission, "validatingadmissionpolicies validatingadmissionpolicybindings")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Gain("the end of checks by admission policies")))
		},
	},
}
