// Package policy turns controls into native admission policies: one
// ValidatingAdmissionPolicy and one binding for each control that the API
// server can judge. The text of the control runs there unchanged.
//
// It knows no single control, and talks to no cluster.
package policy

import (
	"fmt"
	"slices"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

// StaticSuffix ends the names of policies that the API server reads from a
// folder instead of from its storage: alpha in 1.36, beta in 1.37.
const StaticSuffix = ".static.k8s.io"

// Prefix starts the names of all generated policies.
const Prefix = "redoubt-"

// Mode says what a binding does with a violation.
type Mode int

// The modes.
const (
	// Observe lets violations through, with a warning to the client and a note
	// in the audit log.
	Observe Mode = iota
	// Enforce refuses violations, and notes them in the audit log.
	Enforce
)

// Form says where the API server is to find the policies.
type Form int

// The forms.
const (
	// Stored policies are objects of the API.
	Stored Form = iota
	// Static policies are files beside the API server: nobody can change them
	// through the API, and they also see changes to other policies.
	Static
)

// Options say how the policies are to behave.
type Options struct {
	Mode Mode
	Form Form
	// ExemptNamespaces are left alone, objects and namespaces alike.
	ExemptNamespaces []string
	// BreakGlass is a group whose members are not refused; empty for none.
	BreakGlass string
}

// DefaultExempt are the namespaces of the control plane.
func DefaultExempt() []string { return []string{"kube-system", "kube-public", "kube-node-lease"} }

// DefaultBreakGlass is the group that policies let through by default.
const DefaultBreakGlass = "redoubt:break-glass"

// Policy is what was made of one control.
type Policy struct {
	Control *control.Control
	Policy  *admissionregistrationv1.ValidatingAdmissionPolicy
	Binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding
}

// Skipped is a control that has no policy, and why.
type Skipped struct{ Control, Why string }

// Generate makes policies of all controls that the API server can judge.
func Generate(controls []*control.Compiled, o Options) ([]Policy, []Skipped) {
	var made []Policy
	var skipped []Skipped
	for _, c := range controls {
		rules, why := faceOf(c, o.Form)
		if why != "" {
			skipped = append(skipped, Skipped{c.ID, why})
			continue
		}
		made = append(made, Policy{Control: c.Control, Policy: policyOf(c, rules, o), Binding: bindingOf(c.Control, o)})
	}
	return made, skipped
}

// Name is the name of the policy of a control.
func Name(id string, form Form) string {
	if form == Static {
		return Prefix + id + StaticSuffix
	}
	return Prefix + id
}

// ControlOf is the reverse of [Name].
func ControlOf(name string) (string, bool) {
	return strings.CutPrefix(strings.TrimSuffix(name, StaticSuffix), Prefix)
}

func metaOf(c *control.Control, form Form) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Name:   Name(c.ID, form),
		Labels: map[string]string{"app.kubernetes.io/managed-by": "redoubt"},
		Annotations: map[string]string{
			"redoubt.dev/control":  c.ID,
			"redoubt.dev/severity": c.Severity,
			"redoubt.dev/title":    c.Title,
		},
	}
}

func typeOf(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: kind}
}

func policyOf(c *control.Compiled, rules []admissionregistrationv1.NamedRuleWithOperations, o Options) *admissionregistrationv1.ValidatingAdmissionPolicy {
	fail, reason := admissionregistrationv1.Fail, metav1.StatusReasonForbidden
	message := c.Control.Message
	if message == "" {
		message = c.Title
	}
	return &admissionregistrationv1.ValidatingAdmissionPolicy{
		TypeMeta:   typeOf("ValidatingAdmissionPolicy"),
		ObjectMeta: metaOf(c.Control, o.Form),
		Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
			FailurePolicy:    &fail,
			MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: rules},
			MatchConditions:  conditionsOf(c, o),
			Variables:        variablesOf(c),
			Validations: []admissionregistrationv1.Validation{{
				Expression:        "variables.violation == ''",
				Message:           strings.Join(strings.Fields(message), " "),
				MessageExpression: "variables.violation",
				Reason:            &reason,
			}},
		},
	}
}

func bindingOf(c *control.Control, o Options) *admissionregistrationv1.ValidatingAdmissionPolicyBinding {
	actions := []admissionregistrationv1.ValidationAction{admissionregistrationv1.Warn, admissionregistrationv1.Audit}
	if o.Mode == Enforce {
		// Deny and Warn exclude each other: the refusal carries the message.
		actions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny, admissionregistrationv1.Audit}
	}
	return &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   typeOf("ValidatingAdmissionPolicyBinding"),
		ObjectMeta: metaOf(c, o.Form),
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName:        Name(c.ID, o.Form),
			ValidationActions: actions,
		},
	}
}

// conditionsOf says which requests a policy leaves alone. An exempt namespace
// covers the Namespace object itself: the API server gives its name as the
// namespace of such a request.
func conditionsOf(c *control.Compiled, o Options) []admissionregistrationv1.MatchCondition {
	var out []admissionregistrationv1.MatchCondition
	if len(o.ExemptNamespaces) > 0 {
		out = append(out, admissionregistrationv1.MatchCondition{
			Name:       "namespace-is-not-exempt",
			Expression: fmt.Sprintf("!(request.?namespace.orValue('') in [%s])", quoteAll(o.ExemptNamespaces)),
		})
	}
	if o.BreakGlass != "" {
		out = append(out, admissionregistrationv1.MatchCondition{
			Name:       "user-may-not-break-glass",
			Expression: fmt.Sprintf("!(%s in request.?userInfo.?groups.orValue([]))", quote(o.BreakGlass)),
		})
	}
	if c.Target == control.TargetObject && slices.Contains(c.Kinds, "ServiceAccount") {
		// This controller makes the service account of each new namespace. If it
		// is refused, no pod can start there.
		out = append(out, admissionregistrationv1.MatchCondition{
			Name:       "not-the-service-account-controller",
			Expression: "!(request.?userInfo.?username.orValue('') in ['system:serviceaccount:kube-system:service-account-controller', 'system:kube-controller-manager'])",
		})
	}
	return out
}
