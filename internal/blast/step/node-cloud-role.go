package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var nodeCloudRole = &blast.Step{
	ID:    "node-cloud-role",
	Title: "takes the cloud role of the machine",
	Needs: "The intruder is root on a node that is a machine of a cloud.",
	Gives: "The identity of the machine in the cloud: from the node itself nothing stands before the metadata service.",
	MITRE: []string{"T1552.005", "T1078.004"}, Difficulty: blast.Trivial,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, n := range f.Nodes {
			if cloud := cloudOf(n); cloud != "" {
				emit(blast.Move{From: n.Vertex, To: f.Vertex(blast.CloudIdentity, "", cloud+" identity of the nodes"), Object: n.Object, Path: "spec.providerID"})
			}
		}
	},
}
