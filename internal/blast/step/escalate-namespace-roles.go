package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var escalateNamespaceRoles = &blast.Step{
	ID:    "escalate-namespace-roles",
	Title: "writes any right into a Role",
	Needs: "Rights to escalate and to update or patch Roles.",
	Gives: "Everything in the namespace, by a Role that is bound to the intruder there.",
	MITRE: []string{"T1098.006"}, Difficulty: blast.Trivial,
	Control: "escalate-or-bind", Fix: "remove escalate from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("escalate", rbac.Group, "roles"), requests("update patch", rbac.Group, "roles")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			bound := h.Grant.Binding.RoleKind == "Role" && named(&h, h.Grant.Binding.RoleName)
			ownNamespace(f, h, func(m blast.Move) {
				if !bound {
					m.Possible, m.Why = true, "if one of the Roles is bound to the intruder"
				}
				emit(m)
			})
		},
	},
}

// ownNamespace emits the moves of somebody who may do everything in the
// namespace of the holding.
func ownNamespace(f *blast.Facts, h blast.Holding, emit blast.Emit) {
	for _, set := range []blast.Kind{blast.PodsIn, blast.SecretsOf, blast.AccountsOf, blast.WorkloadsOf} {
		emit(h.Move(f.All(set, h.Namespace)))
	}
}
