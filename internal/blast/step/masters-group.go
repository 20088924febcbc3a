package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var mastersGroup = &blast.Step{
	ID:    "masters-group",
	Title: "passes every check as a member of system:masters",
	Needs: "The intruder acts as a member of the group system:masters.",
	Gives: "The whole cluster: the API server asks no authoriser about this group.",
	MITRE: []string{"T1078"}, Difficulty: blast.Trivial,
	World: func(f *blast.Facts, emit blast.Emit) {
		if len(f.RBAC.Bindings) == 0 {
			// Nobody has rights, so nobody gets into a group by them.
			return
		}
		emit(blast.Move{From: f.Vertex(blast.Team, "", rbac.Masters), To: f.Admin(), Note: "built into the API server"})
	},
}
