package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPathKubeletIdentity = &blast.Step{
	ID:    "host-path-kubelet-identity",
	Title: "takes the kubelet's own certificate",
	Needs: "A container sees the kubelet's key or its kubeconfig on the node, be it read only.",
	Gives: "The node's identity at the API server: Secrets and tokens of every pod bound to the node.",
	MITRE: []string{"T1552.004", "T1078"}, Difficulty: blast.Easy,
	Control: "sensitive-host-path-read", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		hostPaths(w, f.Neighbours(w), emit, func(h blast.HostPath) bool {
			return covers(h.Folder, "/var/lib/kubelet/pki", "/etc/kubernetes/kubelet.conf", "/var/lib/kubelet/kubeconfig")
		})
	},
}
