package live

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// thing names an object that others refer to.
type thing struct{ kind, namespace, name string }

// reference is a place in a pod template that names another object.
type reference struct {
	thing

	path string
	// optional references may lead nowhere.
	optional bool
}

type existingKey struct{}

// existing are the objects that pods can refer to.
func existing(inv *inventory.Inventory) map[thing]bool {
	all, _ := inv.Memo(existingKey{}, func() any {
		out := make(map[thing]bool)
		for _, kind := range []string{"Secret", "ConfigMap", "ServiceAccount", "PersistentVolumeClaim", "Service"} {
			for _, o := range inv.Kind(kind, "") {
				out[thing{kind, o.EffectiveNamespace(), o.Name}] = true
			}
		}
		for _, o := range inv.Kind("RuntimeClass", "node.k8s.io") {
			out[thing{"RuntimeClass", "", o.Name}] = true
		}
		return out
	}).(map[thing]bool)
	return all
}

// references are those of a pod template.
func references(t *inventory.PodTemplate) []reference {
	namespace, spec, base := t.Object.EffectiveNamespace(), t.Spec, t.SpecPath()
	var out []reference
	add := func(kind, name, path string, of *inventory.Node) {
		if name != "" {
			out = append(out, reference{thing{kind, namespace, name}, inventory.JoinPath(base, path), of.Get("optional").True()})
		}
	}
	if name := spec.Get("runtimeClassName").Str(); name != "" {
		out = append(out, reference{thing{"RuntimeClass", "", name}, inventory.Join(base, "runtimeClassName"), false})
	}
	add("ServiceAccount", spec.Get("serviceAccountName").Str(), "serviceAccountName", nil)
	for i, s := range spec.Get("imagePullSecrets").All() {
		out = append(out, reference{thing{"Secret", namespace, s.Get("name").Str()}, inventory.JoinPath(base, inventory.JoinIndex("imagePullSecrets", i)), true})
	}
	for i, v := range spec.Get("volumes").All() {
		at := inventory.JoinIndex("volumes", i)
		add("Secret", v.Find("secret", "secretName").Str(), at+".secret.secretName", v.Get("secret"))
		add("ConfigMap", v.Find("configMap", "name").Str(), at+".configMap.name", v.Get("configMap"))
		add("PersistentVolumeClaim", v.Find("persistentVolumeClaim", "claimName").Str(), at+".persistentVolumeClaim.claimName", nil)
		for j, s := range v.Find("projected", "sources").All() {
			source := inventory.JoinIndex(at+".projected.sources", j)
			add("Secret", s.Find("secret", "name").Str(), source+".secret.name", s.Get("secret"))
			add("ConfigMap", s.Find("configMap", "name").Str(), source+".configMap.name", s.Get("configMap"))
		}
	}
	for i := range t.Containers {
		c := &t.Containers[i]
		for j, e := range c.Node.Get("env").All() {
			at := inventory.JoinIndex(c.Path()+".env", j) + ".valueFrom"
			add("Secret", e.Find("valueFrom", "secretKeyRef", "name").Str(), at+".secretKeyRef", e.Find("valueFrom", "secretKeyRef"))
			add("ConfigMap", e.Find("valueFrom", "configMapKeyRef", "name").Str(), at+".configMapKeyRef", e.Find("valueFrom", "configMapKeyRef"))
		}
		for j, e := range c.Node.Get("envFrom").All() {
			at := inventory.JoinIndex(c.Path()+".envFrom", j)
			add("Secret", e.Find("secretRef", "name").Str(), at+".secretRef", e.Get("secretRef"))
			add("ConfigMap", e.Find("configMapRef", "name").Str(), at+".configMapRef", e.Get("configMapRef"))
		}
	}
	return out
}

// referenceMissing finds pod templates that name objects which do not exist.
func referenceMissing(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	known := existing(inv)
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			claims := ownClaims(o)
			seen := make(map[thing]bool)
			for _, r := range references(t) {
				if r.optional || seen[r.thing] || r.kind == "PersistentVolumeClaim" && claims[r.name] {
					continue
				}
				seen[r.thing] = true
				f := finding.Finding{Object: o, Path: r.path, Verdict: finding.Pass}
				gap, hidden := inv.GapFor(r.kind)
				switch {
				case known[r.thing]:
				case hidden:
					f.Verdict, f.Message = finding.Unknown, fmt.Sprintf("it can't be told whether %s %s exists: %s: %s", r.kind, r.name, gap.What, gap.Why)
				default:
					f.Verdict, f.Message = finding.Fail, fmt.Sprintf("%s %s does not exist: its pods do not start anew, and whoever may create one of that name decides what they get", r.kind, r.name)
				}
				report(f)
			}
		}
	}
}

// ownClaims are the volumes that a StatefulSet makes claims for.
func ownClaims(o *inventory.Object) map[string]bool {
	out := make(map[string]bool)
	for _, c := range o.Root.Find("spec", "volumeClaimTemplates").All() {
		out[c.Find("metadata", "name").Str()] = true
	}
	return out
}

// serviceSelectsNothing finds Services whose selector no pod has.
func serviceSelectsNothing(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	pods := make(map[string][]labels.Set)
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			pods[o.EffectiveNamespace()] = append(pods[o.EffectiveNamespace()], t.Meta.Get("labels").StringMap())
		}
	}
	ready := readyServices(inv)
	for _, o := range inv.Kind("Service", "") {
		selector := labels.SelectorFromSet(o.Root.Find("spec", "selector").StringMap())
		f := finding.Finding{Object: o, Path: "spec.selector", Verdict: finding.Fail}
		switch {
		case selector.Empty():
			f.Verdict = finding.NotApplicable
		case ready[service{o.EffectiveNamespace(), o.Name}]:
			f.Verdict = finding.Pass
		}
		for _, set := range pods[o.EffectiveNamespace()] {
			if f.Verdict == finding.Fail && selector.Matches(set) {
				f.Verdict = finding.Pass
			}
		}
		if gap, hidden := inv.GapFor("Pod"); hidden && f.Verdict == finding.Fail {
			f.Verdict, f.Message = finding.Unknown, "pods could not be read: "+gap.What+": "+gap.Why
		}
		if f.Verdict == finding.Fail {
			f.Message = fmt.Sprintf("no pod has the labels %s: whoever may create a pod in the namespace gives it these labels and answers in the name of the Service", selector)
		}
		report(f)
	}
}

// ingressWithoutService finds routes that lead to a Service which does not
// exist.
func ingressWithoutService(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	known := existing(inv)
	for _, o := range inv.Kind("Ingress", "networking.k8s.io") {
		judge := func(path string, backend *inventory.Node) {
			name := backend.Find("service", "name").Str()
			if name == "" {
				return
			}
			f := finding.Finding{Object: o, Path: path + ".service.name", Verdict: finding.Pass}
			if gap, hidden := inv.GapFor("Service"); !known[thing{"Service", o.EffectiveNamespace(), name}] && hidden {
				f.Verdict, f.Message = finding.Unknown, fmt.Sprintf("it can't be told whether Service %s exists: %s: %s", name, gap.What, gap.Why)
			} else if !known[thing{"Service", o.EffectiveNamespace(), name}] {
				f.Verdict, f.Message = finding.Fail, fmt.Sprintf("Service %s does not exist: the address is open to the world, and whoever may create a Service of that name answers there", name)
			}
			report(f)
		}
		judge("spec.defaultBackend", o.Root.Find("spec", "defaultBackend"))
		for i, rule := range o.Root.Find("spec", "rules").All() {
			for j, p := range rule.Find("http", "paths").All() {
				judge(inventory.JoinIndex(inventory.JoinIndex("spec.rules", i)+".http.paths", j)+".backend", p.Get("backend"))
			}
		}
	}
}

// secretUnused finds Secrets that no workload, service account, Ingress or
// Gateway of their namespace names.
func secretUnused(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	used := namedSecrets(inv)
	for _, o := range inv.Kind("Secret", "") {
		kind := o.Root.Get("type").Str()
		f := finding.Finding{Object: o, Path: "metadata.name", Verdict: finding.Pass}
		switch {
		case kind == tokenType, kind == "bootstrap.kubernetes.io/token", strings.HasPrefix(kind, "helm.sh/"), o.Root.Find("metadata", "ownerReferences").Len() > 0:
			// These are for programs outside of pods, or somebody looks after them.
			f.Verdict = finding.NotApplicable
		case used[thing{"Secret", o.EffectiveNamespace(), o.Name}]:
		default:
			if gap, hidden := anyGap(inv, "Pod", "PodTemplate", "Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job", "ServiceAccount", "Ingress"); hidden {
				f.Verdict, f.Message = finding.Unknown, "it can't be told whether something uses it: "+gap.What+": "+gap.Why
			} else {
				f.Verdict, f.Message = finding.Fail, "no workload, service account, Ingress or Gateway names the Secret: a credential that nobody needs may still work"
			}
		}
		report(f)
	}
}

// anyGap is the first gap that may hide objects of one of the kinds.
func anyGap(inv *inventory.Inventory, kinds ...string) (inventory.Gap, bool) {
	for _, kind := range kinds {
		if g, hidden := inv.GapFor(kind); hidden {
			return g, true
		}
	}
	return inventory.Gap{}, false
}

// namedSecrets are the Secrets that something names. Of custom resources any
// text may be such a name.
func namedSecrets(inv *inventory.Inventory) map[thing]bool {
	used := make(map[thing]bool)
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			for _, r := range references(t) {
				used[r.thing] = true
			}
		}
		switch {
		case o.Kind == "ServiceAccount":
			for _, field := range []string{"secrets", "imagePullSecrets"} {
				for _, s := range o.Root.Get(field).All() {
					used[thing{"Secret", o.EffectiveNamespace(), s.Get("name").Str()}] = true
				}
			}
		case o.Kind == "Ingress" && o.Group() == "networking.k8s.io":
			for _, s := range o.Root.Find("spec", "tls").All() {
				used[thing{"Secret", o.EffectiveNamespace(), s.Get("secretName").Str()}] = true
			}
		case o.Kind == "PersistentVolume" || o.Kind == "Secret" || o.Kind == "ConfigMap":
		case strings.Contains(o.Group(), "."):
			texts(o.Root.Get("spec"), func(s string) { used[thing{"Secret", o.EffectiveNamespace(), s}] = true })
		}
	}
	return used
}

// texts visits all texts of a tree.
func texts(n *inventory.Node, visit func(string)) {
	for _, child := range n.All() {
		if s := child.Str(); s != "" {
			visit(s)
		}
		texts(child, visit)
	}
}

// roleUnused finds roles that no binding names.
func roleUnused(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	model := rbac.Of(inv)
	for _, kind := range []string{"Role", "ClusterRole"} {
		for _, o := range inv.Kind(kind, rbac.Group) {
			f := finding.Finding{Object: o, Path: "metadata.name", Verdict: finding.Pass}
			gap, hidden := anyGap(inv, "RoleBinding", "ClusterRoleBinding")
			switch {
			case o.Labels().Get("kubernetes.io/bootstrapping").Str() != "" || aggregates(o) || strings.HasPrefix(o.Name, "system:"):
				f.Verdict = finding.NotApplicable
			case len(model.BindingsOf(o)) > 0:
			case hidden:
				f.Verdict, f.Message = finding.Unknown, "it can't be told whether something binds it: "+gap.What+": "+gap.Why
			default:
				f.Verdict, f.Message = finding.Fail, "no binding names the role: whoever may bind it finds it ready made, and nobody notices when it grows"
			}
			report(f)
		}
	}
}

// aggregates tells whether a ClusterRole becomes part of others.
func aggregates(o *inventory.Object) bool {
	for _, l := range o.Labels().All() {
		if strings.Contains(l.Key, "aggregate-to-") {
			return true
		}
	}
	return o.Root.Get("aggregationRule") != nil
}

// volumeLeftBehind finds volumes that outlived their claim: data that nobody
// looks after.
func volumeLeftBehind(inv *inventory.Inventory, report func(finding.Finding)) {
	if !inv.ClusterWide {
		return
	}
	for _, o := range inv.Kind("PersistentVolume", "") {
		f := finding.Finding{Object: o, Path: "status.phase", Verdict: finding.Pass}
		if phase := o.Root.Find("status", "phase").Str(); phase == "Released" || phase == "Failed" {
			claim := o.Root.Find("spec", "claimRef")
			f.Verdict = finding.Fail
			f.Message = fmt.Sprintf("the volume is %s: the data of the deleted claim %s/%s is kept, and whoever may clear claimRef gets it", strings.ToLower(phase), claim.Get("namespace").Str(), claim.Get("name").Str())
		}
		report(f)
	}
}
