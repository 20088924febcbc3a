package run_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/policy"
	"github.com/redoubt-k8s/redoubt/internal/policy/offline"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// labelled is a policy that only the labels of a namespace say something about.
const labelled = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: by-namespace}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {pod-security.kubernetes.io/enforce: privileged}}
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments, statefulsets, daemonsets]}
  validations:
  - {expression: "object.spec.?replicas.orValue(1) < 2 && namespaceObject.metadata.name == 'shop'", message: too many}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: by-namespace}
spec: {policyName: by-namespace, validationActions: [Deny]}
`

// enforcing writes generated policies and one of a user into a folder.
func enforcing(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	made, _, err := run.GeneratePolicies(run.PolicyOptions{
		KubernetesVersion: "latest", Options: policy.Options{Mode: policy.Enforce},
		Selection: catalogue.Selection{IDs: []string{"privileged-container", "writable-root-filesystem", "liveness-probe-missing"}, Severity: finding.Info},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range made {
		text, err := policy.YAML(p.Policy, p.Binding)
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, p.Policy.Name+".yaml"), string(text))
	}
	put(t, filepath.Join(dir, "labelled.yaml"), labelled)
	return dir
}

// refusedBy are the policies that refuse an object, its pods left aside, by the
// object.
func refusedBy(res *offline.Result) map[string][]string {
	out := make(map[string][]string)
	for _, d := range res.Decisions {
		if d.Verdict == offline.Refused && !d.Pods {
			out[d.Object] = append(out[d.Object], d.Policy)
		}
	}
	for object := range out {
		slices.Sort(out[object])
		out[object] = slices.Compact(out[object])
	}
	return out
}

func testPolicies(t *testing.T, o run.PolicyTestOptions) *offline.Result {
	t.Helper()
	o.User, o.Groups = offline.DefaultUser, []string{offline.DefaultGroup}
	res, err := run.TestPolicies(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestPolicyTestSaysWhatAClusterWouldHaveBlocked(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{})
	text, err := os.ReadFile("testdata/live.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.Create(t, string(text))
	dir, from := enforcing(t), run.Cluster{Kubeconfig: c.Kubeconfig, Timeout: time.Minute}
	live := refusedBy(testPolicies(t, run.PolicyTestOptions{Policies: []string{dir}, Place: run.Place{Cluster: &from}}))

	snapshotSays(t, from, dir, live)
	opts := liveOptions("no-controller")
	opts.Policies = []string{dir}
	if d := cmp.Diff(failedPolicies(scanLive(t, opts, from)), workloadsOf(live)); d != "" {
		t.Errorf("refused (-scan +test):\n%s", d)
	}
	nobodySays(t, from, dir)
	// Last, because it changes the cluster: the policies in force.
	serverSays(t, c, dir, live)
}

func snapshotSays(t *testing.T, from run.Cluster, dir string, live map[string][]string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cluster.redoubt")
	if _, err := run.Snapshot(t.Context(), run.SnapshotOptions{Cluster: from, Output: file, Now: time.Unix(1_700_000_000, 0)}); err != nil {
		t.Fatal(err)
	}
	got := refusedBy(testPolicies(t, run.PolicyTestOptions{Policies: []string{dir}, Place: run.Place{Input: run.Input{Paths: []string{file}}}}))
	if d := cmp.Diff(workloadsOf(got), workloadsOf(live)); d != "" {
		t.Errorf("refused (-snapshot +cluster):\n%s", d)
	}
	levels, err := run.PodSecurityLevels(t.Context(), run.LabelOptions{Place: run.Place{Input: run.Input{Paths: []string{file}}}})
	if err != nil || len(levels) < 2 {
		t.Errorf("%d levels of namespaces, %v", len(levels), err)
	}
}

// nobodySays is what somebody learns who may read nothing.
func nobodySays(t *testing.T, from run.Cluster, dir string) {
	t.Helper()
	from.As = "nobody"
	res := testPolicies(t, run.PolicyTestOptions{Policies: []string{dir}, Place: run.Place{Cluster: &from}})
	unknown := slices.ContainsFunc(res.Decisions, func(d offline.Decision) bool { return d.Verdict == offline.Unknown })
	if !unknown || len(refusedBy(res)) > 0 {
		t.Errorf("decisions %+v, want unknown ones only", res.Decisions)
	}
	if _, err := run.PodSecurityLevels(t.Context(), run.LabelOptions{Place: run.Place{Cluster: &from}}); err == nil {
		t.Error("there are levels of namespaces without a right to see pods")
	}
}

// serverSays puts the policies in force and asks the API server.
func serverSays(t *testing.T, c *clustertest.Cluster, dir string, live map[string][]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c.Create(t, string(text))
	}
	client := clientOf(t, c.Kubeconfig)
	want := workloadsOf(live)
	for range 60 { // policies come by a watch
		if agree(client.blocked(t), want) {
			break
		}
		time.Sleep(500 * time.Millisecond)
	}
	got := client.blocked(t)
	if !agree(got, want) {
		t.Errorf("refused (-API server +policy test):\n%s", cmp.Diff(got, want))
	}
	t.Logf("%d objects are refused, as policy test said", len(got))
}

// agree tells whether the same objects are refused. The API server names one of
// the policies that refuse an object.
func agree(server, tested map[string][]string) bool {
	return maps.EqualFunc(server, tested, func(one, all []string) bool {
		return len(one) > 0 && !slices.ContainsFunc(one, func(name string) bool { return !slices.Contains(all, name) })
	})
}

// workloadsOf are the objects of live.yaml that are sent to the API server.
func workloadsOf(all map[string][]string) map[string][]string {
	out := maps.Clone(all)
	maps.DeleteFunc(out, func(object string, _ []string) bool {
		parts := strings.Split(object, "/")
		return len(parts) != 3 || parts[0] != "shop" || resourceOf[parts[1]] == ""
	})
	return out
}

// resourceOf are the paths of the kinds that are sent to the API server.
var resourceOf = map[string]string{
	"Deployment": "/apis/apps/v1/namespaces/shop/deployments", "StatefulSet": "/apis/apps/v1/namespaces/shop/statefulsets",
	"DaemonSet": "/apis/apps/v1/namespaces/shop/daemonsets", "CronJob": "/apis/batch/v1/namespaces/shop/cronjobs",
}

func failedPolicies(rep *report.Report) map[string][]string {
	out := make(map[string][]string)
	for _, f := range rep.Findings {
		if f.Verdict == "fail" && f.Object != nil && f.Control != "no-controller" {
			object := f.Object.Namespace + "/" + f.Object.Kind + "/" + f.Object.Name
			out[object] = append(out[object], f.Control)
		}
	}
	for object := range out {
		slices.Sort(out[object])
		out[object] = slices.Compact(out[object])
	}
	return workloadsOf(out)
}

// apiClient asks an API server directly.
type apiClient struct {
	http *http.Client
	url  string
}

func clientOf(t *testing.T, kubeconfig string) *apiClient {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	return &apiClient{client, config.Host}
}

func (c *apiClient) do(t *testing.T, method, path string, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.url+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, text
}

var denier = regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)' with binding`)

// blocked sends a copy of each workload, and says which policy refuses it.
func (c *apiClient) blocked(t *testing.T) map[string][]string {
	t.Helper()
	out := make(map[string][]string)
	for kind, path := range resourceOf {
		var list struct {
			Items []map[string]any `json:"items"`
		}
		if code, text := c.do(t, http.MethodGet, path, nil); code != http.StatusOK || json.Unmarshal(text, &list) != nil {
			t.Fatalf("list %s: %d %s", path, code, text)
		}
		for _, item := range list.Items {
			metadata := item["metadata"].(map[string]any) //nolint:errcheck,forcetypeassert // a stored object has it
			object := fmt.Sprintf("shop/%s/%v", kind, metadata["name"])
			item["metadata"] = map[string]any{"name": "copy", "labels": metadata["labels"], "annotations": metadata["annotations"]}
			text, err := json.Marshal(item)
			if err != nil {
				t.Fatal(err)
			}
			code, said := c.do(t, http.MethodPost, path+"?dryRun=All", text)
			if by := denier.FindSubmatch(said); code >= http.StatusBadRequest && by != nil {
				out[object] = []string{string(by[1])}
			}
		}
	}
	return out
}
