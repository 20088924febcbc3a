package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var kubeletReadOnlyPort = &blast.Step{
	ID:    "kubelet-read-only-port",
	Title: "reads pods from the kubelet's open port",
	Needs: "The kubelet serves its read-only port, which asks for no login, and the pod can reach the nodes.",
	Gives: "The specification of every pod of the nodes, environment included.",
	MITRE: []string{"T1613"}, Difficulty: blast.Trivial,
	Control: "kubelet-read-only-port", Fix: "set readOnlyPort to 0", Effort: 1,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, o := range f.Inventory.Kind("KubeletConfiguration") {
			if port, ok := o.Root.Get("readOnlyPort").Int(); ok && port > 0 && port < 1<<16 {
				fromEverywhere(f, emit, blast.Move{To: f.Gain("the specification of every pod, with its environment"), Object: o, Path: "readOnlyPort"}, blast.NodeItself, int32(port))
				return
			}
		}
	},
}
