// Package image holds the controls on images: how workloads name them, and how
// Dockerfiles build them.
package image

import (
	"embed"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	return control.Chapter{Name: "image", Files: files, Analyses: map[string]control.Analysis{
		"dockerfile-base-unpinned":    baseUnpinned,
		"dockerfile-credential":       instructions(credential),
		"dockerfile-download":         instructions(download),
		"dockerfile-open-permissions": instructions(openPermissions),
		"dockerfile-remote-login":     instructions(remoteLogin),
		"dockerfile-root":             root,
		"dockerfile-tools":            tools,
		"dockerfile-user-name":        userName,
	}}
}
