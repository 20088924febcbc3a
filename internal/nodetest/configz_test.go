package nodetest_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/cli"
	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/report"
	"github.com/redoubt-k8s/redoubt/internal/run"
)

// openKubelet are flags that overrule the kubelet's file.
var openKubelet = []string{"--anonymous-auth=true", "--authorization-mode=AlwaysAllow", "--read-only-port=10255"}

// aboutKubelet are the controls that the flags concern.
var aboutKubelet = []string{"kubelet-anonymous", "kubelet-always-allow", "kubelet-read-only-port"}

// TestTheKubeletsOwnWordCounts starts a real kubelet whose flags overrule its
// file. What the file says passes; what the kubelet says of itself, through the
// API, does not; and whoever may not ask gets no verdict.
func TestTheKubeletsOwnWordCounts(t *testing.T) { //nolint:paralleltest // there is one node
	s := newStage(t, clustertest.Options{Flags: map[string][]string{"kubelet": openKubelet}})
	s.give(t, "without", "access")
	s.give(t, "with", "access", "--node-proxy")
	time.Sleep(time.Second) // until the authoriser has seen them
	opts := run.ScanOptions{
		KubernetesVersion: "latest", Now: time.Unix(1_700_000_000, 0), Passed: true,
		Selection: catalogue.Selection{IDs: aboutKubelet},
	}
	ofFile := opts
	ofFile.Paths = []string{s.Node.Node.KubeletConfig}
	rep, err := run.Scan(t.Context(), ofFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(every("pass"), verdicts(rep)); diff != "" {
		t.Errorf("of the file (-want +got):\n%s", diff)
	}
	for _, c := range []struct{ name, as, want string }{ //nolint:paralleltest // one cluster
		{"the administrator sees the setting in force", "", "fail"},
		{"the rights that redoubt access --node-proxy prints suffice", "with", "fail"},
		{"without nodes/proxy the verdict is unknown", "without", "unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rep, err := run.ScanCluster(t.Context(), opts, run.Cluster{Kubeconfig: s.Kubeconfig, As: c.as, NodeProxy: true})
			if err != nil {
				t.Fatal(err)
			}
			for _, g := range rep.Gaps {
				t.Logf("gap: %s: %s", g.What, g.Why)
			}
			if diff := cmp.Diff(every(c.want), verdicts(rep)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			named := slices.ContainsFunc(rep.Gaps, func(g report.Gap) bool {
				return strings.Contains(g.What, "get nodes/proxy") && strings.Contains(g.What, s.Node.Node.Name) && strings.Contains(g.Why, "forbidden")
			})
			if named != (c.want == "unknown") {
				t.Errorf("a gap names get nodes/proxy: %t", named)
			}
		})
	}
	s.setShop(t)
	s.showKubelet(t, true)
}

// give binds the rights that a command prints to a user.
func (s *stage) give(t *testing.T, user string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	if code := cli.Main(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out}); code != cli.ExitOK {
		t.Fatalf("%q ends with %d: %s", args, code, &out)
	}
	role := regexp.MustCompile("name: redoubt-[a-z-]+").ReplaceAllString(out.String(), "name: "+user)
	s.Create(t, role+"\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: "+user+"}\n"+
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "+user+"}\nsubjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: "+user+"}]\n")
}

func every(verdict string) map[string]string {
	out := make(map[string]string)
	for _, id := range aboutKubelet {
		out[id] = verdict
	}
	return out
}

func verdicts(rep *report.Report) map[string]string {
	out := make(map[string]string)
	for i := range rep.Findings {
		out[rep.Findings[i].Control] = rep.Findings[i].Verdict
	}
	return out
}
