package controlplane

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// longLived is how long a client certificate of a person may be valid.
const longLived = 400 * 24 * time.Hour

// clientCertificateAdmin reads the client certificates embedded in kubeconfig
// files: those of group system:masters, and those that live for years.
func clientCertificateAdmin(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Kind("Config", "") {
		failed := false
		for i, u := range o.Root.Get("users").All() {
			data := u.Find("user", "client-certificate-data").Str()
			if data == "" {
				continue
			}
			at := inventory.JoinIndex("users", i) + ".user.client-certificate-data"
			cert, err := parseCertificate(data)
			if err != nil {
				report(finding.Finding{Verdict: finding.Unknown, Object: o, Path: at, Message: fmt.Sprintf("the client certificate of user %s can't be read (%v); embed a valid one", u.Get("name").Str(), err)})
				failed = true
				continue
			}
			f := finding.Finding{Verdict: finding.Fail, Object: o, Path: at}
			switch life := cert.NotAfter.Sub(cert.NotBefore); {
			case slices.Contains(cert.Subject.Organization, "system:masters"):
				f.Message = fmt.Sprintf("user %s has a certificate of group system:masters: it passes every check and can not be revoked before %s", u.Get("name").Str(), cert.NotAfter.Format(time.DateOnly))
			case life > longLived:
				f.Severity = finding.Medium
				f.Message = fmt.Sprintf("the certificate of user %s is valid for %d days and can not be revoked", u.Get("name").Str(), int(life.Hours()/24))
			default:
				continue
			}
			failed = true
			report(f)
		}
		if !failed {
			report(finding.Finding{Verdict: finding.Pass, Object: o})
		}
	}
}

func parseCertificate(data string) (*x509.Certificate, error) {
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, fmt.Errorf("decode base64: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	return x509.ParseCertificate(block.Bytes)
}
