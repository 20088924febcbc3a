package run_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/run"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

// liveOptions scan with everything and keep passes.
func liveOptions(ids ...string) run.ScanOptions {
	return run.ScanOptions{
		KubernetesVersion: "latest", Now: time.Unix(1_700_000_000, 0), Passed: true,
		Selection: catalogue.Selection{IDs: ids},
	}
}

func scanLive(t *testing.T, opts run.ScanOptions, from run.Cluster) *report.Report {
	t.Helper()
	rep, err := run.ScanCluster(t.Context(), opts, from)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// TestLiveCluster shares one cluster, since a start takes seconds.
func TestLiveCluster(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{Config: clustertest.Config{Audit: clustertest.AuditEverything}})
	text, err := os.ReadFile("testdata/live.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.Create(t, string(text))
	awaitPods(t, c)
	giveRights(t, c)
	t.Cleanup(func() { onlyReads(t, c, len(cluster.Resources(nil)), "redoubt/", "redoubt/snapshot") })
	for name, test := range map[string]func(*testing.T, *clustertest.Cluster){
		"pods are judged with their workloads":                    podsFold,
		"a snapshot gives the findings of the live scan":          snapshotAgrees,
		"a scan by a few controls finds what the whole scan does": fewControlsAgree,
		"the printed rights suffice and each is needed":           accessSuffices,
		"so do those with the right to ask kubelets":              accessWithNodes,
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// awaitPods waits until the controllers have made all pods of live.yaml.
func awaitPods(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	const pods = 9 // cart 3, db 1, agent 1, migrate 2, alone 1, and one more of nobody
	for range 100 {
		rep := scanLive(t, liveOptions("no-controller"), run.Cluster{Kubeconfig: c.Kubeconfig})
		n := rep.Scan.Skipped["pod that runs as its workload says"]
		if n == pods-2 {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatal("the pods of the workloads do not appear")
}

func podsFold(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	rep := scanLive(t, liveOptions(), run.Cluster{Kubeconfig: c.Kubeconfig})
	if len(rep.Gaps) > 0 {
		t.Errorf("got gaps %+v for an administrator", rep.Gaps)
	}
	got := make(map[string]bool)
	for _, f := range rep.Findings {
		if f.Control == "seccomp-missing" {
			got[f.Object.Kind+"/"+f.Object.Name+" "+f.Verdict] = true
		}
	}
	want := map[string]bool{
		"Deployment/cart pass": true, "StatefulSet/db fail": true, "CronJob/report fail": true,
		"Job/migrate fail": true, "Pod/alone fail": true,
	}
	for k := range got {
		if strings.HasPrefix(k, "DaemonSet/") { // privileged containers have no seccomp
			delete(got, k)
		}
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func snapshotAgrees(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cluster.redoubt")
	taken, err := run.Snapshot(t.Context(), run.SnapshotOptions{Cluster: run.Cluster{Kubeconfig: c.Kubeconfig}, Output: file, Now: time.Unix(1_700_000_000, 0), Version: "snapshot"})
	if err != nil {
		t.Fatal(err)
	}
	opts := liveOptions()
	opts.Paths = []string{file}
	got, err := run.Scan(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	want := scanLive(t, liveOptions(), run.Cluster{Kubeconfig: c.Kubeconfig})
	if got.Scan.Objects != taken.Objects || taken.Objects == 0 {
		t.Errorf("got %d objects, %d were taken", got.Scan.Objects, taken.Objects)
	}
	got.Scan.Sources, want.Scan.Sources = nil, nil
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	content := unzip(t, file)
	// The start of any token of a service account is among them.
	for _, value := range []string{"top-secret-value", "dG9wLXNlY3JldC12YWx1ZQ", "0123456789abcdef", "MDEyMzQ1Njc4OWFiY2RlZg", "canary", "Y2FuYXJ5", "eyJhbGciOi", "ZXlKaGJHY2lPa"} {
		if bytes.Contains(content, []byte(value)) {
			t.Errorf("the snapshot holds the value %s of a Secret", value)
		}
	}
	for _, key := range []string{`"password":""`, `"token-secret":""`, "bootstrap.kubernetes.io/token", "hunter22x"} {
		if !bytes.Contains(content, []byte(key)) {
			t.Errorf("the snapshot lacks %s", key)
		}
	}
}

func unzip(t *testing.T, file string) []byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// fewControlsAgree holds the table of what chapters read: reading less must
// not change what is found.
func fewControlsAgree(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	whole := scanLive(t, liveOptions(), run.Cluster{Kubeconfig: c.Kubeconfig})
	all, _, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	byChapter := make(map[string][]string)
	for _, control := range all {
		byChapter[control.Chapter] = append(byChapter[control.Chapter], control.ID)
	}
	for chapter, ids := range byChapter {
		if chapter == "waiver" {
			continue
		}
		part := scanLive(t, liveOptions(ids...), run.Cluster{Kubeconfig: c.Kubeconfig})
		want := slices.DeleteFunc(slices.Clone(whole.Findings), func(f report.Finding) bool { return !slices.Contains(ids, f.Control) })
		if diff := cmp.Diff(part.Findings, want); diff != "" {
			t.Errorf("chapter %s by itself:\n%s", chapter, diff)
		}
		if part.Scan.Objects >= whole.Scan.Objects && !slices.Contains([]string{"phantom", "secret", "live"}, chapter) {
			t.Errorf("chapter %s reads all %d objects", chapter, part.Scan.Objects)
		}
	}
}

// verdicts are the failures and unknowns, and the passes, of a report by
// finding and by control.
type verdicts struct{ open, passed map[string]bool }

func verdictsOf(rep *report.Report) verdicts {
	v := verdicts{make(map[string]bool), make(map[string]bool)}
	for i := range rep.Findings {
		f := &rep.Findings[i]
		to := v.open
		if f.Verdict == "pass" {
			to = v.passed
		}
		to[f.Fingerprint], to["control "+f.Control] = true, true
	}
	return v
}

// giveRights makes an identity with exactly the printed rights, and for each
// resource one that lacks it.
func giveRights(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	role, err := run.Access(t.Context(), run.AccessOptions{})
	if err != nil {
		t.Fatal(err)
	}
	resources := cluster.Resources(nil)
	c.Create(t, role+"\n---\n"+binding("redoubt-scan", "exact"))
	for i, r := range resources {
		name := fmt.Sprintf("without-%d", i)
		text, err := json.Marshal(map[string]any{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": name},
			"rules": cluster.Rules(slices.DeleteFunc(slices.Clone(resources), func(o cluster.Resource) bool { return o == r })),
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Create(t, string(text)+"\n---\n"+binding(name, name))
	}
	giveNodeRights(t, c)
	time.Sleep(time.Second) // until the authoriser has seen them
}

// giveNodeRights does the same with nodes/proxy, rule by rule.
func giveNodeRights(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	role, err := run.Access(t.Context(), run.AccessOptions{NodeProxy: true})
	if err != nil {
		t.Fatal(err)
	}
	c.Create(t, role+"\n---\n"+binding("redoubt-scan-nodes", "exact-nodes"))
	rules := append(cluster.Rules(cluster.Resources(nil)), cluster.NodeProxyRule())
	for i := range rules {
		name := fmt.Sprintf("nodes-without-%d", i)
		text, err := json.Marshal(map[string]any{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": name},
			"rules": slices.Delete(slices.Clone(rules), i, i+1),
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Create(t, string(text)+"\n---\n"+binding(name, name))
	}
}

func accessSuffices(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	resources := cluster.Resources(nil)
	whole := scanLive(t, liveOptions(), run.Cluster{Kubeconfig: c.Kubeconfig, As: "exact"})
	for _, g := range whole.Gaps {
		t.Errorf("with the printed rights: %s: %s", g.What, g.Why)
	}
	want := verdictsOf(whole)
	hidden := 0
	for i, r := range resources {
		rep := scanLive(t, liveOptions(), run.Cluster{Kubeconfig: c.Kubeconfig, As: fmt.Sprintf("without-%d", i)})
		got := verdictsOf(rep)
		for key := range want.open {
			if control := strings.HasPrefix(key, "control "); !got.open[key] && (got.passed[key] || control) {
				t.Errorf("without list on %s.%s: %s turns into a pass, or is not spoken of", r.Name, r.Group, key)
			}
		}
		for _, g := range rep.Gaps {
			if !strings.HasPrefix(g.What, "list "+r.Name) || len(g.Controls) == 0 || !strings.Contains(g.Why, "forbidden") {
				t.Errorf("without list on %s: got gap %+v", r.Name, g)
			}
		}
		hidden += len(rep.Gaps)
	}
	if hidden < 25 {
		t.Errorf("only %d of %d resources are missed when they may not be read", hidden, len(resources))
	}
}

// accessWithNodes does the same for the rights with nodes/proxy. The node of
// the test has no kubelet, so that asking it fails for another reason.
func accessWithNodes(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	all := cluster.Rules(cluster.Resources(nil))
	scan := func(as string) *report.Report {
		return scanLive(t, liveOptions(), run.Cluster{Kubeconfig: c.Kubeconfig, As: as, NodeProxy: true})
	}
	whole := scan("exact-nodes")
	for _, g := range whole.Gaps {
		if strings.Contains(g.Why, "forbidden") || !strings.HasPrefix(g.What, "get nodes/proxy") {
			t.Errorf("with the printed rights: %s: %s", g.What, g.Why)
		}
	}
	want := verdictsOf(whole)
	for i := range len(all) + 1 {
		rep := scan(fmt.Sprintf("nodes-without-%d", i))
		got := verdictsOf(rep)
		for key := range want.open {
			if control := strings.HasPrefix(key, "control "); !got.open[key] && (got.passed[key] || control) {
				t.Errorf("without rule %d: %s turns into a pass, or is not spoken of", i, key)
			}
		}
		refused := slices.ContainsFunc(rep.Gaps, func(g report.Gap) bool { return strings.Contains(g.Why, "forbidden") && len(g.Controls) > 0 })
		served := i == len(all) || slices.ContainsFunc([]string{"", "apps", "rbac.authorization.k8s.io", "networking.k8s.io"}, func(g string) bool { return all[i].APIGroups[0] == g })
		if served && !refused {
			t.Errorf("without rule %d nothing is refused: %+v", i, rep.Gaps)
		}
	}
}

func binding(role, user string) string {
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: %s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: %s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %s}]
`, user, role, user)
}

// onlyReads asserts from the audit log that scans and snapshots read and do
// nothing else. Each of the agents must be among those that asked.
func onlyReads(t *testing.T, c *clustertest.Cluster, atLeast int, agents ...string) {
	t.Helper()
	f, err := os.Open(c.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // only read
	seen := 0
	asked := make(map[string]bool)
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<22)
	for lines.Scan() {
		var event struct {
			Verb       string `json:"verb"`
			UserAgent  string `json:"userAgent"`
			RequestURI string `json:"requestURI"`
			ObjectRef  struct {
				Resource string `json:"resource"`
			} `json:"objectRef"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(event.UserAgent, "redoubt/") {
			continue
		}
		seen++
		asked[event.UserAgent] = true
		review := event.Verb == "create" && strings.HasPrefix(event.ObjectRef.Resource, "selfsubject")
		if event.Verb != "get" && event.Verb != "list" && !review {
			t.Errorf("a scan sent %s %s", event.Verb, event.RequestURI)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, agent := range agents {
		if !asked[agent] {
			t.Errorf("the audit log has no request of %s", agent)
		}
	}
	if seen < atLeast*atLeast {
		t.Errorf("the audit log has only %d requests of scans", seen)
	}
}
