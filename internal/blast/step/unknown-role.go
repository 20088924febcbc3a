package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var unknownRole = &blast.Step{
	ID:    "unknown-role",
	Title: "may do what a role allows that is not among the input",
	Needs: "A binding names a role of which nothing is known.",
	Gives: "What the role allows: add it to the input, or read the cluster.",
	MITRE: []string{"T1078"}, Difficulty: blast.Trivial,
	Control: "dangling-role", Fix: "add the role, or remove the binding", Effort: 1,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, b := range f.RBAC.Bindings {
			if !f.Unresolved(b) || b.RoleName == "" {
				continue
			}
			for i, s := range b.Subjects {
				if s.Name == "" || s.Kind == "ServiceAccount" && s.Namespace == "" {
					continue
				}
				m := blast.Move{
					From: f.SubjectVertex(s), To: f.Outcome(b.Namespace, "whatever "+b.RoleKind+" "+b.RoleName+" allows"),
					Object: b.Object, Path: inventory.JoinIndex("subjects", i),
					Possible: true, Why: "the role is not among the input",
				}
				emit(m)
				// It may be everything there is in its reach.
				m.Why = "the role is not among the input: it may allow everything"
				for _, to := range all(f, b.Namespace) {
					m.To = to
					emit(m)
				}
			}
		}
	},
}

// all is what every right in a namespace gives, "" for the whole cluster.
func all(f *blast.Facts, namespace string) []blast.Vertex {
	if namespace == "" {
		return []blast.Vertex{f.Admin()}
	}
	return []blast.Vertex{
		f.All(blast.SecretsOf, namespace), f.All(blast.AccountsOf, namespace), f.All(blast.WorkloadsOf, namespace), f.All(blast.PodsIn, namespace),
	}
}
