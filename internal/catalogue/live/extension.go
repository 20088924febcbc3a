package live

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

var errNoPEM = errors.New("it holds no PEM block")

// backendRef is a place where the API server is told to ask somebody else.
type backendRef struct {
	object *inventory.Object
	// path leads to the client configuration, name says what it is for people.
	path, name string
	config     *inventory.Node
	// service names the Service, nil for a URL.
	service *inventory.Node
}

// backends are the webhooks for admission and conversion, and the extension
// servers.
func backends(inv *inventory.Inventory) []backendRef {
	var out []backendRef
	for _, kind := range []string{"ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"} {
		for _, o := range inv.Kind(kind, "admissionregistration.k8s.io") {
			for i, w := range o.Root.Get("webhooks").All() {
				config := w.Get("clientConfig")
				path := inventory.JoinIndex("webhooks", i) + ".clientConfig"
				out = append(out, backendRef{o, path, "webhook " + w.Get("name").Str(), config, config.Get("service")})
			}
		}
	}
	for _, o := range inv.Kind("CustomResourceDefinition", "apiextensions.k8s.io") {
		if config := o.Root.Find("spec", "conversion", "webhook", "clientConfig"); !config.IsNull() && o.Root.Find("spec", "conversion", "strategy").Str() == "Webhook" {
			out = append(out, backendRef{o, "spec.conversion.webhook.clientConfig", "the conversion of " + o.Name, config, config.Get("service")})
		}
	}
	for _, o := range inv.Kind("APIService", "apiregistration.k8s.io") {
		if s := o.Root.Find("spec", "service"); !s.IsNull() {
			out = append(out, backendRef{o, "spec", "the extension server", o.Root.Get("spec"), s})
		}
	}
	return out
}

// extensionWithoutBackend finds conversions and extension servers whose Service
// is gone or has no endpoint that is ready. Admission webhooks have a control
// of their own.
func extensionWithoutBackend(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	services := make(map[service]*inventory.Object)
	for _, o := range inv.Kind("Service", "") {
		services[service{o.EffectiveNamespace(), o.Name}] = o
	}
	ready := readyServices(inv)
	for _, b := range backends(inv) {
		if b.service.IsNull() || strings.HasSuffix(b.object.Kind, "WebhookConfiguration") {
			continue
		}
		s := service{b.service.Get("namespace").Str(), b.service.Get("name").Str()}
		f := finding.Finding{Object: b.object, Path: b.path + ".service"}
		f.Verdict, f.Message = backend(inv, services[s], ready[s])
		if f.Message != "" {
			f.Message = fmt.Sprintf("service %s/%s of %s %s", s.namespace, s.name, b.name, f.Message)
		}
		if f.Verdict == finding.Fail {
			f.Message += ": its objects can't be read, so nobody can judge or remove them, and whoever makes the service answers for them"
		}
		report(f)
	}
}

// soon is how long before its end a certificate is reported.
const soon = 14 * 24 * time.Hour

// caBundleExpired judges the certificates by which the API server knows its
// webhooks and extension servers.
func caBundleExpired(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, b := range backends(inv) {
		text := b.config.Get("caBundle").Str()
		if text == "" {
			continue
		}
		f := finding.Finding{Object: b.object, Path: b.path + ".caBundle"}
		f.Verdict, f.Message = bundle(text, inv.Time)
		if f.Message != "" {
			f.Message = fmt.Sprintf("the certificate authority for %s %s", b.name, f.Message)
		}
		report(f)
	}
}

// maxBundle bounds the certificates that are decoded.
const maxBundle = 1 << 20

// bundle judges a bundle by the certificate in it that lasts longest.
func bundle(text string, now time.Time) (finding.Verdict, string) {
	if now.IsZero() || len(text) > maxBundle {
		return finding.Unknown, "was not looked at: it is too long, or it is not known when the cluster was read"
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return finding.Unknown, "can't be read: " + err.Error()
	}
	var until time.Time
	for {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			break
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && !now.Before(c.NotBefore) && c.NotAfter.After(until) {
			until = c.NotAfter
		}
	}
	switch {
	case until.IsZero():
		return finding.Fail, "has no certificate that is valid: calls to it fail, and what it guards is refused or let in unjudged"
	case now.After(until):
		return finding.Fail, "expired on " + until.Format(time.DateOnly) + ": calls to it fail, and what it guards is refused or let in unjudged"
	case now.Add(soon).After(until):
		return finding.Fail, "expires on " + until.Format(time.DateOnly) + ": from then on calls to it fail, and what it guards is refused or let in unjudged"
	}
	return finding.Pass, ""
}

// policyBindingDangling finds bindings of admission policies whose policy or
// parameters do not exist.
func policyBindingDangling(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for binding, policy := range map[string]string{"ValidatingAdmissionPolicyBinding": "ValidatingAdmissionPolicy", "MutatingAdmissionPolicyBinding": "MutatingAdmissionPolicy"} {
		known := make(map[string]bool)
		for _, o := range inv.Kind(policy, "admissionregistration.k8s.io") {
			known[o.Name] = true
		}
		for _, o := range inv.Kind(binding, "admissionregistration.k8s.io") {
			name := o.Root.Find("spec", "policyName").Str()
			f := finding.Finding{Object: o, Path: "spec.policyName", Verdict: finding.Pass}
			gap, hidden := inv.GapFor(policy)
			switch {
			case known[name]:
			case hidden:
				f.Verdict, f.Message = finding.Unknown, fmt.Sprintf("it can't be told whether policy %s exists: %s: %s", name, gap.What, gap.Why)
			default:
				f.Verdict, f.Message = finding.Fail, fmt.Sprintf("there is no %s %s: the binding puts nothing into force, and whoever makes a policy of that name decides what it does", policy, name)
			}
			report(f)
		}
	}
}

// policyExpressionWarned finds admission policies in whose expressions the API
// server itself has found faults.
func policyExpressionWarned(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Kind("ValidatingAdmissionPolicy", "admissionregistration.k8s.io") {
		status := o.Root.Get("status")
		warnings := status.Find("typeChecking", "expressionWarnings")
		f := finding.Finding{Object: o, Path: "spec.validations", Verdict: finding.Pass}
		generation, _ := o.Root.Find("metadata", "generation").Int()
		observed, _ := status.Get("observedGeneration").Int()
		switch {
		case warnings.Len() > 0:
			first := warnings.Index(0)
			text, _, _ := strings.Cut(strings.TrimSpace(first.Get("warning").Str()), "\n")
			f.Verdict, f.Path = finding.Fail, first.Get("fieldRef").StrOr("spec.validations")
			f.Message = fmt.Sprintf("the API server warns of the expression: %s; it may never be true, or fail on each object", text)
			if _, exists := o.Root.Nearest(f.Path); !exists {
				f.Path = "spec.validations"
			}
		case status == nil || observed < generation:
			f.Verdict, f.Message = finding.Unknown, "the API server has not checked the types of the policy yet; scan again in a minute"
		}
		report(f)
	}
}

// webhookBlocksItself finds webhooks that refuse everything while they do not
// answer, the pods of their own backend included: once all of those are gone,
// none comes back.
func webhookBlocksItself(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	namespaces := make(map[string]*inventory.Object)
	for _, o := range inv.Kind("Namespace", "") {
		namespaces[o.Name] = o
	}
	for _, b := range backends(inv) {
		if b.service.IsNull() || !strings.HasSuffix(b.object.Kind, "WebhookConfiguration") {
			continue
		}
		name := b.service.Get("namespace").Str()
		w, _ := b.object.Root.Nearest(strings.TrimSuffix(b.path, ".clientConfig"))
		f := finding.Finding{Object: b.object, Path: strings.TrimSuffix(b.path, "clientConfig") + "namespaceSelector", Verdict: finding.Pass}
		// A selector of objects or a condition may leave the pods out; that can't
		// be told from here, so it is believed.
		narrow := w.Find("objectSelector").Len() > 0 || w.Get("matchConditions").Len() > 0
		selector, known := labels.Everything(), true
		if n := w.Get("namespaceSelector"); n.Len() > 0 {
			selector, known = rbac.Selector(n)
		}
		ns := namespaces[name]
		switch {
		case w.Get("failurePolicy").StrOr("Fail") == "Ignore" || narrow || !matchesPods(w):
		case ns == nil || !known:
			f.Verdict, f.Message = finding.Unknown, fmt.Sprintf("it can't be told whether webhook %s looks at namespace %s of its own backend", w.Get("name").Str(), name)
		case selector.Matches(labels.Set(ns.Labels().StringMap())):
			f.Verdict = finding.Fail
			f.Message = fmt.Sprintf("webhook %s fails closed and judges pods of namespace %s, where its own backend runs: once no pod of it is left none can start, and in the outage somebody deletes the webhook", w.Get("name").Str(), name)
		}
		report(f)
	}
}

// matchesPods tells whether a webhook is asked when a pod is made.
func matchesPods(w *inventory.Node) bool {
	has := func(n *inventory.Node, values ...string) bool {
		for _, s := range n.Strings() {
			if slices.Contains(values, s) {
				return true
			}
		}
		return false
	}
	for _, r := range w.Get("rules").All() {
		if has(r.Get("operations"), "CREATE", "*") && has(r.Get("apiGroups"), "", "*") && has(r.Get("resources"), "pods", "*", "*/*") {
			return true
		}
	}
	return false
}
