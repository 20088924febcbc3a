package testcluster_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redoubt-k8s/redoubt/testcluster"
	"github.com/redoubt-k8s/redoubt/testcluster/build"
)

func TestNodeRunsPodsAndLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	if err := testcluster.CanRunNode(t.Context()); err != nil {
		t.Skip(err)
	}
	if !build.Built(build.Node()) {
		t.Skip("the programs of a node are not built: run go run ./cmd/testcluster build --node")
	}
	fixed := []string{"/run/containerd", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers", "/usr/libexec/kubernetes"}
	before := present(fixed)
	cluster := start(t, testcluster.Options{
		Node:    true,
		Kubelet: `{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration","maxPods":7}`,
	})
	admin := client(t, cluster, "admin", "system:masters")
	pids, node, url := cluster.PIDs(), cluster.Access().Node, cluster.Access().URL
	if len(pids) != 6 {
		t.Errorf("got processes %v, want six", pids)
	}
	pods := url + "/api/v1/namespaces/default/pods"

	must(t, admin, pods, nodePod("echo", "echo", "hello", "from", "a", "pod"), http.StatusCreated)
	must(t, admin, pods, nodePod("web", "serve", ":8080"), http.StatusCreated)
	awaitPhase(t, admin, pods+"/echo", "Running")
	if got, want := string(must(t, admin, pods+"/echo/log", "", http.StatusOK)), "hello from a pod\n"; got != want {
		t.Errorf("got log %q, want %q", got, want)
	}
	ip := awaitPhase(t, admin, pods+"/web", "Running")
	must(t, admin, pods, nodePod("fetch", "fetch", "http://"+ip+":8080"), http.StatusCreated)
	awaitPhase(t, admin, pods+"/fetch", "Succeeded")
	if got, want := string(must(t, admin, pods+"/fetch/log", "", http.StatusOK)), "web\n"; got != want {
		t.Errorf("a pod got %q from another, want %q", got, want)
	}

	must(t, admin, pods, nodePod("client", "api", "/api/v1/namespaces/default/secrets"), http.StatusCreated)
	awaitPhase(t, admin, pods+"/client", "Succeeded")
	got := string(must(t, admin, pods+"/client/log", "", http.StatusOK))
	if want := "system:serviceaccount:default:default"; !strings.Contains(got, want) {
		t.Errorf("the API server answered a pod with %q, want a refusal of %s", got, want)
	}

	config := must(t, admin, url+"/api/v1/nodes/"+node.Name+"/proxy/configz", "", http.StatusOK)
	if want := `"maxPods":7`; !strings.Contains(string(config), want) {
		t.Errorf("the kubelet's configuration has no %s: %s", want, config)
	}
	eve := client(t, cluster, "eve")
	must(t, eve, "https://"+node.IP+":10250/pods", "", http.StatusForbidden)

	if err := cluster.Stop(); err != nil {
		t.Fatal(err)
	}
	gone(t, pids)
	for _, pattern := range []string{
		"/var/lib/redoubt-testcluster", "/run/redoubt-testcluster", "/var/run/netns/" + node.NetworkNamespace,
		"/var/run/netns/cni-*", "/sys/class/net/redoubt-test", "/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/*/kubepods",
	} {
		if left, err := filepath.Glob(pattern); err != nil || len(left) > 0 {
			t.Errorf("still there: %q, %v", left, err)
		}
	}
	if after := present(fixed); !slices.Equal(after, before) {
		t.Errorf("got folders %q, before there were %q", after, before)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), "redoubt-testcluster/") {
		t.Errorf("still mounted, %v: %s", err, mounts)
	}
	processes, err := exec.CommandContext(t.Context(), "ps", "-eo", "args=").Output()
	if err != nil || strings.Contains(string(processes), node.Containerd) {
		t.Errorf("still running, %v: %s", err, processes)
	}
}

func present(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), func(path string) bool {
		_, err := os.Lstat(path)
		return err != nil
	})
}

func nodePod(name string, args ...string) string {
	list, err := json.Marshal(args)
	if err != nil {
		return err.Error()
	}
	return `{"metadata":{"name":"` + name + `"},"spec":{"restartPolicy":"Never","terminationGracePeriodSeconds":0,"containers":[{` +
		`"name":"c","image":"` + testcluster.Image + `","imagePullPolicy":"Never","args":` + string(list) + `}]}}`
}

// awaitPhase waits for a phase of a pod and returns the pod's address.
func awaitPhase(t *testing.T, c *http.Client, url, want string) string {
	t.Helper()
	deadline := time.After(90 * time.Second)
	for {
		var pod struct {
			Status struct {
				Phase string `json:"phase"`
				PodIP string `json:"podIP"`
			} `json:"status"`
		}
		content := must(t, c, url, "", http.StatusOK)
		if err := json.Unmarshal(content, &pod); err != nil {
			t.Fatal(err)
		}
		if pod.Status.Phase == want {
			return pod.Status.PodIP
		}
		select {
		case <-deadline:
			t.Fatalf("%s does not become %s: %s", url, want, content)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
