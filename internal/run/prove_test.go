package run_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/policy"
	"github.com/redoubt-k8s/redoubt/internal/prove"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

func proofs(t *testing.T, o run.ProveOptions) map[string]run.Proof {
	t.Helper()
	o.Timeout = time.Minute
	if len(o.Namespaces) == 0 {
		o.Namespaces = []string{"default"}
	}
	res, err := run.ProveAdmission(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]run.Proof)
	for _, p := range res.Proofs {
		out[p.Control] = p
	}
	return out
}

// invalidAlways are controls whose fault the API server itself takes for
// invalid.
var invalidAlways = map[string]bool{"proc-mount": true, "seccomp-localhost-path": true}

func TestProveAdmissionSeesPoliciesAtWork(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Without: clustertest.ControlPlaneOnly, Config: clustertest.Config{Audit: clustertest.AuditEverything}})
	c.Create(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n")
	o := run.ProveOptions{Cluster: run.Cluster{Kubeconfig: c.Kubeconfig}}
	for id, p := range proofs(t, o) {
		explained := invalidAlways[id] || strings.HasPrefix(p.Message, "the cluster does not serve ")
		if p.Outcome != prove.Admitted && (p.Outcome != prove.Unknown || !explained) {
			t.Errorf("before: %s is %q by %q: %s", id, p.Outcome, p.By, p.Message)
		}
	}
	made, _, err := run.GeneratePolicies(run.PolicyOptions{KubernetesVersion: "latest", Options: policy.Options{Mode: policy.Enforce}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range made {
		text, err := policy.YAML(p.Policy, p.Binding)
		if err != nil {
			t.Fatal(err)
		}
		c.Create(t, string(text))
	}
	var refused int
	var left []string
	for range 30 { // the policies come by a watch
		if refused, left = after(t, o); len(left) == 0 {
			break
		}
	}
	if len(left) > 0 || refused < 70 {
		t.Errorf("after: %d refused, still admitted: %q", refused, left)
	}
	t.Logf("before: all admitted; after: %d refused", refused)
	onlyDryRuns(t, c.AuditLog)
}

// after counts what policies refuse, and lists what still gets in.
func after(t *testing.T, o run.ProveOptions) (int, []string) {
	t.Helper()
	refused := 0
	var left []string
	for id, p := range proofs(t, o) {
		switch {
		case p.Outcome == prove.Admitted:
			left = append(left, id)
		case p.By == prove.Policy && strings.HasPrefix(p.Name, policy.Prefix):
			refused++
		case p.Outcome == prove.Refused:
			t.Errorf("after: %s is refused by %s %s", id, p.By, p.Name)
		}
	}
	return refused, left
}

func onlyDryRuns(t *testing.T, auditLog string) {
	t.Helper()
	log, err := os.ReadFile(auditLog)
	if err != nil {
		t.Fatal(err)
	}
	creations := 0
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, `"userAgent":"redoubt/`) && strings.Contains(line, `"verb":"create"`) {
			creations++
			if !strings.Contains(line, "dryRun=All") {
				t.Errorf("a request is no dry run: %s", line)
			}
		}
	}
	if creations == 0 {
		t.Error("the audit log has no creation by redoubt")
	}
}

func TestProveAdmissionTellsMechanismsApart(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Without: clustertest.ControlPlaneOnly})
	c.Create(t, `apiVersion: v1
kind: Namespace
metadata: {name: guarded, labels: {pod-security.kubernetes.io/enforce: baseline}}
---
apiVersion: v1
kind: Namespace
metadata: {name: warned, labels: {pod-security.kubernetes.io/warn: baseline}}
---
apiVersion: v1
kind: Namespace
metadata: {name: hooked}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: gone}
webhooks:
- name: gone.example.com
  sideEffects: None
  admissionReviewVersions: [v1]
  timeoutSeconds: 1
  clientConfig: {service: {name: gone, namespace: hooked}}
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: hooked}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
`)
	only := catalogue.Selection{IDs: []string{"privileged-container"}, Severity: finding.Info}
	in := func(namespace string, as ...string) run.Proof {
		o := run.ProveOptions{Cluster: run.Cluster{Kubeconfig: c.Kubeconfig}, Selection: only, Namespaces: []string{namespace}}
		if len(as) > 0 {
			o.As = as[0]
		}
		return proofs(t, o)["privileged-container"]
	}
	for range 100 {
		if in("hooked").Outcome == prove.Refused {
			break
		}
		time.Sleep(100 * time.Millisecond) // webhooks come by a watch
	}
	for _, tc := range []struct {
		name, namespace string
		as              []string
		outcome         prove.Outcome
		by              prove.Mechanism
		warned          int
	}{
		{"Pod Security refuses", "guarded", nil, prove.Refused, prove.PodSecurity, 0},
		{"Pod Security warns", "warned", nil, prove.Admitted, "", 1},
		{"a webhook that is away refuses", "hooked", nil, prove.Refused, prove.Webhook, 0},
		{"who may create nothing learns nothing", "warned", []string{"eve"}, prove.Unknown, "", 0},
		{"a namespace that is not there", "nowhere", nil, prove.Unknown, "", 0},
	} {
		p := in(tc.namespace, tc.as...)
		if p.Outcome != tc.outcome || p.By != tc.by || len(p.Warned) != tc.warned {
			t.Errorf("%s: got %q by %q with warnings %q (%s)", tc.name, p.Outcome, p.By, p.Warned, p.Message)
		}
	}
}

func TestGeneratePoliciesFollowsTheSelection(t *testing.T) {
	t.Parallel()
	made, skipped, err := run.GeneratePolicies(run.PolicyOptions{
		KubernetesVersion: "v1.36", Selection: catalogue.Selection{Frameworks: []string{"pss-restricted"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(made) < 15 {
		t.Errorf("%d policies of Pod Security, want more; skipped are %v", len(made), skipped)
	}
	for _, p := range made {
		if p.Control.Maps.PSS == "" {
			t.Errorf("control %s was not asked for", p.Control.ID)
		}
	}
	if _, _, err := run.GeneratePolicies(run.PolicyOptions{KubernetesVersion: "latest", Selection: catalogue.Selection{IDs: []string{"kubelet-anonymous"}}}); err == nil {
		t.Error("a control about a file becomes a policy")
	}
}
