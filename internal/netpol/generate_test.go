package netpol_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// dice generates worlds small enough that policies and pods meet often.
type dice struct{ *rand.Rand }

func roll(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 7))} }

func (d dice) chance(percent int) bool { return d.IntN(100) < percent }

func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

func (d dice) labels() map[string]string {
	out := make(map[string]string)
	for _, k := range []string{"app", "tier", "team"} {
		if d.chance(60) {
			out[k] = pick(d, "a", "b")
		}
	}
	return out
}

func (d dice) selector() metav1.LabelSelector {
	var s metav1.LabelSelector
	if d.chance(30) {
		return s
	}
	if d.chance(70) {
		s.MatchLabels = map[string]string{pick(d, "app", "tier", "team"): pick(d, "a", "b")}
	}
	if d.chance(40) {
		e := metav1.LabelSelectorRequirement{Key: pick(d, "app", "tier", "team"), Operator: pick(d, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)}
		if e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpNotIn {
			e.Values = pick(d, []string{"a"}, []string{"b"}, []string{"a", "b"})
		}
		s.MatchExpressions = append(s.MatchExpressions, e)
	}
	return s
}

func (d dice) namespaceSelector() metav1.LabelSelector {
	if d.chance(30) {
		return metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": pick(d, "n0", "n1", "n2")}}
	}
	return d.selector()
}

func (d dice) world() *world {
	w := new(world)
	for i := range 3 {
		ns := corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}}
		ns.Name, ns.Labels = fmt.Sprintf("n%d", i), d.labels()
		ns.Labels["kubernetes.io/metadata.name"] = ns.Name
		w.namespaces = append(w.namespaces, ns)
	}
	for i := range 3 + d.IntN(4) {
		w.pods = append(w.pods, d.pod(i))
	}
	for i := range d.IntN(6) {
		w.policies = append(w.policies, d.policy(i))
	}
	if d.chance(50) {
		old := d.chance(50)
		for i := range 1 + d.IntN(4) {
			w.admin = append(w.admin, d.clusterPolicy(i, old))
		}
	}
	return w
}

func (d dice) pod(i int) corev1.Pod {
	p := corev1.Pod{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}}
	p.Name, p.Namespace, p.Labels = fmt.Sprintf("p%d", i), fmt.Sprintf("n%d", d.IntN(3)), d.labels()
	c := corev1.Container{Name: "c", Image: "x"}
	for _, name := range []string{"web", "dns"} {
		if d.chance(60) {
			c.Ports = append(c.Ports, corev1.ContainerPort{Name: name, ContainerPort: pick(d, int32(80), 81, 85), Protocol: pick(d, "", corev1.ProtocolTCP, corev1.ProtocolUDP)})
		}
	}
	p.Spec.Containers = []corev1.Container{c}
	p.Status.PodIP = fmt.Sprintf("10.0.%d.%d", d.IntN(3), i+1)
	p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
	return p
}

func (d dice) policy(i int) networkingv1.NetworkPolicy {
	np := networkingv1.NetworkPolicy{TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}}
	np.Name, np.Namespace = fmt.Sprintf("np%d", i), fmt.Sprintf("n%d", d.IntN(3))
	np.Spec.PodSelector = d.selector()
	np.Spec.PolicyTypes = pick(d, nil, nil, []networkingv1.PolicyType{"Ingress"}, []networkingv1.PolicyType{"Egress"}, []networkingv1.PolicyType{"Ingress", "Egress"})
	for range d.IntN(3) {
		np.Spec.Ingress = append(np.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: d.peers(), Ports: d.ports()})
	}
	for range d.IntN(3) {
		np.Spec.Egress = append(np.Spec.Egress, networkingv1.NetworkPolicyEgressRule{To: d.peers(), Ports: d.ports()})
	}
	return np
}

func (d dice) peers() []networkingv1.NetworkPolicyPeer {
	var out []networkingv1.NetworkPolicyPeer
	for range d.IntN(3) {
		var p networkingv1.NetworkPolicyPeer
		pods, spaces := d.selector(), d.namespaceSelector()
		switch d.IntN(4) {
		case 0:
			p.PodSelector = &pods
		case 1:
			p.NamespaceSelector = &spaces
		case 2:
			p.PodSelector, p.NamespaceSelector = &pods, &spaces
		case 3:
			p.IPBlock = pick(d,
				&networkingv1.IPBlock{CIDR: "10.0.0.0/16", Except: []string{"10.0.1.0/24"}},
				&networkingv1.IPBlock{CIDR: "0.0.0.0/0", Except: []string{"10.0.0.0/8", "169.254.169.254/32"}},
				&networkingv1.IPBlock{CIDR: "10.0.2.0/24"}, &networkingv1.IPBlock{CIDR: "0.0.0.0/0"},
				&networkingv1.IPBlock{CIDR: "::/0"}, &networkingv1.IPBlock{CIDR: "10.0.1.2/31", Except: []string{"10.0.1.2/32"}},
				&networkingv1.IPBlock{CIDR: "93.184.0.0/16"})
		}
		out = append(out, p)
	}
	return out
}

func (d dice) ports() []networkingv1.NetworkPolicyPort {
	var out []networkingv1.NetworkPolicyPort
	for range d.IntN(3) {
		var p networkingv1.NetworkPolicyPort
		if d.chance(60) {
			protocol := pick(d, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
			p.Protocol = &protocol
		}
		switch d.IntN(4) {
		case 0:
			port := intstr.FromString(pick(d, "web", "dns", "other"))
			p.Port = &port
		case 1, 2:
			port := intstr.FromInt32(pick(d, int32(80), 81, 84))
			p.Port = &port
			if d.chance(40) {
				end := pick(d, int32(84), 85, 65535)
				p.EndPort = &end
			}
		}
		out = append(out, p)
	}
	return out
}

func (d dice) clusterPolicy(i int, old bool) clusterPolicy {
	priority := i * 10
	c := clusterPolicy{APIVersion: "policy.networking.k8s.io/v1alpha1", Kind: "AdminNetworkPolicy", Metadata: map[string]string{"name": fmt.Sprintf("c%d", i)}}
	c.Spec.Priority = &priority
	actions := []string{"Allow", "Deny", "Pass"}
	switch {
	case !old:
		c.APIVersion, c.Kind = "policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"
		c.Spec.Tier = pick(d, "Admin", "Baseline")
		actions = []string{"Accept", "Deny", "Pass"}
	case i == 0:
		c.Kind, c.Metadata, c.Spec.Priority = "BaselineAdminNetworkPolicy", map[string]string{"name": "default"}, nil
		actions = actions[:2]
	}
	c.Spec.Subject = d.clusterPeer()
	for range d.IntN(3) {
		c.Spec.Ingress = append(c.Spec.Ingress, d.clusterRule(actions, old, false))
	}
	for range d.IntN(3) {
		c.Spec.Egress = append(c.Spec.Egress, d.clusterRule(actions, old, true))
	}
	return c
}

func (d dice) clusterPeer() clusterPeer {
	spaces := d.namespaceSelector()
	if d.chance(50) {
		return clusterPeer{Namespaces: &spaces}
	}
	return clusterPeer{Pods: &namespacedPod{NamespaceSelector: spaces, PodSelector: d.selector()}}
}

func (d dice) clusterRule(actions []string, old, leaving bool) clusterRules { //nolint:revive // properties of the rule
	r := clusterRules{Action: pick(d, actions...)}
	peers := []clusterPeer{d.clusterPeer()}
	if d.chance(30) {
		peers = append(peers, d.clusterPeer())
	}
	if leaving && d.chance(40) {
		peers = append(peers, clusterPeer{Networks: pick(d, []string{"0.0.0.0/0"}, []string{"10.0.1.0/24", "93.184.0.0/16"}, []string{"::/0"})})
	}
	r.From = peers
	if leaving {
		r.From, r.To = nil, peers
	}
	if d.chance(50) {
		return r
	}
	first := pick(d, 80, 81)
	if old {
		r.Ports = []clusterPort{pick(d,
			clusterPort{NamedPort: "web"}, clusterPort{PortNumber: &portNumber{pick(d, "TCP", "UDP"), first}},
			clusterPort{PortRange: &portRange{pick(d, "TCP", "UDP"), first, 84}})}
		return r
	}
	at := &protocolPort{pick(d, numberOrRange{Number: first}, numberOrRange{Range: &portRange{Start: first, End: 84}})}
	r.Protocols = []clusterProtocol{pick(d, clusterProtocol{TCP: at}, clusterProtocol{UDP: at}, clusterProtocol{DestinationNamedPort: "web"})}
	return r
}

// objects are the manifests of the world, as JSON documents.
func (w *world) objects(tb testing.TB) []string {
	tb.Helper()
	var out []string
	add := func(o any) {
		b, err := json.Marshal(o)
		if err != nil {
			tb.Fatal(err)
		}
		out = append(out, string(b))
	}
	for i := range w.namespaces {
		add(&w.namespaces[i])
	}
	for i := range w.pods {
		add(&w.pods[i])
	}
	for i := range w.policies {
		add(&w.policies[i])
	}
	for i := range w.admin {
		add(&w.admin[i])
	}
	return out
}

// inventoryOf reads documents as a file of one of each.
func inventoryOf(tb testing.TB, documents ...string) *inventory.Inventory {
	tb.Helper()
	res, err := decode.File([]byte(strings.Join(documents, "\n---\n")), &inventory.Origin{File: "test.yaml"}, decode.DefaultLimits())
	if err != nil {
		tb.Fatal(err)
	}
	inv := new(inventory.Inventory)
	inv.Add(res.Objects...)
	inv.Seal()
	return inv
}
