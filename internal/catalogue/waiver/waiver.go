// Package waiver holds the controls on waivers. They are judged where waivers
// are applied, by package internal/waiver, after all others: whether a waiver
// covers something shows only then. The tests are there, too.
package waiver

import (
	"embed"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	later := func(*inventory.Inventory, func(finding.Finding)) {}
	return control.Chapter{Name: "waiver", Files: files, Analyses: map[string]control.Analysis{
		"waiver-expired": later, "waiver-incomplete": later, "waiver-unused": later,
	}}
}
