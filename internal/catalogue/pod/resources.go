package pod

import (
	"fmt"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// missing makes the analysis of one resource: whether every container that is
// to be started has a request or limit, its own, that of the pod, or a default
// of a LimitRange. Requests default to limits.
func missing(field, resource, consequence string) control.Analysis {
	message := fmt.Sprintf("no resources.%s.%s on the container, the pod or a LimitRange among the input: %s", field, resource, consequence)
	judge := func(o *inventory.Object, t *inventory.PodTemplate, covered bool, report func(finding.Finding)) {
		for i := range t.Containers {
			c := &t.Containers[i]
			if c.Field == inventory.EphemeralContainers {
				continue // they have no resources by definition
			}
			f := finding.Finding{
				Verdict: finding.Pass, Object: o, Container: c.Name,
				Path: inventory.JoinPath(t.SpecPath(), c.Path()+".resources."+field+"."+resource),
			}
			if !covered && !declares(c.Node.Get("resources"), field, resource) {
				f.Verdict, f.Message = finding.Fail, message
			}
			report(f)
		}
	}
	return func(inv *inventory.Inventory, report func(finding.Finding)) {
		defaults := limitRangeDefaults(inv, field, resource)
		for _, o := range inv.Objects {
			for _, t := range o.PodTemplates() {
				judge(o, t, defaults[o.EffectiveNamespace()] || declares(t.Spec.Get("resources"), field, resource), report)
			}
		}
	}
}

func declares(resources *inventory.Node, field, resource string) bool {
	return !resources.Find(field, resource).IsNull() || field == "requests" && !resources.Find("limits", resource).IsNull()
}

// limitRangeDefaults are the namespaces with a LimitRange that fills the value
// in for containers.
func limitRangeDefaults(inv *inventory.Inventory, field, resource string) map[string]bool {
	keys := []string{"default", "max"}
	if field == "requests" {
		keys = []string{"defaultRequest", "default", "min", "max"}
	}
	out := make(map[string]bool)
	for _, o := range inv.Kind("LimitRange", "") {
		for _, item := range o.Root.Find("spec", "limits").All() {
			if item.Get("type").Str() != "Container" {
				continue
			}
			for _, key := range keys {
				if !item.Find(key, resource).IsNull() {
					out[o.EffectiveNamespace()] = true
				}
			}
		}
	}
	return out
}
