package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var impersonateGroups = &blast.Step{
	ID:    "impersonate-groups",
	Title: "acts as a member of another group",
	Needs: "Rights to impersonate groups and some user or service account to be a member.",
	Gives: "The groups the right covers: with no names, system:masters and so the whole cluster.",
	MITRE: []string{"T1134.003", "T1078"}, Difficulty: blast.Trivial,
	Control: "impersonate", Fix: "remove impersonate on groups from the rule, or name the groups with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("impersonate", core, "groups"), append(requests("impersonate", core, "users"), blast.Request{Verb: "impersonate", Resource: "serviceaccounts"})},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if named(&h, rbac.Masters) {
				emit(h.Move(f.Vertex(blast.Team, "", rbac.Masters)))
			}
			for _, s := range f.RBAC.Subjects() {
				if s.Kind == "Group" && s.Name != rbac.Masters && named(&h, s.Name) {
					emit(h.Move(f.SubjectVertex(s)))
				}
			}
		},
	},
}
