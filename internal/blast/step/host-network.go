package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostNetwork = &blast.Step{
	ID:    "host-network",
	Title: "speaks from the network of the node",
	Needs: "The pod is in the network of the node (hostNetwork).",
	Gives: "Services that trust the node's own address or listen on its loopback only; network policies don't hold the pod.",
	MITRE: []string{"T1611", "T1046"}, Difficulty: blast.Trivial,
	Control: "host-network", Fix: "take hostNetwork off the pod", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, p := range w.Pods {
			if p.HostNetwork {
				emit(blast.Move{From: w.Code, To: f.Gain("the local services and the network of the nodes of " + w.Ref() + ", past network policies"), Object: p.Template.Object, Path: p.At("hostNetwork")})
				return
			}
		}
	},
}
