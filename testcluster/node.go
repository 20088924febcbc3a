package testcluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/redoubt-k8s/redoubt/testcluster/build"
	"github.com/redoubt-k8s/redoubt/testcluster/internal/child"
	"github.com/redoubt-k8s/redoubt/testcluster/internal/image"
	"github.com/redoubt-k8s/redoubt/testcluster/internal/machine"
	"github.com/redoubt-k8s/redoubt/testcluster/internal/pki"
)

const (
	nodeName = "node-1"
	// Image is the only image on a node. It waits as the sandbox of a pod, and
	// as a container it can "echo WORD...", "serve ADDRESS", "fetch URL" and
	// "read FILE". Pods that use it need imagePullPolicy Never.
	Image = "redoubt.test/pause:1"
)

// A NodeAccess tells where the node of a cluster is.
type NodeAccess struct {
	// Name is the name of the Node object.
	Name string `json:"name"`
	// IP is its address; the kubelet serves on port 10250.
	IP string `json:"ip"`
	// Host is this computer as the node and its pods see it.
	Host string `json:"host"`
	// NetworkNamespace is the one that the node lives in, as ip netns names it.
	NetworkNamespace string `json:"networkNamespace"`
	// KubeletConfig and KubeletConfigDir hold the configuration of the kubelet.
	KubeletConfig    string `json:"kubeletConfig"`
	KubeletConfigDir string `json:"kubeletConfigDir"`
	// KubeletRoot is the kubelet's folder, with the volumes of pods.
	KubeletRoot string `json:"kubeletRoot"`
	// Containerd is the socket of the container runtime, Ctr a client for it.
	Containerd string `json:"containerd"`
	Ctr        string `json:"ctr"`
	// Registries is the folder of containerd's registry configuration. What is put
	// there as NAME/hosts.toml counts from the next pull; _default means all names.
	Registries string `json:"registries"`
	// Image is the image that pods can use.
	Image string `json:"image"`
}

// CanRunNode says why no node can be built or run on this computer, or nil.
func CanRunNode(ctx context.Context) error {
	if err := machine.Check(); err != nil {
		return err
	}
	return build.CanBuildNode(ctx)
}

func (c *Cluster) node() *NodeAccess {
	if !c.withNode {
		return nil
	}
	return &NodeAccess{
		Name: nodeName, IP: machine.NodeIP, Host: machine.HostIP, NetworkNamespace: machine.Namespace,
		KubeletConfig: c.file("node", "kubelet.json"), KubeletConfigDir: c.file("node", "kubelet.conf.d"),
		KubeletRoot: filepath.Join(machine.Base, "kubelet"),
		Containerd:  machine.Socket, Ctr: c.paths["ctr"], Registries: c.file("node", "registries"), Image: Image,
	}
}

// claimNode waits until no other cluster has the place for a node, and takes it.
func (c *Cluster) claimNode(ctx context.Context) error {
	if err := machine.Check(); err != nil {
		return err
	}
	// The lock is not in a cache: the place belongs to the computer.
	lock, err := child.WaitLock(ctx, machine.Lock, func() {
		_, _ = fmt.Fprintln(c.options.Progress, "testcluster: waiting, another cluster has the node")
	})
	if err != nil {
		return err
	}
	c.place = lock
	return machine.Up(ctx)
}

// releaseNode frees the place; it does nothing without a node.
func (c *Cluster) releaseNode() error {
	if c.place == nil {
		return nil
	}
	// The cluster's own context may have ended; the place must be freed all the same.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) //nolint:forbidigo // see above
	defer cancel()
	err := errors.Join(machine.Down(ctx), c.place.Unlock())
	c.place = nil
	if err != nil {
		return fmt.Errorf("remove node: %w", err)
	}
	return nil
}

// writeNode writes the certificates and configuration of the node.
func (c *Cluster) writeNode() error {
	for stem, subject := range map[string]pki.Subject{
		"kubelet":                       {Name: "system:node:" + nodeName, Groups: []string{"system:nodes"}, Hosts: []string{nodeName, machine.NodeIP}},
		"kube-apiserver-kubelet-client": {Name: "kube-apiserver-kubelet-client", Groups: []string{adminGroup}},
	} {
		pair, err := c.ca.Issue(subject)
		if err != nil {
			return err
		}
		if err := pair.Save(c.file("pki", stem)); err != nil {
			return err
		}
	}
	kubelet, err := kubeconfig(c.ca, c.url(APIServer), pki.Subject{Name: "system:node:" + nodeName, Groups: []string{"system:nodes"}})
	if err != nil {
		return err
	}
	network, err := c.networkConfig()
	if err != nil {
		return err
	}
	config, err := c.kubeletConfig()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"kubelet.kubeconfig":          kubelet,
		"kubelet.json":                config,
		"kubelet.conf.d/10-test.conf": []byte(c.expand(c.options.Kubelet)),
		"containerd.toml":             []byte(c.containerdConfig()),
		"cni/10-test.conflist":        network,
	} {
		path := c.file("node", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("make folder of node: %w", err)
		}
		if name == "kubelet.conf.d/10-test.conf" && len(content) == 0 {
			continue // the kubelet refuses an empty file
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return fmt.Errorf("write configuration of node: %w", err)
		}
	}
	return c.linkPlugins()
}

// linkPlugins gathers the network plugins in one folder, as containerd wants it.
func (c *Cluster) linkPlugins() error {
	dir := c.file("node", "plugins")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder of plugins: %w", err)
	}
	for _, name := range []string{"bridge", "loopback", "host-local", "portmap"} {
		target := filepath.Join(dir, name)
		if err := os.Remove(target); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("link plugin: %w", err)
		}
		if err := os.Symlink(c.paths[name], target); err != nil {
			return fmt.Errorf("link plugin: %w", err)
		}
	}
	return nil
}

func (*Cluster) networkConfig() ([]byte, error) {
	content, err := json.Marshal(map[string]any{
		"cniVersion": "1.0.0",
		"name":       "test",
		"plugins": []any{
			map[string]any{
				"type": "bridge", "bridge": "cni0", "isGateway": true,
				"ipam": map[string]any{
					"type": "host-local", "dataDir": filepath.Join(machine.Base, "addresses"),
					"ranges": []any{[]any{map[string]any{"subnet": machine.PodRange}}},
					"routes": []any{map[string]any{"dst": "0.0.0.0/0"}},
				},
			},
			map[string]any{"type": "portmap", "capabilities": map[string]any{"portMappings": true}},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("encode network: %w", err)
	}
	return content, nil
}

// kubeletConfig is what a kubelet needs in a virtual machine or container with
// few rights, and otherwise as a careful administrator would set it.
func (c *Cluster) kubeletConfig() ([]byte, error) {
	content, err := json.MarshalIndent(map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": c.file("pki", "ca.crt")},
		},
		"authorization":                 map[string]any{"mode": "Webhook"},
		"tlsCertFile":                   c.file("pki", "kubelet.crt"),
		"tlsPrivateKeyFile":             c.file("pki", "kubelet.key"),
		"address":                       machine.NodeIP,
		"containerRuntimeEndpoint":      "unix://" + machine.Socket,
		"cgroupDriver":                  "cgroupfs",
		"failCgroupV1":                  false,
		"failSwapOn":                    false,
		"oomScoreAdj":                   0,
		"localStorageCapacityIsolation": false,
		"enforceNodeAllocatable":        []string{},
		"evictionHard":                  make(map[string]string),
		"imageGCHighThresholdPercent":   100,
		"podLogsDir":                    filepath.Join(machine.Base, "pods"),
		"volumePluginDir":               filepath.Join(machine.Base, "volume-plugins"),
		"resolvConf":                    "",
		"nodeStatusUpdateFrequency":     "2s",
		"shutdownGracePeriod":           "0s",
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode configuration of kubelet: %w", err)
	}
	return content, nil
}

func (c *Cluster) containerdConfig() string {
	quote := strconv.Quote
	return `version = 3
root = ` + quote(filepath.Join(machine.Base, "containerd")) + `
state = ` + quote(filepath.Join(machine.Run, "containerd")) + `

[grpc]
address = ` + quote(machine.Socket) + `

[plugins.'io.containerd.internal.v1.opt']
path = ` + quote(filepath.Join(machine.Base, "opt")) + `

[plugins.'io.containerd.nri.v1.nri']
disable = true

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = [` + quote(c.file("node", "plugins")) + `]
conf_dir = ` + quote(c.file("node", "cni")) + `

[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = 'runc'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = ` + quote(c.paths["runc"]) + `
Root = ` + quote(filepath.Join(machine.Run, "runc")) + `
SystemdCgroup = false

[plugins.'io.containerd.cri.v1.images']
snapshotter = ` + quote(machine.Snapshotter()) + `

[plugins.'io.containerd.cri.v1.images'.registry]
config_path = ` + quote(c.file("node", "registries")) + `

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = ` + quote(Image) + `
`
}

// insideNode runs a component in the node's network namespace. nsenter and not
// "ip netns exec", which hides the control groups.
func (c *Cluster) insideNode(spec child.Spec) child.Spec {
	spec.Args = append([]string{"--net=/var/run/netns/" + machine.Namespace, "--", spec.Path}, spec.Args...)
	spec.Path = "nsenter"
	shim := filepath.Dir(c.paths["containerd-shim-runc-v2"])
	spec.Env = append(spec.Env, "PATH="+shim+":"+os.Getenv("PATH")) //nolint:forbidigo // containerd looks for its shim there
	return spec
}

func (c *Cluster) nodeArgs(component Component) []string {
	if component == Containerd {
		return []string{"--config=" + c.file("node", "containerd.toml")}
	}
	args := []string{
		"--config=" + c.file("node", "kubelet.json"),
		"--kubeconfig=" + c.file("node", "kubelet.kubeconfig"),
		"--root-dir=" + filepath.Join(machine.Base, "kubelet"),
		"--node-ip=" + machine.NodeIP,
		"--hostname-override=" + nodeName,
	}
	if c.options.Kubelet != "" {
		args = append(args, "--config-dir="+c.file("node", "kubelet.conf.d"))
	}
	return args
}

// probeContainerd asks whether containerd listens, and gives it the image.
func (c *Cluster) probeContainerd(ctx context.Context) error {
	connection, err := new(net.Dialer).DialContext(ctx, "unix", machine.Socket)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	if err := connection.Close(); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	program, err := os.ReadFile(c.paths["pause"])
	if err != nil {
		return fmt.Errorf("make image: %w", err)
	}
	var archive bytes.Buffer
	if err := image.Write(&archive, Image, image.Program{Name: "pause", Content: program}); err != nil {
		return err
	}
	//nolint:gosec // we have built it
	cmd := exec.CommandContext(ctx, c.paths["ctr"], "--address="+machine.Socket, "--namespace=k8s.io", "images", "import", "-")
	cmd.Stdin = &archive
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("import image: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// probeKubelet asks the API server whether the node is ready.
func (c *Cluster) probeKubelet(ctx context.Context, client *http.Client) error {
	content, err := read(ctx, client, c.url(APIServer)+"/api/v1/nodes/"+nodeName)
	if err != nil {
		return err
	}
	var node struct {
		Status struct {
			Conditions []struct {
				Type    string `json:"type"`
				Status  string `json:"status"`
				Message string `json:"message"`
			} `json:"conditions"`
		} `json:"status"`
	}
	if err := json.Unmarshal(content, &node); err != nil {
		return fmt.Errorf("read node: %w", err)
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == "Ready" && condition.Status == "True" {
			return nil
		}
		if condition.Type == "Ready" {
			return fmt.Errorf("node is not ready: %s", condition.Message)
		}
	}
	return errors.New("node has no condition Ready yet")
}

// programs lists what a cluster with these options runs.
func (o Options) programs() []build.Program {
	all := build.ControlPlane()
	if o.Node {
		all = append(all, build.Node()...)
	}
	return all
}
