// Package clustertest gives tests a real Kubernetes control plane: it runs the
// driver of the module testcluster as a child process. Only tests import it.
package clustertest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Options say how a cluster differs from the plain one; the module testcluster
// explains them. ${DIR} in any of them stands for the cluster's folder.
type Options struct {
	EmulatedVersion string              `json:"emulatedVersion,omitempty"`
	Without         []string            `json:"without,omitempty"`
	Flags           map[string][]string `json:"flags,omitempty"`
	Files           map[string]string   `json:"files,omitempty"`
	Config          Config              `json:"config,omitzero"`
	Node            bool                `json:"node,omitempty"`
	Kubelet         string              `json:"kubelet,omitempty"`
}

// Config holds the contents of configuration files of the API server.
type Config struct {
	Audit          string `json:"audit,omitempty"`
	Admission      string `json:"admission,omitempty"`
	Encryption     string `json:"encryption,omitempty"`
	Authentication string `json:"authentication,omitempty"`
	Authorization  string `json:"authorization,omitempty"`
}

// AuditEverything is an audit policy that records each request, without bodies.
const AuditEverything = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n"

// ControlPlaneOnly leaves out what most tests do not need: without them a
// cluster starts faster, and nothing acts on the objects in it.
var ControlPlaneOnly = []string{"kube-controller-manager", "kube-scheduler"}

// Cluster is a cluster that runs until the test ends.
type Cluster struct {
	// Dir is the folder of the cluster, with the logs of its components.
	Dir string `json:"dir"`
	// URL is the address of the API server, CA the file that verifies it.
	URL string `json:"url"`
	CA  string `json:"ca"`
	// Kubeconfig is the file of an administrator whom nothing can refuse.
	Kubeconfig string `json:"kubeconfig"`
	// AuditLog is the audit log; empty without an audit policy.
	AuditLog string `json:"auditLog"`
	// Node is the node; nil if the cluster was started without one.
	Node *Node `json:"node"`

	mu     sync.Mutex
	input  io.Writer
	output *json.Decoder
}

// A Node is the real node of a cluster, with its own kubelet.
type Node struct {
	// Name is that of the Node object, IP the address of the kubelet.
	Name string `json:"name"`
	IP   string `json:"ip"`
	// Host is this computer as the node and its pods see it.
	Host string `json:"host"`
	// KubeletConfig is the file the kubelet was started with, KubeletRoot the
	// folder where it keeps what pods mount.
	KubeletConfig string `json:"kubeletConfig"`
	KubeletRoot   string `json:"kubeletRoot"`
	// Containerd is the socket of the container runtime.
	Containerd string `json:"containerd"`
	// Registries is the folder in which the container runtime looks, before each
	// pull, for NAME/hosts.toml; _default stands for all registries.
	Registries string `json:"registries"`
	// Image is an image that is there.
	Image string `json:"image"`
}

// How long a start of programs that are built may take. A node may have to wait
// until another process of this computer has no more use for it.
const (
	startTimeout = 2 * time.Minute
	nodeTimeout  = 8 * time.Minute
)

// Start runs a cluster until the test ends. It skips the test when -short is
// set or when the programs of the cluster are not built.
func Start(tb testing.TB, o Options) *Cluster {
	tb.Helper()
	if testing.Short() {
		tb.Skip("a control plane takes seconds, and -short is set")
	}
	driver, err := program()
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	cmd := exec.CommandContext(ctx, driver, "serve") //nolint:gosec // our own program
	said := &stderr{cancel: cancel}
	cmd.Stderr = said
	input, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = input.Close() // it asks the driver to stop; it may have ended
		timer := time.AfterFunc(time.Minute, cancel)
		_ = cmd.Wait() // what it has to say was read before
		timer.Stop()
		cancel()
	})
	c := &Cluster{input: input, output: json.NewDecoder(bufio.NewReader(output))}
	wait := startTimeout
	if o.Node {
		wait = nodeTimeout
	}
	timer := time.AfterFunc(wait, cancel)
	err = c.exchange(o, c)
	timer.Stop()
	if o.Node && said.lacksNode() {
		tb.Skip("no node can run here: " + strings.TrimSpace(said.String()))
	}
	if said.builds() {
		tb.Skip("the control plane or the node is not built: run go run ./cmd/testcluster build in testcluster (some 9 minutes, once; with --node 3 more)")
	}
	if err != nil {
		tb.Fatalf("the cluster does not start: %v\n%s", err, said)
	}
	return c
}

// User signs a certificate for a user and returns the path of a kubeconfig.
func (c *Cluster) User(tb testing.TB, name string, groups ...string) string {
	tb.Helper()
	var got struct{ Kubeconfig, Error string }
	ask := map[string]any{"kubeconfig": map[string]any{"user": name, "groups": groups}}
	if err := c.exchange(ask, &got); err != nil || got.Error != "" {
		tb.Fatal(err, got.Error)
	}
	return got.Kubeconfig
}

// RestartAPIServer restarts the API server with the given options laid over
// those of the start.
func (c *Cluster) RestartAPIServer(tb testing.TB, o Options) {
	tb.Helper()
	var got struct {
		Access *Cluster
		Error  string
	}
	if err := c.exchange(map[string]any{"restartAPIServer": o}, &got); err != nil || got.Error != "" {
		tb.Fatal(err, got.Error)
	}
	c.AuditLog = got.Access.AuditLog
}

// exchange writes one JSON value to the driver and reads one.
func (c *Cluster) exchange(say, hear any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := json.NewEncoder(c.input).Encode(say); err != nil {
		return fmt.Errorf("write to testcluster: %w", err)
	}
	if err := c.output.Decode(hear); err != nil {
		return fmt.Errorf("read from testcluster: %w", err)
	}
	return nil
}

// program is the driver, built once for each run of a test binary; or the one
// that REDOUBT_TEST_CLUSTER_BIN names.
var program = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("REDOUBT_TEST_CLUSTER_BIN"); path != "" { //nolint:forbidigo // tests take it from whoever runs them
		return path, nil
	}
	module, err := moduleDir()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	// One place for all test binaries; go build leaves it alone when it is fresh.
	dir := filepath.Join(cache, "redoubt-testcluster", "driver")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	part, err := os.MkdirTemp(dir, "part-")
	if err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	defer os.RemoveAll(part) //nolint:errcheck // an empty folder does no harm

	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", filepath.Join(part, "driver"), "./cmd/testcluster") //nolint:forbidigo,gosec // shared by all tests, outlives each
	cmd.Dir = module
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build testcluster: %w\n%s", err, out)
	}
	// Another checkout on this computer has another driver.
	sum := sha256.Sum256([]byte(module))
	path := filepath.Join(dir, "testcluster-"+hex.EncodeToString(sum[:6]))
	if err := os.Rename(filepath.Join(part, "driver"), path); err != nil {
		return "", fmt.Errorf("keep testcluster: %w", err)
	}
	return path, nil
})

// moduleDir finds the module testcluster from the folder the test runs in.
func moduleDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find testcluster: %w", err)
	}
	for {
		module := filepath.Join(dir, "testcluster")
		if _, err := os.Stat(filepath.Join(module, "go.mod")); err == nil {
			return module, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find testcluster: not in a folder above the test")
		}
		dir = parent
	}
}

// stderr keeps what the driver says, and ends it when it starts to compile
// programs, which takes longer than a test may.
type stderr struct {
	cancel context.CancelFunc

	mu   sync.Mutex
	text strings.Builder
}

// Write keeps p.
func (s *stderr) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.text.Write(p)
	s.mu.Unlock()
	if s.builds() {
		s.cancel()
	}
	return len(p), nil
}

func (s *stderr) builds() bool { return strings.Contains(s.String(), "testcluster: building ") }

// lacksNode tells whether this computer can't run a node at all.
func (s *stderr) lacksNode() bool {
	said := s.String()
	return slices.ContainsFunc([]string{"a node needs ", "runc needs ", "runs pods already"}, func(why string) bool {
		return strings.Contains(said, why)
	})
}

// String is all that was said.
func (s *stderr) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}
