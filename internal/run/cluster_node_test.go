package run_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// TestTheConfigurationOfARealKubeletIsJudged starts a node, where that can be
// done, and asks its kubelet through the API server.
func TestTheConfigurationOfARealKubeletIsJudged(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("a node needs Linux and root")
	}
	c := clustertest.Start(t, clustertest.Options{Node: true, Kubelet: "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nreadOnlyPort: 10255\n"})
	from := run.Cluster{Kubeconfig: c.Kubeconfig, NodeProxy: true}
	verdicts := make(map[string]string)
	for range 60 {
		rep := scanLive(t, liveOptions("kubelet-*", "version-unsupported", "node-version-skew"), from)
		for i := range rep.Findings {
			if f := &rep.Findings[i]; f.Object != nil {
				verdicts[f.Control+" "+f.Object.Kind] = f.Verdict
			}
		}
		if verdicts["kubelet-read-only-port KubeletConfiguration"] != "" {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	for key, want := range map[string]string{
		"kubelet-read-only-port KubeletConfiguration": "fail",
		"kubelet-anonymous KubeletConfiguration":      "pass",
		"node-version-skew Node":                      "pass",
	} {
		if got := verdicts[key]; got != want {
			t.Errorf("%s: got %q, want %s", key, got, want)
		}
	}
	from.NodeProxy = false
	for _, f := range scanLive(t, liveOptions("kubelet-*"), from).Findings {
		if f.Object != nil && strings.HasPrefix(f.Control, "kubelet-") {
			t.Errorf("without the flag %s judges %s", f.Control, f.Object.Name)
		}
	}
}
