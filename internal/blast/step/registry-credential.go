package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var registryCredential = &blast.Step{
	ID:    "registry-credential",
	Title: "logs in at the registry",
	Needs: "The Secret holds a credential for an image registry.",
	Gives: "Every image the credential may pull, with what is baked into them; perhaps also the right to push.",
	MITRE: []string{"T1078", "T1525"}, Difficulty: blast.Trivial,
	Fix: "give the cluster a credential that may pull the images it runs and no more", Effort: 3,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, o := range f.Inventory.Kind("Secret", "") {
			switch o.Root.Get("type").Str() {
			case "kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg":
				emit(blast.Move{
					From: f.Vertex(blast.SecretContent, o.EffectiveNamespace(), o.Name), To: f.Vertex(blast.Registry, "", "the registry credential "+o.EffectiveNamespace()+"/"+o.Name),
					Object: o, Path: "type",
				})
			}
		}
	},
}
