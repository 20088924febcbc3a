package pki_test

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"testing"

	"github.com/redoubt-k8s/redoubt/testcluster/internal/pki"
)

func TestCertificatesAreTrustedForWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	ca, err := pki.NewCA("test")
	if err != nil {
		t.Fatal(err)
	}
	stem := filepath.Join(t.TempDir(), "ca")
	if err := ca.Save(stem); err != nil {
		t.Fatal(err)
	}
	if ca, err = pki.Load(stem); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		subject pki.Subject
		options x509.VerifyOptions
		want    bool
	}{
		{"a server serves by its IP address", pki.Subject{Name: "s", Hosts: []string{"127.0.0.1"}}, x509.VerifyOptions{DNSName: "127.0.0.1"}, true},
		{"a server serves by its name", pki.Subject{Name: "s", Hosts: []string{"db.shop"}}, x509.VerifyOptions{DNSName: "db.shop"}, true},
		{"a server serves by no other name", pki.Subject{Name: "s", Hosts: []string{"db.shop"}}, x509.VerifyOptions{DNSName: "web.shop"}, false},
		{"a user is a client", pki.Subject{Name: "eve"}, x509.VerifyOptions{KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, true},
		{"a user is no server", pki.Subject{Name: "eve"}, x509.VerifyOptions{KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pair, err := ca.Issue(test.subject)
			if err != nil {
				t.Fatal(err)
			}
			cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
			if err != nil {
				t.Fatal(err)
			}
			test.options.Roots = x509.NewCertPool()
			test.options.Roots.AppendCertsFromPEM(ca.CertPEM)
			_, err = cert.Leaf.Verify(test.options)
			if got := err == nil; got != test.want {
				t.Errorf("trusted: got %v, want %v (%v)", got, test.want, err)
			}
		})
	}
}

func TestFilesThatAreNoCAAreRefused(t *testing.T) {
	t.Parallel()
	stem := filepath.Join(t.TempDir(), "ca")
	if _, err := pki.Load(stem); err == nil {
		t.Error("a missing file was accepted")
	}
	if err := (pki.Pair{Cert: []byte("x"), Key: []byte("y")}).Save(stem); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.Load(stem); err == nil {
		t.Error("a file without PEM was accepted")
	}
}
