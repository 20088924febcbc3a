package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var pullSecret = &blast.Step{
	ID:    "pull-secret",
	Title: "takes the pull secrets off the node",
	Needs: "A pod of the node names an image pull secret; the kubelet reads it.",
	Gives: "The credential of the registry.",
	MITRE: []string{"T1552.007"}, Difficulty: blast.Easy,
	World: func(f *blast.Facts, emit blast.Emit) {
		type pair struct{ from, to blast.Vertex }
		seen := make(map[pair]bool)
		for _, w := range f.Workloads {
			for _, p := range w.Pods {
				for _, s := range p.PullSecrets {
					to := f.Vertex(blast.SecretContent, w.Namespace, s.Name)
					for _, n := range w.Nodes {
						if !seen[pair{n.Vertex, to}] {
							seen[pair{n.Vertex, to}] = true
							m := blast.Move{From: n.Vertex, To: to, Object: p.Template.Object, Path: s.Path}
							if !f.NodesKnown && !w.Everywhere {
								m.Possible, m.Why = true, "if one of its pods runs on the same node"
							}
							emit(m)
						}
					}
				}
			}
		}
	},
}
