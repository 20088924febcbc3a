package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostPathControlPlaneKeys = &blast.Step{
	ID:    "host-path-control-plane-keys",
	Title: "takes the keys of the cluster from a control-plane node",
	Needs: "A pod that can run on a control-plane node sees /etc/kubernetes of it, be it read only.",
	Gives: "The cluster's certificate authorities, the key that signs tokens and the administrator's kubeconfig: the whole cluster.",
	MITRE: []string{"T1552.004"}, Difficulty: blast.Trivial,
	Control: "sensitive-host-path-read", Fix: removeHostPath, Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		reachesControlPlane(f, w, emit, func(h blast.HostPath) bool {
			return covers(h.Folder, "/etc/kubernetes/pki", "/etc/kubernetes/admin.conf", "/etc/kubernetes/super-admin.conf")
		}, f.Admin())
	},
}

// reachesControlPlane emits a move for a folder that counts on control-plane
// nodes only.
func reachesControlPlane(f *blast.Facts, w *blast.Workload, emit blast.Emit, gives func(blast.HostPath) bool, to blast.Vertex) {
	certain, possible := false, false
	for _, n := range w.Nodes {
		certain = certain || n.ControlPlane
	}
	for _, n := range w.NodesPossible {
		possible = possible || n.ControlPlane
	}
	if !certain && !possible {
		return
	}
	hostPaths(w, to, func(m blast.Move) {
		if !certain || !f.NodesKnown {
			m.Possible, m.Why = true, "if one of its pods runs on a control-plane node"
		}
		emit(m)
	}, gives)
}
