package run_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
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
	text, err := p.send(ctx, http.MethodPost, path, "application/json", body)
	_, after, _ := strings.Cut(text, `"uid":"`)
	uid, _, _ := strings.Cut(after, `"`)
	return uid, err
}

// send puts something to the server.
func (p poster) send(ctx context.Context, method, path, sort, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", sort)
	resp, err := p.http.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text) //nolint:err113 // it ends the benchmark
	}
	return string(text), err
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
		if err := p.pod(ctx, fmt.Sprintf("%s-%d", name, n), i*pods+n, fmt.Sprintf(`"labels":{"app":"%s"}%s`, name, owner("ReplicaSet", name, set))); err != nil {
			return err
		}
	}
	return nil
}

// pod makes a pod that looks as admission and a kubelet leave it. The name of a
// node is left out: given by who makes a pod, it is a difference.
func (p poster) pod(ctx context.Context, name string, n int, meta string) error {
	spec := strings.Replace(benchPod, `"env":`, fmt.Sprintf(`"volumeMounts":[{"name":"kube-api-access-%05d",
"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","readOnly":true}],"env":`, n), 1)
	spec = fmt.Sprintf(`{"volumes":[{"name":"kube-api-access-%05d","projected":{"sources":[
{"serviceAccountToken":{"path":"token","expirationSeconds":3607}},{"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},
{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"fieldPath":"metadata.namespace"}}]}}]}}],
"tolerations":[{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},
{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],`, n) + spec[1:]
	const path = "/api/v1/namespaces/load/pods"
	if _, err := p.post(ctx, path, `{"metadata":{"name":"`+name+`",`+meta+`},"spec":`+spec+`}`); err != nil {
		return err
	}
	condition := func(of string) string {
		return `{"type":"` + of + `","status":"True","lastTransitionTime":"2026-01-02T03:04:05Z"}`
	}
	status := fmt.Sprintf(`{"status":{"phase":"Running","hostIP":"10.0.0.%d","podIP":"10.1.%d.%d","startTime":"2026-01-02T03:04:05Z","conditions":[%s,%s,%s,%s],
"containerStatuses":[{"name":"app","image":"registry.example/app:1","imageID":"registry.example/app@sha256:%064d","containerID":"containerd://%064d",
"ready":true,"started":true,"restartCount":0,"state":{"running":{"startedAt":"2026-01-02T03:04:05Z"}},"user":{"linux":{"uid":1000,"gid":1000}}}]}}`,
		n%100, n>>8, n&255, condition("PodScheduled"), condition("Initialized"), condition("ContainersReady"), condition("Ready"), 1, n)
	_, err := p.send(ctx, http.MethodPatch, path+"/"+name+"/status", "application/merge-patch+json", status)
	return err
}

// The bounds that the benchmark holds the program to.
const (
	mostOfList = 1.5
	mostMemory = 400 // MB
)

// BenchmarkLiveScan compares the program scanning a cluster with a bare list of
// all that it reads: 10,000 pods in 500 workloads, as plain objects. The bare
// list asks for the same pages one after the other, and does not even decode
// them. Since a machine may be busy with other things, time on a processor
// counts, of the client and of the API server together.
func BenchmarkLiveScan(b *testing.B) {
	const workloads, pods = 500, 20
	program := filepath.Join(b.TempDir(), "redoubt")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, "../../cmd/redoubt").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
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
	idle, list, scan := cost{}, cost{}, cost{}
	for b.Loop() {
		// To be asked for its time costs the server some, too.
		idle = idle.least(p.measure(b, func() cost { return cost{wall: 1} }))
		list = list.least(p.measure(b, func() cost { return bareLists(b, p) }))
		scan = scan.least(p.measure(b, func() cost { return scanProgram(b, program, c.Kubeconfig, workloads*pods) }))
	}
	times := (scan.cpu - idle.cpu).Seconds() / (list.cpu - idle.cpu).Seconds()
	b.ReportMetric((list.cpu - idle.cpu).Seconds(), "list-cpu-s")
	b.ReportMetric((scan.cpu - idle.cpu).Seconds(), "scan-cpu-s")
	b.ReportMetric(list.wall.Seconds(), "list-s")
	b.ReportMetric(scan.wall.Seconds(), "scan-s")
	b.ReportMetric(scan.wall.Seconds()/list.wall.Seconds(), "wall-ratio")
	b.ReportMetric(times, "cpu-ratio")
	b.ReportMetric(float64(scan.megabytes), "peak-MB")
	if times > mostOfList {
		b.Errorf("a scan costs %.2f times a bare list, want at most %.1f: %s against %s on processors, %s against %s on the clock",
			times, mostOfList, scan.cpu-idle.cpu, list.cpu-idle.cpu, scan.wall, list.wall)
	}
	if scan.megabytes > mostMemory {
		b.Errorf("a scan takes %d MB, want at most %d", scan.megabytes, mostMemory)
	}
}

// cost is what reading a cluster takes.
type cost struct {
	wall, cpu time.Duration
	megabytes int64
}

// least is the best of two measurements, but the greater memory.
func (c cost) least(o cost) cost {
	if c.wall == 0 {
		return o
	}
	return cost{min(c.wall, o.wall), min(c.cpu, o.cpu), max(c.megabytes, o.megabytes)}
}

// measure adds the processor time of the API server to that of a client. The
// server collects its garbage before: it would do so in the middle of every
// second list or so, at a price as high as that of the list, and that would fall
// on the one or the other by chance.
func (p poster) measure(b *testing.B, client func() cost) cost {
	b.Helper()
	if _, err := p.get(b.Context(), "/debug/pprof/heap?gc=1"); err != nil {
		b.Fatal(err)
	}
	before := p.serverTime(b)
	got := client()
	got.cpu += p.serverTime(b) - before
	return got
}

// serverTime is the processor time the API server has used.
func (p poster) serverTime(b *testing.B) time.Duration {
	b.Helper()
	text, err := p.get(b.Context(), "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "\nprocess_cpu_seconds_total ")
	value, _, _ := strings.Cut(after, "\n")
	seconds, err := strconv.ParseFloat(value, 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(seconds * float64(time.Second))
}

// get reads what stands at a path.
func (p poster) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // only read
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		return nil, fmt.Errorf("get %s: %s", path, resp.Status) //nolint:err113 // it ends the benchmark
	}
	return io.ReadAll(resp.Body)
}

// scanProgram runs the program and checks that it folds all pods.
func scanProgram(b *testing.B, program, kubeconfig string, pods int) cost {
	b.Helper()
	report := filepath.Join(b.TempDir(), "report.json")
	cmd := exec.CommandContext(b.Context(), program, "scan", "--cluster", "--kubeconfig", kubeconfig, "-o", "json", "--output-file", report, "--fail-on", "never")
	start := time.Now() //nolint:forbidigo // a benchmark reads the clock
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("scan: %v\n%s", err, out)
	}
	wall := time.Since(start) //nolint:forbidigo // a benchmark reads the clock
	text, err := os.ReadFile(report)
	if err != nil {
		b.Fatal(err)
	}
	if want := fmt.Sprintf(`"pod that runs as its workload says": %d`, pods); !strings.Contains(string(text), want) {
		b.Fatalf("the report does not say %s", want)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		b.Fatal("the system does not say what a process has used")
	}
	return cost{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), usage.Maxrss >> 10}
}

// bareLists reads all pages of the native resources, one list after the other,
// and looks at nothing.
func bareLists(b *testing.B, p poster) cost {
	b.Helper()
	start, used := time.Now(), processTime(b) //nolint:forbidigo // a benchmark reads the clock
	for _, r := range cluster.Resources(nil) {
		path := "/apis/" + r.Group + "/v1/" + r.Name
		if r.Group == "" {
			path = "/api/v1/" + r.Name
		}
		for token := ""; ; {
			text, err := p.get(b.Context(), path+"?limit=500&continue="+token)
			if err != nil {
				b.Fatal(err)
			}
			_, after, _ := strings.Cut(string(text[:min(len(text), 4096)]), `"continue":"`)
			if token, _, _ = strings.Cut(after, `"`); token == "" {
				break
			}
		}
	}
	return cost{wall: time.Since(start), cpu: processTime(b) - used} //nolint:forbidigo // a benchmark reads the clock
}

// processTime is the processor time this process has used.
func processTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
