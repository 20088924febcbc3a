package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPathEtcd = &blast.Step{
	ID:    "host-path-etcd",
	Title: "reads the files of etcd",
	Needs: "A pod that can run on a control-plane node sees /var/lib/etcd of it, be it read only.",
	Gives: "Every object of the cluster, and every Secret that is not encrypted at rest.",
	MITRE: []string{"T1552.001", "T1005"}, Difficulty: blast.Easy,
	Control: "sensitive-host-path-read", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		reachesControlPlane(f, w, emit, func(h blast.HostPath) bool { return covers(h.Folder, "/var/lib/etcd") }, f.All(blast.SecretsOf, ""))
	},
}
