package prove

import (
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Case is a control and objects that violate it, the most telling first. All
// of them show the same fault; later ones are for servers that take the
// earlier ones for invalid.
type Case struct {
	Control *control.Control
	Objects []map[string]any
}

// maxObjects bounds the objects of a case.
const maxObjects = 4

// Fails tells whether a control finds fault with an object.
type Fails func(object map[string]any) bool

// CaseOf makes a case of the failing tests of a control: pods where pods are
// judged, with as little wrong with them as possible. A control that has no
// such test has a case without objects.
func CaseOf(c *control.Control, read func(manifest string) []*inventory.Object, fails Fails) Case {
	out := Case{Control: c}
	var plain []map[string]any
	for _, test := range c.Tests {
		if test.Expect != "fail" || test.File != "" || len(test.Images) > 0 || test.Version != "" {
			continue
		}
		for _, o := range read(test.Manifest) {
			for _, object := range objectsOf(c, o) {
				if ephemeral(object) || !fails(object) {
					continue
				}
				out.Objects = append(out.Objects, Harden(object, fails))
				plain = append(plain, object)
			}
		}
	}
	out.Objects = out.Objects[:min(len(out.Objects), maxObjects-1)]
	if len(plain) > 0 {
		out.Objects = append(out.Objects, plain[0])
	}
	return out
}

// objectsOf are the object itself, or the pods of its templates.
func objectsOf(c *control.Control, o *inventory.Object) []map[string]any {
	root, ok := o.Root.Any().(tree)
	if !ok {
		return nil
	}
	if c.Target == control.TargetObject {
		return []map[string]any{Complete(root)}
	}
	var out []map[string]any
	for _, t := range o.PodTemplates() {
		var metadata tree
		if t.Meta != nil {
			metadata, _ = t.Meta.Any().(tree)
		}
		spec, _ := t.Spec.Any().(tree)
		out = append(out, Complete(AsPod("", metadata, spec)))
	}
	return out
}

// ephemeral tells whether an object has containers that no pod can be created
// with.
func ephemeral(o tree) bool { return mapIn(o, "spec")["ephemeralContainers"] != nil }
