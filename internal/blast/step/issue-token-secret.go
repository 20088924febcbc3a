package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var issueTokenSecret = &blast.Step{
	ID:    "issue-token-secret",
	Title: "has a token of another service account written into a Secret",
	Needs: "Rights to create Secrets and to read them back.",
	Gives: "Every service account there: the controller fills in a token that never runs out.",
	MITRE: []string{"T1528", "T1098"}, Difficulty: blast.Trivial,
	Control: "secrets-create", Fix: "remove create from the rule on Secrets", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("create", core, "secrets"), requests("get list watch", core, "secrets")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			h.Names = nil
			members(f, &h, blast.AccountsOf, blast.Account, emit)
		},
	},
}
