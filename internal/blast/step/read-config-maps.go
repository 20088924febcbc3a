package step

import "github.com/redoubt-k8s/redoubt/internal/blast"

var readConfigMaps = &blast.Step{
	ID:    "read-config-maps",
	Title: "reads ConfigMaps",
	Needs: "A right to get, list or watch ConfigMaps.",
	Gives: "Addresses and settings, and the credentials people put there by mistake.",
	MITRE: []string{"T1552.001", "T1613"}, Difficulty: blast.Trivial,
	Control: "credential-in-config-map", Fix: "remove configmaps from the rule, or name them with resourceNames", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{requests("get list watch", core, "configmaps")},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			if h.Names == nil {
				emit(h.Move(f.Outcome(h.Namespace, "the ConfigMaps")))
			}
		},
	},
}
