package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPathKubelet = &blast.Step{
	ID:    "host-path-kubelet",
	Title: "reads the tokens of all pods in the kubelet's folder",
	Needs: "A container sees /var/lib/kubelet of the node, or a folder above it, be it read only.",
	Gives: "The tokens and mounted Secrets of every pod on the node.",
	MITRE: []string{"T1552.001", "T1528"}, Difficulty: blast.Trivial,
	Control: "sensitive-host-path-read", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		hostPaths(w, f.Neighbours(w), emit, func(h blast.HostPath) bool {
			return h.Folder == "/var/lib/kubelet" || under(h.Folder, "/var/lib/kubelet/pods") || h.Folder == "/" || h.Folder == "/var" || h.Folder == "/var/lib"
		})
	},
}
