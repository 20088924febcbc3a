package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var bindClusterRoles = &blast.Step{
	ID:    "bind-cluster-roles",
	Title: "binds itself to a strong role",
	Needs: "Rights to bind ClusterRoles and to create or change ClusterRoleBindings.",
	Gives: "Every right of the roles that may be bound: with no names, cluster-admin.",
	MITRE: []string{"T1098.006"}, Difficulty: blast.Trivial,
	Control: "escalate-or-bind", Fix: "remove bind from the rule, or name harmless roles with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("bind", rbac.Group, "clusterroles"), requests("create update patch", rbac.Group, "clusterrolebindings")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if named(&h, "cluster-admin") {
				emit(h.Move(f.Admin()))
				return
			}
			for _, name := range h.Names {
				emit(h.Maybe(f.Gain("every right of ClusterRole "+name), "what the role gives is to be seen from its rules"))
			}
		},
	},
}
