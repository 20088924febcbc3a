package live

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

const (
	tokenType = "kubernetes.io/service-account-token" //nolint:gosec // the type of a Secret, no credential
	tokenOf   = "kubernetes.io/service-account.name"  //nolint:gosec // the name of an annotation, no credential
	lastUsed  = "kubernetes.io/legacy-token-last-used"
	invalid   = "kubernetes.io/legacy-token-invalid-since"
)

// idle is how long a credential may lie unused.
const idle = 90 * 24 * time.Hour

// tokenUnused finds token Secrets that nobody has used for long, by the label
// the API server keeps on them.
func tokenUnused(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Kind("Secret", "") {
		if o.Root.Get("type").Str() != tokenType {
			continue
		}
		f := finding.Finding{Object: o, Path: inventory.Join("metadata.labels", lastUsed)}
		used, since := o.Labels().Get(lastUsed).Str(), o.Labels().Get(invalid).Str()
		f.Verdict, f.Message = unused(used, o.Root.Find("metadata", "creationTimestamp").Str(), inv.Time)
		if since != "" {
			f.Path, f.Verdict = inventory.Join("metadata.labels", invalid), finding.Fail
			f.Message = "the server refuses the token since " + since + " because nobody used it, and works again with it once somebody removes the label"
		}
		report(f)
	}
}

// unused judges when a token was used last. The server notes the day of each
// use; a token without a note was not used since it notes them.
func unused(used, created string, now time.Time) (finding.Verdict, string) {
	if now.IsZero() {
		return finding.Unknown, "it is not known when the cluster was read, so it can't be told how long the token has not been used"
	}
	if used == "" {
		born, err := time.Parse(time.RFC3339, created)
		switch {
		case err != nil:
			return finding.Unknown, "it can't be told how old the token is"
		case now.Sub(born) < idle:
			return finding.Pass, ""
		}
		return finding.Fail, "the token was made on " + born.Format(time.DateOnly) + ", does not expire, and no use of it is on record: it only waits for a thief"
	}
	day, err := time.Parse(time.DateOnly, used)
	switch {
	case err != nil:
		return finding.Unknown, fmt.Sprintf("the day of the last use is %q, which is no date", used)
	case now.Sub(day) < idle:
		return finding.Pass, ""
	}
	return finding.Fail, "the token does not expire and was used last on " + used + ": it only waits for a thief"
}

// tokenOfAdministrator finds token Secrets of service accounts that may do
// everything.
func tokenOfAdministrator(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	model := rbac.Of(inv)
	for _, o := range inv.Kind("Secret", "") {
		account := o.Annotations().Get(tokenOf).Str()
		if o.Root.Get("type").Str() != tokenType || account == "" {
			continue
		}
		f := finding.Finding{Object: o, Path: inventory.Join("metadata.annotations", tokenOf), Verdict: finding.Pass}
		user := rbac.Subject{Kind: "ServiceAccount", Namespace: o.EffectiveNamespace(), Name: account}.User()
		if grant, ok := model.Allowed(user, rbac.Request{Verb: "*", APIGroup: "*", Resource: "*"}, ""); ok {
			f.Verdict = finding.Fail
			f.Message = fmt.Sprintf("the Secret holds a token that does not expire of service account %s, which may do everything", account)
			if grant.Binding != nil {
				f.Message += " by " + grant.Binding.Object.Kind + " " + grant.Binding.Object.Name
			}
			f.Message += ": whoever reads the Secret has the cluster for good"
		} else if gap, hidden := bindingGap(inv); hidden {
			f.Verdict, f.Message = finding.Unknown, "what the account may do is not known: "+gap.What+": "+gap.Why
		}
		report(f)
	}
}

func bindingGap(inv *inventory.Inventory) (inventory.Gap, bool) {
	for _, kind := range []string{"ClusterRoleBinding", "ClusterRole"} {
		if g, hidden := inv.GapFor(kind); hidden {
			return g, true
		}
	}
	return inventory.Gap{}, false
}

// maxRequest bounds the certificate request that is decoded.
const maxRequest = 64 << 10

// powerful are the groups whose members need no rights, or those of the nodes
// or of kubeadm's administrators.
var powerful = []string{rbac.Masters, "kubeadm:cluster-admins"}

// certificateForMasters finds requests for client certificates of the mightiest
// groups. Such certificates can't be taken back.
func certificateForMasters(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Kind("CertificateSigningRequest", "certificates.k8s.io") {
		f := finding.Finding{Object: o, Path: "spec.request", Verdict: finding.Pass}
		request, err := certificateRequest(o.Root.Find("spec", "request").Str())
		switch {
		case err != nil:
			f.Verdict, f.Message = finding.Unknown, "the request can't be read: "+err.Error()
		case slices.ContainsFunc(request.Subject.Organization, func(g string) bool { return slices.Contains(powerful, g) }):
			f.Verdict = finding.Fail
			f.Message = fmt.Sprintf("%s asks for a certificate of user %q in %s; %s", o.Root.Find("spec", "username").StrOr("somebody"), request.Subject.CommonName, strings.Join(request.Subject.Organization, ", "), standing(o))
		}
		report(f)
	}
}

// standing says what became of a request.
func standing(o *inventory.Object) string {
	if o.Root.Find("status", "certificate").Str() != "" {
		return "it was issued, and works until it expires, whatever is done to roles and bindings"
	}
	for _, c := range o.Root.Find("status", "conditions").All() {
		if kind := c.Get("type").Str(); kind == "Denied" || kind == "Failed" {
			return "it was refused, and somebody tried"
		}
	}
	return "whoever approves it gives the cluster away"
}

func certificateRequest(text string) (*x509.CertificateRequest, error) {
	if len(text) > maxRequest {
		return nil, fmt.Errorf("it is longer than %d KiB", maxRequest>>10)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("decode it: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errNoPEM
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse it: %w", err)
	}
	return request, nil
}
