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
	return control.Chapter{Name: "pod", Files: files, Analyses: map[string]control.Analysis{
		"cpu-limit-missing":      missing("limits", "cpu", "the container can take every idle CPU of the node"),
		"cpu-request-missing":    missing("requests", "cpu", "neighbours can starve the container"),
		"image-runs-as-root":     imageRunsAsRoot,
		"memory-limit-missing":   missing("limits", "memory", "the container can take the memory of the whole node"),
		"memory-request-missing": missing("requests", "memory", "the container is the first to be ended when memory runs out"),
		"token-mounted":          tokenMounted,
	}}
}
