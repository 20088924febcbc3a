package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

// A fix becomes JSON patches, and not apply configurations: these can't remove a
// field, and may not set what the schema takes as a whole. A patch names a
// container by its place, and each patch is made of the object that the one
// before it left.

// placeOf is where a kind of workload keeps its pod template.
const placeOf = "dyn(object).kind == 'Pod' ? '' : dyn(object).kind == 'PodTemplate' ? '/template' : " +
	"dyn(object).kind == 'CronJob' ? '/spec/jobTemplate/spec/template' : '/spec/template'"

const (
	// wholePod is where the whole pod is given, not ephemeral containers alone.
	wholePod = "request.?subResource.orValue('') == ''"
	// newlyAdded tells ephemeral containers that come with this request from
	// those before, which can't change.
	newlyAdded = "request.?subResource.orValue('') == 'ephemeralcontainers' && !(self.name in variables.added)"
	// addedBefore are the names of the ephemeral containers that a pod has.
	addedBefore = "request.operation == 'UPDATE' ? variables.before.?spec.?ephemeralContainers.orValue([]).map(c, c.name) : []"
)

func mutationVariables(c *control.Compiled) []admissionregistrationv1.Variable {
	variables := variablesOf(c)
	variables = slices.DeleteFunc(variables, func(v admissionregistrationv1.Variable) bool { return v.Name == "violation" })
	if c.Target == control.TargetObject {
		return variables
	}
	return append(
		variables,
		admissionregistrationv1.Variable{Name: "place", Expression: placeOf},
		admissionregistrationv1.Variable{Name: "added", Expression: addedBefore},
	)
}

// patches are the expressions that yield the patches of a fix, one for each
// field.
func patches(c *control.Compiled) []string {
	var out []string
	for _, path := range c.Fix.Remove {
		out = append(out, patch(c, removal(path)))
	}
	for _, path := range fieldsOf(c.Fix.Set) {
		out = append(out, patch(c, addition(path, c.Fix.Set[path])))
	}
	return out
}

// step is a change of one field of a target that self is.
type step struct {
	// when tells whether the field is as the change wants it.
	when string
	// op, path and value are those of the patch; the path follows that of self.
	op, path, value string
}

// removal takes away a field that is there.
func removal(path string) step {
	return step{when: has(fields(path)), op: "remove", path: quote(pointer(fields(path)))}
}

// addition gives a field that is not there a value, and makes what is missing on
// the way. A field that is there keeps its value: who has set it meant it.
func addition(path string, value any) step {
	names := fields(path)
	s := step{when: "!" + has(names), op: "add", path: quote(pointer(names)), value: "dyn(" + literal(value) + ")"}
	for n := len(names) - 1; n > 0; n-- {
		value = map[string]any{names[n]: value}
		missing := "!" + has(names[:n])
		s.path = missing + " ? " + quote(pointer(names[:n])) + " : " + s.path
		s.value = missing + " ? dyn(" + literal(value) + ") : " + s.value
	}
	return s
}

// patch is the expression for a step, on every target that violates the
// control.
func patch(c *control.Compiled, s step) string {
	var parts []string
	for _, t := range targetsOf(c.Target) {
		part := t.list + ".transformList(position, self, " + t.only + s.condition(c) + ", " + s.render(t.place) + ")"
		if mentions(part, "containerField") {
			part = bind("containerField", quote(t.field), part)
		}
		parts = append(parts, part)
	}
	body := "(" + strings.Join(parts, " + ") + ")"
	for _, name := range []string{"podMeta", "podSpec"} {
		if mentions(body, name) {
			body = bind(name, "variables."+name, body)
		}
	}
	if mentions(text(c)+" "+c.Fix.Unless, "object") {
		body = bind("object", "dyn(object)", body)
	}
	return "variables.unchanged ? [] : " + body
}

// targets are a list of targets in an object.
type targets struct {
	// list yields them, place says where the one at position stands.
	list, place string
	// only is a condition on each, with the conjunction behind it.
	only string
	// field is the list of containers they stand in.
	field string
}

func targetsOf(t control.Target) []targets {
	pod := targets{list: "[podSpec]", place: "variables.place + '/spec'", only: wholePod + " && "}
	switch t {
	case control.TargetContainer:
		return containerTargets()
	case control.TargetPodOrContainer:
		return append([]targets{pod}, containerTargets()...)
	case control.TargetVolume:
		return []targets{within("volumes", wholePod)}
	case control.TargetObject:
		return []targets{{list: "[dyn(object)]", place: "''"}}
	case control.TargetPodTemplate, control.TargetInventory:
	}
	return []targets{pod}
}

func containerTargets() []targets {
	out := []targets{within("initContainers", wholePod), within("containers", wholePod), within("ephemeralContainers", newlyAdded)}
	for i, field := range []string{"initContainers", "containers", "ephemeralContainers"} {
		out[i].field = field
	}
	return out
}

// within are the items of a list of the pod specification.
func within(list, only string) targets {
	return targets{
		list: "podSpec.?" + list + ".orValue([])", only: only + " && ",
		place: "variables.place + '/spec/" + list + "/' + string(position)",
	}
}

// condition tells whether self gets the patch.
func (s step) condition(c *control.Compiled) string {
	all := []string{s.when}
	if c.When != nil {
		all = append(all, "("+trim(c.When.Text())+")")
	}
	all = append(all, "("+trim(c.Violation.Text())+")")
	if c.Fix.Unless != "" {
		all = append(all, "!("+trim(c.Fix.Unless)+")")
	}
	return strings.Join(all, " && ")
}

func (s step) render(place string) string {
	value := ""
	if s.value != "" {
		value = ", value: " + s.value
	}
	return "JSONPatch{op: " + quote(s.op) + ", path: " + place + " + (" + s.path + ")" + value + "}"
}

// fields are the names on the way to a field.
func fields(path string) []string { return strings.Split(path, ".") }

// has is whether self has a field.
func has(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = "[?" + quote(name) + "]"
	}
	return "self" + strings.Join(quoted, "") + ".hasValue()"
}

// pointer is the JSON pointer to a field.
func pointer(names []string) string {
	escaped := make([]string, len(names))
	for i, name := range names {
		escaped[i] = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	}
	return "/" + strings.Join(escaped, "/")
}

// literal writes a value of a control's file in CEL.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return quote(v)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = "dyn(" + literal(v[i]) + ")"
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]any:
		items := make([]string, 0, len(v))
		for _, key := range fieldsOf(v) {
			items = append(items, quote(key)+": dyn("+literal(v[key])+")")
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	if text, err := json.Marshal(v); err == nil {
		return string(text) // numbers
	}
	return fmt.Sprint(v)
}
