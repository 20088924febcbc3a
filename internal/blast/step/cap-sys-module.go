package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var capSysModule = &blast.Step{
	ID:    "cap-sys-module",
	Title: "loads a kernel module",
	Needs: "A running container has CAP_SYS_MODULE in the users of the node.",
	Gives: "The kernel of the node, and with it root on the node.",
	MITRE: []string{"T1611", "T1547.006"}, Difficulty: blast.Easy,
	Control: "capabilities-added", Fix: "take SYS_MODULE out of capabilities.add; load modules when the node starts", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		escape(f, w, emit, capable("SYS_MODULE"))
	},
}
