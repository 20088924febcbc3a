package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var approveNodeCertificates = &blast.Step{
	ID:    "approve-node-certificates",
	Title: "issues the certificate of a node",
	Needs: "Rights to create signing requests, to approve them, and to approve for the signer of kubelets' client certificates.",
	Gives: "The identity of any node: Secrets and tokens of the pods that are bound to it.",
	MITRE: []string{"T1649", "T1078"}, Difficulty: blast.Easy,
	Control: "csr-approve", Fix: "remove approve on signers from the rule, or name other signers with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{
			requests("approve", certificates, "signers"),
			requests("update patch", certificates, "certificatesigningrequests/approval"),
			requests("create", certificates, "certificatesigningrequests"),
		},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if named(&h, "kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/*") {
				for _, n := range f.Nodes {
					emit(h.Move(n.Pods))
				}
			}
		},
	},
}
