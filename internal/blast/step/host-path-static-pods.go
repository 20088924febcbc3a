package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPathStaticPods = &blast.Step{
	ID:    "host-path-static-pods",
	Title: "writes a static pod for the kubelet",
	Needs: "A container may write to the folder from which the kubelet starts pods without asking anybody (/etc/kubernetes/manifests).",
	Gives: "A pod of the intruder's making on the node that no admission has seen, privileged if he likes: root on the node.",
	MITRE: []string{"T1611", "T1610"}, Difficulty: blast.Trivial,
	Control: "dangerous-host-path", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		hostPaths(w, f.Hosts(w), emit, func(h blast.HostPath) bool {
			return h.Write && covers(h.Folder, "/etc/kubernetes/manifests")
		})
	},
}
