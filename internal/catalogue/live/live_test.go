package live_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/catalogue/live"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

func TestControls(t *testing.T) {
	t.Parallel()
	checktest.Chapter(t, live.Chapter(), checktest.YAML)
}

func TestAnAbsentServiceIsAFaultOnlyOfAWholeCluster(t *testing.T) {
	t.Parallel()
	const webhook = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: w}\n" +
		"webhooks: [{name: a, clientConfig: {service: {namespace: guard, name: s}}}]\n"
	for _, tc := range []struct {
		name string
		gaps []inventory.Gap
		wide bool
		want finding.Verdict
	}{
		{"a whole cluster", nil, true, finding.Fail},
		{"a cluster whose Services may not be read", []inventory.Gap{{What: "list services", Kinds: []string{"Service"}}}, true, finding.Unknown},
		{"a cluster whose Secrets may not be read", []inventory.Gap{{What: "list secrets", Kinds: []string{"Secret"}}}, true, finding.Fail},
		{"files", nil, false, finding.Unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			inv := checktest.Inventory(t, "", webhook, checktest.YAML)
			inv.ClusterWide, inv.Gaps = tc.wide, tc.gaps
			var got []finding.Verdict
			live.Chapter().Analyses["webhook-without-backend"](inv, func(f finding.Finding) { got = append(got, f.Verdict) })
			if len(got) != 1 || got[0] != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
