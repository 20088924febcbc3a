package cluster

import (
	"maps"
	"slices"
	"strings"
)

// Resource is something an API server lists.
type Resource struct {
	Group, Name, Kind string
	// native resources belong to Kubernetes itself: that one is not served is a
	// gap, while the absence of an extension means that there are no objects.
	native bool
	// role says how its objects take part in the folding of pods.
	role role
}

// role is the part of a resource in the folding of pods into workloads.
type role int

const (
	// plain objects have no part in it.
	plain role = iota
	// workload objects hold a template that makes pods.
	workload
	// between are objects that a workload makes, and that make pods.
	between
	// running are the pods.
	running
)

// AnyKind stands for every kind of a group.
const AnyKind = "*"

// resources are all that can be read, in the order in which a role lists them.
var resources = []Resource{
	{"", "configmaps", "ConfigMap", true, plain},
	{"", "limitranges", "LimitRange", true, plain},
	{"", "namespaces", "Namespace", true, plain},
	{"", "nodes", "Node", true, plain},
	{"", "persistentvolumeclaims", "PersistentVolumeClaim", true, plain},
	{"", "persistentvolumes", "PersistentVolume", true, plain},
	{"", "pods", "Pod", true, running},
	{"", "podtemplates", "PodTemplate", true, plain},
	{"", "replicationcontrollers", "ReplicationController", true, workload},
	{"", "resourcequotas", "ResourceQuota", true, plain},
	{"", "secrets", "Secret", true, plain},
	{"", "serviceaccounts", "ServiceAccount", true, plain},
	{"", "services", "Service", true, plain},
	{"admissionregistration.k8s.io", "mutatingadmissionpolicies", "MutatingAdmissionPolicy", false, plain},
	{"admissionregistration.k8s.io", "mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", false, plain},
	{"admissionregistration.k8s.io", "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", true, plain},
	{"admissionregistration.k8s.io", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", false, plain},
	{"admissionregistration.k8s.io", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", false, plain},
	{"admissionregistration.k8s.io", "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", true, plain},
	{"apiextensions.k8s.io", "customresourcedefinitions", "CustomResourceDefinition", true, plain},
	{"apiregistration.k8s.io", "apiservices", "APIService", true, plain},
	{"apisix.apache.org", "apisixroutes", "ApisixRoute", false, plain},
	{"apps", "daemonsets", "DaemonSet", true, workload},
	{"apps", "deployments", "Deployment", true, workload},
	{"apps", "replicasets", "ReplicaSet", true, between},
	{"apps", "statefulsets", "StatefulSet", true, workload},
	{"apps.kruise.io", "*", AnyKind, false, workload},
	{"argoproj.io", "*", AnyKind, false, workload},
	{"batch", "cronjobs", "CronJob", true, workload},
	{"batch", "jobs", "Job", true, between},
	{"certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest", true, plain},
	{"cilium.io", "ciliumclusterwidenetworkpolicies", "CiliumClusterwideNetworkPolicy", false, plain},
	{"cilium.io", "ciliumnetworkpolicies", "CiliumNetworkPolicy", false, plain},
	{"configuration.konghq.com", "tcpingresses", "TCPIngress", false, plain},
	{"configuration.konghq.com", "udpingresses", "UDPIngress", false, plain},
	{"constraints.gatekeeper.sh", "*", AnyKind, false, plain},
	{"crd.antrea.io", "clusternetworkpolicies", "ClusterNetworkPolicy", false, plain},
	{"crd.antrea.io", "networkpolicies", "NetworkPolicy", false, plain},
	{"crd.projectcalico.org", "globalnetworkpolicies", "GlobalNetworkPolicy", false, plain},
	{"crd.projectcalico.org", "networkpolicies", "NetworkPolicy", false, plain},
	{"discovery.k8s.io", "endpointslices", "EndpointSlice", true, plain},
	{"gateway.networking.k8s.io", "*", AnyKind, false, plain},
	{"getambassador.io", "mappings", "Mapping", false, plain},
	{"k8s.nginx.org", "transportservers", "TransportServer", false, plain},
	{"k8s.nginx.org", "virtualservers", "VirtualServer", false, plain},
	{"k8s.ovn.org", "egressfirewalls", "EgressFirewall", false, plain},
	{"kuma.io", "meshtrafficpermissions", "MeshTrafficPermission", false, plain},
	{"kyverno.io", "clusterpolicies", "ClusterPolicy", false, plain},
	{"kyverno.io", "policies", "Policy", false, plain},
	{"network.openshift.io", "egressnetworkpolicies", "EgressNetworkPolicy", false, plain},
	{"networking.gke.io", "fqdnnetworkpolicies", "FQDNNetworkPolicy", false, plain},
	{"networking.istio.io", "gateways", "Gateway", false, plain},
	{"networking.istio.io", "virtualservices", "VirtualService", false, plain},
	{"networking.k8s.aws", "applicationnetworkpolicies", "ApplicationNetworkPolicy", false, plain},
	{"networking.k8s.aws", "clusternetworkpolicies", "ClusterNetworkPolicy", false, plain},
	{"networking.k8s.aws", "policyendpoints", "PolicyEndpoint", false, plain},
	{"networking.k8s.io", "ingressclasses", "IngressClass", true, plain},
	{"networking.k8s.io", "ingresses", "Ingress", true, plain},
	{"networking.k8s.io", "networkpolicies", "NetworkPolicy", true, plain},
	{"node.k8s.io", "runtimeclasses", "RuntimeClass", true, plain},
	{"policy.networking.k8s.io", "*", AnyKind, false, plain},
	{"projectcalico.org", "globalnetworkpolicies", "GlobalNetworkPolicy", false, plain},
	{"projectcalico.org", "networkpolicies", "NetworkPolicy", false, plain},
	{"projectcalico.org", "stagednetworkpolicies", "StagedNetworkPolicy", false, plain},
	{"projectcontour.io", "httpproxies", "HTTPProxy", false, plain},
	{"rbac.authorization.k8s.io", "clusterrolebindings", "ClusterRoleBinding", true, plain},
	{"rbac.authorization.k8s.io", "clusterroles", "ClusterRole", true, plain},
	{"rbac.authorization.k8s.io", "rolebindings", "RoleBinding", true, plain},
	{"rbac.authorization.k8s.io", "roles", "Role", true, plain},
	{"route.openshift.io", "routes", "Route", false, plain},
	{"security.istio.io", "*", AnyKind, false, plain},
	{"serving.knative.dev", "services", "Service", false, workload},
	{"storage.k8s.io", "storageclasses", "StorageClass", true, plain},
	{"traefik.containo.us", "ingressroutes", "IngressRoute", false, plain},
	{"traefik.io", "ingressroutes", "IngressRoute", false, plain},
	{"traefik.io", "ingressroutetcps", "IngressRouteTCP", false, plain},
	{"traefik.io", "ingressrouteudps", "IngressRouteUDP", false, plain},
}

// KubeletConfiguration is the kind that the effective configuration of a
// kubelet becomes. It is read through the proxy of the API server.
const KubeletConfiguration = "KubeletConfiguration"

// Templates are the kinds that hold a pod template or are a pod, those found by
// structure aside.
func Templates() []string {
	out := []string{"PodTemplate"}
	for _, r := range resources {
		if r.role != plain && r.Kind != AnyKind {
			out = append(out, r.Kind)
		}
	}
	return out
}

// Resources returns what has to be read to know all objects of the kinds, each
// named as Kind or Kind.group. Nil means everything.
func Resources(kinds []string) []Resource {
	if kinds == nil {
		return slices.Clone(resources)
	}
	want := make(map[string]bool, len(kinds))
	for _, k := range kinds {
		want[k] = true
	}
	pods := want["Pod"]
	var out []Resource
	for _, r := range resources {
		// Pods can't be told from their workloads without these.
		owner := pods && (r.role != plain || r.isDefinitions())
		if owner || want[r.Kind] && r.Kind != AnyKind || want[r.Kind+"."+r.Group] || r.Kind == AnyKind && r.covers(kinds) {
			out = append(out, r)
		}
	}
	return out
}

// covers tells whether a resource that stands for a whole group holds one of
// the kinds.
func (r Resource) covers(kinds []string) bool {
	return slices.ContainsFunc(kinds, func(k string) bool {
		_, group, named := strings.Cut(k, ".")
		return named && group == r.Group
	})
}

// Known tells whether objects of a kind, named as Kind or Kind.group, can be
// read from a cluster.
func Known(kind string) bool {
	return kind == KubeletConfiguration+".kubelet.config.k8s.io" || kind == KubeletConfiguration || len(Resources([]string{kind})) > 0
}

// Rule is a rule of a ClusterRole.
type Rule struct {
	APIGroups []string `json:"apiGroups"`
	Resources []string `json:"resources"`
	Verbs     []string `json:"verbs"`
}

// Rules are the least rights to read the resources.
func Rules(wanted []Resource) []Rule {
	byGroup := make(map[string][]string)
	for _, r := range wanted {
		byGroup[r.Group] = append(byGroup[r.Group], r.Name)
	}
	out := make([]Rule, 0, len(byGroup))
	for _, group := range slices.Sorted(maps.Keys(byGroup)) {
		out = append(out, Rule{[]string{group}, byGroup[group], []string{"list"}})
	}
	return out
}

// NodeProxyRule is the right to read the effective configuration of kubelets.
func NodeProxyRule() Rule {
	return Rule{[]string{""}, []string{"nodes/proxy"}, []string{"get"}}
}
