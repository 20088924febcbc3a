package live

import (
	"fmt"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// service names a Service.
type service struct{ namespace, name string }

// webhookWithoutBackend finds webhooks whose Service is gone or has no endpoint
// that is ready.
func webhookWithoutBackend(inv *inventory.Inventory, report func(finding.Finding)) {
	services := make(map[service]*inventory.Object)
	for _, o := range inv.Kind("Service", "") {
		services[service{o.EffectiveNamespace(), o.Name}] = o
	}
	ready := readyServices(inv)
	for _, kind := range []string{"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"} {
		for _, o := range inv.Kind(kind, "admissionregistration.k8s.io") {
			for i, w := range o.Root.Get("webhooks").All() {
				ref := w.Find("clientConfig", "service")
				f := finding.Finding{Object: o, Path: inventory.JoinPath(inventory.JoinIndex("webhooks", i), "clientConfig.service")}
				if ref == nil {
					f.Verdict = finding.NotApplicable
					report(f)
					continue
				}
				s := service{ref.Get("namespace").Str(), ref.Get("name").Str()}
				f.Verdict, f.Message = backend(inv, services[s], ready[s])
				if f.Message != "" {
					f.Message = fmt.Sprintf("service %s/%s of webhook %s %s", s.namespace, s.name, w.Get("name").Str(), f.Message)
				}
				if f.Verdict == finding.Fail {
					f.Message += consequence(w)
				}
				report(f)
			}
		}
	}
}

func consequence(webhook *inventory.Node) string {
	if webhook.Get("failurePolicy").StrOr("Fail") == "Ignore" {
		return ": everything it should judge gets in unjudged"
	}
	return ": everything it should judge is refused, which tempts people to remove it"
}

// backend judges one Service.
func backend(inv *inventory.Inventory, o *inventory.Object, isReady bool) (finding.Verdict, string) { //nolint:revive // what is known of the Service
	gap, hidden := inv.GapFor("Service")
	if o == nil && inv.ClusterWide && !hidden {
		return finding.Fail, "does not exist"
	}
	if o == nil {
		text := "is not among the input, so it can't be told whether anything answers; scan the cluster"
		if hidden {
			text += " (" + gap.What + ")"
		}
		return finding.Unknown, text
	}
	if isReady || o.Root.Find("spec", "type").Str() == "ExternalName" {
		return finding.Pass, ""
	}
	if gap, hidden := inv.GapFor("EndpointSlice"); hidden {
		return finding.Unknown, "may have endpoints that could not be read (" + gap.What + ")"
	}
	if !inv.ClusterWide && len(inv.Kind("EndpointSlice", "discovery.k8s.io")) == 0 {
		return finding.Unknown, "is among the input without EndpointSlices, so it can't be told whether anything answers; scan the cluster"
	}
	return finding.Fail, "has no endpoint that is ready"
}

// readyServices are the Services with at least one endpoint that is ready. An
// endpoint that does not say counts as ready.
func readyServices(inv *inventory.Inventory) map[service]bool {
	out := make(map[service]bool)
	for _, o := range inv.Kind("EndpointSlice", "discovery.k8s.io") {
		s := service{o.EffectiveNamespace(), o.Labels().Get("kubernetes.io/service-name").Str()}
		for _, e := range o.Root.Get("endpoints").All() {
			if !e.Find("conditions", "ready").False() && e.Get("addresses").Len() > 0 {
				out[s] = true
			}
		}
	}
	return out
}
