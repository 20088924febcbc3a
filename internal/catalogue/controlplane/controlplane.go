// Package controlplane holds the controls on the programs of a control plane
// and their configuration: flags of API server, controller manager, scheduler
// and etcd, encryption, authentication, authorisation, admission, audit,
// kubelet, kube-proxy and kubeconfig files. Effective values are judged, the
// defaults of a program included.
package controlplane

import (
	"embed"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	analyses := map[string]control.Analysis{
		"audit-path-not-mounted":   auditPathNotMounted,
		"audit-policy-blind":       auditPolicyBlind,
		"audit-policy-secrets":     auditPolicySecrets,
		"audit-rule-unreachable":   auditRuleUnreachable,
		"client-certificate-admin": clientCertificateAdmin,
	}
	for id, r := range flagRules {
		analyses[id] = r.analyse
	}
	return control.Chapter{Name: "controlplane", Files: files, Analyses: analyses}
}
