package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var mountedToken = &blast.Step{
	ID:    "mounted-token",
	Title: "reads the mounted token",
	Needs: "The pod mounts a token of its service account for the API server.",
	Gives: "Every right of the service account at the API server.",
	MITRE: []string{"T1528", "T1552.007"}, Difficulty: blast.Trivial,
	Control: "token-mounted", Fix: "set automountServiceAccountToken to false on the pod", Effort: 1,
	Workload: func(f *blast.Facts, w *blast.Workload, emit blast.Emit) {
		for _, p := range w.Pods {
			if p.Token != nil {
				m := blast.Move{From: w.Held, To: f.Vertex(blast.Account, w.Namespace, p.Account), Object: p.Token.Object, Path: p.Token.Path}
				if len(f.RBAC.Held(rbac.Subject{Kind: "ServiceAccount", Namespace: w.Namespace, Name: p.Account})) > 0 {
					// Somebody has given the account rights, so the program may well
					// need its token.
					m.Effort = 5
				}
				emit(m)
			}
		}
	},
}
