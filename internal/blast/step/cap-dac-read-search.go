package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var capDacReadSearch = &blast.Step{
	ID:    "cap-dac-read-search",
	Title: "opens files of the node by their handles",
	Needs: "A running container has CAP_DAC_READ_SEARCH in the users of the node, and some file of the node's disk in sight, as every container has with its hosts file.",
	Gives: "Every file on that disk of the node: tokens of all its pods, keys, password hashes. With CAP_DAC_OVERRIDE, which containers have unless it is dropped, it can write them, too, and so is root on the node.",
	MITRE: []string{"T1611", "T1005"}, Difficulty: blast.Easy,
	Control: "capabilities-added", Fix: "take DAC_READ_SEARCH out of capabilities.add", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		escape(f, w, emit, capable("DAC_READ_SEARCH", "DAC_OVERRIDE"))
		escape(f, w, func(m blast.Move) {
			m.To = f.Neighbours(w)
			emit(m)
		}, capable("DAC_READ_SEARCH"))
	},
}
