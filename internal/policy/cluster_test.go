package policy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
)

// server is an API server and the way to it.
type server struct {
	t       *testing.T
	cluster *clustertest.Cluster
	client  *http.Client
	url     string
	// known are the namespaces that have a service account.
	known map[string]bool
}

func startServer(t *testing.T, o clustertest.Options) *server {
	t.Helper()
	o.Config.Audit = clustertest.AuditEverything
	return connect(t, clustertest.Start(t, o), "")
}

func connect(t *testing.T, c *clustertest.Cluster, kubeconfig string) *server {
	t.Helper()
	if kubeconfig == "" {
		kubeconfig = c.Kubeconfig
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Timeout = -1, time.Minute
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return &server{t: t, cluster: c, client: client, url: c.URL, known: make(map[string]bool)}
}

// answer is what the API server said.
type answer struct {
	code    int
	status  metav1.Status
	auditID string
	body    []byte
	warned  []string
}

func (a *answer) ok() bool { return a.code < 300 }

func (s *server) send(method, path string, body any) answer {
	s.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/strategic-merge-patch+json")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	a := answer{code: resp.StatusCode, auditID: resp.Header.Get("Audit-Id"), warned: resp.Header.Values("Warning")}
	if a.body, err = io.ReadAll(resp.Body); err != nil {
		s.t.Fatal(err)
	}
	if !a.ok() {
		if err := json.Unmarshal(a.body, &a.status); err != nil {
			a.status.Message = string(a.body)
		}
	}
	return a
}

func (s *server) must(a answer) {
	s.t.Helper()
	if !a.ok() {
		s.t.Fatalf("the API server answers %d: %s", a.code, a.status.Message)
	}
}

// namespace makes a namespace in which pods can be created.
func (s *server) namespace(name string, labels map[string]string) {
	s.t.Helper()
	if s.known[name] {
		return
	}
	s.known[name] = true
	a := s.send(http.MethodPost, "/api/v1/namespaces", map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name, "labels": labels},
	})
	if a.code != http.StatusConflict {
		s.must(a)
	}
	a = s.send(http.MethodPost, "/api/v1/namespaces/"+name+"/serviceaccounts", map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "default"},
	})
	if a.code != http.StatusConflict {
		s.must(a)
	}
}

const admissionPath = "/apis/admissionregistration.k8s.io/v1/"

// apply creates policies, then their bindings, then waits until all are in
// force: a sentinel that was created last refuses.
func (s *server) apply(policies []*admissionregistrationv1.ValidatingAdmissionPolicy, bindings []*admissionregistrationv1.ValidatingAdmissionPolicyBinding) {
	s.t.Helper()
	sentinel, watch := sentinel(fmt.Sprintf("zz-sentinel-%d", time.Now().UnixNano())) //nolint:forbidigo // a name nobody has
	for _, p := range append(policies, sentinel) {
		a := s.send(http.MethodPost, admissionPath+"validatingadmissionpolicies", p)
		if !a.ok() {
			s.t.Errorf("policy %s is refused: %s", p.Name, a.status.Message)
		}
	}
	for _, b := range append(bindings, watch) {
		s.must(s.send(http.MethodPost, admissionPath+"validatingadmissionpolicybindings", b))
	}
	configMap := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": sentinel.Name}}
	for deadline := time.Now().Add(time.Minute); ; { //nolint:forbidigo // waits for the server
		if a := s.send(http.MethodPost, "/api/v1/namespaces/default/configmaps?dryRun=All", configMap); !a.ok() {
			break
		}
		if time.Now().After(deadline) { //nolint:forbidigo // waits for the server
			s.t.Fatal("the policies are not in force after a minute")
		}
		time.Sleep(100 * time.Millisecond)
	}
	time.Sleep(2 * time.Second) // policies and bindings come by separate watches
}

// sentinel is a policy that refuses the config map of its own name.
func sentinel(name string) (*admissionregistrationv1.ValidatingAdmissionPolicy, *admissionregistrationv1.ValidatingAdmissionPolicyBinding) {
	p := new(admissionregistrationv1.ValidatingAdmissionPolicy)
	p.APIVersion, p.Kind, p.Name = "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", name
	rule := admissionregistrationv1.RuleWithOperations{
		Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"configmaps"}},
	}
	p.Spec.MatchConstraints = &admissionregistrationv1.MatchResources{
		ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{RuleWithOperations: rule}},
	}
	p.Spec.Validations = []admissionregistrationv1.Validation{{Expression: fmt.Sprintf("object.metadata.name != '%s'", name)}}
	b := new(admissionregistrationv1.ValidatingAdmissionPolicyBinding)
	b.APIVersion, b.Kind, b.Name = "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding", name
	b.Spec.PolicyName, b.Spec.ValidationActions = name, []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}
	return p, b
}

// failures reads from the audit log which policies found fault with a request,
// and what they said, by audit id and policy.
func (s *server) failures() map[string]map[string]string {
	s.t.Helper()
	f, err := os.Open(s.cluster.AuditLog)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	out := make(map[string]map[string]string)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var event struct {
			AuditID     string            `json:"auditID"`
			Stage       string            `json:"stage"`
			Annotations map[string]string `json:"annotations"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			s.t.Fatal(err)
		}
		if event.Stage != "ResponseComplete" {
			continue
		}
		failed := make(map[string]string)
		for key, value := range event.Annotations {
			if name, ok := strings.CutSuffix(key, "/violation"); ok {
				failed[name] = value
			}
		}
		out[event.AuditID] = failed
	}
	if err := lines.Err(); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// customKinds are the kinds of other projects that controls look at.
var customKinds = map[string][]string{
	"gateway.networking.k8s.io": {"Gateway/gateways"},
	"security.istio.io":         {"PeerAuthentication/peerauthentications"},
	"kyverno.io":                {"Policy/policies", "ClusterPolicy/clusterpolicies"},
}

// defineCustomKinds makes the API server take any object of these kinds.
func (s *server) defineCustomKinds() {
	s.t.Helper()
	for group, kinds := range customKinds {
		for _, entry := range kinds {
			kind, plural, _ := strings.Cut(entry, "/")
			scope := "Namespaced"
			if strings.HasPrefix(kind, "Cluster") {
				scope = "Cluster"
			}
			var versions []any
			for i, v := range []string{"v1", "v1beta1"} {
				versions = append(versions, map[string]any{
					"name": v, "served": true, "storage": i == 0,
					"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
				})
			}
			s.must(s.send(http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", map[string]any{
				"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
				"metadata": map[string]any{"name": plural + "." + group, "annotations": map[string]any{"api-approved.kubernetes.io": "unapproved, for a test"}},
				"spec": map[string]any{
					"group": group, "scope": scope, "versions": versions,
					"names": map[string]any{"kind": kind, "plural": plural, "singular": strings.ToLower(kind)},
				},
			}))
			for !s.serves("/apis/" + group + "/v1beta1/" + plural) {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}
}

func (s *server) serves(path string) bool {
	a := s.send(http.MethodGet, path, nil)
	return a.ok()
}
