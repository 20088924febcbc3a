package network

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// direction is the way of traffic as seen from a pod.
type direction struct{ policyType, rules, word string }

var (
	ingress = direction{"Ingress", "ingress", "into"}
	egress  = direction{"Egress", "egress", "out of"}
)

// policy is a NetworkPolicy in effect.
type policy struct {
	object          *inventory.Object
	selector        labels.Selector
	ingress, egress bool
}

// acts tells whether the policy isolates its pods in a direction.
func (p *policy) acts(d direction) bool { return d == ingress && p.ingress || d == egress && p.egress }

// selectsAll tells whether the policy selects every pod of its namespace.
func (p *policy) selectsAll() bool { return p.selector != nil && p.selector.Empty() }

// opens tells whether a rule of the policy allows everything in a direction.
func (p *policy) opens(d direction) bool {
	for _, r := range p.object.Root.Find("spec", d.rules).All() {
		peers := r.Get("from")
		if d == egress {
			peers = r.Get("to")
		}
		if peers.Len() == 0 && r.Get("ports").Len() == 0 {
			return true
		}
	}
	return false
}

// workload is a pod template with its labels as selectors see them.
type workload struct {
	*inventory.PodTemplate
	labels labels.Set
}

// place is a namespace with what the input shows of it.
type place struct {
	name      string
	namespace *inventory.Object
	workloads []workload
	policies  []*policy
}

type memoKey struct{}

// places are the namespaces with workloads, or with a Namespace object, by
// name.
func places(inv *inventory.Inventory) []*place {
	all, ok := inv.Memo(memoKey{}, func() any { return findPlaces(inv) }).([]*place)
	if !ok {
		return nil
	}
	return all
}

func findPlaces(inv *inventory.Inventory) []*place {
	byName := make(map[string]*place)
	at := func(name string) *place {
		if byName[name] == nil {
			byName[name] = &place{name: name}
		}
		return byName[name]
	}
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			p := at(o.EffectiveNamespace())
			p.workloads = append(p.workloads, workload{t, t.Meta.Get("labels").StringMap()})
		}
	}
	for _, o := range inv.Kind("Namespace", "") {
		at(o.Name).namespace = o
	}
	for _, o := range inv.Kind("NetworkPolicy", "networking.k8s.io") {
		if p := byName[o.EffectiveNamespace()]; p != nil {
			p.policies = append(p.policies, read(o))
		}
	}
	out := make([]*place, 0, len(byName))
	for _, p := range byName {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *place) int { return cmp.Compare(a.name, b.name) })
	return out
}

func read(o *inventory.Object) *policy {
	spec := o.Root.Get("spec")
	p := &policy{object: o, selector: selectorOf(spec.Get("podSelector"))}
	types := spec.Get("policyTypes")
	if types.Len() == 0 {
		p.ingress, p.egress = true, spec.Get("egress").Len() > 0
		return p
	}
	p.ingress, p.egress = slices.Contains(types.Strings(), "Ingress"), slices.Contains(types.Strings(), "Egress")
	return p
}

// selectorOf is the label selector of a node: all for an absent one, nil for
// one that does not parse.
func selectorOf(n *inventory.Node) labels.Selector {
	var s metav1.LabelSelector
	if n != nil && json.Unmarshal(n.JSON(), &s) != nil {
		return nil
	}
	selector, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		return nil
	}
	return selector
}

// blame is the object a missing thing of a namespace is reported on, and the
// path within it.
func (p *place) blame() (*inventory.Object, string) {
	if p.namespace != nil {
		return p.namespace, "metadata.name"
	}
	return p.workloads[0].Object, "metadata.namespace"
}

// system are the namespaces of Kubernetes itself.
func system(name string) bool {
	return slices.Contains([]string{"kube-system", "kube-public", "kube-node-lease"}, name)
}

// otherPolicies are kinds of other policy engines that may deny by default,
// too.
var otherPolicies = []string{"AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy", "CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy", "GlobalNetworkPolicy"}

func defaultDeny(d direction) control.Analysis {
	return func(inv *inventory.Inventory, report func(finding.Finding)) {
		other := ""
		for _, kind := range otherPolicies {
			if len(inv.Kind(kind)) > 0 {
				other = kind
			}
		}
		gap, missing := inv.GapFor("NetworkPolicy")
		for _, p := range places(inv) {
			if len(p.workloads) == 0 || system(p.name) {
				continue
			}
			o, path := p.blame()
			f := finding.Finding{Object: o, Path: path, Verdict: finding.Pass}
			if msg := p.lacks(d); msg != "" {
				f.Verdict, f.Message = finding.Fail, msg
				switch {
				case missing:
					f.Verdict = finding.Unknown
					f.Message += "; but something could not be read (" + gap.What + ")"
				case other != "":
					f.Verdict = finding.Unknown
					f.Message += "; but there are objects of kind " + other + ", which may deny it: read them"
				}
			}
			report(f)
		}
	}
}

// lacks says why a namespace has no default deny in a direction, or nothing.
func (p *place) lacks(d direction) string {
	var near []string
	denied := false
	for _, pol := range p.policies {
		switch {
		case pol.selectsAll() && pol.acts(d):
			denied = true
			if pol.opens(d) {
				return fmt.Sprintf("policy %s selects all pods of namespace %s and allows all %s: nothing is denied by default", pol.object.Name, p.name, d.rules)
			}
		case pol.selectsAll() && strings.Contains(strings.ToLower(pol.object.Name), d.rules):
			near = append(near, fmt.Sprintf("policy %s speaks of %s and does not act on it: its effective policyTypes leave it out", pol.object.Name, d.rules))
		}
	}
	if denied {
		return ""
	}
	msg := fmt.Sprintf("no NetworkPolicy denies traffic %s all pods of namespace %s, so whatever no policy selects is open", d.word, p.name)
	if len(near) > 0 {
		msg += "; " + strings.Join(near, "; ")
	}
	return msg
}

// workloadNotIsolated finds workloads that no policy selects in namespaces
// where others are isolated but nothing is denied by default.
func workloadNotIsolated(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, p := range places(inv) {
		if len(p.policies) == 0 || system(p.name) {
			continue
		}
		for _, d := range []direction{ingress, egress} {
			if p.lacks(d) == "" {
				continue
			}
			for _, t := range p.workloads {
				f := finding.Finding{Verdict: finding.Fail, Object: t.Object, Path: inventory.JoinPath(t.Path, "metadata.labels")}
				f.Message = fmt.Sprintf("no NetworkPolicy of namespace %s acts on %s of this workload: all of it is allowed", p.name, d.rules)
				if slices.ContainsFunc(p.policies, func(pol *policy) bool { return pol.acts(d) && pol.selector != nil && pol.selector.Matches(t.labels) }) {
					f.Verdict, f.Message = finding.Pass, ""
				}
				report(f)
			}
		}
	}
}

// selectsNothing finds policies whose selector matches no workload of the
// input, although there are workloads in the namespace.
func selectsNothing(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, p := range places(inv) {
		if len(p.workloads) == 0 {
			continue
		}
		for _, pol := range p.policies {
			f := finding.Finding{Verdict: finding.Pass, Object: pol.object, Path: "spec.podSelector"}
			if pol.selector == nil {
				f.Verdict, f.Message = finding.Fail, "the podSelector is not valid; the API server refuses the policy"
			} else if !slices.ContainsFunc(p.workloads, func(t workload) bool { return pol.selector.Matches(t.labels) }) {
				f.Verdict = finding.Fail
				f.Message = fmt.Sprintf("the podSelector matches no workload of namespace %s among the input: the policy protects nothing", p.name)
			}
			report(f)
		}
	}
}
