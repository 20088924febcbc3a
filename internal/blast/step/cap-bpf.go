package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var capBpf = &blast.Step{
	ID:    "cap-bpf",
	Title: "watches every process of the node from the kernel",
	Needs: "A running container has CAP_BPF and CAP_PERFMON in the users of the node.",
	Gives: "What all processes of the node read, write and send: the tokens of its pods among it.",
	MITRE: []string{"T1611", "T1040"}, Difficulty: blast.Hard,
	Control: "capabilities-added", Fix: "take BPF and PERFMON out of capabilities.add", Effort: 3,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		escape(f, w, func(m blast.Move) {
			m.To = f.Neighbours(w)
			emit(m)
		}, capable("BPF", "PERFMON"))
	},
}
