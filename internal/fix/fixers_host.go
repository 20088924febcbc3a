package fix

import (
	"errors"
	"fmt"
	pathpkg "path"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// narrowHostPath leaves a workload of the node what it is said to need: one
// folder, read-only unless it writes there, and a namespace for such workloads.
func narrowHostPath(s *site) ([]edit.Change, error) {
	v := s.object.Root.At(s.base)
	if s.template == nil || v.Get("hostPath") == nil {
		return nil, nil
	}
	name := v.Get("name").Str()
	fact := s.hostPath(name)
	if fact == nil {
		return nil, errors.New("which folder of the node the program needs is not known: remove the volume, or name the folder under hostPaths in .redoubt.yaml")
	}
	old := pathpkg.Clean(v.Find("hostPath", "path").Str())
	if fact.Path != old && !strings.HasPrefix(fact.Path, strings.TrimSuffix(old, "/")+"/") {
		return nil, fmt.Errorf("%s does not lie in %s, which is mounted: correct hostPaths in .redoubt.yaml", fact.Path, old)
	}
	out := s.set(s.base+".hostPath.path", text(fact.Path))
	more, err := s.narrowMounts(name, strings.TrimPrefix(fact.Path, strings.TrimSuffix(old, "/")), fact.Write)
	if err != nil {
		return nil, err
	}
	out = append(out, more...)
	s.effect = fmt.Sprintf("of the node only %s is left to the program", fact.Path)
	if !fact.Write {
		s.effect += ", to read"
	}
	if fact.MoveTo == "" || fact.MoveTo == s.object.EffectiveNamespace() {
		return out, nil
	}
	more, err = s.move(fact.MoveTo)
	return append(out, more...), err
}

// narrowMounts has containers find the folder of a volume that is left where it
// was, to read unless they write there.
func (s *site) narrowMounts(volume, inside string, write bool) ([]edit.Change, error) { //nolint:revive // a property of the volume
	var out []edit.Change
	for i := range s.template.Containers {
		c := &s.template.Containers[i]
		for j, m := range c.Node.Get("volumeMounts").All() {
			if m.Get("name").Str() != volume {
				continue
			}
			if m.Get("subPath") != nil || m.Get("subPathExpr") != nil {
				return nil, errors.New("the mount takes a part of the volume by subPath: narrow it by hand")
			}
			at := inventory.JoinIndex(inventory.JoinPath(s.template.SpecPath(), c.Path())+".volumeMounts", j)
			if inside != "" {
				out = append(out, s.set(at+".mountPath", text(strings.TrimSuffix(m.Get("mountPath").Str(), "/")+inside))...)
			}
			if write {
				continue
			}
			out = append(out, s.set(at+".readOnly", boolean("true"))...)
			if m.Get("mountPropagation").Str() == "Bidirectional" {
				out = append(out, s.remove(at+".mountPropagation")...)
			}
		}
	}
	return out, nil
}

// move puts a workload into a namespace of its own that admits what it needs, so
// that the one it leaves can be closed to such pods.
func (s *site) move(to string) ([]edit.Change, error) {
	if isLive(s.object) {
		return nil, errors.New("an object of a cluster can't be moved to another namespace by a patch: delete it there, and apply its manifest anew")
	}
	if err := s.tied(); err != nil {
		return nil, err
	}
	known := false
	for _, o := range s.state.inv.Kind("Namespace", "") {
		known = known || o.Name == to
	}
	if !known {
		file := pathpkg.Join(pathpkg.Dir(s.object.Origin.File), "namespace-"+to+".yaml")
		s.documents = append(s.documents, document{name: "Namespace/" + to, text: agents(to), file: file, more: 4}) //nolint:mnd // the objects behind the namespace
		s.steps = append(s.steps, "kubectl apply -f "+file+"   # before the workload that moves there")
		s.effect += fmt.Sprintf(". Namespace %s is made for it, which admits privileged pods: keep everything else out of it", to)
	}
	s.effect += ". It moves to namespace " + to
	s.steps = append(s.steps, fmt.Sprintf("kubectl delete %s %s%s   # it is made anew in namespace %s", strings.ToLower(s.object.Kind), s.object.Name, inNamespace(s.object), to))
	return s.set("metadata.namespace", text(to)), nil
}

// agents is a namespace for workloads that need the node, closed to the network
// and bounded. What is asked of its pods beside that is warned about.
func agents(name string) string {
	n := scalar(name)
	return "# For workloads that need the node; nothing else belongs here.\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: " + n + "\n  labels:\n    pod-security.kubernetes.io/enforce: privileged\n    pod-security.kubernetes.io/audit: baseline\n    pod-security.kubernetes.io/warn: baseline\n" +
		"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: default-deny\n  namespace: " + n + "\nspec:\n  podSelector: {}\n  policyTypes: [Ingress, Egress]\n" +
		"---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: allow-dns\n  namespace: " + n + "\nspec:\n" + dnsPolicy +
		"---\napiVersion: v1\nkind: LimitRange\nmetadata:\n  name: defaults\n  namespace: " + n + "\nspec:\n" + limits() +
		"---\napiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: quota\n  namespace: " + n + "\nspec:\n  hard:\n    services.nodeports: 0\n    services.loadbalancers: 0\n"
}

// tied tells what of its namespace a workload needs, and would lose.
func (s *site) tied() error {
	namespace := s.object.EffectiveNamespace()
	spec := s.template.Spec
	if account := spec.Get("serviceAccountName").StrOr(spec.Get("serviceAccount").StrOr("default")); account != "default" {
		return fmt.Errorf("it runs as %s, which would have to move to the other namespace with its rights: move both by hand", account)
	}
	if spec.Get("imagePullSecrets").Len() > 0 {
		return errors.New("it pulls its image with a Secret of its namespace: bring that to the other namespace, and move the workload by hand")
	}
	if refers(spec) {
		return errors.New("it uses a ConfigMap, a Secret or a claim of its namespace: move both by hand")
	}
	for _, o := range s.state.inv.Objects {
		if o.EffectiveNamespace() != namespace || o.Kind != "Service" && o.Kind != "PodDisruptionBudget" {
			continue
		}
		selector := o.Root.Find("spec", "selector")
		if o.Kind == "PodDisruptionBudget" {
			selector = selector.Get("matchLabels")
		}
		if want := selector.StringMap(); len(want) > 0 && labelled(s.template, want) {
			return fmt.Errorf("%s selects its pods: move both by hand", o.Ref())
		}
	}
	return nil
}

// refers tells whether a pod names objects of its namespace.
func refers(n *inventory.Node) bool {
	for _, item := range n.All() {
		switch item.Key {
		case "configMap", "secret", "configMapKeyRef", "secretKeyRef", "configMapRef", "secretRef", "persistentVolumeClaim", "nodePublishSecretRef", "resourceClaims":
			return true
		}
		if refers(item) {
			return true
		}
	}
	return false
}
