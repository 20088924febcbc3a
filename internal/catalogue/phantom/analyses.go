package phantom

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/pod-security-admission/api"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// verdicts collects the faults of one object; without any it passes.
type verdicts struct {
	object *inventory.Object
	report func(finding.Finding)
	failed bool
}

func (v *verdicts) fail(path, format string, args ...any) {
	v.failed = true
	v.report(finding.Finding{Verdict: finding.Fail, Object: v.object, Path: path, Message: fmt.Sprintf(format, args...)})
}

func (v *verdicts) done() {
	if !v.failed {
		v.report(finding.Finding{Verdict: finding.Pass, Object: v.object})
	}
}

// networkPolicyTypes finds policies that leave their directions to defaults or
// name one that does not exist.
func networkPolicyTypes(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Kind("NetworkPolicy", "networking.k8s.io") {
		v := &verdicts{object: o, report: report}
		types := o.Root.Find("spec", "policyTypes")
		ingress, egress := policyDirections(o.Root.Get("spec"))
		switch {
		case types.Len() == 0 && strings.Contains(strings.ToLower(o.Name), "egress") && !egress:
			v.fail("spec.policyTypes", "policyTypes is not set, so the policy acts on ingress only although its name speaks of egress: %s", policyEffect(o.Root))
		case types.Len() == 0:
			v.fail("spec.policyTypes", "policyTypes is not set and defaults to %s: %s", directions(ingress, egress), policyEffect(o.Root))
		}
		for i, t := range types.All() {
			if name := t.Str(); name != "Ingress" && name != "Egress" {
				v.fail(inventory.JoinIndex("spec.policyTypes", i), "%q is no policy type; the API server refuses all but Ingress and Egress", name)
			}
		}
		v.done()
	}
}

func directions(ingress, egress bool) string { //nolint:revive // the two are the value
	var out []string
	if ingress {
		out = append(out, "Ingress")
	}
	if egress {
		out = append(out, "Egress")
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// networkPolicyPeersOr finds peers that are joined by or where their wording
// suggests and: a namespaceSelector and a podSelector as items of their own.
func networkPolicyPeersOr(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Kind("NetworkPolicy", "networking.k8s.io") {
		v := &verdicts{object: o, report: report}
		for _, d := range [][2]string{{"ingress", "from"}, {"egress", "to"}} {
			for i, rule := range o.Root.Find("spec", d[0]).All() {
				peers := rule.Get(d[1])
				for j, peer := range peers.All() {
					next := peers.Index(j + 1)
					if only(peer, "namespaceSelector") && peer.Get("namespaceSelector").Len() > 0 && only(next, "podSelector") && next.Get("podSelector").Len() > 0 {
						v.fail(inventory.JoinIndex(inventory.Join(inventory.JoinIndex("spec."+d[0], i), d[1]), j+1),
							"the dash before podSelector makes it a peer of its own: every pod of the selected namespaces is allowed, and besides these pods of the policy's own namespace. Without the dash both conditions must hold")
					}
				}
			}
		}
		v.done()
	}
}

func only(n *inventory.Node, key string) bool { return n.Len() == 1 && n.Get(key) != nil }

const labelPrefix = "pod-security.kubernetes.io/"

// podSecurityLabel finds Pod Security labels that the admission plugin ignores
// or refuses.
func podSecurityLabel(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		labels := o.Labels()
		if o.Kind != "Namespace" && labels == nil {
			continue
		}
		v := &verdicts{object: o, report: report}
		for _, l := range labels.All() {
			path := inventory.Join("metadata.labels", l.Key)
			name, ours := strings.CutPrefix(l.Key, labelPrefix)
			switch {
			case !ours && looksLikePodSecurity(l.Key):
				v.fail(path, "label %s looks like one of Pod Security and is none: nothing reads it. The prefix is %s", l.Key, labelPrefix)
			case !ours:
			case o.Kind != "Namespace":
				v.fail(path, "Pod Security labels work on namespaces only; on a %s nothing reads them", o.Kind)
			default:
				podSecurityValue(v, path, name, l.Str())
			}
		}
		if o.Kind == "Namespace" || v.failed {
			v.done()
		}
	}
}

func looksLikePodSecurity(key string) bool {
	prefix, name, ok := strings.Cut(key, "/")
	return ok && strings.Contains(prefix, "pod-security") && slices.Contains([]string{"enforce", "audit", "warn", "enforce-version", "audit-version", "warn-version"}, name)
}

// podSecurityValue judges one label of a namespace.
func podSecurityValue(v *verdicts, path, name, value string) {
	switch name {
	case "enforce", "audit", "warn":
		if _, err := api.ParseLevel(value); err != nil {
			v.fail(path, "%q is no Pod Security level; the API server refuses the namespace. Levels are privileged, baseline and restricted", value)
		}
	case "enforce-version", "audit-version", "warn-version":
		if _, err := api.ParseVersion(value); err != nil {
			v.fail(path, "%q is no version of Pod Security; the API server refuses the namespace. Use latest or v1.N", value)
		}
	default:
		v.fail(path, "there is no Pod Security label %s: it is accepted and ignored, and no level is in force by it. Labels are enforce, audit and warn, each also with -version", name)
	}
}

// quotes are the characters a word processor makes of quotation marks.
const quotes = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"

// typographicQuotes finds values that a word processor has decorated, where
// the API takes them for a part of the name.
func typographicQuotes(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		if o.Kind == "Dockerfile" {
			continue
		}
		v := &verdicts{object: o, report: report}
		for _, part := range []string{"metadata.labels", "rules", "roleRef", "subjects", "spec.podSelector", "spec.selector", "spec.hard", "spec.limits", "spec.ingress", "spec.egress", "spec.policyTypes"} {
			if n := o.Root.At(part); hasQuotes(n) {
				findQuotes(v, n, part)
			}
		}
		v.done()
	}
}

// hasQuotes is a quick look, without paths.
func hasQuotes(n *inventory.Node) bool {
	if n == nil {
		return false
	}
	if !ascii(n.Text) || !ascii(n.Key) {
		return true
	}
	for i := range n.Items {
		if hasQuotes(&n.Items[i]) {
			return true
		}
	}
	return false
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func findQuotes(v *verdicts, n *inventory.Node, path string) {
	if n == nil {
		return
	}
	if strings.ContainsAny(n.Text, quotes) || strings.ContainsAny(n.Key, quotes) {
		v.fail(path, "%s holds typographic quotes, which are part of the text for the API: it names nothing that exists. Use straight quotes", path)
		return
	}
	for i, c := range n.All() {
		next := inventory.JoinIndex(path, i)
		if n.Kind == inventory.Map {
			next = inventory.Join(path, c.Key)
		}
		findQuotes(v, c, next)
	}
}

const apparmorPrefix = "container.apparmor.security.beta.kubernetes.io/"

// apparmorAnnotation finds AppArmor annotations that name no container, name no
// profile, or contradict the field.
func apparmorAnnotation(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		for _, t := range o.PodTemplates() {
			v := &verdicts{object: o, report: report}
			for _, a := range t.Meta.Get("annotations").All() {
				name, ours := strings.CutPrefix(a.Key, apparmorPrefix)
				if !ours {
					continue
				}
				path := inventory.Join(inventory.JoinPath(t.Path, "metadata.annotations"), a.Key)
				i := slices.IndexFunc(t.Containers, func(c inventory.Container) bool { return c.Name == name })
				switch {
				case i < 0:
					v.fail(path, "the annotation names container %q, which the pod does not have: no profile is set, or the pod is refused, depending on the version", name)
				case a.Str() != "runtime/default" && a.Str() != "unconfined" && !strings.HasPrefix(a.Str(), "localhost/"):
					v.fail(path, "%q is no AppArmor profile; the API server refuses the pod. Use runtime/default or localhost/NAME", a.Str())
				case contradicts(a.Str(), t.Containers[i].Node.Find("securityContext", "appArmorProfile", "type").Str()):
					v.fail(path, "the annotation says %s and securityContext.appArmorProfile something else; the API server refuses the pod", a.Str())
				}
			}
			v.done()
		}
	}
}

func contradicts(annotation, field string) bool {
	want := map[string]string{"runtime/default": "RuntimeDefault", "unconfined": "Unconfined"}[annotation]
	if strings.HasPrefix(annotation, "localhost/") {
		want = "Localhost"
	}
	return field != "" && want != "" && field != want
}

// removed are API versions that are not served any more, and from when.
var removed = map[string]string{
	"policy/v1beta1/PodSecurityPolicy":                                    "1.25; use Pod Security labels on namespaces or a ValidatingAdmissionPolicy",
	"extensions/v1beta1/PodSecurityPolicy":                                "1.16; use Pod Security labels on namespaces or a ValidatingAdmissionPolicy",
	"extensions/v1beta1/Deployment":                                       "1.16; use apps/v1",
	"extensions/v1beta1/DaemonSet":                                        "1.16; use apps/v1",
	"extensions/v1beta1/ReplicaSet":                                       "1.16; use apps/v1",
	"extensions/v1beta1/NetworkPolicy":                                    "1.16; use networking.k8s.io/v1",
	"extensions/v1beta1/Ingress":                                          "1.22; use networking.k8s.io/v1",
	"networking.k8s.io/v1beta1/Ingress":                                   "1.22; use networking.k8s.io/v1",
	"networking.k8s.io/v1beta1/IngressClass":                              "1.22; use networking.k8s.io/v1",
	"apps/v1beta1/Deployment":                                             "1.16; use apps/v1",
	"apps/v1beta2/Deployment":                                             "1.16; use apps/v1",
	"apps/v1beta1/StatefulSet":                                            "1.16; use apps/v1",
	"apps/v1beta2/StatefulSet":                                            "1.16; use apps/v1",
	"apps/v1beta2/DaemonSet":                                              "1.16; use apps/v1",
	"apps/v1beta2/ReplicaSet":                                             "1.16; use apps/v1",
	"batch/v1beta1/CronJob":                                               "1.25; use batch/v1",
	"policy/v1beta1/PodDisruptionBudget":                                  "1.25; use policy/v1",
	"rbac.authorization.k8s.io/v1beta1/Role":                              "1.22; use rbac.authorization.k8s.io/v1",
	"rbac.authorization.k8s.io/v1beta1/ClusterRole":                       "1.22; use rbac.authorization.k8s.io/v1",
	"rbac.authorization.k8s.io/v1beta1/RoleBinding":                       "1.22; use rbac.authorization.k8s.io/v1",
	"rbac.authorization.k8s.io/v1beta1/ClusterRoleBinding":                "1.22; use rbac.authorization.k8s.io/v1",
	"admissionregistration.k8s.io/v1beta1/ValidatingWebhookConfiguration": "1.22; use admissionregistration.k8s.io/v1",
	"admissionregistration.k8s.io/v1beta1/MutatingWebhookConfiguration":   "1.22; use admissionregistration.k8s.io/v1",
	"apiextensions.k8s.io/v1beta1/CustomResourceDefinition":               "1.22; use apiextensions.k8s.io/v1",
	"apiregistration.k8s.io/v1beta1/APIService":                           "1.22; use apiregistration.k8s.io/v1",
	"certificates.k8s.io/v1beta1/CertificateSigningRequest":               "1.22; use certificates.k8s.io/v1",
	"autoscaling/v2beta1/HorizontalPodAutoscaler":                         "1.25; use autoscaling/v2",
	"autoscaling/v2beta2/HorizontalPodAutoscaler":                         "1.26; use autoscaling/v2",
	"discovery.k8s.io/v1beta1/EndpointSlice":                              "1.25; use discovery.k8s.io/v1",
	"events.k8s.io/v1beta1/Event":                                         "1.25; use events.k8s.io/v1",
	"node.k8s.io/v1beta1/RuntimeClass":                                    "1.25; use node.k8s.io/v1",
	"storage.k8s.io/v1beta1/CSIStorageCapacity":                           "1.27; use storage.k8s.io/v1",
	"flowcontrol.apiserver.k8s.io/v1beta3/FlowSchema":                     "1.32; use flowcontrol.apiserver.k8s.io/v1",
}

// removedAPI finds objects of API versions that no supported server accepts.
func removedAPI(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		v := &verdicts{object: o, report: report}
		if since, gone := removed[o.APIVersion+"/"+o.Kind]; gone {
			v.fail("apiVersion", "%s of %s is not served since Kubernetes %s. What the file describes is not in force", o.Kind, o.APIVersion, since)
		}
		v.done()
	}
}

// invalidObject finds what decodes and is refused all the same: names, label
// values and references that the API server does not accept.
func invalidObject(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, o := range inv.Objects {
		if _, builtin := served(o); !builtin {
			continue
		}
		v := &verdicts{object: o, report: report}
		if o.Name == "" && !listKind(o.Kind) {
			v.fail("metadata.name", "the object has no metadata.name; the API server refuses it")
		}
		for _, l := range o.Labels().All() {
			if errs := validation.IsValidLabelValue(l.Str()); l.Kind == inventory.String && len(errs) > 0 {
				v.fail(inventory.Join("metadata.labels", l.Key), "label value %q is refused: %s", l.Str(), errs[0])
			}
		}
		for _, t := range o.PodTemplates() {
			invalidTemplate(v, t)
		}
		if strings.HasSuffix(o.Kind, "RoleBinding") && o.Root.Find("roleRef", "kind").Str() == "" {
			v.fail("roleRef.kind", "roleRef has no kind; the API server refuses the binding")
		}
		v.done()
	}
}

func listKind(kind string) bool {
	return strings.HasSuffix(kind, "List") || strings.HasSuffix(kind, "Review")
}

// served tells whether the object is one of the API, not a file of a component.
func served(o *inventory.Object) (string, bool) {
	switch o.Group() {
	case "", "apps", "batch", "rbac.authorization.k8s.io", "networking.k8s.io", "policy", "autoscaling":
		return o.Group(), o.Kind != "Config" && o.Kind != "Dockerfile"
	}
	return "", false
}

// invalidTemplate judges names and references within a pod specification.
func invalidTemplate(v *verdicts, t *inventory.PodTemplate) {
	volumes := make(map[string]bool)
	for i, vol := range t.Spec.Get("volumes").All() {
		name := vol.Get("name").Str()
		volumes[name] = true
		if errs := validation.IsDNS1123Label(name); len(errs) > 0 {
			v.fail(inventory.Join(inventory.JoinIndex(inventory.JoinPath(t.SpecPath(), "volumes"), i), "name"), "volume name %q is refused: lower case letters, digits and dashes only", name)
		}
	}
	for _, claim := range v.object.Root.Find("spec", "volumeClaimTemplates").All() {
		volumes[claim.Find("metadata", "name").Str()] = true
	}
	seen := make(map[string]bool)
	for i := range t.Containers {
		c := &t.Containers[i]
		at := inventory.JoinPath(t.SpecPath(), c.Path())
		if errs := validation.IsDNS1123Label(c.Name); len(errs) > 0 || seen[c.Name] {
			v.fail(inventory.Join(at, "name"), "container name %q is refused: it must be unique, of lower case letters, digits and dashes", c.Name)
		}
		seen[c.Name] = true
		for j, m := range c.Node.Get("volumeMounts").All() {
			if name := m.Get("name").Str(); !volumes[name] {
				v.fail(inventory.Join(inventory.JoinIndex(inventory.Join(at, "volumeMounts"), j), "name"), "volumeMount %q names a volume the pod does not have; the API server refuses it", name)
			}
		}
	}
}
