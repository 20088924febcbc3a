// Package secret holds the controls on credentials: where they lie, how they
// get into containers, and what must not hold them.
package secret

import (
	"embed"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	return control.Chapter{Name: "secret", Files: files, Analyses: map[string]control.Analysis{
		"credential-in-environment": inEnvironment,
		"credential-in-config-map":  inConfigMap,
		"credential-in-annotation":  inAnnotation,
	}}
}
