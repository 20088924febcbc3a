package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var execIntoPods = &blast.Step{
	ID:    "exec-into-pods",
	Title: "runs commands in other pods",
	Needs: "A right to create pods/exec or pods/attach.",
	Gives: "Code in the pods, with their files and tokens.",
	MITRE: []string{"T1609"}, Difficulty: blast.Trivial,
	Control: "pod-exec", Fix: "remove pods/exec and pods/attach from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("create", core, "pods/exec pods/attach")},
		Gain:  codeInPods,
	},
}
