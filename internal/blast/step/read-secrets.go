package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var readSecrets = &blast.Step{
	ID:    "read-secrets",
	Title: "reads Secrets",
	Needs: "A right to get, list or watch Secrets; list and watch show contents, too.",
	Gives: "The content of the Secrets the right covers.",
	MITRE: []string{"T1552.007"}, Difficulty: blast.Trivial,
	Control: "secrets-read", Fix: "remove the verb, or name the Secrets with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("get list watch", core, "secrets")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			members(f, &h, blast.SecretsOf, blast.SecretContent, emit)
		},
	},
}
