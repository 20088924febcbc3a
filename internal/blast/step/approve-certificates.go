package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var approveCertificates = &blast.Step{
	ID:    "approve-certificates",
	Title: "issues a client certificate in another name",
	Needs: "Rights to create signing requests, to approve them, and to approve for the signer of client certificates.",
	Gives: "Any user and any group but system:masters, which the signer refuses; the certificate can't be revoked.",
	MITRE: []string{"T1649", "T1078"}, Difficulty: blast.Easy,
	Control: "csr-approve", Fix: "remove approve on signers from the rule, or name other signers with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{
			requests("approve", certificates, "signers"),
			requests("update patch", certificates, "certificatesigningrequests/approval"),
			requests("create", certificates, "certificatesigningrequests"),
		},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if !named(&h, "kubernetes.io/kube-apiserver-client", "kubernetes.io/*") {
				return
			}
			// A certificate for the name of the controller of aggregated roles is
			// one for that account.
			emit(h.Move(f.All(blast.AccountsOf, "")))
			for _, s := range f.RBAC.Subjects() {
				if s.Kind != "ServiceAccount" && s.Name != "system:masters" {
					emit(h.Move(f.SubjectVertex(s)))
				}
			}
		},
	},
}
