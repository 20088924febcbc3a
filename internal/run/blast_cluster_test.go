package run_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/netpol"
	"github.com/redoubt-k8s/redoubt/internal/run"
	"github.com/redoubt-k8s/redoubt/internal/source/cluster"
)

const blastLive = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: quiet, namespace: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {serviceAccountName: web, containers: [{name: web, image: web:1}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: quiet, namespace: shop}
spec:
  selector: {matchLabels: {app: quiet}}
  template:
    metadata: {labels: {app: quiet}}
    spec: {serviceAccountName: quiet, containers: [{name: quiet, image: quiet:1}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: quiet, namespace: shop}
spec: {podSelector: {matchLabels: {app: quiet}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web, namespace: shop}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get, list]}
- {apiGroups: [""], resources: [pods/exec], verbs: [create]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}
subjects: [{kind: ServiceAccount, name: web}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: asker}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:auth-delegator"}
subjects: [{kind: User, name: redoubt, apiGroup: rbac.authorization.k8s.io}]
`

// authorizer is a webhook that RBAC knows nothing of: it keeps web from
// commands in pods, and lets quiet read Secrets.
func authorizer(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var review authorizationv1.SubjectAccessReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if a := review.Spec.ResourceAttributes; a != nil {
			switch what := review.Spec.User + " " + a.Resource + "/" + a.Subresource; what {
			case "system:serviceaccount:shop:web pods/exec":
				review.Status.Denied, review.Status.Reason = true, "no commands in pods"
			case "system:serviceaccount:shop:quiet secrets/":
				review.Status.Allowed, review.Status.Reason = true, "an old agreement"
			}
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(review); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

const authorization = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
- type: Webhook
  name: own
  webhook:
    timeout: 3s
    subjectAccessReviewVersion: v1
    matchConditionSubjectAccessReviewVersion: v1
    failurePolicy: NoOpinion
    authorizedTTL: 1s
    unauthorizedTTL: 1s
    connectionInfo: {type: KubeConfigFile, kubeConfigFile: "${DIR}/files/own-authorizer.yaml"}
- {type: Node, name: node}
- {type: RBAC, name: rbac}
`

// TestBlastAndReachReadClusters shares one cluster, since a start takes seconds.
func TestBlastAndReachReadClusters(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{
		Without: clustertest.ControlPlaneOnly,
		Config:  clustertest.Config{Authorization: authorization},
		Files: map[string]string{"own-authorizer.yaml": "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{name: a, cluster: {server: \"" + authorizer(t) +
			"\"}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\nusers: [{name: a, user: {}}]\n"},
	})
	c.Create(t, blastLive)
	blind(t, c, "blind", "clusterrolebindings", "networkpolicies", "services")
	time.Sleep(time.Second) // until the authoriser has seen them
	for name, test := range map[string]func(*testing.T, *clustertest.Cluster){
		"a snapshot gives the answers of the cluster": blastSnapshot,
		"what may not be read is perhaps":             blastBlind,
		"the cluster disagrees where it does":         blastVerified,
		"who may not ask is told so":                  blastMayNotAsk,
		"files are put over a snapshot":               blastOverSnapshot,
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			test(t, c)
		})
	}
}

// blind makes a user who may read everything but some resources.
func blind(t *testing.T, c *clustertest.Cluster, user string, without ...string) {
	t.Helper()
	left := slices.DeleteFunc(cluster.Resources(nil), func(r cluster.Resource) bool { return slices.Contains(without, r.Name) })
	role, err := json.Marshal(map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": user}, "rules": cluster.Rules(left),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Create(t, string(role)+"\n---\n"+binding(user, user))
}

func live(c *clustertest.Cluster, as string) run.Place {
	return run.Place{Cluster: &run.Cluster{Kubeconfig: c.Kubeconfig, As: as}, Version: "test"}
}

func blastJSON(t *testing.T, opts run.BlastOptions) (*blast.Report, bool) {
	t.Helper()
	opts.Format, opts.All = "json", true
	var out bytes.Buffer
	objects, err := run.Blast(t.Context(), opts, &out)
	if err != nil {
		t.Fatal(err)
	}
	rep := new(blast.Report)
	if err := json.Unmarshal(out.Bytes(), rep); err != nil {
		t.Fatal(err)
	}
	return rep, objects
}

func workloadOf(t *testing.T, rep *blast.Report, name string) *blast.WorkloadNote {
	t.Helper()
	at := slices.IndexFunc(rep.Workloads, func(n blast.WorkloadNote) bool { return n.Workload == name })
	if at < 0 {
		t.Fatalf("%s is missing", name)
	}
	return &rep.Workloads[at]
}

func snapshotOf(t *testing.T, c *clustertest.Cluster) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cluster.redoubt")
	if _, err := run.Snapshot(t.Context(), run.SnapshotOptions{Cluster: run.Cluster{Kubeconfig: c.Kubeconfig}, Output: file, Now: time.Unix(1_700_000_000, 0)}); err != nil {
		t.Fatal(err)
	}
	return file
}

func blastSnapshot(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	file := run.Place{Input: run.Input{Paths: []string{snapshotOf(t, c)}}}
	got, _ := blastJSON(t, run.BlastOptions{Place: file})
	want, _ := blastJSON(t, run.BlastOptions{Place: live(c, "")})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blast (-cluster +snapshot):\n%s", diff)
	}
	if w := workloadOf(t, got, "shop/Deployment/web"); w.Admin == "no" && w.Falls.Outcomes+w.MayFall.Outcomes+w.Falls.Accounts == 0 {
		t.Errorf("web gives nothing away: %+v", w)
	}
	was, err := run.Reach(t.Context(), run.ReachOptions{Place: live(c, "")})
	if err != nil {
		t.Fatal(err)
	}
	is, err := run.Reach(t.Context(), run.ReachOptions{Place: file})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(was, is); diff != "" {
		t.Errorf("reach (-cluster +snapshot):\n%s", diff)
	}
	if w := reachOf(t, is, "shop/Deployment/quiet"); w.FromOutside != netpol.No {
		t.Errorf("quiet is reached from outside: %s, want no", w.FromOutside)
	}
}

func reachOf(t *testing.T, rep *run.ReachReport, name string) *run.ReachWorkload {
	t.Helper()
	at := slices.IndexFunc(rep.Workloads, func(w run.ReachWorkload) bool { return w.Name == name })
	if at < 0 {
		t.Fatalf("%s is missing", name)
	}
	return &rep.Workloads[at]
}

// blastBlind reads as somebody who may not see bindings of the whole cluster,
// network policies and Services.
func blastBlind(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	rep, _ := blastJSON(t, run.BlastOptions{Place: live(c, "blind")})
	if got := workloadOf(t, rep, "shop/Deployment/quiet").Admin; got != "possible" {
		t.Errorf("the whole cluster from quiet: %s, want possible", got)
	}
	for _, kind := range []string{"clusterrolebindings", "networkpolicies", "services"} {
		if !slices.ContainsFunc(rep.Gaps, func(g string) bool { return strings.Contains(g, kind) }) {
			t.Errorf("no gap tells of %s: %q", kind, rep.Gaps)
		}
	}
	reach, err := run.Reach(t.Context(), run.ReachOptions{Place: live(c, "blind")})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shop/Deployment/quiet", "shop/Deployment/web"} {
		if w := reachOf(t, reach, name); w.FromOutside != netpol.Unknown || w.Beyond["apiserver"] != netpol.Unknown {
			t.Errorf("%s: from outside %s, to the API server %s, want unknown", name, w.FromOutside, w.Beyond["apiserver"])
		}
	}
	if reach.Summary.No > 0 || reach.Summary.Unknown == 0 {
		t.Errorf("without policies got %+v, want all unknown", reach.Summary)
	}
}

func blastVerified(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	rep, objects := blastJSON(t, run.BlastOptions{Place: live(c, ""), Verify: 5000})
	v := rep.Verified
	if v == nil || !objects || v.Agreed < 20 || v.Unverifiable != 0 || v.Asked == 0 {
		t.Fatalf("got %+v, objects %t", v, objects)
	}
	t.Logf("%d questions: %d agreed, %d disagreed", v.Asked, v.Agreed, v.Disagreed)
	var got []string
	agreed := false
	for _, s := range v.Steps {
		if s.Result == blast.Disagreed {
			got = append(got, s.Step+" "+s.Subject+" "+s.Why)
		}
		agreed = agreed || s.Step == "read-secrets" && s.Subject == "service account shop/web" && s.Result == blast.Agreed
	}
	slices.Sort(got)
	joined := strings.Join(got, "\n")
	for _, want := range []string{
		"exec-into-pods service account shop/web the server refuses: create pods/exec in namespace shop (no commands in pods)",
		"read-secrets service account shop/quiet the server allows",
		"(an old agreement)",
	} {
		if !strings.Contains(joined, want) {
			t.Errorf("%q is missing in\n%s", want, joined)
		}
	}
	if !agreed {
		t.Error("the server does not agree that web reads Secrets")
	}
	few, _ := blastJSON(t, run.BlastOptions{Place: live(c, ""), Verify: 3})
	if few.Verified.Asked != 3 || few.Verified.Unverifiable == 0 {
		t.Errorf("with a bound of 3 questions got %d asked, %d unverifiable", few.Verified.Asked, few.Verified.Unverifiable)
	}
}

func blastMayNotAsk(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	_, err := run.Blast(t.Context(), run.BlastOptions{Place: live(c, "blind"), Verify: 100}, new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "the right to create subjectaccessreviews") {
		t.Errorf("got %v, want that the right to ask is missing", err)
	}
}

func blastOverSnapshot(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	file := snapshotOf(t, c)
	change := write(t, t.TempDir(), "change.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: new}\n"+
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: quiet, namespace: shop}]\n", 0o600)
	var out bytes.Buffer
	more, err := run.BlastDiff(t.Context(), run.BlastOptions{}, file, change, &out)
	if err != nil || !more || !strings.Contains(out.String(), "the whole cluster") {
		t.Errorf("got %t, %v\n%s", more, err, out.String())
	}
	if _, err := run.BlastDiff(t.Context(), run.BlastOptions{}, change, file, &out); err == nil || !strings.Contains(err.Error(), "give the snapshot first") {
		t.Errorf("files before a snapshot: got %v", err)
	}
	if more, err := run.BlastDiff(t.Context(), run.BlastOptions{}, file, file, &out); err != nil || more {
		t.Errorf("a snapshot and itself: got %t, %v", more, err)
	}
}
