package netpol_test

import (
	"net"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// This file is the other opinion: a slow evaluator of single packets, written
// from the documentation of the API types and sharing nothing with the package.
// Everything is known in its world: labels, addresses and ports.

type world struct {
	namespaces []corev1.Namespace
	pods       []corev1.Pod
	policies   []networkingv1.NetworkPolicy
	admin      []clusterPolicy
}

// clusterPolicy is a cluster-wide policy of either generation.
type clusterPolicy struct {
	APIVersion string            `json:"apiVersion"`
	Kind       string            `json:"kind"`
	Metadata   map[string]string `json:"metadata"`
	Spec       clusterSpec       `json:"spec"`
}

type clusterSpec struct {
	Tier     string         `json:"tier,omitempty"`
	Priority *int           `json:"priority,omitempty"`
	Subject  clusterPeer    `json:"subject"`
	Ingress  []clusterRules `json:"ingress,omitempty"`
	Egress   []clusterRules `json:"egress,omitempty"`
}

type clusterRules struct {
	Action    string            `json:"action"`
	From      []clusterPeer     `json:"from,omitempty"`
	To        []clusterPeer     `json:"to,omitempty"`
	Ports     []clusterPort     `json:"ports,omitempty"`
	Protocols []clusterProtocol `json:"protocols,omitempty"`
}

type clusterPeer struct {
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`
	Pods       *namespacedPod        `json:"pods,omitempty"`
	Networks   []string              `json:"networks,omitempty"`
}

type namespacedPod struct {
	NamespaceSelector metav1.LabelSelector `json:"namespaceSelector"`
	PodSelector       metav1.LabelSelector `json:"podSelector"`
}

type clusterPort struct {
	PortNumber *portNumber `json:"portNumber,omitempty"`
	NamedPort  string      `json:"namedPort,omitempty"`
	PortRange  *portRange  `json:"portRange,omitempty"`
}

type portNumber struct {
	Protocol string `json:"protocol"`
	Port     int    `json:"port"`
}

type portRange struct {
	Protocol string `json:"protocol,omitempty"`
	Start    int    `json:"start"`
	End      int    `json:"end"`
}

type clusterProtocol struct {
	TCP                  *protocolPort `json:"tcp,omitempty"`
	UDP                  *protocolPort `json:"udp,omitempty"`
	DestinationNamedPort string        `json:"destinationNamedPort,omitempty"`
}

type protocolPort struct {
	DestinationPort numberOrRange `json:"destinationPort"`
}

type numberOrRange struct {
	Number int        `json:"number,omitempty"`
	Range  *portRange `json:"range,omitempty"`
}

// packet opens a connection. A nil pod is somebody outside at the address.
type packet struct {
	src, dst     *corev1.Pod
	srcIP, dstIP string
	protocol     string
	port         int
}

func (w *world) passes(p *packet) bool {
	return (p.src == nil || w.leaves(p)) && (p.dst == nil || w.enters(p))
}

func (w *world) leaves(p *packet) bool {
	switch w.clusterDecision("Admin", p, true) {
	case "Allow":
		return true
	case "Deny":
		return false
	}
	isolated := false
	for i := range w.policies {
		np := &w.policies[i]
		isEgress := slices.Contains(np.Spec.PolicyTypes, networkingv1.PolicyTypeEgress) || len(np.Spec.PolicyTypes) == 0 && len(np.Spec.Egress) > 0
		if !isEgress || np.Namespace != p.src.Namespace || !selects(&np.Spec.PodSelector, p.src.Labels) {
			continue
		}
		isolated = true
		for _, r := range np.Spec.Egress {
			if w.peersMatch(np.Namespace, r.To, p.dst, p.dstIP) && portsMatch(r.Ports, p) {
				return true
			}
		}
	}
	if isolated {
		return false
	}
	return w.clusterDecision("Baseline", p, true) != "Deny"
}

func (w *world) enters(p *packet) bool {
	switch w.clusterDecision("Admin", p, false) {
	case "Allow":
		return true
	case "Deny":
		return false
	}
	isolated := false
	for i := range w.policies {
		np := &w.policies[i]
		isIngress := slices.Contains(np.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) || len(np.Spec.PolicyTypes) == 0
		if !isIngress || np.Namespace != p.dst.Namespace || !selects(&np.Spec.PodSelector, p.dst.Labels) {
			continue
		}
		isolated = true
		for _, r := range np.Spec.Ingress {
			if w.peersMatch(np.Namespace, r.From, p.src, p.srcIP) && portsMatch(r.Ports, p) {
				return true
			}
		}
	}
	if isolated {
		return false
	}
	return w.clusterDecision("Baseline", p, false) != "Deny"
}

func selects(s *metav1.LabelSelector, set map[string]string) bool {
	sel, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && sel.Matches(labels.Set(set))
}

func (w *world) namespaceLabels(name string) map[string]string {
	for i := range w.namespaces {
		if w.namespaces[i].Name == name {
			return w.namespaces[i].Labels
		}
	}
	return nil
}

func (w *world) peersMatch(own string, peers []networkingv1.NetworkPolicyPeer, pod *corev1.Pod, ip string) bool {
	if len(peers) == 0 {
		return true
	}
	for _, peer := range peers {
		switch {
		case peer.IPBlock != nil:
			if inCIDR(peer.IPBlock.CIDR, ip) && !slices.ContainsFunc(peer.IPBlock.Except, func(e string) bool { return inCIDR(e, ip) }) {
				return true
			}
		case pod == nil:
		case peer.NamespaceSelector == nil:
			if pod.Namespace == own && selects(peer.PodSelector, pod.Labels) {
				return true
			}
		case !selects(peer.NamespaceSelector, w.namespaceLabels(pod.Namespace)):
		case peer.PodSelector == nil || selects(peer.PodSelector, pod.Labels):
			return true
		}
	}
	return false
}

func inCIDR(cidr, ip string) bool {
	_, n, err := net.ParseCIDR(cidr)
	return err == nil && n.Contains(net.ParseIP(ip))
}

func portsMatch(ports []networkingv1.NetworkPolicyPort, p *packet) bool {
	if len(ports) == 0 {
		return true
	}
	for _, port := range ports {
		protocol := "TCP"
		if port.Protocol != nil {
			protocol = string(*port.Protocol)
		}
		switch {
		case protocol != p.protocol:
		case port.Port == nil:
			return true
		case port.Port.Type == intstr.String:
			if hasNamed(p.dst, port.Port.StrVal, protocol, p.port) {
				return true
			}
		case port.EndPort != nil:
			if p.port >= port.Port.IntValue() && p.port <= int(*port.EndPort) {
				return true
			}
		case p.port == port.Port.IntValue():
			return true
		}
	}
	return false
}

func hasNamed(pod *corev1.Pod, name, protocol string, number int) bool {
	if pod == nil {
		return false
	}
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			own := "TCP"
			if p.Protocol != "" {
				own = string(p.Protocol)
			}
			if p.Name == name && own == protocol && int(p.ContainerPort) == number {
				return true
			}
		}
	}
	return false
}

// inTier are the policies of a tier, the first to be asked first.
func (w *world) inTier(tier string) []clusterPolicy {
	var ordered []clusterPolicy
	for _, c := range w.admin {
		own := map[string]string{"AdminNetworkPolicy": "Admin", "BaselineAdminNetworkPolicy": "Baseline", "ClusterNetworkPolicy": c.Spec.Tier}[c.Kind]
		if own == tier {
			ordered = append(ordered, c)
		}
	}
	slices.SortFunc(ordered, func(a, b clusterPolicy) int {
		if a.Spec.Priority == nil || b.Spec.Priority == nil {
			return 0
		}
		return *a.Spec.Priority - *b.Spec.Priority
	})
	return ordered
}

// clusterDecision is Allow, Deny or "" for none, of the policies of a tier.
func (w *world) clusterDecision(tier string, p *packet, leaving bool) string { //nolint:revive // the direction of the packet
	subject, other, otherIP := p.dst, p.src, p.srcIP
	if leaving {
		subject, other, otherIP = p.src, p.dst, p.dstIP
	}
	for _, c := range w.inTier(tier) {
		if !w.clusterPeerMatches(&c.Spec.Subject, subject, "") {
			continue
		}
		rules := c.Spec.Ingress
		if leaving {
			rules = c.Spec.Egress
		}
		for _, r := range rules {
			if w.clusterRuleMatches(&r, other, otherIP, p) {
				return map[string]string{"Allow": "Allow", "Accept": "Allow", "Deny": "Deny"}[r.Action]
			}
		}
	}
	return ""
}

func (w *world) clusterRuleMatches(r *clusterRules, other *corev1.Pod, otherIP string, p *packet) bool {
	peers := slices.Concat(r.From, r.To)
	if !slices.ContainsFunc(peers, func(peer clusterPeer) bool { return w.clusterPeerMatches(&peer, other, otherIP) }) {
		return false
	}
	if len(r.Ports) == 0 && len(r.Protocols) == 0 {
		return true
	}
	return slices.ContainsFunc(r.Ports, func(port clusterPort) bool { return port.matches(p) }) ||
		slices.ContainsFunc(r.Protocols, func(protocol clusterProtocol) bool { return protocol.matches(p) })
}

func (c *clusterPort) matches(p *packet) bool {
	switch {
	case c.NamedPort != "":
		return hasNamed(p.dst, c.NamedPort, p.protocol, p.port)
	case c.PortNumber != nil:
		return c.PortNumber.Protocol == p.protocol && c.PortNumber.Port == p.port
	}
	return c.PortRange.Protocol == p.protocol && c.PortRange.Start <= p.port && p.port <= c.PortRange.End
}

func (c *clusterProtocol) matches(p *packet) bool {
	at, name := c.TCP, "TCP"
	if c.UDP != nil {
		at, name = c.UDP, "UDP"
	}
	switch {
	case at == nil:
		return hasNamed(p.dst, c.DestinationNamedPort, p.protocol, p.port)
	case name != p.protocol:
		return false
	case at.DestinationPort.Range == nil:
		return at.DestinationPort.Number == p.port
	}
	return at.DestinationPort.Range.Start <= p.port && p.port <= at.DestinationPort.Range.End
}

func (w *world) clusterPeerMatches(peer *clusterPeer, pod *corev1.Pod, ip string) bool {
	if len(peer.Networks) > 0 {
		return slices.ContainsFunc(peer.Networks, func(c string) bool { return inCIDR(c, ip) })
	}
	if pod == nil {
		return false
	}
	space := w.namespaceLabels(pod.Namespace)
	if peer.Namespaces != nil {
		return selects(peer.Namespaces, space)
	}
	return selects(&peer.Pods.NamespaceSelector, space) && selects(&peer.Pods.PodSelector, pod.Labels)
}
