package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var podsAnyAccount = &blast.Step{
	ID:    "pods-any-account",
	Title: "runs its pod as any service account there",
	Needs: "The intruder can have pods made in the namespace.",
	Gives: "Every service account of the namespace: nothing ties accounts to who may use them.",
	MITRE: []string{"T1528", "T1610"}, Difficulty: blast.Trivial,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, namespace := range f.Namespaces {
			if len(f.AccountsIn(namespace)) == 0 {
				continue
			}
			emit(blast.Move{From: f.All(blast.PodsIn, namespace), To: f.All(blast.AccountsOf, namespace), Note: "spec.serviceAccountName of the new pod"})
		}
	},
}
