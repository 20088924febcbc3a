package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var controlPlaneNode = &blast.Step{
	ID:    "control-plane-node",
	Title: "takes the keys of the cluster",
	Needs: "The intruder is root on a node that runs the control plane.",
	Gives: "The certificate authorities, the key that signs tokens, etcd: the whole cluster.",
	MITRE: []string{"T1552.004", "T1078"}, Difficulty: blast.Trivial,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, n := range f.Nodes {
			if n.ControlPlane {
				emit(blast.Move{From: n.Vertex, To: f.Admin(), Object: n.Object, Path: inventory.Join("metadata.labels", "node-role.kubernetes.io/control-plane")})
			}
		}
	},
}
