package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var impersonateUsers = &blast.Step{
	ID:    "impersonate-users",
	Title: "acts as another user",
	Needs: "A right to impersonate users.",
	Gives: "The users the right covers, nodes by their user names among them. Names of service accounts take the right to impersonate these.",
	MITRE: []string{"T1134.003", "T1078"}, Difficulty: blast.Trivial,
	Control: "impersonate", Fix: "remove impersonate from the rule, or name the users with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("impersonate", core, "users")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			for _, s := range f.RBAC.Subjects() {
				if s.Kind == "User" && s.Normal().Kind == "User" && named(&h, s.Name) {
					emit(h.Move(f.SubjectVertex(s)))
				}
			}
		},
	},
}
