package testcluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/redoubt-k8s/redoubt/testcluster/internal/pki"
)

const (
	adminName  = "admin"
	adminGroup = "system:masters"
)

// Kubeconfig is the path of a kubeconfig for an administrator. Its group is
// system:masters, which no authorizer can refuse.
func (c *Cluster) Kubeconfig() string {
	return c.file("admin.kubeconfig")
}

// KubeconfigFor signs a certificate for a user and returns a kubeconfig, as
// JSON, which is YAML too. The user has no rights but those of its groups and
// of system:authenticated.
func (c *Cluster) KubeconfigFor(user string, groups ...string) ([]byte, error) {
	return kubeconfig(c.ca, c.url(APIServer), pki.Subject{Name: user, Groups: groups})
}

// KubeconfigFor does the same as [Cluster.KubeconfigFor] for a cluster that
// another process runs.
func (a Access) KubeconfigFor(user string, groups ...string) ([]byte, error) {
	ca, err := pki.Load(filepath.Join(a.Dir, "pki", "ca"))
	if err != nil {
		return nil, err
	}
	return kubeconfig(ca, a.URL, pki.Subject{Name: user, Groups: groups})
}

// Client does the same as [Cluster.Client] for a cluster that another process
// runs.
func (a Access) Client(user string, groups ...string) (*http.Client, error) {
	ca, err := pki.Load(filepath.Join(a.Dir, "pki", "ca"))
	if err != nil {
		return nil, err
	}
	pair, err := ca.Issue(pki.Subject{Name: user, Groups: groups})
	if err != nil {
		return nil, err
	}
	return tlsClient(ca, pair)
}

// Client is an HTTP client that a certificate for this user identifies.
func (c *Cluster) Client(user string, groups ...string) (*http.Client, error) {
	pair, err := c.ca.Issue(pki.Subject{Name: user, Groups: groups})
	if err != nil {
		return nil, err
	}
	return tlsClient(c.ca, pair)
}

// EtcdClient is an HTTP client that etcd trusts. Its JSON gateway shows what is
// really stored: POST {"key": BASE64} to [Access].EtcdURL + "/v3/kv/range".
func (c *Cluster) EtcdClient() (*http.Client, error) {
	pair, err := c.etcdCA.Issue(pki.Subject{Name: "test"})
	if err != nil {
		return nil, err
	}
	return tlsClient(c.etcdCA, pair)
}

func (c *Cluster) writeKubeconfigs() error {
	for name, user := range map[string]pki.Subject{
		"admin":                   {Name: adminName, Groups: []string{adminGroup}},
		string(ControllerManager): {Name: "system:kube-controller-manager"},
		string(Scheduler):         {Name: "system:kube-scheduler"},
	} {
		content, err := kubeconfig(c.ca, c.url(APIServer), user)
		if err != nil {
			return err
		}
		if err := os.WriteFile(c.file(name+".kubeconfig"), content, 0o600); err != nil {
			return fmt.Errorf("write kubeconfig: %w", err)
		}
	}
	return nil
}

func kubeconfig(ca *pki.CA, server string, user pki.Subject) ([]byte, error) {
	pair, err := ca.Issue(user)
	if err != nil {
		return nil, err
	}
	const name = "testcluster"
	content, err := json.MarshalIndent(map[string]any{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": name,
		"clusters": []any{map[string]any{"name": name, "cluster": map[string]any{
			"server": server, "certificate-authority-data": ca.CertPEM,
		}}},
		"contexts": []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": user.Name}}},
		"users": []any{map[string]any{"name": user.Name, "user": map[string]any{
			"client-certificate-data": pair.Cert, "client-key-data": pair.Key,
		}}},
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig: %w", err)
	}
	return append(content, '\n'), nil
}

func tlsClient(ca *pki.CA, pair pki.Pair) (*http.Client, error) {
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return nil, fmt.Errorf("use certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.CertPEM)
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			Proxy:               nil,
			TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout: 10 * time.Second,
		},
	}, nil
}
