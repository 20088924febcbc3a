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
		"applied-field-missing":         appliedFieldMissing,
		"applied-with-old-api":          appliedWithOldAPI,
		"component-version-skew":        componentVersionSkew,
		"container-runtime-unsupported": runtimeUnsupported,
		"ca-bundle-expired":             caBundleExpired,
		"certificate-for-masters":       certificateForMasters,
		"extension-without-backend":     extensionWithoutBackend,
		"policy-binding-dangling":       policyBindingDangling,
		"policy-expression-warned":      policyExpressionWarned,
		"token-of-administrator":        tokenOfAdministrator,
		"token-unused":                  tokenUnused,
		"webhook-blocks-itself":         webhookBlocksItself,
		"api-server-public":             apiServerPublic,
		"control-plane-schedulable":     controlPlaneSchedulable,
		"debug-pod-left":                debugPodLeft,
		"ingress-without-service":       ingressWithoutService,
		"log-agent-missing":             agentMissing(logAgents, "none of the log collectors that are known here runs: it can't be told whether anybody keeps the logs"),
		"monitoring-missing":            agentMissing(metrics, "none of the programs for metrics that are known here runs: it can't be told whether anybody watches the cluster"),
		"network-policies-not-enforced": networkPoliciesNotEnforced,
		"node-public-address":           nodePublicAddress,
		"reference-missing":             referenceMissing,
		"role-unused":                   roleUnused,
		"runtime-sensor-missing":        agentMissing(sensors, "none of the sensors that are known here runs: it can't be told whether anybody sees what happens on nodes"),
		"secret-unused":                 secretUnused,
		"service-selects-nothing":       serviceSelectsNothing,
		"storage-class-unencrypted":     storageUnencrypted,
		"tag-runs-several-images":       tagRunsSeveralImages,
		"volume-left-behind":            volumeLeftBehind,
		"node-version-skew":             nodeVersionSkew,
		"nodes-differ":                  nodesDiffer,
		"version-unsupported":           versionUnsupported,
		"webhook-without-backend":       webhookWithoutBackend,
	}}
}
