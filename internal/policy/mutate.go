package policy

import (
	"maps"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

// MutationPrefix starts the names of all generated mutating policies.
const MutationPrefix = Prefix + "mutate-"

// stableMutation is the first minor version that serves mutating policies as
// v1; the two before it have them as v1beta1, behind a feature gate.
const stableMutation = 36

// firstMutation is the first minor version whose form of them is known.
const firstMutation = 34

// Mutation is what was made of the safe fix of one control.
type Mutation struct {
	Control *control.Control
	Policy  *admissionregistrationv1.MutatingAdmissionPolicy
	Binding *admissionregistrationv1.MutatingAdmissionPolicyBinding
}

// Mutations makes policies that apply the safe fixes of controls to what comes
// in, for API servers of a minor version. The mode has no meaning here: a
// mutating policy acts as soon as it is bound.
func Mutations(controls []*control.Compiled, minor int, o Options) ([]Mutation, []Skipped) {
	var made []Mutation
	var skipped []Skipped
	for _, c := range controls {
		rules, why := mutationFace(c, minor, o.Form)
		if why != "" {
			skipped = append(skipped, Skipped{c.ID, why})
			continue
		}
		made = append(made, Mutation{Control: c.Control, Policy: mutationOf(c, rules, minor, o), Binding: mutationBinding(c.Control, minor, o)})
	}
	return made, skipped
}

// mutationFace lists the resources at which the API server can apply the fix of
// a control, or says why there are none.
func mutationFace(c *control.Compiled, minor int, form Form) ([]admissionregistrationv1.NamedRuleWithOperations, string) {
	switch {
	case c.Fix.Safety != control.Safe:
		return nil, "its fix may change behaviour: " + string(c.Fix.Safety)
	case c.Analysis:
		return nil, "it compares several objects, and admission sees one at a time"
	case len(c.Fix.Set)+len(c.Fix.Remove) == 0:
		return nil, "its fix is no fixed value of a field"
	case minor < firstMutation:
		return nil, "mutating policies are in no stable form before v1.34"
	}
	rules, why := faceOf(c, form)
	if why != "" || c.Target == control.TargetObject {
		return rules, why
	}
	return asCreated(rules), ""
}

// asCreated narrows rules about pod templates to the requests in which the
// template may change: a pod that exists can't, but for new ephemeral
// containers, and the template of a job can't either.
func asCreated(rules []admissionregistrationv1.NamedRuleWithOperations) []admissionregistrationv1.NamedRuleWithOperations {
	byOperation := map[admissionregistrationv1.OperationType]map[schema.GroupVersion][]string{
		admissionregistrationv1.Create: make(map[schema.GroupVersion][]string),
		admissionregistrationv1.Update: make(map[schema.GroupVersion][]string),
	}
	for _, r := range rules {
		gv := schema.GroupVersion{Group: r.APIGroups[0], Version: r.APIVersions[0]}
		for _, resource := range r.Resources {
			for operation, resources := range byOperation {
				if changes(resource, operation) {
					resources[gv] = append(resources[gv], resource)
				}
			}
		}
	}
	return append(
		rulesFor(byOperation[admissionregistrationv1.Create], admissionregistrationv1.Create),
		rulesFor(byOperation[admissionregistrationv1.Update], admissionregistrationv1.Update)...,
	)
}

// changes tells whether the pod template in a resource may change in requests
// of a kind.
func changes(resource string, operation admissionregistrationv1.OperationType) bool {
	switch resource {
	case "pods", "jobs":
		return operation == admissionregistrationv1.Create
	case "pods/ephemeralcontainers":
		return operation == admissionregistrationv1.Update
	case "pods/resize":
		return false
	}
	return true
}

func mutationOf(c *control.Compiled, rules []admissionregistrationv1.NamedRuleWithOperations, minor int, o Options) *admissionregistrationv1.MutatingAdmissionPolicy {
	// What can't be evaluated is refused: an object that comes in without the
	// fix would look as if it had it.
	fail := admissionregistrationv1.Fail
	p := &admissionregistrationv1.MutatingAdmissionPolicy{
		ObjectMeta: metaOf(c.Control, o.Form),
		Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
			FailurePolicy:    &fail,
			MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: rules},
			MatchConditions:  append(conditionsOf(c, o), leftAlone(c)...),
			Variables:        mutationVariables(c),
			// Other policies and webhooks may add containers afterwards.
			ReinvocationPolicy: admissionregistrationv1.IfNeededReinvocationPolicy,
		},
	}
	p.Name, p.TypeMeta = MutationName(c.ID, o.Form), mutationType("MutatingAdmissionPolicy", minor)
	for _, expression := range patches(c) {
		p.Spec.Mutations = append(p.Spec.Mutations, admissionregistrationv1.Mutation{
			PatchType: admissionregistrationv1.PatchTypeJSONPatch,
			JSONPatch: &admissionregistrationv1.JSONPatch{Expression: expression},
		})
	}
	return p
}

func mutationBinding(c *control.Control, minor int, o Options) *admissionregistrationv1.MutatingAdmissionPolicyBinding {
	b := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metaOf(c, o.Form),
		Spec:       admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: MutationName(c.ID, o.Form)},
	}
	b.Name, b.TypeMeta = b.Spec.PolicyName, mutationType("MutatingAdmissionPolicyBinding", minor)
	return b
}

// MutationName is the name of the mutating policy of a control.
func MutationName(id string, form Form) string {
	if form == Static {
		return MutationPrefix + id + StaticSuffix
	}
	return MutationPrefix + id
}

// mutationType is the type of a kind in the newest version that API servers of
// a minor version serve. The fields are the same in all.
func mutationType(kind string, minor int) metav1.TypeMeta {
	t := typeOf(kind)
	if minor < stableMutation {
		t.APIVersion = admissionregistrationv1.GroupName + "/v1beta1"
	}
	return t
}

// leftAlone are conditions under which a fix would do harm, or none of the good
// it seems to.
func leftAlone(c *control.Compiled) []admissionregistrationv1.MatchCondition {
	if c.Target == control.TargetObject {
		return nil
	}
	return []admissionregistrationv1.MatchCondition{
		{
			// The kubelet runs such a pod from a file of its own, whatever the API
			// server says of it.
			Name:       "not-the-mirror-of-a-static-pod",
			Expression: "!('kubernetes.io/config.mirror' in dyn(object).metadata.?annotations.orValue({}))",
		},
		{
			// Its controller compares it with what it has in mind, and would make
			// another, and another. The pods get the fix when they are created.
			Name:       "not-a-template-made-by-a-controller",
			Expression: "dyn(object).kind == 'Pod' || !dyn(object).metadata.?ownerReferences.orValue([]).exists(r, r.?controller.orValue(false))",
		},
	}
}

// fieldsOf are the paths of a fix, in order.
func fieldsOf(set map[string]any) []string { return slices.Sorted(maps.Keys(set)) }
