package policy

import (
	"reflect"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

// workload is a kind that holds a pod template.
type workload struct {
	group, kind string
	resources   []string
}

// workloads are all built-in kinds with a pod template. Objects of other kinds
// are judged when the pods they stand for are created.
var workloads = []workload{
	{"", "Pod", []string{"pods", "pods/ephemeralcontainers"}},
	{"", "PodTemplate", []string{"podtemplates"}},
	{"", "ReplicationController", []string{"replicationcontrollers"}},
	{"apps", "DaemonSet", []string{"daemonsets"}},
	{"apps", "Deployment", []string{"deployments"}},
	{"apps", "ReplicaSet", []string{"replicasets"}},
	{"apps", "StatefulSet", []string{"statefulsets"}},
	{"batch", "CronJob", []string{"cronjobs"}},
	{"batch", "Job", []string{"jobs"}},
}

// faceOf lists the resources at which the API server can judge a control, or
// says why there are none.
func faceOf(c *control.Compiled, form Form) ([]admissionregistrationv1.NamedRuleWithOperations, string) {
	switch {
	case c.Analysis:
		return nil, "it compares several objects, and admission sees one at a time"
	case c.Target == control.TargetObject:
		return objectFace(c, form)
	}
	byGroup := make(map[schema.GroupVersion][]string)
	for _, w := range workloads {
		if len(c.Kinds) == 0 || slices.Contains(c.Kinds, w.kind) || slices.Contains(c.Kinds, w.kind+"."+w.group) {
			gv := schema.GroupVersion{Group: w.group, Version: "v1"}
			byGroup[gv] = append(byGroup[gv], w.resources...)
			if w.kind == "Pod" && sizes.MatchString(text(c)) {
				byGroup[gv] = append(byGroup[gv], "pods/resize")
			}
		}
	}
	if len(byGroup) == 0 {
		return nil, "it looks at no kind with a pod template"
	}
	return rulesFor(byGroup, creations...), ""
}

// creations are the requests that bring objects in, or change them.
var creations = []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update}

func objectFace(c *control.Compiled, form Form) ([]admissionregistrationv1.NamedRuleWithOperations, string) {
	byGroup := make(map[schema.GroupVersion][]string)
	exempt := false
	for _, name := range c.Kinds {
		for _, gvk := range servedKinds(name) {
			if form == Stored && policyKind(gvk.GroupKind()) {
				exempt = true
				continue
			}
			if field := foreignField(c, gvk); field != "" {
				return nil, "it looks at the field " + field + ", which the API server drops before it asks policies"
			}
			byGroup[gvk.GroupVersion()] = append(byGroup[gvk.GroupVersion()], Plural(gvk.Kind))
		}
	}
	switch {
	case len(byGroup) > 0:
		return rulesFor(byGroup, creations...), ""
	case exempt:
		return nil, "the API server asks stored policies about no policy; --static makes one it does ask"
	}
	return nil, "it looks at a file, not at an object of the API"
}

func rulesFor(byGroup map[schema.GroupVersion][]string, operations ...admissionregistrationv1.OperationType) []admissionregistrationv1.NamedRuleWithOperations {
	var rules []admissionregistrationv1.NamedRuleWithOperations
	for gv, resources := range byGroup {
		slices.Sort(resources)
		rules = append(rules, admissionregistrationv1.NamedRuleWithOperations{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
			Operations: operations,
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{gv.Group}, APIVersions: []string{gv.Version}, Resources: resources},
		}})
	}
	slices.SortFunc(rules, func(a, b admissionregistrationv1.NamedRuleWithOperations) int {
		return strings.Compare(a.APIGroups[0], b.APIGroups[0])
	})
	return rules
}

// Plural is the name of the resource of a kind, as the API and all known
// definitions of custom resources spell it.
func Plural(kind string) string {
	word := strings.ToLower(kind)
	stem, isY := strings.CutSuffix(word, "y")
	switch {
	case isY && !strings.HasSuffix(stem, "a") && !strings.HasSuffix(stem, "e") && !strings.HasSuffix(stem, "o"):
		return stem + "ies"
	case strings.HasSuffix(word, "s") || strings.HasSuffix(word, "x"):
		return word + "es"
	}
	return word + "s"
}

// policyKind tells whether stored policies never see objects of the kind.
func policyKind(gk schema.GroupKind) bool {
	return gk.Group == admissionregistrationv1.GroupName && strings.Contains(gk.Kind, "AdmissionPolicy")
}

// apiServices is served by the API server, and not in the scheme of clients.
var apiServices = schema.GroupVersionKind{Group: "apiregistration.k8s.io", Version: "v1", Kind: "APIService"}

// servedKinds finds the kinds that a name (Kind or Kind.group) stands for in
// the API. Configuration files have kinds that it does not serve.
func servedKinds(name string) []schema.GroupVersionKind {
	kind, group, grouped := strings.Cut(name, ".")
	if kind == apiServices.Kind && (!grouped || group == apiServices.Group) {
		return []schema.GroupVersionKind{apiServices}
	}
	if grouped && !scheme.Scheme.IsGroupRegistered(group) {
		if componentGroup(group) {
			return nil
		}
		return []schema.GroupVersionKind{{Group: group, Version: "*", Kind: kind}}
	}
	var out []schema.GroupVersionKind
	for _, gv := range scheme.Scheme.PrioritizedVersionsAllGroups() {
		if grouped && gv.Group != group || gv.Group == "extensions" || !scheme.Scheme.Recognizes(gv.WithKind(kind)) {
			continue
		}
		known := func(k schema.GroupVersionKind) bool { return k.Group == gv.Group }
		if !slices.ContainsFunc(out, known) {
			out = append(out, gv.WithKind(kind))
		}
	}
	return out
}

// componentGroup tells whether a group is one of configuration files.
func componentGroup(group string) bool {
	return strings.HasSuffix(group, ".config.k8s.io") || group == "kubeadm.k8s.io" || group == "audit.k8s.io"
}

// foreignField is a field that a control reads and that objects of the kind
// don't have once the API server has decoded them: what a tool put there.
func foreignField(c *control.Compiled, gvk schema.GroupVersionKind) string {
	empty, err := scheme.Scheme.New(gvk)
	if err != nil {
		return ""
	}
	known := jsonFields(reflect.TypeOf(empty).Elem())
	for _, name := range slices.Concat(c.Reads.When.Self.Names, c.Reads.Verdict.Self.Names) {
		if !known[name] {
			return name
		}
	}
	return ""
}

// jsonFields are the names of the fields of a type in its JSON form.
func jsonFields(t reflect.Type) map[string]bool {
	out := make(map[string]bool)
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if strings.Contains(options, "inline") || name == "" && f.Anonymous {
			for inner := range jsonFields(f.Type) {
				out[inner] = true
			}
			continue
		}
		out[name] = true
	}
	return out
}
