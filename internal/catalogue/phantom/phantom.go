// Package phantom holds the controls on phantom hardening: settings that look
// like protection in a file and are dropped, refused or ignored by what reads
// them.
package phantom

import (
	"embed"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/schema"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	return control.Chapter{Name: "phantom", Files: files, Analyses: map[string]control.Analysis{
		"duplicate-field":         strictly(schema.DuplicateField),
		"misplaced-field":         strictly(schema.MisplacedField),
		"misspelt-field":          strictly(schema.Misspelt),
		"unknown-field":           strictly(schema.UnknownField),
		"wrong-case-field":        strictly(schema.WrongCase),
		"wrong-type":              strictly(schema.WrongType),
		"invalid-object":          invalidObject,
		"network-policy-types":    networkPolicyTypes,
		"network-policy-peers-or": networkPolicyPeersOr,
		"pod-security-label":      podSecurityLabel,
		"typographic-quotes":      typographicQuotes,
		"apparmor-annotation":     apparmorAnnotation,
		"removed-api":             removedAPI,
	}}
}
