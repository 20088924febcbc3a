package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var podsAnyClaim = &blast.Step{
	ID:    "pods-any-claim",
	Title: "mounts any claim into its pod",
	Needs: "The intruder can have pods made in a namespace that has claims.",
	Gives: "The data in the volumes of the namespace.",
	MITRE: []string{"T1530", "T1610"}, Difficulty: blast.Easy,
	World: func(f *blast.Facts, emit blast.Emit) {
		seen := make(map[string]bool)
		for _, o := range f.Inventory.Kind("PersistentVolumeClaim", "") {
			if namespace := o.EffectiveNamespace(); !seen[namespace] {
				seen[namespace] = true
				emit(blast.Move{From: f.All(blast.PodsIn, namespace), To: f.Outcome(namespace, "the data in the volumes"), Object: o, Path: "metadata.name"})
			}
		}
	},
}
