package run_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/fix"
)

// TestAnAPIServerTakesWhatFixWrites starts a real API server with the audit policy
// that is written where there is none, and gives it the example application after
// all edits. What an account does there is then read from its log, and is the role
// that fix gives it.
func TestAnAPIServerTakesWhatFixWrites(t *testing.T) {
	t.Parallel()
	written := tree(t, "-- kubeadm.yaml --\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n")
	if err := fixTree(t, written, []string{"audit-log-missing"}, nil).Write(); err != nil {
		t.Fatal(err)
	}
	c := clustertest.Start(t, clustertest.Options{Without: clustertest.ControlPlaneOnly, Config: clustertest.Config{Audit: content(t, filepath.Join(written, "audit-policy.yaml"))}})

	shop := t.TempDir()
	if err := os.CopyFS(shop, os.DirFS("../../examples/shop")); err != nil {
		t.Fatal(err)
	}
	if err := fixShop(t, shop).Write(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(shop, "*.yaml"))
	if err != nil || len(names) < 10 {
		t.Fatalf("%d files (%v)", len(names), err)
	}
	all := []string{content(t, filepath.Join(shop, "namespace-shop-agents.yaml")), content(t, filepath.Join(shop, "namespace.yaml"))}
	for _, name := range names {
		if base := filepath.Base(name); base != "namespace.yaml" && base != "namespace-shop-agents.yaml" && !strings.HasPrefix(base, ".") {
			all = append(all, content(t, name))
		}
	}
	all = append(all, "apiVersion: v1\nkind: Secret\nmetadata: {name: quiet, namespace: shop}\nstringData: {value: "+loud+"}\n")
	c.Create(t, strings.Join(all, "---\n"))
	work(t, c)
	used, log := auditLog(t, c)
	if strings.Contains(log, loud) || strings.Contains(log, "bG91ZC1hbmQtY2xlYXItMTIzNDU=") {
		t.Error("the audit log holds the value of a Secret")
	}
	for _, seen := range []string{`"resource":"secrets"`, `"resource":"rolebindings"`, `"requestObject"`} {
		if !strings.Contains(log, seen) {
			t.Errorf("the audit log has no %s", seen)
		}
	}
	want := []fix.Right{{AccountNamespace: "shop", Account: "shop-operator", Namespace: "shop", Rules: []fix.RightRule{
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get", "list"}},
	}}}
	if diff := cmp.Diff(used.Over(nil), want); diff != "" {
		t.Error(diff)
	}
}

const loud = "loud-and-clear-12345"

// work does as the operator of the shop what its role allows, and something that
// it does not.
func work(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	config := clustertest.REST(t, c.Kubeconfig)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:shop:shop-operator", Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().ConfigMaps("shop").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := client.CoreV1().ConfigMaps("shop").Get(t.Context(), "orders-config", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
	if _, err := client.CoreV1().Secrets("shop").Get(t.Context(), "quiet", metav1.GetOptions{}); err == nil {
		t.Error("the operator may read Secrets after all")
	}
}

// auditLog waits until the log has what work did.
func auditLog(t *testing.T, c *clustertest.Cluster) (*fix.Used, string) {
	t.Helper()
	for range 100 {
		text, err := os.ReadFile(c.AuditLog)
		if err == nil && bytes.Contains(text, []byte("shop:shop-operator")) && bytes.Contains(text, []byte(`"code":403`)) {
			used, err := fix.ReadAuditLog(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			return used, string(text)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("the audit log does not have what was done")
	return nil, ""
}
