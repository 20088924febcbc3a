package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var nodesProxy = &blast.Step{
	ID:    "nodes-proxy",
	Title: "runs commands through the kubelet's API",
	Needs: "A right on nodes/proxy; get is enough, since a WebSocket opens with get.",
	Gives: "Code in every pod of the nodes, past admission and audit.",
	MITRE: []string{"T1609"}, Difficulty: blast.Easy,
	Control: "nodes-proxy", Fix: "remove nodes/proxy from the rule; nodes/metrics and nodes/stats are enough to watch", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("get create", core, "nodes/proxy")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if h.Names == nil {
				emit(h.Move(f.All(blast.WorkloadsOf, "")))
				return
			}
			for _, n := range f.Nodes {
				if named(&h, n.Name) {
					emit(h.Move(n.Pods))
				}
			}
		},
	},
}
