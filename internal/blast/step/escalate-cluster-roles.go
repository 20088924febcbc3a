package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var escalateClusterRoles = &blast.Step{
	ID:    "escalate-cluster-roles",
	Title: "writes any right into a ClusterRole it is bound to",
	Needs: "Rights to escalate and to update or patch ClusterRoles: the check that nobody grants more than he has is off.",
	Gives: "The whole cluster, by a ClusterRole that is bound to the intruder for the cluster; else everything where it is bound.",
	MITRE: []string{"T1098.006"}, Difficulty: blast.Trivial,
	Control: "escalate-or-bind", Fix: "remove escalate from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("escalate", rbac.Group, "clusterroles"), requests("update patch", rbac.Group, "clusterroles")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if h.Grant.Binding != nil && !named(&h, h.Grant.Binding.RoleName) {
				emit(h.Maybe(f.Admin(), "if one of the ClusterRoles is bound to the intruder for the whole cluster"))
				return
			}
			emit(h.Move(f.Admin()))
		},
	},
}
