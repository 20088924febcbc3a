package nodetest_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/redoubt-k8s/redoubt/internal/cli"
	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/nodetest"
)

// A part is what the stand-in of an image needs; see the program.
type part struct {
	Own    []string `json:"own,omitempty"`
	User   int      `json:"user,omitempty"`
	Write  []string `json:"write,omitempty"`
	Read   []string `json:"read,omitempty"`
	Get    []string `json:"get,omitempty"`
	Listen []int    `json:"listen,omitempty"`
	Finish bool     `json:"finish,omitempty"`
	Probes []string `json:"probes,omitempty"`
}

// A program of the shop: what it needs, and what its image says.
type program struct {
	role  part
	image nodetest.Image
}

// programs are the images of the shop, by their last name. They behave as such
// programs do: data bases start as root, take hold of their folder and go on as
// their own user; search keeps the index its manifest names; the operator reads
// settings and how far Deployments are scaled; the agent reads a log of a pod, a
// file of root's. An image that is not listed is a server that keeps nothing on
// disk. None names a user: they are built to run as any, and start as root.
var programs = map[string]program{
	"frontend":  {role: part{Write: []string{"/tmp"}}},
	"orders":    {role: part{Write: []string{"/tmp"}}},
	"search":    {role: part{Write: []string{"/var/index", "/tmp"}}},
	"operator":  {role: part{Get: []string{"/api/v1/namespaces/shop/configmaps", "/apis/apps/v1/namespaces/shop/deployments/cart/scale"}}},
	"export":    {role: part{Write: []string{"/tmp"}, Finish: true}},
	"log-agent": {role: part{Read: []string{"/host/var/log/pods"}}},
	"postgres": {
		role: part{Own: []string{"/var/lib/postgresql/data", "/var/run/postgresql"}, User: 999, Write: []string{"/var/lib/postgresql/data/pgdata", "/var/run/postgresql"}},
		image: nodetest.Image{
			Volumes: []string{"/var/lib/postgresql/data"}, Dirs: map[string]int{"/var/lib/postgresql/data": 999, "/var/run/postgresql": 999},
		},
	},
	"redis": {
		role:  part{Own: []string{"/data"}, User: 999, Write: []string{"/data"}},
		image: nodetest.Image{Volumes: []string{"/data"}, Dirs: map[string]int{"/data": 999}},
	},
}

// baseName is the last name of an image, without tag and digest.
func baseName(image string) string {
	name, _, _ := strings.Cut(path.Base(image), "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}

// serveImages makes an image for every container among the objects.
func serveImages(t *testing.T, n *nodetest.Node, objects []*unstructured.Unstructured) {
	t.Helper()
	served := make(map[string]bool)
	for _, o := range objects {
		spec := nodetest.PodSpec(t, o)
		if spec == nil {
			continue
		}
		for _, c := range append(spec.InitContainers, spec.Containers...) {
			if served[c.Image] {
				continue
			}
			served[c.Image] = true
			n.Registry.Serve(t, c.Image, standIn(t, &c))
		}
	}
	t.Logf("%d images: %q", len(served), slices.Sorted(maps.Keys(served)))
}

// standIn is the image of a container: its program listens where the container
// says it does, and answers to the names that commands and probes have for it.
func standIn(t *testing.T, c *corev1.Container) *nodetest.Image {
	t.Helper()
	p := programs[baseName(c.Image)]
	for _, port := range c.Ports {
		p.role.Listen = append(p.role.Listen, int(port.ContainerPort))
	}
	image := p.image
	image.Entrypoint = []string{"/bin/serve"}
	image.Names = []string{"serve"}
	if len(c.Command) > 0 {
		image.Names = append(image.Names, c.Command[0])
	}
	for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if probe != nil && probe.Exec != nil && len(probe.Exec.Command) > 0 {
			image.Names = append(image.Names, probe.Exec.Command[0])
			p.role.Probes = append(p.role.Probes, path.Base(probe.Exec.Command[0]))
		}
	}
	slices.Sort(image.Names)
	image.Names = slices.Compact(image.Names)
	text, err := json.Marshal(p.role)
	if err != nil {
		t.Fatal(err)
	}
	image.Env = []string{"STAND_IN=" + string(text)}
	return &image
}

const shop = "../../examples/shop"

// logsWhereTheyBelong are the logs of pods at the place they have on every node.
const logsWhereTheyBelong = `{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "podLogsDir": "/var/log/pods"}`

// most is how long the workloads may take; ready ones take some 15 seconds on two
// cores. They are looked at twice: one that ends at once is ready for a moment.
const (
	most   = 2 * time.Minute
	glance = 2 * time.Second
	steady = 4 * time.Second
)

// TestTheShopIsReadyBeforeAndAfterFix runs the example application on the real
// node, as it is and as fix leaves it: every workload has to become ready both
// times.
func TestTheShopIsReadyBeforeAndAfterFix(t *testing.T) { //nolint:paralleltest // there is one node
	fixed := t.TempDir()
	if err := os.CopyFS(fixed, os.DirFS(shop)); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	args := []string{"fix", fixed, "--safety", "review", "--write"}
	if code := cli.Main(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &said, Err: &said}); code != cli.ExitOK {
		t.Fatalf("fix ends with %d: %s", code, &said)
	}
	first, _, _ := strings.Cut(said.String(), "\n")
	t.Log("fix:", first)
	for _, c := range []struct{ name, dir string }{{"before fix", shop}, {"after fix", fixed}} { //nolint:paralleltest // there is one node
		t.Run(c.name, func(t *testing.T) {
			n := nodetest.Start(t, clustertest.Options{Kubelet: logsWhereTheyBelong})
			objects := nodetest.Manifests(t, c.dir)
			serveImages(t, n, objects)
			began := time.Now() //nolint:forbidigo // the log tells how long it takes
			n.Apply(t, objects)
			waiting := settle(t, n, objects)
			t.Logf("after %s", time.Since(began).Round(time.Second)) //nolint:forbidigo // see above
			for _, w := range slices.Sorted(maps.Keys(waiting)) {
				t.Errorf("%s is not ready: %s", w, waiting[w])
			}
		})
	}
}

// settle waits until all are ready, and still are at a second look.
func settle(t *testing.T, n *nodetest.Node, objects []*unstructured.Unstructured) map[string]string {
	t.Helper()
	waiting := n.AwaitReady(t, objects, glance)
	for looked := time.Duration(0); looked < most; looked += steady + glance {
		settled := len(waiting) == 0
		time.Sleep(steady)
		if waiting = n.AwaitReady(t, objects, glance); settled && len(waiting) == 0 {
			break
		}
	}
	return waiting
}
