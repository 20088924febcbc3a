package live

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/component"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// supportUntil is when the Kubernetes project stops to mend a minor version, as
// announced by November 2026. Older ones than the first have ended; of newer
// ones nothing is known here.
var supportUntil = map[int]string{
	27: "2024-06-28", 28: "2024-10-28", 29: "2025-02-28", 30: "2025-06-28", 31: "2025-10-28",
	32: "2026-02-28", 33: "2026-06-28", 34: "2026-10-27", 35: "2027-02-28", 36: "2027-06-28",
}

// containerdUntil is the same for containerd, by its minor version.
var containerdUntil = map[string]string{
	"1.4": "2022-03-03", "1.5": "2023-02-28", "1.6": "2025-08-23", "1.7": "2026-09-30",
	"2.0": "2025-11-07", "2.1": "2026-05-05", "2.2": "2026-11-06",
}

// warning is how long before the end a version is reported.
const warning = 30 * 24 * time.Hour

// ended says what the end of support of a version means at a time.
func ended(until string, now time.Time) (finding.Verdict, string) {
	end, err := time.Parse(time.DateOnly, until)
	switch {
	case until == "" || err != nil:
		return finding.Unknown, "it is not known until when it is supported; a newer Redoubt may know"
	case now.IsZero():
		return finding.Unknown, "it is supported until " + until + ", and it is not known when the cluster was read"
	case now.After(end):
		return finding.Fail, "its support ended on " + until + ": faults found since then stay open"
	case now.Add(warning).After(end):
		return finding.Fail, "its support ends on " + until + ": faults found after that day stay open"
	}
	return finding.Pass, ""
}

// versionUnsupported judges the version of the API server and of each kubelet
// by the support of the project.
func versionUnsupported(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	judge := func(o *inventory.Object, what, version string) {
		f := finding.Finding{Object: o, Path: "status.nodeInfo.kubeletVersion"}
		if o == nil {
			f.Path = ""
		}
		minor, ok := minorOf(version)
		switch {
		case !ok:
			f.Message = fmt.Sprintf("the version of %s is %q, which is no release of Kubernetes", what, version)
		case minor < 27:
			f.Verdict, f.Message = finding.Fail, fmt.Sprintf("%s is %s, whose support ended years ago: faults found since then stay open", what, version)
		default:
			if f.Verdict, f.Message = ended(supportUntil[minor], inv.Time); f.Message != "" {
				f.Message = fmt.Sprintf("%s is %s; %s", what, version, f.Message)
			}
		}
		report(f)
	}
	judge(nil, "the API server", inv.ServerVersion)
	server, _ := minorOf(inv.ServerVersion)
	for _, o := range inv.Kind("Node", "") {
		version := o.Root.Find("status", "nodeInfo", "kubeletVersion").Str()
		// A kubelet of the same minor version says nothing new.
		if minor, ok := minorOf(version); version != "" && (!ok || minor != server) {
			judge(o, "the kubelet", version)
		}
	}
}

// skews are how far a component may be behind the API server; none may be
// ahead.
var skews = map[string]int{component.ControllerManager: 1, component.Scheduler: 1, component.APIServer: 1, "kube-proxy": 3, "cloud-controller-manager": 1}

// componentVersionSkew compares the components that run as pods with the API
// server.
func componentVersionSkew(inv *inventory.Inventory, report func(finding.Finding)) {
	server, known := minorOf(inv.ServerVersion)
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Objects {
		if o.EffectiveNamespace() != "kube-system" {
			continue
		}
		for _, t := range o.PodTemplates() {
			for i := range t.Containers {
				c := &t.Containers[i]
				name, tag := imageName(c.Node.Get("image").Str())
				allowed, ours := skews[name]
				minor, ok := minorOf(tag)
				if !ours {
					continue
				}
				f := finding.Finding{Object: o, Container: c.Name, Path: inventory.JoinPath(t.SpecPath(), c.Path()+".image"), Verdict: finding.Pass}
				switch {
				case !ok || !known:
					f.Verdict, f.Message = finding.Unknown, fmt.Sprintf("the version of %s can't be told from its image, or that of the API server is not known", name)
				case minor > server:
					f.Verdict, f.Message = finding.Fail, fmt.Sprintf("%s is %s and newer than the API server of 1.%d, which is not supported: calls it relies on may be missing", name, tag, server)
				case server-minor > allowed:
					f.Verdict, f.Message = finding.Fail, fmt.Sprintf("%s is %s, %d minor versions behind the API server, %d are supported: it gets no fixes and may act on rules that have changed", name, tag, server-minor, allowed)
				}
				report(f)
			}
		}
	}
}

// imageName takes the last part of the name and the tag out of an image
// reference.
func imageName(image string) (string, string) {
	image, _, _ = strings.Cut(image, "@")
	name, tag, _ := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return name, tag
}

// runtimeUnsupported judges the container runtime that each node names.
func runtimeUnsupported(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Kind("Node", "") {
		text := o.Root.Find("status", "nodeInfo", "containerRuntimeVersion").Str()
		f := finding.Finding{Object: o, Path: "status.nodeInfo.containerRuntimeVersion"}
		name, version, _ := strings.Cut(text, "://")
		parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
		switch {
		case text == "":
			f.Verdict = finding.NotApplicable
		case name == "docker":
			f.Verdict, f.Message = finding.Fail, fmt.Sprintf("the runtime is %s: Kubernetes has had no support for it since 1.24", text)
		case name == "cri-o" && len(parts) > 1 && parts[0] == "1":
			// Its versions and their support are those of Kubernetes.
			minor, _ := strconv.Atoi(parts[1])
			if f.Verdict, f.Message = ended(supportUntil[minor], inv.Time); minor > 0 && minor < 27 {
				f.Verdict, f.Message = finding.Fail, "its support ended years ago: faults found since then stay open"
			}
		case name == "containerd" && len(parts) > 1:
			f.Verdict, f.Message = ended(containerdUntil[parts[0]+"."+parts[1]], inv.Time)
		default:
			f.Message = "it is not known until when it is supported"
		}
		if f.Verdict != finding.Pass && f.Verdict != finding.NotApplicable && name != "docker" {
			f.Message = "the runtime is " + text + "; " + f.Message
		}
		report(f)
	}
}

// nodesDiffer finds nodes that run another kernel, system or runtime than most
// nodes of the same sort: an image that was not rolled out, or a node that
// somebody changed by hand.
func nodesDiffer(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	groups := make(map[string][]*inventory.Object)
	for _, o := range inv.Kind("Node", "") {
		info := o.Root.Find("status", "nodeInfo")
		key := strings.Join([]string{info.Get("operatingSystem").Str(), info.Get("architecture").Str(), pool(o)}, "/")
		groups[key] = append(groups[key], o)
	}
	for _, nodes := range groups {
		for _, field := range []string{"kernelVersion", "osImage", "containerRuntimeVersion", "kubeletVersion"} {
			usual, n := most(nodes, field)
			for _, o := range nodes {
				f := finding.Finding{Object: o, Path: "status.nodeInfo." + field, Verdict: finding.Pass}
				if own := o.Root.Find("status", "nodeInfo", field).Str(); own != usual && own != "" && usual != "" {
					f.Verdict = finding.Fail
					f.Message = fmt.Sprintf("%s is %q, while %d of %d like nodes have %q: an update did not reach this node, or somebody changed it", field, own, n, len(nodes), usual)
				}
				report(f)
			}
		}
	}
}

// pool names the group a node belongs to, as providers and kubeadm label it.
func pool(o *inventory.Object) string {
	for _, key := range []string{"eks.amazonaws.com/nodegroup", "cloud.google.com/gke-nodepool", "kubernetes.azure.com/agentpool", "karpenter.sh/nodepool", "node.kubernetes.io/instance-type"} {
		if v := o.Labels().Get(key).Str(); v != "" {
			return v
		}
	}
	if controlPlane(o) {
		return "control plane"
	}
	return ""
}

// controlPlane tells whether a node is labelled as one of the control plane.
func controlPlane(o *inventory.Object) bool {
	return o.Labels().Get("node-role.kubernetes.io/control-plane") != nil || o.Labels().Get("node-role.kubernetes.io/master") != nil
}

// most is the commonest value of a field, of several the first by name.
func most(nodes []*inventory.Object, field string) (string, int) {
	counts := make(map[string]int)
	var values []string
	for _, o := range nodes {
		v := o.Root.Find("status", "nodeInfo", field).Str()
		if counts[v]++; counts[v] == 1 {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	best := ""
	for _, v := range values {
		if counts[v] > counts[best] {
			best = v
		}
	}
	return best, counts[best]
}
