package step

import (
	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var perpetualToken = &blast.Step{
	ID:    "perpetual-token",
	Title: "uses the token in the Secret",
	Needs: "The Secret holds a token of a service account.",
	Gives: "The service account, for ever: such a token does not run out.",
	MITRE: []string{"T1528", "T1552.007"}, Difficulty: blast.Trivial,
	Control: "perpetual-token", Fix: "delete the Secret and let programs request tokens that run out", Effort: 2,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, o := range f.Inventory.Kind("Secret", "") {
			account := o.Annotations().Get("kubernetes.io/service-account.name").Str()
			if o.Root.Get("type").Str() == "kubernetes.io/service-account-token" && account != "" {
				emit(blast.Move{
					From: f.Vertex(blast.SecretContent, o.EffectiveNamespace(), o.Name), To: f.Vertex(blast.Account, o.EffectiveNamespace(), account),
					Object: o, Path: inventory.Join("metadata.annotations", "kubernetes.io/service-account.name"),
				})
			}
		}
	},
}
