package step

import (
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var impersonateUsers = &blast.Step{
	ID:    "impersonate-users",
	Title: "acts as another user",
	Needs: "A right to impersonate users.",
	Gives: "The users the right covers, service accounts and nodes by their user names among them.",
	MITRE: []string{"T1134.003", "T1078"}, Difficulty: blast.Trivial,
	Control: "impersonate", Fix: "remove impersonate from the rule, or name the users with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("impersonate", core, "users")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if h.Names == nil {
				emit(h.Move(f.All(blast.AccountsOf, "")))
			}
			for _, s := range f.RBAC.Subjects() {
				if s.Kind == "User" && named(&h, s.Name) {
					emit(h.Move(f.SubjectVertex(s)))
				}
			}
			for _, name := range h.Names {
				if s := (rbac.Subject{Kind: "User", Name: name}).Normal(); s.Kind == "ServiceAccount" && !slices.Contains(f.RBAC.Subjects(), rbac.Subject{Kind: "User", Name: name}) {
					emit(h.Move(f.SubjectVertex(s)))
				}
			}
		},
	},
}
