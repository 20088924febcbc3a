package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var capSysTime = &blast.Step{
	ID:    "cap-sys-time",
	Title: "sets the clock of the node",
	Needs: "A running container has CAP_SYS_TIME in the users of the node.",
	Gives: "Tokens and certificates that have run out count again on the node, and valid ones don't; its logs carry false times.",
	MITRE: []string{"T1070.006", "T1499"}, Difficulty: blast.Trivial,
	Control: "capabilities-added", Fix: "take SYS_TIME out of capabilities.add", Effort: 1,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		escape(f, w, func(m blast.Move) {
			m.To = f.Gain("the clock of the nodes of " + w.Ref())
			emit(m)
		}, capable("SYS_TIME"))
	},
}
