package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var hostIpc = &blast.Step{
	ID:    "host-ipc",
	Title: "reads the shared memory of the node",
	Needs: "The pod shares the inter-process communication of the node (hostIPC).",
	Gives: "Memory segments and queues that processes of the node and of other such pods keep there.",
	MITRE: []string{"T1611", "T1559"}, Difficulty: blast.Easy,
	Control: "host-ipc", Fix: "take hostIPC off the pod", Effort: 1,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, p := range w.Pods {
			if p.HostIPC {
				emit(blast.Move{From: w.Code, To: f.Gain("the shared memory of processes on the nodes of " + w.Ref()), Object: p.Template.Object, Path: p.At("hostIPC")})
				return
			}
		}
	},
}
