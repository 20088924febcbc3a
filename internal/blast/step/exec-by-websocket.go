package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var execByWebsocket = &blast.Step{
	ID:    "exec-by-websocket",
	Title: "runs commands in other pods over a WebSocket",
	Needs: "A right to get pods/exec or pods/attach, and an API server that does not ask for create when a WebSocket is opened; newer versions do.",
	Gives: "Code in the pods, by a right that looks as if it could only read.",
	MITRE: []string{"T1609"}, Difficulty: blast.Easy,
	Control: "pod-exec", Fix: "remove pods/exec and pods/attach from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("get", core, "pods/exec pods/attach")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			codeInPods(f, h, func(m blast.Move) {
				m.Possible, m.Why = true, "newer API servers ask for create, too"
				emit(m)
			})
		},
	},
}
