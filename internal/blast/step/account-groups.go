package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var accountGroups = &blast.Step{
	ID:    "account-groups",
	Title: "has the rights of a group everybody is in",
	Needs: "A binding names a group that the service account or user is always in: all who are logged in, all service accounts, all of a namespace.",
	Gives: "What is bound to the group.",
	MITRE: []string{"T1078"}, Difficulty: blast.Trivial,
	Control: "everybody-binding", Fix: "bind to the one account that needs the role", Effort: 2,
	World: func(f *blast.Facts, emit blast.Emit) {
		join := func(from blast.Vertex, s rbac.Subject) {
			for _, name := range s.Groups() {
				group := rbac.Subject{Kind: "Group", Name: name}
				if held := f.RBAC.Held(group); len(held) > 0 {
					emit(blast.Move{From: from, To: f.SubjectVertex(group), Object: held[0].Object, Path: "subjects"})
				}
			}
		}
		for _, namespace := range f.Namespaces {
			for _, name := range f.AccountsIn(namespace) {
				join(f.Vertex(blast.Account, namespace, name), rbac.Subject{Kind: "ServiceAccount", Namespace: namespace, Name: name})
			}
		}
		for _, s := range f.RBAC.Subjects() {
			if s = s.Normal(); s.Kind == "User" && s.Name != "" {
				join(f.SubjectVertex(s), s)
			}
		}
	},
}
