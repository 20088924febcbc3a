package netpol_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/redoubt-k8s/redoubt/internal/netpol"
)

// probes are ports at, next to and far from the limits of generated rules.
var probes = []netpol.Port{
	{Protocol: "TCP", Number: 80},
	{Protocol: "TCP", Number: 81},
	{Protocol: "TCP", Number: 84},
	{Protocol: "TCP", Number: 85},
	{Protocol: "TCP", Number: 1},
	{Protocol: "TCP", Number: 86},
	{Protocol: "TCP", Number: 65535},
	{Protocol: "UDP", Number: 80},
	{Protocol: "UDP", Number: 81},
	{Protocol: "UDP", Number: 85},
	{Protocol: "UDP", Number: 9999},
	{Protocol: "SCTP", Number: 80},
	{Protocol: "SCTP", Number: 9999},
}

var strangers = []string{"93.184.216.34", "10.0.1.77", "169.254.169.254", "192.168.7.7"}

// trip is a connection between two ends, each a pod or an address.
type trip struct {
	from, to         netpol.Peer
	src, dst         *corev1.Pod
	srcIP, dstIP     string
	fromName, toName string
}

// trips are all connections of a world.
func trips(t *testing.T, m *netpol.Model, w *world) []trip {
	t.Helper()
	type end struct {
		peer netpol.Peer
		pod  *corev1.Pod
		ip   string
	}
	var ends []end
	find := func(name string) netpol.Peer {
		p, err := m.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for i := range w.pods {
		p := &w.pods[i]
		ends = append(ends, end{find(p.Namespace + "/Pod/" + p.Name), p, p.Status.PodIP})
	}
	for _, ip := range strangers {
		ends = append(ends, end{find(ip), nil, ip})
	}
	var out []trip
	for _, a := range ends {
		for _, b := range ends {
			if a.pod != nil || b.pod != nil {
				out = append(out, trip{from: a.peer, to: b.peer, src: a.pod, dst: b.pod, srcIP: a.ip, dstIP: b.ip, fromName: a.peer.Name, toName: b.peer.Name})
			}
		}
	}
	return out
}

func (w *world) connects(tr *trip, port netpol.Port) bool {
	return w.passes(&packet{src: tr.src, dst: tr.dst, srcIP: tr.srcIP, dstIP: tr.dstIP, protocol: port.Protocol, port: port.Number})
}

// judge is a world with the engine's view of it.
type judge struct {
	w         *world
	m         *netpol.Model
	matrix    *netpol.Matrix
	documents []string
	seed      uint64
}

func TestAgreesWithThePacketEvaluator(t *testing.T) {
	t.Parallel()
	worlds := uint64(600)
	if testing.Short() {
		worlds = 100
	}
	asked, policies := 0, 0
	for seed := range worlds {
		w := roll(seed).world()
		j := &judge{w: w, documents: w.objects(t), seed: seed}
		j.m = netpol.New(inventoryOf(t, j.documents...))
		j.matrix = j.m.Matrix()
		policies += len(w.policies) + len(w.admin)
		for i, tr := range trips(t, j.m, w) {
			// Every trip asks every second port, and the next the others.
			var ports []netpol.Port
			for k := i % 2; k < len(probes); k += 2 {
				ports = append(ports, probes[k])
			}
			asked += len(ports)
			j.agrees(t, &tr, ports)
		}
	}
	t.Logf("%d packets through %d policies agree", asked, policies)
}

// agrees compares one trip on some ports, and on any.
func (j *judge) agrees(t *testing.T, tr *trip, ports []netpol.Port) {
	t.Helper()
	some := false
	for _, port := range ports {
		want := netpol.No
		if j.w.connects(tr, port) {
			want, some = netpol.Yes, true
		}
		if got := j.m.Allowed(tr.from, tr.to, port); got.Verdict != want {
			t.Fatalf("seed %d: %s to %s on %s: %s, want %s\n%v\n%s", j.seed, tr.fromName, tr.toName, port, got.Verdict, want, got.Because, strings.Join(j.documents, "\n"))
		}
	}
	open := j.m.Allowed(tr.from, tr.to, netpol.Port{})
	if some && open.Verdict != netpol.Yes {
		t.Fatalf("seed %d: %s to %s is open, not %s", j.seed, tr.fromName, tr.toName, open.Verdict)
	}
	if tr.src == nil || tr.dst == nil {
		return
	}
	if got := j.matrix.Verdict(tr.from.Endpoint, tr.to.Endpoint); got != open.Verdict {
		t.Fatalf("seed %d: %s to %s: %s in the matrix, %s alone\n%s", j.seed, tr.fromName, tr.toName, got, open.Verdict, strings.Join(j.documents, "\n"))
	}
	if got := j.matrix.Ports(tr.from.Endpoint, tr.to.Endpoint); got != open.Ports && open.Verdict != netpol.No {
		t.Fatalf("seed %d: %s to %s: ports %q in the matrix, %q alone", j.seed, tr.fromName, tr.toName, got, open.Ports)
	}
}

// forget takes addresses of pods and whole Namespaces out of a world.
func (d dice) forget(w *world) *world {
	less := *w
	less.pods, less.namespaces = nil, nil
	for i := range w.pods {
		p := w.pods[i].DeepCopy()
		if d.chance(60) {
			p.Status = corev1.PodStatus{}
		}
		less.pods = append(less.pods, *p)
	}
	for i := range w.namespaces {
		if d.chance(50) {
			less.namespaces = append(less.namespaces, w.namespaces[i])
		}
	}
	return &less
}

// TestLessKnowledgeNeverContradicts takes Namespaces and pod addresses away:
// answers may become unknown, never wrong.
func TestLessKnowledgeNeverContradicts(t *testing.T) {
	t.Parallel()
	worlds := uint64(150)
	if testing.Short() {
		worlds = 60
	}
	unknown, known := 0, 0
	for seed := range worlds {
		d := roll(seed + 1_000_000)
		w := d.world()
		documents := d.forget(w).objects(t)
		m := netpol.New(inventoryOf(t, documents...))
		for _, tr := range trips(t, m, w) {
			for _, port := range probes {
				got := m.Allowed(tr.from, tr.to, port)
				if got.Verdict == netpol.Unknown {
					unknown++
					continue
				}
				known++
				if want := w.connects(&tr, port); want != (got.Verdict == netpol.Yes) {
					t.Fatalf("seed %d: %s to %s on %s: %s, but with all known it is %t\n%v\n%s", seed, tr.fromName, tr.toName, port, got.Verdict, want, got.Because, strings.Join(documents, "\n"))
				}
			}
		}
	}
	if unknown == 0 || known == 0 {
		t.Errorf("%d unknown and %d known answers; the test sees nothing", unknown, known)
	}
	t.Logf("%d answers stay known, %d become unknown", known, unknown)
}
