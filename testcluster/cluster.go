// Package testcluster runs a real Kubernetes control plane for tests: etcd,
// kube-apiserver, kube-controller-manager and kube-scheduler as child processes
// on loopback, with certificates of their own. It compiles them from Go modules
// once, and needs no container runtime, no root and no downloads of binaries.
//
// A cluster guards nothing: its keys lie in a folder, and it is meant to be
// thrown away.
package testcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redoubt-k8s/redoubt/testcluster/build"
	"github.com/redoubt-k8s/redoubt/testcluster/internal/child"
	"github.com/redoubt-k8s/redoubt/testcluster/internal/machine"
	"github.com/redoubt-k8s/redoubt/testcluster/internal/pki"
)

// startTimeout is how long one component may take until it is ready.
const startTimeout = 2 * time.Minute

var errPortTaken = errors.New("another process took the port")

// A Cluster is a running control plane.
type Cluster struct {
	dir       string
	temporary bool
	withNode  bool
	options   Options
	paths     map[string]string
	ports     map[Component]int
	etcdPeer  int
	ca        *pki.CA
	etcdCA    *pki.CA

	mu       sync.Mutex
	children map[Component]*child.Process
	place    *child.Lock // of the node
	stopped  bool
}

// Access tells where to reach a cluster and where its files are.
type Access struct {
	// Dir is the cluster's folder; component logs are DIR/<component>.log.
	Dir string `json:"dir"`
	// URL is the address of the API server.
	URL string `json:"url"`
	// Kubeconfig is the file for an administrator.
	Kubeconfig string `json:"kubeconfig"`
	// AuditLog is the audit log, or empty if there is no audit policy.
	AuditLog string `json:"auditLog,omitempty"`
	// CA and CAKey are the authority for clients and servers.
	CA    string `json:"ca"`
	CAKey string `json:"caKey"`
	// EtcdURL, EtcdCA, EtcdCert and EtcdKey give direct access to the store.
	EtcdURL  string `json:"etcdURL"`
	EtcdCA   string `json:"etcdCA"`
	EtcdCert string `json:"etcdCert"`
	EtcdKey  string `json:"etcdKey"`
	// Node is the node, if the cluster has one.
	Node *NodeAccess `json:"node,omitempty"`
}

// Start builds what the cache lacks, starts a cluster and returns when it is
// ready: the API server says so, and pods can be created in the namespace
// "default". The cluster ends with [Cluster.Stop] or when ctx ends.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if err := empty(o.Dir); err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	if o.Node {
		if err := CanRunNode(ctx); err != nil {
			return nil, err
		}
	}
	paths, err := build.Ensure(ctx, o.Progress, o.programs())
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		c, err := start(ctx, o, paths)
		if err == nil {
			return c, nil
		}
		if attempt == 3 || !errors.Is(err, errPortTaken) {
			return nil, fmt.Errorf("start test cluster: %w", err)
		}
	}
}

func start(ctx context.Context, o Options, paths map[string]string) (*Cluster, error) {
	c := &Cluster{
		dir: o.Dir, withNode: o.Node, options: o, paths: paths,
		children: make(map[Component]*child.Process),
	}
	if c.dir == "" {
		dir, err := os.MkdirTemp("", "redoubt-testcluster-")
		if err != nil {
			return nil, fmt.Errorf("make folder: %w", err)
		}
		c.dir, c.temporary = dir, true
	}
	err := c.prepare(ctx)
	for _, component := range o.components() {
		if err == nil {
			err = c.launch(ctx, component)
		}
	}
	for _, component := range o.components() {
		if err == nil {
			err = c.await(ctx, component)
		}
	}
	if err == nil {
		return c, nil
	}
	// The logs explain the failure, unless the caller gave up or we try again.
	c.temporary = c.temporary && (ctx.Err() != nil || errors.Is(err, errPortTaken))
	if !c.temporary {
		err = fmt.Errorf("%w\n  logs: %s", err, c.dir)
	}
	return nil, errors.Join(err, c.Stop()) //nolint:contextcheck // it must stop even if ctx has ended
}

// Stop ends all processes and removes the folder if it is a temporary one. It
// may be called more than once.
func (c *Cluster) Stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	order := c.options.components()
	slices.Reverse(order)
	for _, component := range order {
		if p := c.children[component]; p != nil {
			p.Stop()
		}
	}
	err := c.releaseNode()
	if !c.temporary {
		return err
	}
	if failed := os.RemoveAll(c.dir); failed != nil {
		err = errors.Join(err, fmt.Errorf("remove folder of test cluster: %w", failed))
	}
	return err
}

// RestartAPIServer stops the API server and starts it again on the same port.
// If change is not nil, it may alter a copy of the options first; only what
// concerns the API server takes effect. The new server ends when ctx ends.
func (c *Cluster) RestartAPIServer(ctx context.Context, change func(*Options)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return errors.New("restart API server: the cluster has been stopped")
	}
	o := c.options
	o.Flags, o.Files = maps.Clone(o.Flags), maps.Clone(o.Files)
	if change != nil {
		change(&o)
	}
	if err := o.validate(); err != nil {
		return err
	}
	o.Without, o.Node = c.options.Without, c.options.Node
	c.options = o
	c.children[APIServer].Stop()
	err := c.writeFiles()
	if err == nil {
		err = c.launch(ctx, APIServer)
	}
	if err == nil {
		err = c.await(ctx, APIServer)
	}
	if err != nil {
		return fmt.Errorf("restart API server: %w", err)
	}
	return nil
}

// Access tells where things are.
func (c *Cluster) Access() Access {
	return Access{
		Dir:        c.dir,
		URL:        c.url(APIServer),
		Kubeconfig: c.Kubeconfig(),
		AuditLog:   c.AuditLog(),
		CA:         c.file("pki", "ca.crt"),
		CAKey:      c.file("pki", "ca.key"),
		EtcdURL:    c.url(Etcd),
		EtcdCA:     c.file("pki", "etcd-ca.crt"),
		EtcdCert:   c.file("pki", "etcd-client.crt"),
		EtcdKey:    c.file("pki", "etcd-client.key"),
		Node:       c.node(),
	}
}

// AuditLog is the path of the audit log, or empty if there is no audit policy.
func (c *Cluster) AuditLog() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.options.Config.Audit == "" {
		return ""
	}
	return c.file("audit.log")
}

// PIDs are the process ids of the running components.
func (c *Cluster) PIDs() map[Component]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	pids := make(map[Component]int)
	for component, p := range c.children {
		select {
		case <-p.Done():
		default:
			pids[component] = p.PID()
		}
	}
	return pids
}

// launch starts one component. The API server needs a ready etcd, the others a
// ready API server; they would retry, but slowly.
func (c *Cluster) launch(ctx context.Context, component Component) error {
	var needs Component
	switch component {
	case APIServer:
		needs = Etcd
	case ControllerManager, Scheduler:
		needs = APIServer
	case Kubelet:
		needs = Containerd
	case Etcd, Containerd:
	}
	if needs != "" {
		if err := c.await(ctx, needs); err != nil {
			return err
		}
	}
	args := c.options.merge(component, c.args(component))
	for i, arg := range args {
		args[i] = c.expand(arg)
	}
	spec := child.Spec{
		Name:  string(component),
		Path:  c.paths[string(component)],
		Args:  args,
		Env:   append(os.Environ(), "NO_PROXY=*", "no_proxy=*"),
		Log:   c.log(component),
		Grace: 10 * time.Second,
	}
	if component == Containerd || component == Kubelet {
		spec = c.insideNode(spec)
	}
	p, err := child.Start(ctx, spec)
	if err != nil {
		return err
	}
	c.children[component] = p
	return nil
}

// await returns when a component is ready or can't become so any more.
func (c *Cluster) await(ctx context.Context, component Component) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client, err := c.probeClient(component)
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	p := c.children[component]
	var last error
	for {
		if last = c.probe(ctx, client, component); last == nil {
			return nil
		}
		select {
		case <-p.Done():
			if err := context.Cause(ctx); err != nil {
				return err
			}
			failure := p.Failure()
			if strings.Contains(failure.Error(), "address already in use") {
				failure = fmt.Errorf("%w: %w", errPortTaken, failure)
			}
			return failure
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w (%w)\n%s", component, context.Cause(ctx), last, child.Tail(c.log(component), 15))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (c *Cluster) file(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}

func (c *Cluster) log(component Component) string {
	return c.file(string(component) + ".log")
}

func (c *Cluster) url(component Component) string {
	host := "127.0.0.1"
	if component == APIServer {
		host = c.host()
	}
	return "https://" + host + ":" + strconv.Itoa(c.ports[component])
}

// host is the address of the API server. A node could not reach loopback, and
// has no kube-proxy, so there the server itself has the service's address.
func (c *Cluster) host() string {
	if c.withNode {
		return machine.ServiceIP
	}
	return "127.0.0.1"
}

func (c *Cluster) expand(text string) string {
	return strings.ReplaceAll(text, "${DIR}", c.dir)
}

// empty refuses a folder with anything in it: a cluster starts from nothing,
// and must not mix with files of others.
func empty(dir string) error {
	if dir == "" {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("read folder for the cluster: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("folder %s is not empty: name a new one for the cluster", dir)
	}
	return nil
}

// freePorts finds ports that nobody listens on. Another process may take one
// before we do; Start then tries again.
func freePorts(ctx context.Context, count int) ([]int, error) {
	var ports []int
	for range count {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer listener.Close() //nolint:errcheck // all are kept until the last one is found, so that they differ
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		number, err := strconv.Atoi(port)
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		ports = append(ports, number)
	}
	return ports, nil
}
