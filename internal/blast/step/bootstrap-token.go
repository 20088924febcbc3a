package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var bootstrapToken = &blast.Step{
	ID:    "bootstrap-token",
	Title: "joins a node of its own with a bootstrap token",
	Needs: "The Secret holds a bootstrap token for joining nodes.",
	Gives: "A node of the intruder's in the cluster: pods that are put there hand over their tokens and Secrets.",
	MITRE: []string{"T1078", "T1552.007"}, Difficulty: blast.Easy,
	Control: "bootstrap-token-forever", Fix: "delete the token, or give it an end", Effort: 1,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, o := range f.Inventory.Kind("Secret", "") {
			if o.Root.Get("type").Str() == "bootstrap.kubernetes.io/token" {
				emit(blast.Move{
					From: f.Vertex(blast.SecretContent, o.EffectiveNamespace(), o.Name), To: f.Gain("a node of the intruder's own in the cluster"),
					Object: o, Path: "type",
				})
			}
		}
	},
}
