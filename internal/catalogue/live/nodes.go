package live

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// public tells whether an address can be reached from the internet, as far as
// the address alone says.
func public(text string) bool {
	a, err := netip.ParseAddr(text)
	// Shared addresses are those between a provider and its customers.
	shared := netip.MustParsePrefix("100.64.0.0/10")
	return err == nil && a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a.Unmap())
}

// apiServerPublic judges the addresses at which the API server says it is.
func apiServerPublic(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Kind("EndpointSlice", "discovery.k8s.io") {
		if o.EffectiveNamespace() != "default" || o.Labels().Get("kubernetes.io/service-name").Str() != "kubernetes" {
			continue
		}
		for i, e := range o.Root.Get("endpoints").All() {
			for _, a := range e.Get("addresses").Strings() {
				f := finding.Finding{Object: o, Path: inventory.JoinIndex("endpoints", i) + ".addresses", Verdict: finding.Pass}
				if public(a) {
					f.Verdict = finding.Fail
					f.Message = "the API server answers at " + a + ", an address of the internet: unless a firewall or a list of allowed networks stands before it, everybody can try"
				}
				report(f)
			}
		}
	}
}

// nodePublicAddress finds nodes with an address of the internet.
func nodePublicAddress(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Kind("Node", "") {
		f := finding.Finding{Object: o, Path: "status.addresses", Verdict: finding.Pass}
		for i, a := range o.Root.Find("status", "addresses").All() {
			if text := a.Get("address").Str(); public(text) && f.Verdict == finding.Pass {
				f.Verdict, f.Path = finding.Fail, inventory.JoinIndex("status.addresses", i)
				f.Message = "the node has " + text + ", an address of the internet: kubelet, NodePorts and ports of the host are one firewall rule from everybody"
			}
		}
		report(f)
	}
}

// controlPlaneSchedulable finds control plane nodes that take pods of
// everybody, in clusters that have other nodes.
func controlPlaneSchedulable(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	nodes := inv.Kind("Node", "")
	for _, o := range nodes {
		if !controlPlane(o) {
			continue
		}
		f := finding.Finding{Object: o, Path: "spec.taints", Verdict: finding.Fail}
		for _, t := range o.Root.Find("spec", "taints").All() {
			if effect := t.Get("effect").Str(); effect == "NoSchedule" || effect == "NoExecute" {
				f.Verdict = finding.Pass
			}
		}
		if !slices.ContainsFunc(nodes, func(n *inventory.Object) bool { return !controlPlane(n) }) {
			f.Verdict = finding.NotApplicable
		}
		if f.Verdict == finding.Fail {
			f.Message = "the node is one of the control plane and has no taint: any pod may be placed there, beside the keys of the cluster"
		}
		report(f)
	}
}

// debugPodLeft finds pods that kubectl debug has made on nodes.
func debugPodLeft(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Kind("Pod", "") {
		manager := o.Labels().Get("app.kubernetes.io/managed-by").Str()
		f := finding.Finding{Object: o, Path: "metadata.name", Verdict: finding.Pass}
		if (strings.HasPrefix(o.Name, "node-debugger-") || manager == "kubectl-debug") && controllerOf(o) == nil {
			f.Verdict = finding.Fail
			f.Message = "somebody debugged a node or a pod with kubectl debug, and the pod is still there: with it remain its mounts and rights, for whoever may run commands in it"
		}
		report(f)
	}
}

func controllerOf(o *inventory.Object) *inventory.Node {
	for _, ref := range o.Root.Find("metadata", "ownerReferences").All() {
		if ref.Get("controller").True() {
			return ref
		}
	}
	return nil
}

// tagRunsSeveralImages finds images named by tag of which several contents run.
func tagRunsSeveralImages(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			for i := range t.Containers {
				c := &t.Containers[i]
				image := c.Node.Get("image").Str()
				f := finding.Finding{Object: o, Container: c.Name, Path: inventory.JoinPath(t.SpecPath(), c.Path()+".image"), Verdict: finding.Pass}
				running := inv.ImageDigests[image]
				switch {
				case strings.Contains(image, "@"), len(running) == 0:
					f.Verdict = finding.NotApplicable
				case len(running) > 1:
					f.Verdict = finding.Fail
					f.Message = fmt.Sprintf("%d different images run under %s (%s): the tag was moved, and nobody can say which of them was checked", len(running), image, shorten(running))
				}
				report(f)
			}
		}
	}
}

// shorten gives enough of digests to tell them apart.
func shorten(digests []string) string {
	const enough = len("sha256:") + 12
	out := make([]string, 0, len(digests))
	for _, d := range digests {
		out = append(out, d[:min(len(d), enough)])
	}
	return strings.Join(out, ", ")
}

// storageUnencrypted judges storage classes of drivers that encrypt only when
// told to.
func storageUnencrypted(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Kind("StorageClass", "storage.k8s.io") {
		f := finding.Finding{Object: o, Path: "parameters.encrypted", Verdict: finding.Pass}
		switch o.Root.Get("provisioner").Str() {
		case "ebs.csi.aws.com", "kubernetes.io/aws-ebs":
			if v := o.Root.Find("parameters", "encrypted").Str(); !strings.EqualFold(v, "true") {
				f.Verdict = finding.Fail
				f.Message = "encrypted is not true: unless the account encrypts all volumes, disks and their snapshots can be read by whoever gets them"
			}
		case "disk.csi.azure.com", "pd.csi.storage.gke.io", "kubernetes.io/gce-pd", "kubernetes.io/azure-disk":
			// These always encrypt.
		default:
			f.Verdict = finding.NotApplicable
		}
		report(f)
	}
}
