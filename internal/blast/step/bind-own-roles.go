package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var bindOwnRoles = &blast.Step{
	ID:    "bind-own-roles",
	Title: "binds itself to the Roles of a namespace",
	Needs: "Rights to bind Roles and to create or change RoleBindings.",
	Gives: "Every right of the Roles that are there.",
	MITRE: []string{"T1098.006"}, Difficulty: blast.Trivial,
	Control: "escalate-or-bind", Fix: "remove bind from the rule, or name harmless roles with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("bind", rbac.Group, "roles"), requests("create update patch", rbac.Group, "rolebindings")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Maybe(f.Outcome(h.Namespace, "the rights of the Roles"), "what the Roles give is to be seen from their rules"))
		},
	},
}
