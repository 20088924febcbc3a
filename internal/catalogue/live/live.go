// Package live holds the controls on what only the objects of a running cluster
// show: fields that were applied and are not there, webhooks nobody answers,
// nodes that do not fit the control plane.
package live

import (
	"embed"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	return control.Chapter{Name: "live", Files: files, Analyses: map[string]control.Analysis{
		"applied-field-missing":   appliedFieldMissing,
		"node-version-skew":       nodeVersionSkew,
		"webhook-without-backend": webhookWithoutBackend,
	}}
}
