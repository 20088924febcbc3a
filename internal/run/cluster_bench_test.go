package run_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/run"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

const benchPod = `{"containers":[{"name":"app","image":"registry.example/app:1","ports":[{"containerPort":8080}],
"env":[{"name":"A","value":"1"},{"name":"B","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],
"resources":{"limits":{"memory":"64Mi","cpu":"100m"},"requests":{"memory":"64Mi","cpu":"100m"}},
"readinessProbe":{"httpGet":{"path":"/","port":8080}},"livenessProbe":{"httpGet":{"path":"/","port":8080}},
"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}]}`

// poster creates objects fast.
type poster struct {
	http *http.Client
	url  string
}

// post creates an object and returns its uid.
func (p poster) post(ctx context.Context, path, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("post %s: %s: %s: %w", path, resp.Status, text, err)
	}
	_, after, _ := strings.Cut(string(text), `"uid":"`)
	uid, _, _ := strings.Cut(after, `"`)
	return uid, nil
}

// workload makes a Deployment, its ReplicaSet and its pods, as plain objects.
func (p poster) workload(ctx context.Context, i, pods int) error {
	name := fmt.Sprintf("w%d", i)
	meta := func(name, owner string) string {
		return `{"name":"` + name + `","labels":{"app":"` + name[:len(name)-strings.Count(name, "-")] + `"}` + owner + `}`
	}
	template := `{"metadata":{"labels":{"app":"` + name + `"}},"spec":` + benchPod + `}`
	spec := `{"replicas":` + strconv.Itoa(pods) + `,"selector":{"matchLabels":{"app":"` + name + `"}},"template":` + template + `}`
	uid, err := p.post(ctx, "/apis/apps/v1/namespaces/load/deployments", `{"metadata":`+meta(name, "")+`,"spec":`+spec+`}`)
	if err != nil {
		return err
	}
	owner := func(kind, of, uid string) string {
		return `,"ownerReferences":[{"controller":true,"apiVersion":"apps/v1","kind":"` + kind + `","name":"` + of + `","uid":"` + uid + `"}]`
	}
	set, err := p.post(ctx, "/apis/apps/v1/namespaces/load/replicasets", `{"metadata":`+meta(name, owner("Deployment", name, uid))+`,"spec":`+spec+`}`)
	if err != nil {
		return err
	}
	for n := range pods {
		body := fmt.Sprintf(`{"metadata":{"name":"%s-%d","labels":{"app":"%s"}%s},"spec":%s}`, name, n, name, owner("ReplicaSet", name, set), benchPod)
		if _, err := p.post(ctx, "/api/v1/namespaces/load/pods", body); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkLiveScan compares a scan of a cluster with a bare list of all it
// reads: 10,000 pods in 500 workloads, as plain objects.
func BenchmarkLiveScan(b *testing.B) {
	const workloads, pods = 500, 20
	c := clustertest.Start(b, clustertest.Options{Without: clustertest.ControlPlaneOnly})
	c.Create(b, "apiVersion: v1\nkind: Namespace\nmetadata: {name: load}\n")
	config := clustertest.REST(b, c.Kubeconfig)
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		b.Fatal(err)
	}
	p := poster{client, c.URL}
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(16)
	for i := range workloads {
		group.Go(func() error { return p.workload(ctx, i, pods) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	var lists time.Duration
	for b.Loop() {
		b.StopTimer()
		lists += bareLists(b, p)
		b.StartTimer()
		rep, err := run.ScanCluster(b.Context(), run.ScanOptions{KubernetesVersion: "latest"}, run.Cluster{Kubeconfig: c.Kubeconfig})
		if err != nil {
			b.Fatal(err)
		}
		if n := rep.Scan.Skipped["pod that runs as its workload says"]; n != workloads*pods {
			b.Fatalf("%d pods are folded, want %d; %v", n, workloads*pods, rep.Scan.Skipped)
		}
	}
	b.ReportMetric(float64(lists.Nanoseconds())/float64(b.N), "list-ns/op")
}

// bareLists reads all pages of the native resources, one list after the other,
// and looks at nothing.
func bareLists(b *testing.B, p poster) time.Duration {
	b.Helper()
	start := time.Now() //nolint:forbidigo // a benchmark reads the clock
	for _, r := range cluster.Resources(nil) {
		path := "/apis/" + r.Group + "/v1/" + r.Name
		if r.Group == "" {
			path = "/api/v1/" + r.Name
		}
		for token := ""; ; {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, p.url+path+"?limit=500&continue="+token, http.NoBody)
			if err != nil {
				b.Fatal(err)
			}
			resp, err := p.http.Do(req)
			if err != nil {
				b.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close() // read to its end
			if err != nil {
				b.Fatal(err)
			}
			_, after, _ := strings.Cut(string(text[:min(len(text), 4096)]), `"continue":"`)
			if token, _, _ = strings.Cut(after, `"`); token == "" {
				break
			}
		}
	}
	return time.Since(start) //nolint:forbidigo // a benchmark reads the clock
}
