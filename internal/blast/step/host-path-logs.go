package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPathLogs = &blast.Step{
	ID:    "host-path-logs",
	Title: "reads files of the node through the log folder",
	Needs: "A container may write to the folder from which the kubelet serves logs (/var/log), and somebody's right to read logs is at hand.",
	Gives: "Any file of the node: a link put in place of a log is followed by the kubelet as root.",
	MITRE: []string{"T1611", "T1083"}, Difficulty: blast.Hard,
	Control: "dangerous-host-path", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		hostPaths(w, f.Hosts(w), func(m blast.Move) {
			m.Possible, m.Why = true, "it also takes a right to read logs, and a kubelet that follows links"
			emit(m)
		}, func(h blast.HostPath) bool {
			return h.Write && (h.Folder == "/var/log" || under(h.Folder, "/var/log/pods", "/var/log/containers"))
		})
	},
}
