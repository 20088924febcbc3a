// Package pod holds the controls on pod specifications and their containers.
package pod

import (
	"embed"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	return control.Chapter{Name: "pod", Files: files, Analyses: map[string]control.Analysis{}}
}
