package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var anonymousRights = &blast.Step{
	ID:    "anonymous-rights",
	Title: "asks the API server without logging in",
	Needs: "A binding names system:anonymous or system:unauthenticated, and the pod can reach the API server.",
	Gives: "What is bound to those who have not logged in: no token is needed.",
	MITRE: []string{"T1190", "T1078"}, Difficulty: blast.Trivial,
	Control: "anonymous-binding", Fix: "take the subject out of the binding", Effort: 1,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, s := range []rbac.Subject{{Kind: "Group", Name: rbac.Unauthenticated}, {Kind: "User", Name: "system:anonymous"}} {
			for _, b := range f.RBAC.Held(s) {
				if b.RoleName == "system:public-info-viewer" {
					continue
				}
				at := "subjects"
				for i, named := range b.Subjects {
					if named == s {
						at = inventory.JoinIndex("subjects", i)
					}
				}
				const port = 443
				fromEverywhere(f, emit, blast.Move{To: f.SubjectVertex(s), Object: b.Object, Path: at}, blast.APIServer, port)
				break
			}
		}
	},
}
