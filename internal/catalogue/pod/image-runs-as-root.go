package pod

import (
	"fmt"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// imageRunsAsRoot judges the effective user of containers whose image's user is
// known: that of the container, else of the pod, else of the image.
func imageRunsAsRoot(inv *inventory.Inventory, report func(finding.Finding)) {
	if len(inv.ImageUsers) == 0 {
		return
	}
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			for i := range t.Containers {
				report(userOf(inv, t, &t.Containers[i]))
			}
		}
	}
}

func userOf(inv *inventory.Inventory, t *inventory.PodTemplate, c *inventory.Container) finding.Finding {
	image := c.Node.Get("image").Str()
	f := finding.Finding{Verdict: finding.NotApplicable, Object: t.Object, Container: c.Name, Path: inventory.JoinPath(t.SpecPath(), c.Path()+".image")}
	user, known := inv.ImageUsers[image]
	if !known {
		return f
	}
	f.Verdict = finding.Pass
	if user != "0" || !effective(t, c, "runAsUser").IsNull() {
		return f
	}
	f.Verdict = finding.Fail
	f.Message = fmt.Sprintf("image %s runs as user 0 and neither container nor pod sets runAsUser: the container is root", image)
	if effective(t, c, "runAsNonRoot").True() {
		f.Message = fmt.Sprintf("image %s runs as user 0 and runAsNonRoot is true: the kubelet refuses to start the container until runAsUser names an ordinary user", image)
	}
	return f
}

// effective is a field of the security context of a container, or that of the
// pod where the container does not set it.
func effective(t *inventory.PodTemplate, c *inventory.Container, field string) *inventory.Node {
	if own := c.Node.Find("securityContext", field); !own.IsNull() {
		return own
	}
	return t.Spec.Find("securityContext", field)
}
