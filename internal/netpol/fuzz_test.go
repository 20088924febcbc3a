package netpol_test

import (
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/netpol"
)

// FuzzModel reads anything as policies, Services and routes, and asks all there
// is to ask: no panic, and the matrix says what single questions say.
func FuzzModel(f *testing.F) {
	for _, spec := range []string{
		"{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: http}, {port: 1, endPort: 2}]}]}",
		"{podSelector: {matchExpressions: [{key: app, operator: In, values: [a]}]}, policyTypes: [Egress]}",
		"{ingress: [{from: [{ipBlock: {cidr: 1/0}}, {ipBlock: {cidr: ::ffff:1.2.3.4/120, except: [1]}}, null, []]}]}",
		"{egress: {to: []}, policyTypes: {a: b}, podSelector: []}",
		"{podSelector: {matchLabels: {a: 1, b: null, '': x}}, egress: [{ports: [{port: 99999999999999999999}, {port: -1}, {port: 1.5}, {protocol: 7}]}]}",
	} {
		f.Add(town + np(spec))
	}
	f.Add(town + anp("a", "{priority: 1e3, subject: {pods: {}}, egress: [{action: Deny, to: [{networks: [x, 0.0.0.0/0]}, {nodes: {}}, {domainNames: [a.svc]}], ports: [{portRange: {start: 9, end: 1}}, {namedPort: ''}]}]}"))
	f.Add(town + cnp("a", "{tier: Baseline, priority: 2, subject: {}, ingress: [{action: Pass, from: [], protocols: [{tcp: {destinationPort: {range: {}}}}, {tcp: null}]}]}"))
	f.Add(town + service("{type: LoadBalancer, loadBalancerSourceRanges: [0.0.0.0/0, ''], selector: {app: web, x: null}, ports: [{port: 0}, {port: 80, targetPort: 70000}, {port: 1, targetPort: http}]}") + ingress + route)
	f.Fuzz(func(t *testing.T, text string) {
		res, err := decode.File([]byte(text), &inventory.Origin{File: "f.yaml"}, decode.DefaultLimits())
		if err != nil || len(text) > 1<<14 {
			return
		}
		inv := new(inventory.Inventory)
		inv.Add(res.Objects...)
		inv.Seal()
		m := netpol.New(inv)
		all := m.Endpoints()
		if len(all) > 12 {
			return
		}
		matrix := m.Matrix()
		m.Idle()
		m.Isolation()
		netpol.Diff(m, m)
		for _, from := range all {
			row := matrix.Row(from)
			for i, to := range all {
				if got := m.Allowed(netpol.Of(from), netpol.Of(to), netpol.Port{}); got.Verdict != row[i] {
					t.Errorf("%s to %s: %s, and %s in the matrix", from.Name, to.Name, got.Verdict, row[i])
				}
			}
			for _, p := range m.WellKnown() {
				m.Allowed(netpol.Of(from), p, netpol.Port{})
				m.Allowed(p, netpol.Of(from), netpol.Port{Number: 80})
			}
		}
	})
}

// FuzzParsePort accepts what it writes.
func FuzzParsePort(f *testing.F) {
	for _, s := range []string{"", "80", "53/udp", "http", "http/sctp", "0", "65536", "80/icmp", "-1", "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := netpol.ParsePort(s)
		if err != nil || p.Any() {
			return
		}
		if again, err := netpol.ParsePort(p.String()); err != nil || again != p {
			t.Errorf("%q is %+v, and %q is %+v (%v)", s, p, p.String(), again, err)
		}
	})
}
