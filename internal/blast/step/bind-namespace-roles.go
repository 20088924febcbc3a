package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var bindNamespaceRoles = &blast.Step{
	ID:    "bind-namespace-roles",
	Title: "binds itself to a strong role in a namespace",
	Needs: "Rights, in the namespace, to bind ClusterRoles and to create or change RoleBindings.",
	Gives: "Every right of the roles that may be bound, in the namespace: with no names, all of cluster-admin there.",
	MITRE: []string{"T1098.006"}, Difficulty: blast.Trivial,
	Control: "escalate-or-bind", Fix: "remove bind from the rule, or name harmless roles with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{{{Verb: "bind", Group: rbac.Group, Resource: "clusterroles"}}, requests("create update patch", rbac.Group, "rolebindings")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if named(&h, "cluster-admin", "admin", "edit") {
				ownNamespace(f, h, emit)
				return
			}
			for _, name := range h.Names {
				emit(h.Maybe(f.Outcome(h.Namespace, "every right of role "+name), "what the role gives is to be seen from its rules"))
			}
		},
	},
}
