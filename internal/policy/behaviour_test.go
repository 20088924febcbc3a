package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/policy"
)

func (s *server) applyMade(made []policy.Policy) {
	s.t.Helper()
	var policies []*admissionregistrationv1.ValidatingAdmissionPolicy
	var bindings []*admissionregistrationv1.ValidatingAdmissionPolicyBinding
	for _, p := range made {
		policies, bindings = append(policies, p.Policy), append(bindings, p.Binding)
	}
	s.apply(policies, bindings)
}

func only(controls []*control.Control, ids ...string) []*control.Control {
	return slices.DeleteFunc(slices.Clone(controls), func(c *control.Control) bool { return !slices.Contains(ids, c.ID) })
}

// enforced are options as a user would choose them.
func enforced() policy.Options {
	return policy.Options{Mode: policy.Enforce, ExemptNamespaces: policy.DefaultExempt(), BreakGlass: policy.DefaultBreakGlass}
}

const (
	goodContainer = `{"name":"app","image":"registry.example/app:1"}`
	badContainer  = `{"name":"app","image":"registry.example/app:1","securityContext":{"privileged":true}}`
	podSpec       = `"spec":{"restartPolicy":"RESTART","containers":[CONTAINER]}`
	podTemplate   = `"template":{"metadata":{"labels":{"app":"a"}},` + podSpec + `}`
)

// workload is one of each kind that holds a pod template.
var workloads = map[string]string{
	"/api/v1/namespaces/default/podtemplates":           `{"apiVersion":"v1","kind":"PodTemplate","metadata":{"name":"NAME"},` + podTemplate + `}`,
	"/api/v1/namespaces/default/replicationcontrollers": `{"apiVersion":"v1","kind":"ReplicationController","metadata":{"name":"NAME"},"spec":{` + podTemplate + `}}`,
	"/apis/apps/v1/namespaces/default/deployments":      `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"NAME"},"spec":{"selector":{"matchLabels":{"app":"a"}},` + podTemplate + `}}`,
	"/apis/apps/v1/namespaces/default/replicasets":      `{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":"NAME"},"spec":{"selector":{"matchLabels":{"app":"a"}},` + podTemplate + `}}`,
	"/apis/apps/v1/namespaces/default/statefulsets":     `{"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"name":"NAME"},"spec":{"serviceName":"a","selector":{"matchLabels":{"app":"a"}},` + podTemplate + `}}`,
	"/apis/apps/v1/namespaces/default/daemonsets":       `{"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"name":"NAME"},"spec":{"selector":{"matchLabels":{"app":"a"}},` + podTemplate + `}}`,
	"/apis/batch/v1/namespaces/default/cronjobs":        `{"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"NAME"},"spec":{"schedule":"0 3 * * *","jobTemplate":{"spec":{` + podTemplate + `}}}}`,
	"/apis/batch/v1/namespaces/default/jobs":            `{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"NAME"},"spec":{"suspend":true,` + podTemplate + `}}`,
}

func object(t *testing.T, text, name, container string) map[string]any {
	t.Helper()
	restart := "Always"
	if strings.Contains(text, "Job") {
		restart = "Never"
	}
	var out map[string]any
	text = strings.NewReplacer("NAME", name, "CONTAINER", container, "RESTART", restart).Replace(text)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func (a *answer) refusedBy(name string) bool {
	return a.code == http.StatusForbidden && strings.Contains(a.status.Message, "ValidatingAdmissionPolicy '"+name+"'")
}

func TestPoliciesRefuseCreationsAndUpdatesOfEveryWorkload(t *testing.T) {
	t.Parallel()
	s := startServer(t, clustertest.Options{Without: clustertest.ControlPlaneOnly})
	s.namespace("default", nil)
	s.namespace("kube-system", nil)
	made, _ := generate(t, only(sources(t), "privileged-container"), "latest", enforced())
	s.applyMade(made)
	const name = "redoubt-privileged-container"
	pod := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"NAME"},` + podSpec + `}`
	texts := maps.Clone(workloads)
	texts["/api/v1/namespaces/default/pods"] = pod
	glass := connect(t, s.cluster, s.cluster.User(t, "eve", "system:masters", policy.DefaultBreakGlass))
	for path, text := range texts {
		if a := s.send(http.MethodPost, path, object(t, text, "bad", badContainer)); !a.refusedBy(name) {
			t.Errorf("%s: a bad one is answered %d %s", path, a.code, a.status.Message)
		}
		if a := s.send(http.MethodPost, path, object(t, text, "good", goodContainer)); !a.ok() {
			t.Errorf("%s: a good one is answered %d %s", path, a.code, a.status.Message)
		}
		// Objects older than the policy can be labelled, not made worse.
		if a := glass.send(http.MethodPost, path, object(t, text, "old", badContainer)); !a.ok() {
			t.Fatalf("%s: who may break the glass is answered %d %s", path, a.code, a.status.Message)
		}
		old := s.send(http.MethodGet, path+"/old", nil)
		var stored map[string]any
		if err := json.Unmarshal(old.body, &stored); err != nil {
			t.Fatal(err)
		}
		stored["metadata"].(map[string]any)["finalizers"] = []any{"redoubt.dev/test"} //nolint:errcheck,forcetypeassert // a stored object has it
		if a := s.send(http.MethodPut, path+"/old", stored); !a.ok() {
			t.Errorf("%s: a change elsewhere is answered %d %s", path, a.code, a.status.Message)
		}
	}
	for path, text := range workloads {
		if strings.HasSuffix(path, "/jobs") {
			continue // their templates never change
		}
		if a := s.send(http.MethodPut, path+"/good", object(t, text, "good", badContainer)); !a.refusedBy(name) {
			t.Errorf("%s: an update for the worse is answered %d %s", path, a.code, a.status.Message)
		}
	}
	got := s.send(http.MethodGet, "/api/v1/namespaces/default/pods/good", nil)
	var stored map[string]any
	if err := json.Unmarshal(got.body, &stored); err != nil {
		t.Fatal(err)
	}
	stored["spec"].(map[string]any)["ephemeralContainers"] = []any{object(t, strings.Replace(badContainer, "app", "debug", 1), "", "")} //nolint:errcheck,forcetypeassert // a stored object has it
	if a := s.send(http.MethodPut, "/api/v1/namespaces/default/pods/good/ephemeralcontainers", stored); !a.refusedBy(name) {
		t.Errorf("a bad debug container is answered %d %s", a.code, a.status.Message)
	}
	if a := s.send(http.MethodPost, "/api/v1/namespaces/kube-system/pods", object(t, pod, "bad", badContainer)); !a.ok() {
		t.Errorf("a bad pod of an exempt namespace is answered %d %s", a.code, a.status.Message)
	}
}

func TestScanAgreesWithPoliciesOnOlderVersions(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.34", "1.35"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, clustertest.Options{Without: clustertest.ControlPlaneOnly, EmulatedVersion: version})
			s.namespace("default", nil)
			made, current := generate(t, sources(t), "latest", policy.Options{})
			s.compare(t, made, fixtures(t, current))
		})
	}
}

func TestStaticPoliciesAreInForceFromTheStartAndSeePolicies(t *testing.T) {
	t.Parallel()
	made, _ := generate(t, only(sources(t), "privileged-container", "policy-binding-denies-nothing", "policy-fails-open"), "latest",
		policy.Options{Mode: policy.Enforce, Form: policy.Static})
	if len(made) != 3 {
		t.Fatalf("%d static policies, want 3", len(made))
	}
	files := make(map[string]string)
	for _, p := range made {
		text, err := policy.YAML(p.Policy, p.Binding)
		if err != nil {
			t.Fatal(err)
		}
		files["validating/"+p.Policy.Name+".yaml"] = string(text)
	}
	for _, p := range mutations(t, only(sources(t), "privilege-escalation"), "1.36", policy.Options{Form: policy.Static}) {
		text, err := policy.YAML(p.Policy, p.Binding)
		if err != nil {
			t.Fatal(err)
		}
		files["mutating/"+p.Policy.Name+".yaml"] = string(text)
	}
	s := startServer(t, clustertest.Options{
		Without: clustertest.ControlPlaneOnly, Files: files,
		Flags: map[string][]string{"kube-apiserver": {"--feature-gates=ManifestBasedAdmissionControlConfig=true"}},
		Config: clustertest.Config{Admission: `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: ValidatingAdmissionPolicy
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: ValidatingAdmissionPolicyConfiguration
    staticManifestsDir: ${DIR}/files/validating
- name: MutatingAdmissionPolicy
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: MutatingAdmissionPolicyConfiguration
    staticManifestsDir: ${DIR}/files/mutating
`},
	})
	s.namespace("default", nil)
	const path = "/apis/apps/v1/namespaces/default/deployments"
	if a := s.send(http.MethodPost, path, object(t, workloads[path], "bad", badContainer)); !a.refusedBy("redoubt-privileged-container.static.k8s.io") {
		t.Errorf("a bad deployment is answered %d %s", a.code, a.status.Message)
	}
	fixed := s.send(http.MethodPost, path+"?dryRun=All", object(t, workloads[path], "good", goodContainer))
	if !fixed.ok() || !strings.Contains(string(fixed.body), `"allowPrivilegeEscalation":false`) {
		t.Errorf("a good deployment is answered %d %s, and not mended", fixed.code, fixed.status.Message)
	}
	weak, binding := sentinel("weak")
	ignore := admissionregistrationv1.Ignore
	weak.Spec.FailurePolicy = &ignore
	if a := s.send(http.MethodPost, admissionPath+"validatingadmissionpolicies", weak); !a.refusedBy("redoubt-policy-fails-open.static.k8s.io") {
		t.Errorf("a policy that fails open is answered %d %s", a.code, a.status.Message)
	}
	binding.Spec.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Audit}
	if a := s.send(http.MethodPost, admissionPath+"validatingadmissionpolicybindings", binding); !a.refusedBy("redoubt-policy-binding-denies-nothing.static.k8s.io") {
		t.Errorf("a binding that refuses nothing is answered %d %s", a.code, a.status.Message)
	}
}

func TestPoliciesStayBelowTheCostLimitsForLargePods(t *testing.T) {
	t.Parallel()
	s := startServer(t, clustertest.Options{Without: clustertest.ControlPlaneOnly})
	s.namespace("default", nil)
	made, _ := generate(t, sources(t), "latest", policy.Options{})
	for _, p := range made {
		// An annotation that fails, as it does when the budget is spent,
		// refuses the request.
		p.Policy.Spec.AuditAnnotations = []admissionregistrationv1.AuditAnnotation{{Key: "violation", ValueExpression: "variables.violation"}}
	}
	s.applyMade(made)
	var volumes, containers []any
	for i := range 40 {
		v := map[string]any{"name": fmt.Sprintf("v-%d", i), "emptyDir": make(map[string]any)}
		if i < 10 {
			delete(v, "emptyDir")
			v["hostPath"] = map[string]any{"path": fmt.Sprintf("/var/lib/kubelet/plugins/%d", i)}
		}
		volumes = append(volumes, v)
	}
	for i := range 30 {
		var mounts, env []any
		for k := range 40 {
			mounts = append(mounts, map[string]any{"name": fmt.Sprintf("v-%d", k), "mountPath": fmt.Sprintf("/data/%d", k), "readOnly": true})
			env = append(env, map[string]any{"name": fmt.Sprintf("E%d", k), "value": strings.Repeat("x", 100)})
		}
		containers = append(containers, map[string]any{
			"name": fmt.Sprintf("c-%d", i), "image": "registry.example/team/app:1", "volumeMounts": mounts, "env": env,
			"securityContext": map[string]any{"capabilities": map[string]any{"drop": []any{"ALL"}, "add": []any{"NET_ADMIN", "SYS_TIME"}}},
		})
	}
	pod := map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "large"},
		"spec": map[string]any{"containers": containers, "volumes": volumes},
	}
	if a := s.send(http.MethodPost, "/api/v1/namespaces/default/pods?dryRun=All", pod); !a.ok() {
		t.Errorf("a large pod is answered %d %s", a.code, a.status.Message)
	}
}

// TestPoliciesOnResourcesSeeResizes has a control of a user, since all built-in
// ones on resources compare several objects.
func TestPoliciesOnResourcesSeeResizes(t *testing.T) {
	t.Parallel()
	s := startServer(t, clustertest.Options{Without: clustertest.ControlPlaneOnly})
	s.namespace("default", nil)
	own := &control.Control{
		ID: "own-memory", Title: "own", Severity: "low", Target: control.TargetContainer, Message: "too much memory",
		Violation: "quantity(string(self.?resources.?limits.?memory.orValue('1Mi'))).isGreaterThan(quantity('1Gi'))", Fix: control.Fix{Safety: control.Manual},
	}
	made, _ := generate(t, append(only(sources(t), "privileged-container"), own), latest, enforced())
	s.applyMade(made)
	const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"NAME"},"spec":{"nodeName":"n","containers":[CONTAINER]}}`
	const sized = `,"resources":{"requests":{"memory":"1Mi"},"limits":{"memory":"64Mi"}}}`
	glass := connect(t, s.cluster, s.cluster.User(t, "eve", "system:masters", policy.DefaultBreakGlass))
	glass.must(glass.send(http.MethodPost, "/api/v1/nodes", map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": "n"}}))
	room := map[string]any{"cpu": "8", "memory": "8Gi", "pods": "9"}
	glass.must(glass.send(http.MethodPatch, "/api/v1/nodes/n/status", map[string]any{"status": map[string]any{"capacity": room, "allocatable": room}}))
	glass.must(glass.send(http.MethodPost, podsPath, object(t, pod, "good", strings.TrimSuffix(goodContainer, "}")+sized)))
	glass.must(glass.send(http.MethodPost, podsPath, object(t, pod, "old", strings.TrimSuffix(badContainer, "}")+sized)))
	resize := func(name, memory string) answer {
		return s.send(http.MethodPatch, podsPath+"/"+name+"/resize", map[string]any{"spec": map[string]any{"containers": []any{
			map[string]any{"name": "app", "resources": map[string]any{"limits": map[string]any{"memory": memory}}},
		}}})
	}
	if a := resize("good", "128Mi"); !a.ok() {
		t.Errorf("a resize is answered %d %s", a.code, a.status.Message)
	}
	if a := resize("good", "2Gi"); !a.refusedBy("redoubt-own-memory") {
		t.Errorf("a resize for the worse is answered %d %s", a.code, a.status.Message)
	}
	if a := resize("old", "128Mi"); !a.ok() {
		t.Errorf("a resize of an older pod with another fault is answered %d %s", a.code, a.status.Message)
	}
}
