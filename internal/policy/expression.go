package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/redoubt-k8s/redoubt/internal/control"
)

// The texts of controls name their surroundings by plain variables, and a
// policy has none but those below "variables". A macro over a list with one
// item binds the plain name: [x].map(name, ...)[0].

// Lists of containers of a pod specification.
const (
	containerLists = "['initContainers', 'containers', 'ephemeralContainers']"
	podAndLists    = "['', 'initContainers', 'containers', 'ephemeralContainers']"
)

// templateOf finds the pod template of each kind of workload. The conversion
// to dyn keeps the type checker from demanding fields of one kind in all.
const templateOf = "OBJECT.kind == 'Pod' ? OBJECT : OBJECT.kind == 'PodTemplate' ? OBJECT.template : " +
	"OBJECT.kind == 'CronJob' ? OBJECT.spec.jobTemplate.spec.template : OBJECT.spec.template"

// injectedVolume is the volume that the API server itself adds to pods before
// it asks policies: exactly in this form it is nobody's fault.
const injectedVolume = "v.name.startsWith('kube-api-access-') && v.?projected.?sources.orValue([]).size() == 3 && " +
	"v.projected.sources.exists_one(s, s.?serviceAccountToken.?path.orValue('') == 'token' && s.serviceAccountToken.?expirationSeconds.orValue(0) == 3607 && !has(s.serviceAccountToken.audience)) && " +
	"v.projected.sources.exists_one(s, s.?configMap.?name.orValue('') == 'kube-root-ca.crt') && " +
	"v.projected.sources.exists_one(s, s.?downwardAPI.?items.orValue([]).size() == 1 && s.downwardAPI.items[0].?fieldRef.?fieldPath.orValue('') == 'metadata.namespace')"

func variablesOf(c *control.Compiled) []admissionregistrationv1.Variable {
	if c.Target == control.TargetObject {
		return []admissionregistrationv1.Variable{
			{Name: "unchanged", Expression: "request.operation == 'UPDATE' && " + sameObject(c)},
			{Name: "violation", Expression: violationOf(c)},
		}
	}
	return []admissionregistrationv1.Variable{
		{Name: "template", Expression: template("object")},
		{Name: "podSpec", Expression: "variables.template.spec"},
		{Name: "podMeta", Expression: "variables.template.?metadata.orValue({})"},
		{Name: "before", Expression: template("oldObject")},
		{Name: "unchanged", Expression: "request.operation == 'UPDATE' && " + sameTemplate},
		{Name: "violation", Expression: violationOf(c)},
	}
}

func template(object string) string {
	return strings.ReplaceAll(templateOf, "OBJECT", "dyn("+object+")")
}

// sameTemplate lets an update pass that leaves the template as it is: objects
// older than the policy must still be scaled, labelled and finalized.
var sameTemplate = "variables.before.spec == variables.podSpec" + same("variables.before.?metadata.?labels", "variables.podMeta.?labels") +
	same("variables.before.?metadata.?annotations", "variables.podMeta.?annotations")

func same(before, now string) string {
	return " && " + before + ".orValue({}) == " + now + ".orValue({})"
}

// sameObject compares what the control reads. Metadata other than labels,
// annotations and owners changes with every update.
func sameObject(c *control.Compiled) string {
	names := slices.Concat(c.Reads.When.Self.Names, c.Reads.Verdict.Self.Names)
	if c.Reads.When.Self.All || c.Reads.Verdict.Self.All || c.Reads.When.Wide || c.Reads.Verdict.Wide {
		names = append(names, "metadata", "spec")
	}
	slices.Sort(names)
	var parts []string
	for _, name := range slices.Compact(names) {
		if name == "metadata" {
			for _, field := range []string{"labels", "annotations", "ownerReferences"} {
				parts = append(parts, "dyn(oldObject).metadata.?"+field+" == dyn(object).metadata.?"+field)
			}
			continue
		}
		parts = append(parts, "dyn(oldObject)[?"+quote(name)+"] == dyn(object)[?"+quote(name)+"]")
	}
	return strings.Join(parts, " && ")
}

// violationOf is the expression that yields what is wrong, as text for people,
// or the empty string.
func violationOf(c *control.Compiled) string {
	var body string
	switch c.Target {
	case control.TargetContainer:
		body = overLists(c, containerLists, "podSpec[?containerField].orValue([])")
	case control.TargetPodOrContainer:
		body = overLists(c, podAndLists, "(containerField == '' ? [podSpec] : podSpec[?containerField].orValue([]))")
	case control.TargetVolume:
		body = judge(c, volumesFor(c), quote("pod: "))
	case control.TargetObject:
		body = judge(c, "[dyn(object)]", "dyn(object).kind + ': '")
	case control.TargetPodTemplate, control.TargetInventory:
		body = judge(c, "[podSpec]", quote("pod: "))
	}
	for _, name := range []string{"podMeta", "podSpec"} {
		if mentions(body, name) {
			body = bind(name, "variables."+name, body)
		}
	}
	if mentions(text(c), "object") {
		body = bind("object", "dyn(object)", body)
	}
	return "variables.unchanged ? '' : " + body
}

func overLists(c *control.Compiled, lists, targets string) string {
	prefix := "(containerField == '' ? 'pod: ' : 'container ' + self.name + ': ')"
	if c.Target == control.TargetContainer {
		prefix = "'container ' + self.name + ': '"
	}
	body := judge(c, targets, prefix)
	return lists + ".map(containerField, " + body + ").filter(found, found != '').join('; ')"
}

// judge yields the messages about the violating targets of a list. The prefix
// keeps a message from being empty, which would read as no violation.
func judge(c *control.Compiled, targets, prefix string) string {
	condition := "(" + trim(c.Violation.Text()) + ")"
	if c.When != nil {
		condition = "(" + trim(c.When.Text()) + ") ? " + condition + " : false"
	}
	message := quote(strings.Join(strings.Fields(c.Control.Message), " "))
	switch {
	case c.Message != nil:
		message = "(" + trim(c.Message.Text()) + ")"
	case c.Control.Message == "":
		message = quote(c.Title)
	}
	return targets + ".filter(self, " + condition + ").map(self, " + prefix + " + " + message + ").join('; ')"
}

// volumesFor leaves out the injected volume where the control looks at
// projected volumes.
func volumesFor(c *control.Compiled) string {
	const all = "podSpec.?volumes.orValue([])"
	if !strings.Contains(text(c), "projected") {
		return all
	}
	return all + ".filter(v, !(" + injectedVolume + "))"
}

func bind(name, value, body string) string {
	return "[" + value + "].map(" + name + ", " + body + ")[0]"
}

// text is all that a control says in CEL.
func text(c *control.Compiled) string {
	all := c.Violation.Text()
	if c.When != nil {
		all += " " + c.When.Text()
	}
	if c.Message != nil {
		all += " " + c.Message.Text()
	}
	return all
}

// mentions tells whether a text may use a variable. A word in a string counts
// too: a binding too many does no harm.
func mentions(text, name string) bool {
	return regexp.MustCompile(`(^|[^\w.])` + name + `\b`).MatchString(text)
}

// sizes are the fields that a resize of a pod may change.
var sizes = regexp.MustCompile(`\bresources\b`)

func trim(s string) string { return strings.TrimSpace(s) }

func quote(s string) string { return strconv.Quote(s) }

func quoteAll(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, ", ")
}
