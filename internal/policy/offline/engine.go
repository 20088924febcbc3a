package offline

import (
	"cmp"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	celtypes "github.com/google/cel-go/common/types"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// engine holds what all requests share.
type engine struct {
	set        *policySet
	user       string
	groups     []string
	admitted   bool
	matcher    *matching.Matcher
	interfaces admission.ObjectInterfaces
	namespaces namespaces
	// sources are where parameters are looked for.
	sources []*inventory.Inventory
	scopes  map[schema.GroupKind]string
}

func newEngine(set *policySet, o Options, sources ...*inventory.Inventory) *engine {
	e := &engine{
		set: set, user: o.User, groups: o.Groups, admitted: o.Admitted, sources: sources,
		interfaces: admission.NewObjectInterfacesFromScheme(scheme.Scheme),
		namespaces: make(namespaces), scopes: make(map[schema.GroupKind]string),
	}
	for _, inv := range sources {
		for _, o := range inv.Kind("Namespace", "") {
			ns := new(corev1.Namespace)
			if json.Unmarshal(o.Root.JSON(), ns) == nil { // a broken one counts as not known
				e.namespaces[ns.Name] = ns
			}
		}
		for _, o := range inv.Kind("CustomResourceDefinition") {
			spec := o.Root.Get("spec")
			gk := schema.GroupKind{Group: spec.Get("group").Str(), Kind: spec.Find("names", "kind").Str()}
			e.scopes[gk] = spec.Get("scope").Str()
		}
	}
	e.matcher = matching.NewMatcher(e.namespaces, nil)
	return e
}

// namespaces are those among the files. Of others only the name is known.
type namespaces map[string]*corev1.Namespace

// List is never asked for.
func (namespaces) List(labels.Selector) ([]*corev1.Namespace, error) { return nil, nil }

// Get makes up a namespace that is not known, with the one label that all have.
func (n namespaces) Get(name string) (*corev1.Namespace, error) {
	ns, ok := n[name]
	if !ok {
		ns = &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	ns = ns.DeepCopy()
	if ns.Labels == nil {
		ns.Labels = make(map[string]string)
	}
	ns.Labels[corev1.LabelMetadataName] = name
	return ns, nil
}

// criteria are match constraints for the matcher.
type criteria struct {
	*admissionregistrationv1.MatchResources
}

// GetMatchResources is the whole.
func (c criteria) GetMatchResources() admissionregistrationv1.MatchResources {
	return *c.MatchResources
}

// GetParsedNamespaceSelector selects namespaces.
func (c criteria) GetParsedNamespaceSelector() (labels.Selector, error) {
	return metav1.LabelSelectorAsSelector(c.NamespaceSelector)
}

// GetParsedObjectSelector selects objects.
func (c criteria) GetParsedObjectSelector() (labels.Selector, error) {
	return metav1.LabelSelectorAsSelector(c.ObjectSelector)
}

// judge asks every policy about a request.
func (e *engine) judge(ctx context.Context, r *request, res *Result) {
	if !r.pods && strings.Contains(r.kind.Kind, "AdmissionPolicy") && r.kind.Group == admissionregistrationv1.GroupName {
		return // the API server asks no policy about policies
	}
	for _, p := range e.set.policies {
		m := e.match(r, p.Spec.MatchConstraints)
		if !m.matches {
			continue
		}
		res.Requests++
		for _, b := range p.bindings {
			d := Decision{
				Policy: p.Name, Binding: b.Name, Actions: b.Spec.ValidationActions,
				Object: r.of.Ref(), Pods: r.pods, File: r.of.Origin.File, Line: r.of.Root.Line, Of: r.of, Path: r.path,
			}
			for _, d := range e.byBinding(ctx, &call{r, p, b, m}, d) {
				if d.Verdict == Admitted {
					res.Admits++
				}
				if d.Verdict != Admitted || e.admitted {
					res.Decisions = append(res.Decisions, d)
				}
			}
		}
	}
}

// match is whether constraints cover a request.
type match struct {
	matches bool
	// unknown says why that is not certain.
	unknown  string
	resource schema.GroupVersionResource
	kind     schema.GroupVersionKind
	err      error
}

// match holds a request against constraints. A selector of namespaces by labels
// that are not known counts as met, and makes the match uncertain.
func (e *engine) match(r *request, constraints *admissionregistrationv1.MatchResources) match {
	var m match
	if _, known := e.namespaces[r.namespace]; !known && r.namespace != "" && otherLabels(constraints.NamespaceSelector) {
		m.unknown = "whether the policy covers namespace " + r.namespace + " depends on its labels, and it is not among the files"
		constraints = constraints.DeepCopy()
		constraints.NamespaceSelector = new(metav1.LabelSelector)
	}
	m.matches, m.resource, m.kind, m.err = e.matcher.Matches(r.attr, e.interfaces, criteria{constraints})
	m.matches = m.matches || m.err != nil
	return m
}

// call is one policy asked about one request by way of one binding.
type call struct {
	*request
	policy  *compiled
	binding *admissionregistrationv1.ValidatingAdmissionPolicyBinding
	// match is that of the constraints of the policy.
	match match
}

func (e *engine) byBinding(ctx context.Context, c *call, d Decision) []Decision {
	own := match{matches: true}
	if c.binding.Spec.MatchResources != nil {
		own = e.match(c.request, c.binding.Spec.MatchResources)
	}
	if !own.matches {
		return nil
	}
	for _, err := range []error{c.match.err, own.err} {
		if err != nil {
			return failed(d, c.policy, err.Error())
		}
	}
	if why := cmp.Or(c.match.unknown, own.unknown, e.beyond(c)); why != "" {
		d.Verdict, d.Message = Unknown, why
		return []Decision{d}
	}
	params, verdict := e.params(c)
	if verdict != "" {
		return failed(d, c.policy, verdict)
	}
	versioned, err := admission.NewVersionedAttributes(c.attr, c.match.kind, e.interfaces)
	if err != nil {
		return failed(d, c.policy, err.Error())
	}
	var out []Decision
	for _, param := range params {
		out = append(out, e.evaluate(ctx, c, versioned, param, d)...)
	}
	return out
}

// values are what is not read of Secrets.
var values = regexp.MustCompile(`\b(data|stringData)\b`)

// beyond says what only a cluster could tell.
func (e *engine) beyond(c *call) string {
	if strings.Contains(c.policy.text, "authorizer") {
		return "the policy asks what the user may do, which only the cluster knows"
	}
	if c.of.Kind == "Secret" && (c.of.Origin.Kind == inventory.FromCluster || c.of.Origin.Kind == inventory.FromSnapshot) && values.MatchString(c.policy.text) {
		return "the policy looks at the values of Secrets, which are never read from a cluster"
	}
	if _, known := e.namespaces[c.namespace]; !known && c.namespace != "" && strings.Contains(c.policy.text, "namespaceObject") {
		return "the policy looks at namespace " + c.namespace + ", which is not among the files"
	}
	return ""
}

// otherLabels tells whether a selector asks for more than names.
func otherLabels(s *metav1.LabelSelector) bool {
	if s == nil {
		return false
	}
	for key := range s.MatchLabels {
		if key != corev1.LabelMetadataName {
			return true
		}
	}
	return slices.ContainsFunc(s.MatchExpressions, func(r metav1.LabelSelectorRequirement) bool { return r.Key != corev1.LabelMetadataName })
}

// failed is the decision when a policy could not be evaluated.
func failed(d Decision, p *compiled, why string) []Decision {
	d.Failed = true
	if p.Spec.FailurePolicy != nil && *p.Spec.FailurePolicy == admissionregistrationv1.Ignore {
		d.Verdict, d.Message = Noted, "let through, since failurePolicy is Ignore: "+why
		return []Decision{d}
	}
	return []Decision{denied(d, why)}
}

func denied(d Decision, message string) Decision {
	d.Verdict, d.Message = Noted, message
	if slices.Contains(d.Actions, admissionregistrationv1.Deny) {
		d.Verdict = Refused
	}
	return d
}

// evaluate runs the expressions of a policy, as the API server's validator
// does.
func (e *engine) evaluate(ctx context.Context, c *call, v *admission.VersionedAttributes, param runtime.Object, d Decision) []Decision {
	if c.policy.matcher != nil {
		matched := c.policy.matcher.Match(ctx, v, param, nil)
		if matched.Error != nil {
			return failed(d, c.policy, matched.Error.Error())
		}
		if !matched.Matches {
			return nil
		}
	}
	var ns *corev1.Namespace
	if c.namespace != "" && c.kind.Kind != "Namespace" {
		ns, _ = e.namespaces.Get(c.namespace) // it never fails
	}
	ns = cel.CreateNamespaceObject(ns)
	asked := cel.CreateAdmissionRequest(c.attr, metav1.GroupVersionResource(c.match.resource), metav1.GroupVersionKind(c.match.kind))
	inputs := cel.OptionalVariableBindings{VersionedParams: param}
	results, budget, err := c.policy.validations.ForInput(ctx, v, asked, inputs, ns, celconfig.RuntimeCELCostBudget)
	if err != nil {
		return failed(d, c.policy, err.Error())
	}
	messages, _, err := c.policy.message.ForInput(ctx, v, asked, inputs, ns, budget)
	if err != nil {
		messages = nil
	}
	var out []Decision
	for i, result := range results {
		switch {
		case result.Error != nil:
			out = append(out, failed(d, c.policy, result.Error.Error())...)
		case result.EvalResult != celtypes.True:
			out = append(out, denied(d, messageOf(c.policy, messages, i)))
		}
	}
	if len(out) == 0 {
		d.Verdict = Admitted
		return []Decision{d}
	}
	return out
}

func messageOf(p *compiled, messages []cel.EvaluationResult, i int) string {
	if i < len(messages) && messages[i].Error == nil && messages[i].EvalResult != nil {
		if said, ok := messages[i].EvalResult.Value().(string); ok {
			said = strings.TrimSpace(said)
			if said != "" && len(said) <= celconfig.MaxEvaluatedMessageExpressionSizeBytes && !strings.Contains(said, "\n") {
				return said
			}
		}
	}
	if said := strings.TrimSpace(p.Spec.Validations[i].Message); said != "" {
		return said
	}
	return "failed expression: " + strings.TrimSpace(p.Spec.Validations[i].Expression)
}
