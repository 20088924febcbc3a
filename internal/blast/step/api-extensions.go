package step

import (
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/blast"
)

var apiExtensions = &blast.Step{
	ID:    "api-extensions",
	Title: "puts a server of its own behind a part of the API",
	Needs: "A right to write APIServices, or CustomResourceDefinitions with their conversion webhooks.",
	Gives: "The objects of those groups to read and to invent, and what controllers do on their word.",
	MITRE: []string{"T1557"}, Difficulty: blast.Hard,
	Control: "api-extension-write", Fix: "remove apiservices and customresourcedefinitions from the rule", Effort: 2,
	Right: &blast.Right{
		Needs: [][]blast.Request{slices.Concat(
			requests("create update patch", "apiregistration.k8s.io", "apiservices"),
			requests("create update patch", "apiextensions.k8s.io", "customresourcedefinitions"),
		)},
		Gain: func(f *blast.Facts, h blast.Holding, emit blast.Emit) {
			emit(h.Move(f.Gain("the objects of extension APIs")))
		},
	},
}
