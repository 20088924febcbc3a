package step

import (
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var metadataService = &blast.Step{
	ID:    "metadata-service",
	Title: "asks the metadata service for the node's cloud role",
	Needs: "The node is a machine of a cloud, and nothing keeps the pod from its metadata address.",
	Gives: "The identity of the machine in the cloud.",
	MITRE: []string{"T1552.005"}, Difficulty: blast.Easy,
	Control: "metadata-service-allowed", Fix: "deny egress to 169.254.169.254 and fd00:ec2::254, and set the hop limit of the machines to 1", Effort: 2,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, n := range w.NodesOf() {
			cloud := cloudOf(n)
			if cloud == "" {
				continue
			}
			reach := f.Reach(w, blast.MetadataService, metadataPort)
			network := false
			for _, p := range w.Pods {
				network = network || p.HostNetwork
			}
			if reach == blast.ReachNo {
				return
			}
			m := blast.Move{From: w.Code, To: f.Vertex(blast.CloudIdentity, "", cloud+" identity of the nodes"), Object: n.Object, Path: "spec.providerID"}
			switch {
			case network:
			case reach == blast.ReachYes:
				m.Possible, m.Why = true, "no network policy forbids it; the hop limit of the machine may"
			default:
				m.Possible, m.Why = true, "it is not known whether network policies and the hop limit of the machine let the pod get there"
			}
			emit(m)
			return
		}
	},
}

const metadataPort = 80

func cloudOf(n *blast.ClusterNode) string {
	if n.Object == nil {
		return ""
	}
	scheme, _, _ := strings.Cut(n.Object.Root.Find("spec", "providerID").Str(), ":")
	return map[string]string{"aws": "AWS", "gce": "Google", "azure": "Azure"}[scheme]
}
