package testcluster

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/redoubt-k8s/redoubt/testcluster/internal/machine"
	"github.com/redoubt-k8s/redoubt/testcluster/internal/pki"
)

const (
	serviceRange = "10.96.0.0/16"
	apiServiceIP = machine.ServiceIP // the first one of the range
)

// prepare writes everything that components read: certificates, kubeconfigs
// and configuration files.
func (c *Cluster) prepare(ctx context.Context) error {
	if err := os.MkdirAll(c.file("pki"), 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	dir, err := filepath.Abs(c.dir)
	if err != nil {
		return fmt.Errorf("find folder: %w", err)
	}
	c.dir = dir
	if err := os.RemoveAll(c.file("etcd")); err != nil { // of an attempt on a port that was taken
		return fmt.Errorf("remove old data: %w", err)
	}
	if c.withNode {
		if err := c.claimNode(ctx); err != nil {
			return err
		}
	}
	ports, err := freePorts(ctx, 5)
	if err != nil {
		return err
	}
	if c.withNode {
		ports[1] = 443 // as the service has it
	}
	c.ports = map[Component]int{Etcd: ports[0], APIServer: ports[1], ControllerManager: ports[2], Scheduler: ports[3]}
	c.etcdPeer = ports[4]
	if err := c.writeCertificates(); err != nil {
		return err
	}
	if err := c.writeKubeconfigs(); err != nil {
		return err
	}
	if c.withNode {
		if err := c.writeNode(); err != nil {
			return err
		}
	}
	return c.writeFiles()
}

func (c *Cluster) writeCertificates() error {
	authorities := make(map[string]*pki.CA)
	for _, name := range []string{"ca", "etcd-ca", "front-proxy-ca"} {
		ca, err := pki.NewCA("redoubt-testcluster-" + name)
		if err != nil {
			return err
		}
		if err := ca.Save(c.file("pki", name)); err != nil {
			return err
		}
		authorities[name] = ca
	}
	c.ca, c.etcdCA = authorities["ca"], authorities["etcd-ca"]
	local := []string{"127.0.0.1", "localhost"}
	for stem, want := range map[string]struct {
		ca      string
		subject pki.Subject
	}{
		"etcd":        {"etcd-ca", pki.Subject{Name: "etcd", Hosts: local}},
		"etcd-client": {"etcd-ca", pki.Subject{Name: "kube-apiserver-etcd-client"}},
		"kube-apiserver": {"ca", pki.Subject{Name: "kube-apiserver", Hosts: append([]string{
			apiServiceIP, machine.HostIP, "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		}, local...)}},
		"kube-controller-manager": {"ca", pki.Subject{Name: "kube-controller-manager", Hosts: local}},
		"kube-scheduler":          {"ca", pki.Subject{Name: "kube-scheduler", Hosts: local}},
		"front-proxy-client":      {"front-proxy-ca", pki.Subject{Name: "front-proxy-client"}},
		"service-account":         {"ca", pki.Subject{Name: "service-account"}},
	} {
		pair, err := authorities[want.ca].Issue(want.subject)
		if err != nil {
			return err
		}
		if err := pair.Save(c.file("pki", stem)); err != nil {
			return err
		}
	}
	return nil
}

// configFlags maps each configuration that is set to its flag and content.
func (c *Cluster) configFlags() map[string]string {
	flags := make(map[string]string)
	config := c.options.Config
	for flag, content := range map[string]string{
		"--audit-policy-file":             config.Audit,
		"--admission-control-config-file": config.Admission,
		"--encryption-provider-config":    config.Encryption,
		"--authentication-config":         config.Authentication,
		"--authorization-config":          config.Authorization,
	} {
		if content != "" {
			flags[flag] = content
		}
	}
	return flags
}

func (c *Cluster) writeFiles() error {
	files := make(map[string]string)
	for name, content := range c.options.Files {
		files[c.file("files", name)] = content
	}
	for flag, content := range c.configFlags() {
		files[c.configFile(flag)] = content
	}
	for path, content := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
		if err := os.WriteFile(path, []byte(c.expand(content)), 0o600); err != nil {
			return fmt.Errorf("write configuration: %w", err)
		}
	}
	return nil
}

func (c *Cluster) configFile(flag string) string {
	return c.file("config", flag[len("--"):]+".yaml")
}

// args are the flags we give to a component.
func (c *Cluster) args(component Component) []string {
	switch component {
	case Etcd:
		return c.etcdArgs()
	case APIServer:
		return c.emulate(c.apiServerArgs())
	case ControllerManager:
		return c.emulate(append(c.controllerArgs(component),
			"--use-service-account-credentials=true",
			"--service-account-private-key-file="+c.file("pki", "service-account.key"),
			"--flex-volume-plugin-dir="+c.file("volume-plugins"), // or it makes one under /usr
			"--root-ca-file="+c.file("pki", "ca.crt"),
			"--cluster-signing-cert-file="+c.file("pki", "ca.crt"),
			"--cluster-signing-key-file="+c.file("pki", "ca.key"),
		))
	case Scheduler:
		return c.emulate(c.controllerArgs(component))
	case Containerd, Kubelet:
		return c.nodeArgs(component)
	}
	return nil
}

func (c *Cluster) etcdArgs() []string {
	peer := "http://127.0.0.1:" + strconv.Itoa(c.etcdPeer)
	return []string{
		"--name=test",
		"--data-dir=" + c.file("etcd"),
		"--unsafe-no-fsync=true", // the data needs to outlive a process, not a power cut
		"--listen-client-urls=" + c.url(Etcd),
		"--advertise-client-urls=" + c.url(Etcd),
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=test=" + peer,
		"--cert-file=" + c.file("pki", "etcd.crt"),
		"--key-file=" + c.file("pki", "etcd.key"),
		"--client-cert-auth=true",
		"--trusted-ca-file=" + c.file("pki", "etcd-ca.crt"),
	}
}

func (c *Cluster) apiServerArgs() []string {
	args := []string{
		"--bind-address=" + c.host(),
		"--advertise-address=" + c.advertised(),
		"--secure-port=" + strconv.Itoa(c.ports[APIServer]),
		"--tls-cert-file=" + c.file("pki", "kube-apiserver.crt"),
		"--tls-private-key-file=" + c.file("pki", "kube-apiserver.key"),
		"--client-ca-file=" + c.file("pki", "ca.crt"),
		"--etcd-servers=" + c.url(Etcd),
		"--etcd-cafile=" + c.file("pki", "etcd-ca.crt"),
		"--etcd-certfile=" + c.file("pki", "etcd-client.crt"),
		"--etcd-keyfile=" + c.file("pki", "etcd-client.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.file("pki", "service-account.key"),
		"--service-account-signing-key-file=" + c.file("pki", "service-account.key"),
		"--requestheader-client-ca-file=" + c.file("pki", "front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.file("pki", "front-proxy-client.crt"),
		"--proxy-client-key-file=" + c.file("pki", "front-proxy-client.key"),
		"--allow-privileged=true",
	}
	if c.withNode {
		args = append(args,
			"--kubelet-preferred-address-types=InternalIP",
			"--kubelet-certificate-authority="+c.file("pki", "ca.crt"),
			"--kubelet-client-certificate="+c.file("pki", "kube-apiserver-kubelet-client.crt"),
			"--kubelet-client-key="+c.file("pki", "kube-apiserver-kubelet-client.key"),
		)
	} else {
		args = append(args, "--endpoint-reconciler-type=none") // endpoints can't have a loopback address
	}
	if c.options.Config.Authorization == "" {
		args = append(args, "--authorization-mode=Node,RBAC")
	}
	if c.options.Config.Audit != "" {
		args = append(args, "--audit-log-path="+c.file("audit.log"), "--audit-log-mode=blocking")
	}
	for flag := range c.configFlags() {
		args = append(args, flag+"="+c.configFile(flag))
	}
	return args
}

// advertised is what the endpoints of the service "kubernetes" say.
func (c *Cluster) advertised() string {
	if c.withNode {
		return machine.HostIP
	}
	return c.host()
}

// controllerArgs are what controller manager and scheduler have in common.
func (c *Cluster) controllerArgs(component Component) []string {
	config := c.file(string(component) + ".kubeconfig")
	return []string{
		"--kubeconfig=" + config,
		"--authentication-kubeconfig=" + config,
		"--authorization-kubeconfig=" + config,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(c.ports[component]),
		"--tls-cert-file=" + c.file("pki", string(component)+".crt"),
		"--tls-private-key-file=" + c.file("pki", string(component)+".key"),
		"--leader-elect=false",
	}
}

func (c *Cluster) emulate(args []string) []string {
	if c.options.EmulatedVersion == "" {
		return args
	}
	return append(args, "--emulated-version="+c.options.EmulatedVersion)
}

func (c *Cluster) probeClient(component Component) (*http.Client, error) {
	if component != Etcd {
		return c.Client(adminName, adminGroup)
	}
	return c.EtcdClient()
}

// probe asks a component whether it is ready.
func (c *Cluster) probe(ctx context.Context, client *http.Client, component Component) error {
	switch component {
	case Etcd:
		return probe(ctx, client, c.url(Etcd)+"/health")
	case APIServer:
		return probe(ctx, client, c.url(APIServer)+"/readyz")
	case ControllerManager:
		if err := probe(ctx, client, c.url(component)+"/healthz"); err != nil {
			return err
		}
		// Without it the API server refuses pods.
		return probe(ctx, client, c.url(APIServer)+"/api/v1/namespaces/default/serviceaccounts/default")
	case Scheduler:
		return probe(ctx, client, c.url(component)+"/readyz")
	case Containerd:
		return c.probeContainerd(ctx)
	case Kubelet:
		return c.probeKubelet(ctx, client)
	}
	return nil
}

func probe(ctx context.Context, client *http.Client, url string) error {
	_, err := read(ctx, client, url)
	return err
}

func read(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("probe %s: %w", url, err)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // nothing was written
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("probe %s: %s", url, response.Status)
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("probe %s: %w", url, err)
	}
	return content, nil
}
