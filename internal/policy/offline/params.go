package offline

import (
	"fmt"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// params are the parameters of a call: one nil when the policy has none. A
// text says why the policy could not be evaluated.
func (e *engine) params(c *call) ([]runtime.Object, string) {
	kind, ref := c.policy.Spec.ParamKind, c.binding.Spec.ParamRef
	if kind == nil || ref == nil {
		return []runtime.Object{nil}, ""
	}
	selector := labels.Everything()
	if ref.Selector != nil {
		var err error
		if selector, err = metav1.LabelSelectorAsSelector(ref.Selector); err != nil {
			return nil, err.Error()
		}
	}
	var out []runtime.Object
	for _, inv := range e.sources {
		for _, o := range inv.Kind(kind.Kind) {
			if o.APIVersion != kind.APIVersion || !wanted(o, ref, c.namespace, selector) {
				continue
			}
			param, err := typed(schema.FromAPIVersionAndKind(o.APIVersion, o.Kind), o.Root.JSON())
			if err != nil {
				return nil, fmt.Sprintf("parameter %s: %v", o.Ref(), err)
			}
			out = append(out, param)
		}
	}
	if len(out) == 0 && (ref.ParameterNotFoundAction == nil || *ref.ParameterNotFoundAction == admissionregistrationv1.DenyAction) {
		return nil, fmt.Sprintf("no %s among the files is what the paramRef of binding %s asks for", kind.Kind, c.binding.Name)
	}
	return out, ""
}

// wanted tells whether an object is what a reference asks for. Without a
// namespace it is the one of the request, or none for kinds that have none.
func wanted(o *inventory.Object, ref *admissionregistrationv1.ParamRef, namespace string, selector labels.Selector) bool {
	if ref.Name != "" && o.Name != ref.Name || !selector.Matches(labels.Set(o.Labels().StringMap())) {
		return false
	}
	if ref.Namespace != "" {
		return o.EffectiveNamespace() == ref.Namespace
	}
	return o.Namespace == "" || o.Namespace == namespace
}
