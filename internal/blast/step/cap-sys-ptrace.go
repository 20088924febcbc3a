package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var capSysPtrace = &blast.Step{
	ID:    "cap-sys-ptrace",
	Title: "puts code into a process of the node",
	Needs: "The pod sees the processes of the node and a container may trace them (hostPID and CAP_SYS_PTRACE).",
	Gives: "Root on the node, by way of any of its own processes.",
	MITRE: []string{"T1611", "T1055.008"}, Difficulty: blast.Easy,
	Control: "capabilities-added", Fix: "take SYS_PTRACE out of capabilities.add, or hostPID off the pod", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		trace := capable("SYS_PTRACE")
		escape(f, w, emit, func(p *blast.Pod, c *blast.Container) (string, bool, bool) {
			field, certain, ok := trace(p, c)
			return field, certain, ok && p.HostPID
		})
	},
}
