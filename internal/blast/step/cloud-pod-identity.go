package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var cloudPodIdentity = &blast.Step{
	ID:    "cloud-pod-identity",
	Title: "asks the identity agent of the node for cloud credentials",
	Needs: "The pod is tied to an AWS role by an association outside of the cluster; the address of the agent stands in its environment.",
	Gives: "The role of the association.",
	MITRE: []string{"T1078.004", "T1552.005"}, Difficulty: blast.Trivial,
	Fix: "tie the role to a service account of its own, and narrow the role", Effort: 4,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, p := range w.Pods {
			for i := range p.Running {
				for j, e := range p.Running[i].Node.Get("env").All() {
					if e.Get("name").Str() == "AWS_CONTAINER_CREDENTIALS_FULL_URI" {
						emit(blast.Move{
							From: w.Held, To: f.Vertex(blast.CloudIdentity, "", "the AWS role associated with service account "+w.Namespace+"/"+p.Account),
							Object: p.Template.Object, Path: inventory.JoinIndex(p.Running[i].Path+".env", j),
						})
					}
				}
			}
		}
	},
}
