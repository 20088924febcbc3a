// Package nodetest runs pods on a real node: a kubelet, containerd and runc that
// the module testcluster builds and starts. It makes the images the pods want
// from one program of its own, serves them to the node, and runs commands in the
// pods through the API. Only tests import it.
//
// A node needs Linux and root. Elsewhere, and where its programs are not built,
// the tests skip and say so.
package nodetest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
)

// A Node is a cluster with one real node, until the test ends.
type Node struct {
	*clustertest.Cluster
	// Registry serves images to the node.
	Registry *Registry

	config *rest.Config
	client *http.Client
}

// Start starts a cluster with a node, and a registry for it.
func Start(tb testing.TB, o clustertest.Options) *Node {
	tb.Helper()
	if os.Getenv("REDOUBT_NODE") == "" { //nolint:forbidigo // whoever runs the tests decides
		tb.Skip("a real node takes minutes and root: make test-node runs this")
	}
	o.Node = true
	began := time.Now() //nolint:forbidigo // tests say how long a node takes
	n := &Node{Cluster: clustertest.Start(tb, o)}
	if n.Node == nil || n.Node.Registries == "" {
		tb.Fatal("the driver of the cluster is of another version: it tells of no node with a folder for registries")
	}
	n.config = clustertest.REST(tb, n.Kubeconfig)
	client, err := rest.HTTPClientFor(n.config)
	if err != nil {
		tb.Fatal(err)
	}
	n.client = client
	n.Registry = startRegistry(tb, n.Node.Host, n.Node.Registries)
	tb.Logf("a node is ready after %s", time.Since(began).Round(time.Second)) //nolint:forbidigo // see above
	return n
}

// Do asks the API server as the administrator. An answer other than success is
// an error; into may be nil.
func (n *Node) Do(tb testing.TB, method, path string, body, into any) error {
	tb.Helper()
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(tb.Context(), method, n.URL+path, content)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := n.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, answer)
	}
	if into == nil {
		return nil
	}
	if text, ok := into.(*string); ok {
		*text = string(answer)
		return nil
	}
	return json.Unmarshal(answer, into)
}

// program is the static binary that the images hold, built once for each run of
// a test binary.
var program = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "redoubt-nodetest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a folder left over does no harm
	path := filepath.Join(dir, "program")
	const source = "github.com/redoubt-k8s/redoubt/internal/nodetest/program"
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, source) //nolint:gosec // our own program, shared by all tests
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build program: %w\n%s", err, out)
	}
	return os.ReadFile(path)
})

// Binary writes the program of the images to a file, to be run beside the node.
func Binary(tb testing.TB) string {
	tb.Helper()
	content, err := program()
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "program")
	if err := os.WriteFile(path, content, 0o700); err != nil { //nolint:gosec // it is to be run
		tb.Fatal(err)
	}
	return path
}
