// Package admission holds the controls on what guards the way into the
// cluster: webhooks, admission policies, policy engines, extension servers.
package admission

import (
	"embed"
	"fmt"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	return control.Chapter{Name: "admission", Files: files, Analyses: map[string]control.Analysis{
		"policy-without-binding":    policyWithoutBinding,
		"gatekeeper-denies-nothing": gatekeeperDeniesNothing,
	}}
}

const group = "admissionregistration.k8s.io"

func policyWithoutBinding(inv *inventory.Inventory, report func(finding.Finding)) {
	bound := make(map[string]bool)
	for _, b := range inv.Kind("ValidatingAdmissionPolicyBinding", group) {
		bound[b.Root.Find("spec", "policyName").Str()] = true
	}
	gap, missing := inv.GapFor("ValidatingAdmissionPolicyBinding")
	for _, p := range inv.Kind("ValidatingAdmissionPolicy", group) {
		f := finding.Finding{Verdict: finding.Pass, Object: p, Path: "metadata.name"}
		if !bound[p.Name] {
			f.Verdict, f.Message = finding.Fail, fmt.Sprintf("no binding among the input names policy %s: it denies nothing", p.Name)
			if missing {
				f.Verdict = finding.Unknown
				f.Message += "; but something could not be read (" + gap.What + ")"
			}
		}
		report(f)
	}
}

// gatekeeperDeniesNothing looks at constraints, whose kinds their templates
// make up.
func gatekeeperDeniesNothing(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		if o.Group() != "constraints.gatekeeper.sh" {
			continue
		}
		f := finding.Finding{Verdict: finding.Pass, Object: o, Path: "spec.enforcementAction"}
		if action := strings.ToLower(o.Root.Find("spec", "enforcementAction").StrOr("deny")); action == "dryrun" || action == "warn" {
			f.Verdict, f.Message = finding.Fail, "enforcementAction is "+action+": violations get in"
		}
		report(f)
	}
}
