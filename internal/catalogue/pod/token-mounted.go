package pod

import (
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// tokenMounted judges automountServiceAccountToken as the ServiceAccount
// admission plugin does: the pod's word counts, then that of the account, then
// yes.
func tokenMounted(inv *inventory.Inventory, report func(finding.Finding)) {
	accounts := make(map[[2]string]*inventory.Object)
	for _, o := range inv.Kind("ServiceAccount", "") {
		accounts[[2]string{o.EffectiveNamespace(), o.Name}] = o
	}
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			report(judgeToken(inv, accounts, t))
		}
	}
}

func judgeToken(inv *inventory.Inventory, accounts map[[2]string]*inventory.Object, t *inventory.PodTemplate) finding.Finding {
	f := finding.Finding{Object: t.Object, Path: inventory.Join(t.SpecPath(), "automountServiceAccountToken")}
	const mounted = "the token of service account "
	name := t.Spec.Get("serviceAccountName").StrOr(t.Spec.Get("serviceAccount").Str())
	if name == "" {
		name = "default"
	}
	account := accounts[[2]string{t.Object.EffectiveNamespace(), name}]
	own := t.Spec.Get("automountServiceAccountToken")
	switch {
	case own.False():
		f.Verdict = finding.Pass
	case own.True():
		f.Verdict = finding.Fail
		f.Message = mounted + name + " is mounted because the pod says so"
		if account != nil && account.Root.Get("automountServiceAccountToken").False() {
			f.Message += ", although the account says no"
		}
	case account != nil && account.Root.Get("automountServiceAccountToken").False():
		f.Verdict = finding.Pass
	case account == nil && inv.ClusterWide && accountsMissing(inv):
		f.Message = "the service accounts could not be read, so it can't be told whether " + name + " switches automounting off; grant list on serviceaccounts"
	case account == nil && name != "default" && !inv.ClusterWide:
		f.Message = "service account " + name + " is not among the files, so it can't be told whether it switches automounting off; add it, or set automountServiceAccountToken on the pod"
	default:
		f.Verdict = finding.Fail
		f.Message = mounted + name + " is mounted: neither the pod nor the account sets automountServiceAccountToken to false"
	}
	return f
}

func accountsMissing(inv *inventory.Inventory) bool {
	_, missing := inv.GapFor("ServiceAccount")
	return missing
}
