// Package pki makes the certificates of one test cluster. It knows nothing of
// Kubernetes, and its keys must never guard anything but a test.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A CA signs certificates.
type CA struct {
	// CertPEM is the certificate to trust.
	CertPEM []byte
	// KeyPEM is its private key.
	KeyPEM []byte

	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// A Subject says whom a certificate is for.
type Subject struct {
	// Name is the common name, which Kubernetes takes for the user.
	Name string
	// Groups are the organizations, which Kubernetes takes for the groups.
	Groups []string
	// Hosts are DNS names and IP addresses. With any, the certificate also
	// serves; without, it only identifies a client.
	Hosts []string
}

// A Pair is a certificate and its private key, both as PEM.
type Pair struct {
	Cert []byte
	Key  []byte
}

// NewCA makes a certificate authority.
func NewCA(name string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of CA %s: %w", name, err)
	}
	template, err := certificate(pkix.Name{CommonName: name})
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage |= x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign CA %s: %w", name, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	return parse(encode("CERTIFICATE", der), keyPEM)
}

// Load reads a CA that [CA.Save] has written.
func Load(stem string) (*CA, error) {
	cert, err := os.ReadFile(stem + ".crt")
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	key, err := os.ReadFile(stem + ".key")
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	return parse(cert, key)
}

// Save writes the CA to stem.crt and stem.key.
func (c *CA) Save(stem string) error {
	return Pair{Cert: c.CertPEM, Key: c.KeyPEM}.Save(stem)
}

// Issue makes a key and signs a certificate for it.
func (c *CA) Issue(s Subject) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("make key of %s: %w", s.Name, err)
	}
	template, err := certificate(pkix.Name{CommonName: s.Name, Organization: s.Groups})
	if err != nil {
		return Pair{}, err
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if len(s.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	for _, host := range s.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.cert, key.Public(), c.key)
	if err != nil {
		return Pair{}, fmt.Errorf("sign certificate of %s: %w", s.Name, err)
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Cert: encode("CERTIFICATE", der), Key: keyPEM}, nil
}

// Save writes the pair to stem.crt and stem.key.
func (p Pair) Save(stem string) error {
	if err := os.MkdirAll(filepath.Dir(stem), 0o700); err != nil {
		return fmt.Errorf("save certificate: %w", err)
	}
	if err := os.WriteFile(stem+".crt", p.Cert, 0o600); err != nil {
		return fmt.Errorf("save certificate: %w", err)
	}
	if err := os.WriteFile(stem+".key", p.Key, 0o600); err != nil {
		return fmt.Errorf("save key: %w", err)
	}
	return nil
}

// certificate is what all our certificates have in common. It holds for a day
// and from an hour ago, because clocks of containers may lag.
func certificate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	now := time.Now() //nolint:forbidigo // a certificate is bound to the clock of its maker
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      subject,
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}, nil
}

func parse(certPEM, keyPEM []byte) (*CA, error) {
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return nil, errors.New("parse CA: not PEM")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse CA: %w", err)
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse CA key: %w", err)
	}
	return &CA{CertPEM: certPEM, KeyPEM: keyPEM, cert: cert, key: key}, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	return encode("EC PRIVATE KEY", der), nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
