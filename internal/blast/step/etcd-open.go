package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var etcdOpen = &blast.Step{
	ID:    "etcd-open",
	Title: "writes to an etcd that asks for no certificate",
	Needs: "etcd takes clients without a certificate, and the pod can reach its port.",
	Gives: "Every object of the cluster to read and to write: the whole cluster.",
	MITRE: []string{"T1210", "T1552"}, Difficulty: blast.Easy,
	Control: "etcd-client-auth", Fix: "start etcd with --client-cert-auth=true and a --trusted-ca-file", Effort: 1,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, s := range components(f, "etcd") {
			value, at := s.flag("client-cert-auth")
			if value == "true" {
				continue
			}
			if at == "" {
				at = s.command
			}
			const port = 2379
			fromEverywhere(f, emit, blast.Move{To: f.Admin(), Object: s.object, Path: at}, blast.NodeItself, port)
			return
		}
	},
}
