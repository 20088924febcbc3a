package netpol_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/netpol"
)

// cluster generates n workloads in n/40 namespaces with n policies, as teams
// write them: a default deny, DNS, and one policy for each workload that names
// its callers.
func cluster(n int) []string {
	r := rand.New(rand.NewPCG(1, 1))
	const team = 40
	var out []string
	for i := range (n + team - 1) / team {
		ns := fmt.Sprintf("team-%d", i)
		out = append(out, fmt.Sprintf(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,"labels":{"stage":%q}}}`, ns, []string{"prod", "test"}[i%2]))
		if i%4 != 0 {
			out = append(out, fmt.Sprintf(`{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"deny","namespace":%q},"spec":{"podSelector":{},"policyTypes":["Ingress","Egress"],"egress":[{"to":[{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"team-0"}}}],"ports":[{"port":53,"protocol":"UDP"}]},{"to":[{"podSelector":{}}]}]}}`, ns))
		}
	}
	for i := range n {
		ns := fmt.Sprintf("team-%d", i/team)
		out = append(out, fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"app-%d","namespace":%q},"spec":{"template":{"metadata":{"labels":{"app":"app-%d","tier":"t%d"}},"spec":{"containers":[{"name":"c","image":"x","ports":[{"name":"http","containerPort":%d}]}]}}}}`, i, ns, i, i%3, 8000+i%10))
		from := fmt.Sprintf(`{"podSelector":{"matchLabels":{"app":"app-%d"}}}`, i/team*team+r.IntN(team))
		switch i % 5 {
		case 0:
			from = fmt.Sprintf(`{"namespaceSelector":{"matchLabels":{"stage":"prod"}},"podSelector":{"matchLabels":{"tier":"t%d"}}}`, r.IntN(3))
		case 1:
			from = fmt.Sprintf(`{"ipBlock":{"cidr":"10.%d.0.0/16"}}`, r.IntN(200))
		}
		port := `{"port":"http"}`
		if i%2 == 0 {
			port = fmt.Sprintf(`{"port":%d}`, 8000+i%10)
		}
		out = append(out, fmt.Sprintf(`{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"to-%d","namespace":%q},"spec":{"podSelector":{"matchLabels":{"app":"app-%d"}},"ingress":[{"from":[%s],"ports":[%s]}]}}`, i, ns, i, from, port))
	}
	return out
}

// BenchmarkAllPairs judges every pair of workloads on every port.
func BenchmarkAllPairs(b *testing.B) {
	for _, n := range []int{200, 2000} {
		b.Run(fmt.Sprintf("%d-workloads-and-policies", n), func(b *testing.B) {
			inv := inventoryOf(b, cluster(n)...)
			open := 0
			for b.Loop() {
				m := netpol.New(inv)
				x := m.Matrix()
				open = 0
				for _, e := range m.Endpoints() {
					for _, v := range x.Row(e) {
						if v == netpol.Yes {
							open++
						}
					}
				}
			}
			b.ReportMetric(float64(open), "open-pairs")
		})
	}
}

func BenchmarkExplain(b *testing.B) {
	m := netpol.New(inventoryOf(b, cluster(2000)...))
	all := m.Endpoints()
	i := 0
	for b.Loop() {
		m.Allowed(netpol.Of(all[i%len(all)]), netpol.Of(all[i*7%len(all)]), netpol.Port{})
		i++
	}
}
