package check

import (
	"fmt"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/expr"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// target is one thing a control judges.
type target struct {
	node *inventory.Node
	// rel is the path of the node: for a pod template control relative to the
	// pod specification, otherwise to the object.
	rel string
	// container is the name of the container and field its list, if it is one.
	container, field string
}

// scopeOf is what surrounds a target.
type scopeOf struct {
	spec, meta, object, namespace *inventory.Node
}

// of completes the surroundings of a target.
func (s scopeOf) of(t *target) *expr.Scope {
	return &expr.Scope{Self: t.node, PodSpec: s.spec, PodMeta: s.meta, Object: s.object, Namespace: s.namespace, Field: t.field}
}

// notApplicable tells whether a control has a condition that does not hold.
func notApplicable(c *control.Compiled, t *target, around scopeOf) bool {
	if c.When == nil {
		return false
	}
	applies, err := c.When.Bool(around.of(t))
	return err == nil && !applies
}

// outcome is a verdict and the sentence that explains it.
type outcome struct {
	verdict finding.Verdict
	message string
}

// judgement is the outcome of one control on one target, without the object,
// so that equal templates can share it.
type judgement struct {
	control *control.Compiled
	target  *target
	outcome
}

// targets lists what the controls of a kind of target judge in a pod template.
func targets(kind control.Target, t *inventory.PodTemplate) []target {
	switch kind {
	case control.TargetPodTemplate:
		return []target{{node: t.Spec}}
	case control.TargetContainer:
		return containerTargets(nil, t)
	case control.TargetPodOrContainer:
		return containerTargets([]target{{node: t.Spec}}, t)
	case control.TargetVolume:
		var out []target
		for i, v := range t.Spec.Get("volumes").All() {
			out = append(out, target{node: v, rel: inventory.JoinIndex("volumes", i)})
		}
		return out
	case control.TargetObject, control.TargetInventory:
	}
	return nil
}

func containerTargets(out []target, t *inventory.PodTemplate) []target {
	for i := range t.Containers {
		k := &t.Containers[i]
		out = append(out, target{node: k.Node, rel: k.Path(), container: k.Name, field: string(k.Field)})
	}
	return out
}

// judge runs one control on one target. An expression without a value means
// that a field has a type the API server refuses: the verdict is unknown.
func judge(c *control.Compiled, t *target, around scopeOf) outcome {
	s := around.of(t)
	if c.When != nil {
		applies, err := c.When.Bool(s)
		if err != nil {
			return unknown(err)
		}
		if !applies {
			return outcome{verdict: finding.NotApplicable}
		}
	}
	violated, err := c.Violation.Bool(s)
	if err != nil {
		return unknown(err)
	}
	if !violated {
		return outcome{verdict: finding.Pass}
	}
	o := outcome{finding.Fail, c.Control.Message}
	if c.Message != nil {
		text, err := c.Message.String(s)
		if err == nil {
			o.message = text
		} else if o.message == "" {
			o.message = c.Title
		}
	}
	return o
}

func unknown(err error) outcome {
	return outcome{finding.Unknown, fmt.Sprintf("can't be told: a field has a type the API server does not accept (%v); correct the field and scan again", err)}
}
