package live

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/component"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// The skew that Kubernetes supports between a kubelet and the API server grew
// from two minor versions to three with kubelets of 1.25.
const (
	olderSkew, newerSkew = 2, 3
	newerSince           = 25
)

// nodeVersionSkew finds kubelets that are newer than the API server, or too old
// for it.
func nodeVersionSkew(inv *inventory.Inventory, report func(finding.Finding)) {
	server, known := serverMinor(inv)
	for _, o := range inv.Kind("Node", "") {
		f := finding.Finding{Object: o, Path: "status.nodeInfo.kubeletVersion"}
		version := o.Root.Find("status", "nodeInfo", "kubeletVersion").Str()
		kubelet, ok := minorOf(version)
		allowed := newerSkew
		if kubelet < newerSince {
			allowed = olderSkew
		}
		switch {
		case !ok:
			f.Verdict = finding.NotApplicable
		case !known:
			f.Message = "the version of the API server is not known; scan the cluster"
		case kubelet > server:
			f.Verdict = finding.Fail
			f.Message = fmt.Sprintf("the kubelet is %s and newer than the API server of 1.%d: such a node is not supported, and may work without protections it takes for granted", version, server)
		case server-kubelet > allowed:
			f.Verdict = finding.Fail
			f.Message = fmt.Sprintf("the kubelet is %s, %d minor versions behind the API server: it gets no security fixes, and ignores settings of pods that it does not know", version, server-kubelet)
		default:
			f.Verdict = finding.Pass
		}
		report(f)
	}
}

// serverMinor is the minor version of the API server: as it says itself, or
// the oldest among its pods.
func serverMinor(inv *inventory.Inventory) (int, bool) {
	if minor, ok := minorOf(inv.ServerVersion); ok {
		return minor, true
	}
	least, known := 0, false
	for _, p := range component.Of(inv) {
		if p.Name != component.APIServer || p.Container == nil {
			continue
		}
		_, tag, _ := strings.Cut(p.Container.Node.Get("image").Str(), "kube-apiserver:")
		if minor, ok := minorOf(tag); ok && (!known || minor < least) {
			least, known = minor, true
		}
	}
	return least, known
}

// minorOf takes the minor version out of v1.N.
func minorOf(version string) (int, bool) {
	rest, ok := strings.CutPrefix(version, "v1.")
	if !ok {
		return 0, false
	}
	digits := rest
	if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = rest[:i]
	}
	minor, err := strconv.Atoi(digits)
	return minor, err == nil && minor < 1000
}
