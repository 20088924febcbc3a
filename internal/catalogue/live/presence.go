package live

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// program is something that is recognised by the last parts of the names of its
// images.
type program struct{ name, image string }

// running finds the workloads that run one of the programs.
func running(inv *inventory.Inventory, programs []program) map[string][]*inventory.Object {
	out := make(map[string][]*inventory.Object)
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			for i := range t.Containers {
				// The init containers of a network plugin only install it; a plugin
				// that is just that is known by them.
				repository := repositoryOf(t.Containers[i].Node.Get("image").Str())
				for _, p := range programs {
					if strings.HasSuffix("/"+repository, "/"+p.image) && !slices.Contains(out[p.name], o) {
						out[p.name] = append(out[p.name], o)
					}
				}
			}
		}
	}
	return out
}

// repositoryOf is an image reference without tag and digest.
func repositoryOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if at := strings.LastIndex(image, ":"); at > strings.LastIndex(image, "/") {
		image = image[:at]
	}
	return image
}

// enforcing are network plugins that enforce NetworkPolicies.
var enforcing = []program{
	{"Calico", "calico/node"},
	{"Calico", "calico-node"},
	{"Calico", "mirrored-calico-node"},
	{"Cilium", "cilium"},
	{"Cilium", "cilium-agent"},
	{"Cilium", "mirrored-cilium-cilium"},
	{"Antrea", "antrea-agent-ubuntu"},
	{"Antrea", "antrea-agent-ubi"},
	{"Antrea", "antrea-ubuntu"},
	{"Weave Net", "weave-npc"},
	{"kube-router", "kube-router"},
	{"OVN-Kubernetes", "ovn-kube"},
	{"OVN-Kubernetes", "ovn-kubernetes"},
	{"Kube-OVN", "kube-ovn"},
	{"the policy agent of AWS", "aws-network-policy-agent"},
	{"the policy agent of AWS", "amazon-network-policy-agent"},
	{"the policy agent of Azure", "azure-npm"},
	{"kindnet", "kindnetd"},
	{"kube-network-policies", "kube-network-policies"},
	{"Romana", "romana-agent"},
	{"Dataplane V2", "anetd"},
}

// plainNetworks are network plugins that let policies lie.
var plainNetworks = []program{
	{"flannel", "flannel"},
	{"flannel", "mirrored-flannelcni-flannel"},
	{"flannel", "mirrored-flannel-io-flannel"},
	{"flannel", "mirrored-flannel"},
	{"the network plugin of AWS", "amazon-k8s-cni"},
	{"the network plugin of Azure", "azure-cni"},
	{"Multus", "multus-cni"},
}

// networkPoliciesNotEnforced asks whether anything in the cluster acts on
// NetworkPolicies: the API server takes them in any case.
func networkPoliciesNotEnforced(inv *inventory.Inventory, report func(finding.Finding)) {
	policies := inv.Kind("NetworkPolicy", "networking.k8s.io")
	if !inv.ClusterWide || len(policies) == 0 {
		return
	}
	good, plain := running(inv, enforcing), running(inv, plainNetworks)
	f := finding.Finding{Object: policies[0], Path: "spec", Verdict: finding.Pass}
	gap, hidden := anyGap(inv, "Pod", "DaemonSet")
	switch {
	case len(good) > 0:
	case hidden:
		f.Verdict, f.Message = finding.Unknown, "it can't be told which network plugin runs: "+gap.What+": "+gap.Why
	case len(plain) > 0:
		f.Verdict = finding.Fail
		f.Message = fmt.Sprintf("the network plugin is %s, which does not act on network policies, and nothing else here does: this and the %d other policies are stored and without effect", strings.Join(names(plain), " and "), len(policies)-1)
	default:
		f.Verdict, f.Message = finding.Unknown, "no network plugin that is known here runs as pods, so it can't be told whether policies are enforced; a connection that must fail would show it"
	}
	report(f)
}

func names(of map[string][]*inventory.Object) []string {
	out := make([]string, 0, len(of))
	for name := range of {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

var (
	logAgents = []program{
		{"Fluent Bit", "fluent-bit"},
		{"Fluentd", "fluentd"},
		{"Fluentd", "fluentd-kubernetes-daemonset"},
		{"Vector", "vector"},
		{"Promtail", "promtail"},
		{"Alloy", "alloy"},
		{"Filebeat", "filebeat"},
		{"Elastic Agent", "elastic-agent"},
		{"Datadog", "datadog/agent"},
		{"OpenTelemetry", "opentelemetry-collector-contrib"},
		{"OpenTelemetry", "opentelemetry-collector-k8s"},
		{"Splunk", "splunk-otel-collector"},
		{"the agent of Azure", "ama-logs"},
		{"CloudWatch", "cloudwatch-agent"},
		{"Logging operator", "syslog-ng"},
	}
	sensors = []program{
		{"Falco", "falco"},
		{"Falco", "falco-no-driver"},
		{"Tetragon", "tetragon"},
		{"Tracee", "tracee"},
		{"KubeArmor", "kubearmor"},
		{"Sysdig", "sysdig/agent-slim"},
		{"Aqua", "aquasec/enforcer"},
		{"Kubescape", "kubescape/node-agent"},
		{"Defender", "defender"},
		{"NeuVector", "neuvector/enforcer"},
		{"CrowdStrike", "falcon-sensor"},
		{"StackRox", "stackrox-io/collector"},
		{"Wazuh", "wazuh-agent"},
	}
	metrics = []program{
		{"Prometheus", "prometheus"},
		{"VictoriaMetrics", "victoria-metrics"},
		{"VictoriaMetrics", "vmagent"},
		{"Grafana Agent", "grafana/agent"},
		{"Alloy", "alloy"},
		{"Datadog", "datadog/agent"},
		{"OpenTelemetry", "opentelemetry-collector-contrib"},
		{"New Relic", "newrelic-infrastructure"},
		{"Dynatrace", "dynatrace-oneagent"},
		{"CloudWatch", "cloudwatch-agent"},
		{"GKE", "gmp-collector"},
	}
)

// agentMissing judges whether one of the programs runs, and on all nodes where
// that is its job.
func agentMissing(programs []program, absent string) func(*inventory.Inventory, func(finding.Finding)) {
	return func(inv *inventory.Inventory, report func(finding.Finding)) {
		if !inv.ClusterWide {
			return
		}
		nodes := len(inv.Kind("Node", ""))
		found := running(inv, programs)
		for _, name := range names(found) {
			for _, o := range found[name] {
				f := finding.Finding{Object: o, Path: "status.numberReady", Verdict: finding.Pass}
				if ready, ok := o.Root.Find("status", "numberReady").Int(); o.Kind == "DaemonSet" && ok && int(ready) < nodes {
					f.Verdict = finding.Fail
					f.Message = fmt.Sprintf("%s is ready on %d of %d nodes: what happens on the others is not seen", name, ready, nodes)
				}
				report(f)
			}
		}
		if len(found) > 0 || nodes == 0 {
			return
		}
		f := finding.Finding{Message: absent}
		if gap, hidden := anyGap(inv, "Pod", "DaemonSet", "Deployment", "StatefulSet"); hidden {
			f.Message = "workloads could not be read: " + gap.What + ": " + gap.Why
		}
		report(f)
	}
}
