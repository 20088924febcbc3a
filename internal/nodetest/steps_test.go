package nodetest_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/nodetest"
)

// TestStepsAreShownOnTheNode does every step that the real node can show: in a
// pod from which the step follows the intruder gets what the step says, and in
// one from which it does not the same attempt fails.
func TestStepsAreShownOnTheNode(t *testing.T) { //nolint:paralleltest // there is one node
	s := newStage(t, clustertest.Options{})
	began := time.Now() //nolint:forbidigo // the log tells how long it takes
	inPods := append(escapes(), identities()...)
	for i := range inPods {
		s.set(t, &inPods[i])
	}
	for i := range inPods {
		show := &inPods[i]
		t.Run(show.step, func(t *testing.T) { s.showInPods(t, show) })
	}
	s.setShop(t)
	s.showKubelet(t, false)
	byRights := rights()
	for i := range byRights { //nolint:paralleltest // attempts share the account
		show := &byRights[i]
		t.Run(show.step, func(t *testing.T) { s.showRights(t, show) })
	}
	s.showServer(t)
	t.Logf("%d steps are shown, after %s", len(shown()), time.Since(began).Round(time.Second)) //nolint:forbidigo // see above
}

// newStage starts a node with what the showings share on it and beside it.
func newStage(t *testing.T, o clustertest.Options) *stage {
	t.Helper()
	dir, canary := t.TempDir(), newCanary(t)
	for name, content := range map[string]string{"canary": canary, "plain": strings.Repeat("\x00", 1<<17)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"other", "static"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o.Kubelet = fmt.Sprintf(`{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "maxPods": 250, "authorization": {"webhook": {"cacheUnauthorizedTTL": "1s"}}, "staticPodPath": %q}`, filepath.Join(dir, "static"))
	n := nodetest.Start(t, o)
	s := &stage{Node: n, t: t, dir: dir, canary: canary}
	device, err := disk(dir)
	if err != nil {
		t.Skip(err)
	}
	mounts, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	kubeconfig, err := os.ReadFile(n.User(t, "eve"))
	if err != nil {
		t.Fatal(err)
	}
	var compact map[string]any
	if err := json.Unmarshal(kubeconfig, &compact); err != nil {
		t.Fatal(err)
	}
	users, err := json.Marshal(compact["users"])
	if err != nil {
		t.Fatal(err)
	}
	s.words = map[string]string{
		"dir": dir, "canary": canary, "canary64": base64.StdEncoding.EncodeToString([]byte(canary)), "cluster": n.Dir, "device": device, "mounts": mounts,
		"users": string(users), "safe": safe(t, n.Node.Host, canary), "program": nodetest.Binary(t), "nodeip": n.Node.IP,
	}
	s.words["pid"] = s.startBeside(t)
	for _, name := range []string{"x", "x:1"} {
		n.Registry.Serve(t, name, &nodetest.Image{})
	}
	n.Registry.Serve(t, "x:2", &nodetest.Image{Env: []string{"VERSION=2"}})
	n.Registry.Serve(t, "victim:1", &nodetest.Image{Entrypoint: []string{"/bin/serve"}, Names: []string{"serve"}, Env: []string{`STAND_IN={"listen": [8080]}`}})
	label := map[string]any{"metadata": map[string]any{"labels": map[string]any{"node-role.kubernetes.io/control-plane": ""}}}
	if err := n.Do(t, http.MethodPatch, "/api/v1/nodes/"+n.Node.Name, label, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// startBeside starts two programs beside the node: one with the canary in its
// environment, whose process id it gives, and one that keeps it in shared memory.
func (s *stage) startBeside(t *testing.T) string {
	t.Helper()
	program, ready := s.words["program"], filepath.Join(s.dir, "ready")
	one := exec.CommandContext(t.Context(), program)
	one.Env = []string{"HELD=" + s.canary}
	two := exec.CommandContext(t.Context(), program, "keep", s.canary, ready)
	for _, cmd := range []*exec.Cmd{one, two} {
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Wait() }) // it was interrupted
	}
	for range 50 {
		if _, err := os.Stat(ready); err == nil {
			return strconv.Itoa(one.Process.Pid)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("no shared memory")
	return ""
}

// worldsOf are the namespaces of a showing, the one where it follows last.
func (show *showing) namespaces() map[string]bool {
	return map[string]bool{show.step + "-no": false, show.step + "-yes": true}
}

// set makes both worlds of a showing. All are made before the first attempt, so
// that the node starts their pods meanwhile.
func (s *stage) set(t *testing.T, show *showing) {
	t.Helper()
	yes, no := show.worlds(t)
	for namespace, follows := range show.namespaces() {
		world := no
		if follows {
			world = yes
		}
		if !strings.Contains(world, "kind: Namespace\n") {
			world = "apiVersion: v1\nkind: Namespace\nmetadata: {name: '{ns}'}\n" + world
		}
		s.apply(t, show.both+"\n---\n"+world, namespace)
	}
}

func (s *stage) showInPods(t *testing.T, show *showing) {
	t.Helper()
	if show.lacks != nil {
		if why := show.lacks(s); why != "" {
			t.Skip("can't be shown here: " + why)
		}
	}
	yes, no := show.worlds(t)
	name := show.pod
	if name == "" {
		name = "app"
	}
	for namespace, want := range show.namespaces() {
		world := no
		if want {
			world = yes
		}
		if got := follows(t, show.step, s.fill(world, namespace)); got != want && !show.unrelated {
			t.Errorf("%s: the step follows from the manifests: %t, want %t", namespace, got, want)
		}
		s.AwaitPod(t, namespace, name)
		s.outcome(t, show, want, func() (string, error) { return s.attempt(t, show, namespace, name) })
	}
}

// outcome holds an attempt against what it should come to.
func (s *stage) outcome(t *testing.T, show *showing, want bool, attempt func() (string, error)) {
	t.Helper()
	said, err := attempt()
	switch {
	case want && err != nil:
		t.Errorf("the step follows, and the attempt fails: %v", err)
	case want:
		t.Logf("yes: %s", brief(said))
		if show.check != nil {
			show.check(t, s, said)
		}
	case err == nil:
		t.Errorf("the step does not follow, and the attempt succeeds: %s", brief(said))
	default:
		t.Logf("no:  %s", brief(err.Error()))
	}
}

// setShop makes the namespaces and pods that the showings of rights share.
func (s *stage) setShop(t *testing.T) {
	t.Helper()
	s.apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: guarded, labels: {pod-security.kubernetes.io/enforce: baseline}}\n"+
		"\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"+
		"\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app, namespace: shop}\n"+victim+
		pod("intruder", "{serviceAccountName: app, terminationGracePeriodSeconds: 0, containers: [{name: app, image: 'x:1'}]}")+
		pod("nobody", "{automountServiceAccountToken: false, terminationGracePeriodSeconds: 0, containers: [{name: app, image: 'x:1'}]}"), "shop")
	s.AwaitPod(t, "shop", "intruder")
	s.AwaitPod(t, "shop", "victim")
	s.AwaitPod(t, "shop", "nobody")
}

// showKubelet tries the port of the kubelet from a pod without a token.
func (s *stage) showKubelet(t *testing.T, open bool) {
	t.Helper()
	byKubelet := byKubelet()
	for i := range byKubelet {
		show := &byKubelet[i]
		t.Run(show.step, func(t *testing.T) {
			s.outcome(t, show, open, func() (string, error) { return s.attempt(t, show, "shop", "nobody") })
		})
	}
}

// guard sets the Pod Security level of the shop; none if it is empty.
func (s *stage) guard(t *testing.T, level string) {
	t.Helper()
	var value any
	if level != "" {
		value = level
	}
	change := map[string]any{"metadata": map[string]any{"labels": map[string]any{"pod-security.kubernetes.io/enforce": value}}}
	if err := s.Do(t, http.MethodPatch, "/api/v1/namespaces/shop", change, nil); err != nil {
		t.Fatal(err)
	}
}

// spread is how long rights take to reach the API server's authoriser.
const spread = 300 * time.Millisecond

// showRights gives the account of the intruder the rights of the one world and
// then of the other.
func (s *stage) showRights(t *testing.T, show *showing) {
	t.Helper()
	yes, no := show.worlds(t)
	defer s.guard(t, "")
	for _, w := range []struct {
		manifests string
		follows   bool
	}{{no, false}, {yes, true}} {
		if show.yes == "" {
			if got := follows(t, show.step, w.manifests); got != w.follows {
				t.Errorf("the step follows from the manifests: %t, want %t", got, w.follows)
			}
		}
		made := s.apply(t, show.both+"\n---\n"+w.manifests, "shop")
		if show.prepare != nil {
			show.prepare(t, s)
		}
		time.Sleep(spread)
		s.outcome(t, show, w.follows, func() (string, error) {
			said, err := s.attempt(t, show, "shop", "intruder")
			for try := 0; try < 10 && w.follows && err != nil && strings.Contains(err.Error(), "403 Forbidden"); try++ {
				time.Sleep(spread)
				said, err = s.attempt(t, show, "shop", "intruder")
			}
			return said, err
		})
		s.Remove(t, append(made, show.leaves...))
	}
}
