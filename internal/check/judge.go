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

// judgement is the verdict of one control on one target, without the object,
// so that equal templates can share it.
type judgement struct {
	control         *control.Compiled
	verdict         finding.Verdict
	container, path string
	message         string
}

// targets lists what a template control judges in a pod template.
func targets(c *control.Compiled, t *inventory.PodTemplate) []target {
	switch c.Target {
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
func judge(c *control.Compiled, t *target, around scopeOf) judgement {
	j := judgement{control: c, container: t.container, path: inventory.JoinPath(t.rel, c.At)}
	s := &expr.Scope{
		Self: t.node, PodSpec: around.spec, PodMeta: around.meta,
		Object: around.object, Namespace: around.namespace, Field: t.field,
	}
	if c.When != nil {
		applies, err := c.When.Bool(s)
		if err != nil {
			return j.unknown(err)
		}
		if !applies {
			j.verdict = finding.NotApplicable
			return j
		}
	}
	violated, err := c.Violation.Bool(s)
	if err != nil {
		return j.unknown(err)
	}
	if !violated {
		j.verdict = finding.Pass
		return j
	}
	j.verdict, j.message = finding.Fail, c.Control.Message
	if c.Message != nil {
		text, err := c.Message.String(s)
		if err == nil {
			j.message = text
		} else if j.message == "" {
			j.message = c.Title
		}
	}
	return j
}

func (j judgement) unknown(err error) judgement {
	j.verdict = finding.Unknown
	j.message = fmt.Sprintf("can't be told: a field has a type the API server does not accept (%v); correct the field and scan again", err)
	return j
}
