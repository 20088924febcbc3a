package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var requestToken = &blast.Step{
	ID:    "request-token",
	Title: "asks for a token of another service account",
	Needs: "A right to create serviceaccounts/token.",
	Gives: "The service accounts the right covers.",
	MITRE: []string{"T1528", "T1134.003"}, Difficulty: blast.Trivial,
	Control: "token-create", Fix: "remove serviceaccounts/token from the rule, or name the accounts with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("create", core, "serviceaccounts/token")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			members(f, &h, blast.AccountsOf, blast.Account, emit)
		},
	},
}
