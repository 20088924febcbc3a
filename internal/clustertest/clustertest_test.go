package clustertest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
)

func TestAClusterStartsAndGivesAccess(t *testing.T) {
	t.Parallel()
	c := clustertest.Start(t, clustertest.Options{
		Without: clustertest.ControlPlaneOnly,
		Config:  clustertest.Config{Audit: clustertest.AuditEverything},
	})
	for _, path := range []string{c.Kubeconfig, c.AuditLog, c.CA, c.User(t, "eve", "dev")} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if !strings.HasPrefix(c.URL, "https://127.0.0.1:") {
		t.Errorf("got address %s, want one on this computer", c.URL)
	}
}
