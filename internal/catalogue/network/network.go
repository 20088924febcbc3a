// Package network holds the controls on what can talk to what: network
// policies, Services, Ingresses, Gateways and meshes.
package network

import (
	"embed"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	return control.Chapter{Name: "network", Files: files, Analyses: map[string]control.Analysis{
		"default-deny-ingress":           defaultDeny(ingress),
		"default-deny-egress":            defaultDeny(egress),
		"workload-not-isolated":          workloadNotIsolated,
		"network-policy-selects-nothing": selectsNothing,
	}}
}
