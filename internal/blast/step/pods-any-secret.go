package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var podsAnySecret = &blast.Step{
	ID:    "pods-any-secret",
	Title: "mounts any Secret into its pod",
	Needs: "The intruder can have pods made in the namespace.",
	Gives: "Every Secret of the namespace, without any right to read Secrets.",
	MITRE: []string{"T1552.007", "T1610"}, Difficulty: blast.Trivial,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, namespace := range f.Namespaces {
			if len(f.SecretsIn(namespace)) == 0 {
				continue
			}
			emit(blast.Move{From: f.All(blast.PodsIn, namespace), To: f.All(blast.SecretsOf, namespace), Note: "spec.volumes of the new pod"})
		}
	},
}
