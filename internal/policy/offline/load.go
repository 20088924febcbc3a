package offline

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"
	kjson "sigs.k8s.io/json"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// policySet are the policies of an inventory with their bindings.
type policySet struct {
	policies []*compiled
	remarks  []string
}

// compiled is a policy ready to judge.
type compiled struct {
	*admissionregistrationv1.ValidatingAdmissionPolicy
	bindings             []*admissionregistrationv1.ValidatingAdmissionPolicyBinding
	validations, message cel.ConditionEvaluator
	matcher              matchconditions.Matcher
	// text is all its CEL.
	text string
	of   *inventory.Object
}

func load(inv *inventory.Inventory) (*policySet, error) {
	set := new(policySet)
	var faults []error
	byName := make(map[string]*compiled)
	for _, o := range inv.Kind("ValidatingAdmissionPolicy", admissionregistrationv1.GroupName) {
		p := new(admissionregistrationv1.ValidatingAdmissionPolicy)
		if err := decode(o, p); err != nil {
			faults = append(faults, err)
			continue
		}
		defaultConstraints(p.Spec.MatchConstraints)
		c, err := compile(p)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", o.Origin.File, o.Root.Line, err))
			continue
		}
		c.of = o
		byName[p.Name] = c
		set.policies = append(set.policies, c)
	}
	for _, o := range inv.Kind("ValidatingAdmissionPolicyBinding", admissionregistrationv1.GroupName) {
		b := new(admissionregistrationv1.ValidatingAdmissionPolicyBinding)
		if err := decode(o, b); err != nil {
			faults = append(faults, err)
			continue
		}
		defaultConstraints(b.Spec.MatchResources)
		p := byName[b.Spec.PolicyName]
		if p == nil {
			set.remarks = append(set.remarks, fmt.Sprintf("binding %s names policy %s, which is not among the files", b.Name, b.Spec.PolicyName))
			continue
		}
		p.bindings = append(p.bindings, b)
	}
	for _, p := range set.policies {
		if len(p.bindings) == 0 {
			set.remarks = append(set.remarks, fmt.Sprintf("policy %s has no binding: it is never asked", p.Name))
		}
		if !creates(p.Spec.MatchConstraints) {
			set.remarks = append(set.remarks, fmt.Sprintf("policy %s is about no creation: nothing in files can show what it does", p.Name))
		}
	}
	return set, errors.Join(faults...)
}

func decode(o *inventory.Object, into any) error {
	strict, err := kjson.UnmarshalStrict(o.Root.JSON(), into)
	if err == nil {
		err = errors.Join(strict...)
	}
	if err != nil {
		return fmt.Errorf("%s:%d: %s/%s: %w", o.Origin.File, o.Root.Line, o.Kind, o.Name, err)
	}
	return nil
}

// defaultConstraints fills in what the API server would.
func defaultConstraints(m *admissionregistrationv1.MatchResources) {
	if m == nil {
		return
	}
	if m.NamespaceSelector == nil {
		m.NamespaceSelector = new(metav1.LabelSelector)
	}
	if m.ObjectSelector == nil {
		m.ObjectSelector = new(metav1.LabelSelector)
	}
	if m.MatchPolicy == nil {
		equivalent := admissionregistrationv1.Equivalent
		m.MatchPolicy = &equivalent
	}
}

func creates(m *admissionregistrationv1.MatchResources) bool {
	return m != nil && slices.ContainsFunc(m.ResourceRules, func(r admissionregistrationv1.NamedRuleWithOperations) bool {
		return slices.Contains(r.Operations, admissionregistrationv1.Create) || slices.Contains(r.Operations, admissionregistrationv1.OperationAll)
	})
}

// env is built on first use: commands that try no policy must not pay for it.
var env = sync.OnceValue(func() *environment.EnvSet {
	return environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
})

func compile(p *admissionregistrationv1.ValidatingAdmissionPolicy) (*compiled, error) {
	if p.Spec.MatchConstraints == nil {
		return nil, fmt.Errorf("policy %s has no matchConstraints", p.Name)
	}
	compiler, err := cel.NewCompositedCompiler(env())
	if err != nil {
		return nil, fmt.Errorf("make compiler: %w", err)
	}
	c := &compiled{ValidatingAdmissionPolicy: p}
	params := p.Spec.ParamKind != nil
	full := cel.OptionalVariableDeclarations{HasParams: params, HasAuthorizer: true}
	var faults []error
	texts := make([]string, 0, 8)
	for _, v := range p.Spec.Variables {
		result := compiler.CompileAndStoreVariable(&variable{v}, full, environment.StoredExpressions)
		if result.Error != nil {
			faults = append(faults, fmt.Errorf("policy %s, variable %s: %w", p.Name, v.Name, result.Error))
		}
		texts = append(texts, v.Expression)
	}
	conditions := make([]cel.ExpressionAccessor, len(p.Spec.MatchConditions))
	for i := range p.Spec.MatchConditions {
		conditions[i] = (*matchconditions.MatchCondition)(&p.Spec.MatchConditions[i])
		texts = append(texts, p.Spec.MatchConditions[i].Expression)
	}
	validations := make([]cel.ExpressionAccessor, len(p.Spec.Validations))
	messages := make([]cel.ExpressionAccessor, len(p.Spec.Validations))
	for i, v := range p.Spec.Validations {
		validations[i] = boolean(v.Expression)
		if v.MessageExpression != "" {
			messages[i] = text(v.MessageExpression)
		}
		texts = append(texts, v.Expression, v.MessageExpression)
	}
	evaluator := func(of []cel.ExpressionAccessor, declared cel.OptionalVariableDeclarations) cel.ConditionEvaluator {
		e := compiler.CompileCondition(of, declared, environment.StoredExpressions)
		for _, err := range e.CompilationErrors() {
			faults = append(faults, fmt.Errorf("policy %s: %w", p.Name, err))
		}
		return e
	}
	c.validations = evaluator(validations, full)
	c.message = evaluator(messages, cel.OptionalVariableDeclarations{HasParams: params})
	if len(conditions) > 0 {
		c.matcher = matchconditions.NewMatcher(evaluator(conditions, full), p.Spec.FailurePolicy, "policy", "validate", p.Name)
	}
	c.text = strings.Join(texts, "\n")
	return c, errors.Join(faults...)
}
