package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var impersonateAccounts = &blast.Step{
	ID:    "impersonate-accounts",
	Title: "acts as another service account",
	Needs: "A right to impersonate serviceaccounts.",
	Gives: "The service accounts the right covers, with the groups all of them are in.",
	MITRE: []string{"T1134.003", "T1078"}, Difficulty: blast.Trivial,
	Control: "impersonate", Fix: "remove impersonate from the rule, or name the accounts with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("impersonate", core, "serviceaccounts")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			members(f, &h, blast.AccountsOf, blast.Account, emit)
		},
	},
}
