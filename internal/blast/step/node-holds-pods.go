package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var nodeHoldsPods = &blast.Step{
	ID:    "node-holds-pods",
	Title: "takes tokens and Secrets of every pod on the node",
	Needs: "The intruder is root on a node that runs pods.",
	Gives: "What all pods on the node hold, by the kubelet's files and its identity. The Node authoriser and NodeRestriction bound that identity to these pods.",
	MITRE: []string{"T1552.001", "T1528"}, Difficulty: blast.Trivial,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, n := range f.Nodes {
			if len(f.OnNode(n)) == 0 {
				continue
			}
			emit(blast.Move{From: n.Vertex, To: n.Pods, Object: n.Object, Path: "metadata.name"})
		}
	},
}
