package run_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
// invalid, whatever policies there are.
var invalidAlways = map[string]bool{"proc-mount": true, "seccomp-localhost-path": true}

// byItself tells whether a proof is what it is without any policy: the API
// server takes the object for invalid, or does not serve its kind.
func byItself(id string, p run.Proof) bool {
	if invalidAlways[id] {
		return p.Outcome == prove.Refused && p.By == prove.Validation
	}
	return p.Outcome == prove.Unknown && strings.HasPrefix(p.Message, "the cluster does not serve ")
}

func TestProveAdmissionSeesPoliciesAtWork(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Without: clustertest.ControlPlaneOnly, Config: clustertest.Config{Audit: clustertest.AuditEverything}})
	c.Create(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n")
	o := run.ProveOptions{Cluster: run.Cluster{Kubeconfig: c.Kubeconfig}}
	for id, p := range proofs(t, o) {
		if p.Outcome != prove.Admitted && !byItself(id, p) {
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
		case !byItself(id, p):
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

func TestProveAdmissionAsOthersInSeveralNamespaces(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Without: clustertest.ControlPlaneOnly, Config: clustertest.Config{Audit: clustertest.AuditEverything}})
	c.Create(t, `apiVersion: v1
kind: Namespace
metadata: {name: guarded, labels: {pod-security.kubernetes.io/enforce: baseline}}
---
apiVersion: v1
kind: Namespace
metadata: {name: open}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: make-pods}
rules: [{apiGroups: [""], resources: [pods], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: dev, namespace: open}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: make-pods}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: dev}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: operators}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: make-pods}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: operators}]
`)
	in := func(as string, groups ...string) []string {
		res, err := run.ProveAdmission(t.Context(), run.ProveOptions{
			Cluster:   run.Cluster{Kubeconfig: c.Kubeconfig, As: as, AsGroups: groups, Timeout: time.Minute},
			Selection: catalogue.Selection{IDs: []string{"privileged-container"}, Severity: finding.Info}, Namespaces: []string{"guarded", "open"},
		})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range res.Proofs {
			out = append(out, strings.TrimSpace(p.Namespace+" "+string(p.Outcome)+" "+string(p.By)))
		}
		return out
	}
	for _, tc := range []struct {
		name string
		got  []string
		want []string
	}{
		{"a user with a right in one of them", in("dev"), []string{"guarded", "open admitted"}},
		{"a member of a group with rights in both", in("ann", "operators"), []string{"guarded refused Pod Security", "open admitted"}},
		{"a user without rights", in("nobody"), []string{"guarded", "open"}},
		{"the administrator", in(""), []string{"guarded refused Pod Security", "open admitted"}},
	} {
		if diff := cmp.Diff(tc.got, tc.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", tc.name, diff)
		}
	}
	onlyDryRuns(t, c.AuditLog)
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
