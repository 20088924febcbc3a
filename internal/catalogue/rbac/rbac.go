// Package rbac holds the controls on roles and bindings. Rights are judged with
// their bindings: who gains what, through which binding.
package rbac

import (
	"embed"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	return control.Chapter{Name: "rbac", Files: files, Analyses: analyses()}
}
