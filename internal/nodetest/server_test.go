package nodetest_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
)

// showServer shows the steps that depend on how the API server runs, and so
// restarts it.
func (s *stage) showServer(t *testing.T) {
	t.Helper()
	byWebSocket := &showing{
		step:  "exec-by-websocket",
		tries: [][]string{{"exec", inShop + "pods/victim/exec", "app", nodeProgram, "environ", "1", "HELD"}}, want: "{canary}",
	}
	asNode := &showing{
		step:  "node-without-restriction",
		tries: [][]string{{"as", kubelet, "POST", inShop + "pods", newPod("mirrored", `"nodeName": "node-1", `, "", `"read", "/program"`)}}, want: `"mirrored"`,
	}
	yes, _ := byWebSocket.worlds(t)
	s.apply(t, yes, "shop")
	s.apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: mounts}\n"+folder("/", readOnly), "mounts")
	s.AwaitPod(t, "mounts", "app")
	for _, c := range []struct {
		name      string
		flags     []string
		webSocket bool
		node      bool
	}{
		{"as it starts by itself", nil, false, true},
		{"with NodeRestriction, and asking for no create", []string{"--enable-admission-plugins=NodeRestriction", "--feature-gates=AuthorizePodWebsocketUpgradeCreatePermission=false"}, true, false},
	} {
		if c.flags != nil {
			s.RestartAPIServer(t, clustertest.Options{Flags: map[string][]string{"kube-apiserver": c.flags}})
		}
		t.Run("exec-by-websocket "+c.name, func(t *testing.T) {
			s.outcome(t, byWebSocket, c.webSocket, func() (string, error) { return s.attempt(t, byWebSocket, "shop", "intruder") })
		})
		t.Run("node-without-restriction "+c.name, func(t *testing.T) {
			s.outcome(t, asNode, c.node, func() (string, error) { return s.attempt(t, asNode, "mounts", "app") })
		})
	}
}

// byServer are the steps that [stage.showServer] shows.
func byServer() []showing {
	return []showing{
		{step: "exec-by-websocket", gets: "runs a command in another pod with get alone, where the API server does not ask for create; by itself 1.36 asks"},
		{step: "node-without-restriction", gets: "makes a pod with the identity of the node; with NodeRestriction it is refused"},
	}
}

// byKubelet are the steps that a kubelet makes possible which is open to all: on
// the node of [TestTheKubeletsOwnWordCounts] they succeed, here they fail.
func byKubelet() []showing {
	return []showing{
		{
			step: "kubelet-anonymous", gets: "runs a command in another pod, as nobody, and reads its variable",
			tries: [][]string{{"exec", "https://{nodeip}:10250/exec/shop/victim/app", "", nodeProgram, "environ", "1", "HELD"}}, want: "{canary}",
		},
		{
			step: "kubelet-read-only-port", gets: "reads the specification of another pod with its variables, as nobody",
			tries: [][]string{{"fetch", "http://{nodeip}:10255/pods"}}, want: "{canary}",
		},
	}
}

// shown are all steps that are.
func shown() []showing {
	all := append(escapes(), identities()...)
	all = append(all, rights()...)
	all = append(all, byServer()...)
	return append(all, byKubelet()...)
}
