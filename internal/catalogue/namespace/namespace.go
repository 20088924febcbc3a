// Package namespace holds the controls on namespaces: Pod Security levels,
// limits and quotas, and what may live where.
package namespace

import (
	"cmp"
	"embed"
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/podsecurity"
)

//go:embed *.yaml
var files embed.FS

// Chapter is the chapter with all its controls.
func Chapter() control.Chapter {
	return control.Chapter{Name: "namespace", Files: files, Analyses: map[string]control.Analysis{
		"limit-range-missing":          missing("LimitRange", "containers without limits of their own have none"),
		"resource-quota-missing":       missing("ResourceQuota", "one workload can use up the cluster, and any number of objects can be created"),
		"several-limit-ranges":         severalLimitRanges,
		"pod-security-level-refuses":   levelRefuses,
		"pod-security-level-too-loose": levelTooLoose,
		"default-namespace":            defaultNamespace,
		"foreign-in-system-namespace":  foreignInSystem,
	}}
}

func system(name string) bool {
	return slices.Contains([]string{"kube-system", "kube-public", "kube-node-lease"}, name)
}

// workloads are the pod templates by namespace.
func workloads(inv *inventory.Inventory) map[string][]*inventory.PodTemplate {
	out := make(map[string][]*inventory.PodTemplate)
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			out[o.EffectiveNamespace()] = append(out[o.EffectiveNamespace()], t)
		}
	}
	return out
}

// names are the namespaces with workloads or with an object of their own.
func names(inv *inventory.Inventory, templates map[string][]*inventory.PodTemplate) []string {
	var out []string
	for name := range templates {
		out = append(out, name)
	}
	for _, o := range inv.Kind("Namespace", "") {
		out = append(out, o.Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func object(inv *inventory.Inventory, name string) *inventory.Object {
	for _, o := range inv.Kind("Namespace", "") {
		if o.Name == name {
			return o
		}
	}
	return nil
}

// missing makes the analysis that wants an object of a kind in each namespace
// with workloads.
func missing(kind, consequence string) control.Analysis {
	return func(inv *inventory.Inventory, report func(finding.Finding)) {
		have := make(map[string]bool)
		for _, o := range inv.Kind(kind, "") {
			have[o.EffectiveNamespace()] = true
		}
		gap, hidden := inv.GapFor(kind)
		templates := workloads(inv)
		for _, name := range names(inv, templates) {
			if len(templates[name]) == 0 || system(name) {
				continue
			}
			f := finding.Finding{Verdict: finding.Pass, Object: object(inv, name), Path: "metadata.name"}
			if f.Object == nil {
				f.Object, f.Path = templates[name][0].Object, "metadata.namespace"
			}
			if !have[name] {
				f.Verdict = finding.Fail
				f.Message = fmt.Sprintf("namespace %s has no %s among the input: %s", name, kind, consequence)
				if hidden {
					f.Verdict = finding.Unknown
					f.Message += "; but something could not be read (" + gap.What + ")"
				}
			}
			report(f)
		}
	}
}

func severalLimitRanges(inv *inventory.Inventory, report func(finding.Finding)) {
	first := make(map[string]*inventory.Object)
	for _, o := range inv.Kind("LimitRange", "") {
		f := finding.Finding{Verdict: finding.Pass, Object: o, Path: "metadata.name"}
		if other := first[o.EffectiveNamespace()]; other != nil {
			f.Verdict = finding.Fail
			f.Message = fmt.Sprintf("namespace %s has LimitRange %s already: with several, which default a container gets is not defined", o.EffectiveNamespace(), other.Name)
		} else {
			first[o.EffectiveNamespace()] = o
		}
		report(f)
	}
}

const enforce = "pod-security.kubernetes.io/enforce"

// rank orders the levels; an unknown level has none.
var rank = map[string]int{podsecurity.Privileged: 1, podsecurity.Baseline: 2, podsecurity.Restricted: 3}

// levelRefuses finds workloads whose pods the namespace will not admit: the
// workload is accepted and its pods fail later.
func levelRefuses(inv *inventory.Inventory, report func(finding.Finding)) {
	eachLabelled(inv, func(ns *inventory.Object, level string, evaluator *podsecurity.Evaluator, templates []*inventory.PodTemplate) {
		for _, t := range templates {
			v := evaluator.Evaluate(t)
			f := finding.Finding{Verdict: finding.Pass, Object: t.Object, Path: t.SpecPath()}
			switch {
			case v.Level == podsecurity.Unknown:
				f.Verdict, f.Message = finding.Unknown, v.Blocks[0]+"; correct it and scan again"
			case rank[v.Level] < rank[level]:
				f.Verdict = finding.Fail
				f.Message = fmt.Sprintf("namespace %s enforces level %s and will refuse these pods, although the %s itself is accepted: %s", ns.Name, level, t.Object.Kind, strings.Join(v.Blocks, "; "))
			}
			report(f)
		}
	})
}

// levelTooLoose finds namespaces whose workloads all pass a stricter level.
func levelTooLoose(inv *inventory.Inventory, report func(finding.Finding)) {
	eachLabelled(inv, func(ns *inventory.Object, level string, evaluator *podsecurity.Evaluator, templates []*inventory.PodTemplate) {
		if len(templates) == 0 || system(ns.Name) {
			return
		}
		weakest := podsecurity.Restricted
		for _, t := range templates {
			v := evaluator.Evaluate(t)
			if v.Level == podsecurity.Unknown {
				return
			}
			if rank[v.Level] < rank[weakest] {
				weakest = v.Level
			}
		}
		f := finding.Finding{Verdict: finding.Pass, Object: ns, Path: inventory.Join("metadata.labels", enforce)}
		if rank[weakest] > rank[level] {
			f.Verdict = finding.Fail
			f.Message = fmt.Sprintf("all workloads of the input pass level %s, and the namespace enforces %s only: the next pod may be worse", weakest, level)
		}
		report(f)
	})
}

func eachLabelled(inv *inventory.Inventory, judge func(ns *inventory.Object, level string, evaluator *podsecurity.Evaluator, templates []*inventory.PodTemplate)) {
	templates := workloads(inv)
	evaluators := make(map[string]*podsecurity.Evaluator)
	for _, ns := range inv.Kind("Namespace", "") {
		level := ns.Labels().Get(enforce).Str()
		if rank[level] == 0 {
			continue
		}
		version := cmp.Or(ns.Labels().Get(enforce+"-version").Str(), "latest")
		evaluator := evaluators[version]
		if evaluator == nil {
			var err error
			if evaluator, err = podsecurity.New(version); err != nil {
				continue // the phantom chapter reports the label
			}
			evaluators[version] = evaluator
		}
		judge(ns, level, evaluator, templates[ns.Name])
	}
}

func defaultNamespace(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		if len(o.PodTemplates()) == 0 {
			continue
		}
		f := finding.Finding{Verdict: finding.Pass, Object: o, Path: "metadata.namespace"}
		switch o.Namespace {
		case "default":
			f.Verdict, f.Message = finding.Fail, "the workload is put into namespace default, where everything ends up that names none"
		case "":
			f.Verdict, f.Severity = finding.Fail, finding.Info
			f.Message = "the workload names no namespace: it ends up in default unless whoever applies it says otherwise"
		}
		report(f)
	}
}

// familiar are beginnings of names of components that belong into system
// namespaces.
var familiar = []string{
	"kube-", "coredns", "etcd", "calico", "cilium", "flannel", "weave", "canal", "antrea", "aws-", "ebs-", "efs-", "azure-", "csi-",
	"gke-", "gce-", "metrics-server", "node-", "konnectivity", "cloud-", "local-path", "cluster-autoscaler", "snapshot-controller",
	"tigera", "kindnet", "nvidia-", "fluentbit-gke", "netd", "ip-masq-agent", "l7-", "event-exporter", "pdcsi", "vsphere-", "multus", "dns",
}

func foreignInSystem(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		if len(o.PodTemplates()) == 0 || !system(o.Namespace) {
			continue
		}
		f := finding.Finding{Verdict: finding.Pass, Object: o, Path: "metadata.namespace"}
		if !slices.ContainsFunc(familiar, func(prefix string) bool { return strings.HasPrefix(o.Name, prefix) }) &&
			o.Labels().Get("kubernetes.io/cluster-service").Str() != "true" {
			f.Verdict = finding.Fail
			f.Message = fmt.Sprintf("the workload lives in %s and is none of the components known to belong there: guards often leave that namespace out, and a stranger hides well in it", o.Namespace)
		}
		report(f)
	}
}
