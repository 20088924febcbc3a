package phantom

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/schema"
)

// judged is an object with what the strict decoder says of it.
type judged struct {
	object *inventory.Object
	faults []schema.Fault
	// known is false for kinds without a Go type: custom resources.
	known bool
}

type memoKey struct{}

// decoded decodes all objects strictly, once for all controls.
func decoded(inv *inventory.Inventory) []judged {
	all, ok := inv.Memo(memoKey{}, func() any {
		out := make([]judged, len(inv.Objects))
		var next atomic.Int64
		var wg sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				for {
					i := int(next.Add(1)) - 1
					if i >= len(out) {
						return
					}
					faults, known := schema.Check(inv.Objects[i])
					out[i] = judged{inv.Objects[i], faults, known}
				}
			})
		}
		wg.Wait()
		return out
	}).([]judged)
	if !ok {
		return nil
	}
	return all
}

// strictly makes the control of one kind of fault.
func strictly(kind schema.Kind) control.Analysis {
	return func(inv *inventory.Inventory, report func(finding.Finding)) {
		for _, j := range decoded(inv) {
			if !j.known {
				report(finding.Finding{Verdict: finding.NotApplicable, Object: j.object})
				continue
			}
			failed := false
			for _, f := range j.faults {
				if f.Kind == kind {
					failed = true
					report(describe(j.object, f))
				}
			}
			if !failed {
				report(finding.Finding{Verdict: finding.Pass, Object: j.object})
			}
		}
	}
}

// describe says what is wrong with a field, what becomes of it, what was
// probably meant and what is in force instead.
func describe(o *inventory.Object, f schema.Fault) finding.Finding {
	out := finding.Finding{Verdict: finding.Fail, Object: o, Path: f.Path, Line: f.Line, Column: f.Column}
	instead, sensitive := inForce(o, f)
	switch f.Kind {
	case schema.DuplicateField:
		out.Message = fmt.Sprintf("%s stands here more than once; the last one counts, %s, and this one is without effect", f.Field, f.Detail)
	case schema.WrongType:
		out.Message = fmt.Sprintf("%s %s: %s", f.Path, f.Detail, refusal(o))
	case schema.MisplacedField:
		out.Message = fmt.Sprintf("%s does not belong here: %s. It is a field of %s%s", f.Field, fate(o), f.Suggestion, instead)
	case schema.WrongCase, schema.Misspelt:
		out.Message = fmt.Sprintf("there is no field %s here: %s. Meant is probably %s%s", f.Field, fate(o), f.Suggestion, instead)
	case schema.UnknownField:
		out.Message = fmt.Sprintf("there is no field %s here: %s%s", f.Field, fate(o), instead)
	}
	if !sensitive && f.Kind != schema.WrongType {
		out.Severity = finding.Medium
	}
	return out
}

// fate says what becomes of an unknown field.
func fate(o *inventory.Object) string {
	who, what := schema.Component(o)
	switch what {
	case schema.Lenient:
		return who + " logs a warning and goes on without it"
	case schema.Ignored:
		return who + " reads past it without a word"
	case schema.Refused:
		return who + " refuses the file and does not start"
	case schema.Dropped:
	}
	return "the API server drops it before any policy sees it, or refuses the object under strict validation"
}

func refusal(o *inventory.Object) string {
	if who, _ := schema.Component(o); who != "" {
		return who + " refuses the file"
	}
	return "the API server refuses the object"
}

// effects says, for fields that protect something, what holds without them.
var effects = map[string]string{ //nolint:gosec // names of fields, not credentials
	"readOnlyRootFilesystem":       "the root file system stays writable",
	"allowPrivilegeEscalation":     "privilege escalation stays allowed",
	"privileged":                   "the container is not privileged, whatever the line says",
	"capabilities":                 "the default capabilities stay, NET_RAW of many runtimes included",
	"runAsNonRoot":                 "the container may run as root",
	"runAsUser":                    "the image decides on the user",
	"runAsGroup":                   "the image decides on the group, which may be that of root",
	"seccompProfile":               "no seccomp profile is set",
	"appArmorProfile":              "only the default profile of the runtime applies, if there is one",
	"seLinuxOptions":               "the runtime chooses the SELinux label",
	"securityContext":              "none of its settings applies",
	"automountServiceAccountToken": "the token of the service account is mounted",
	"serviceAccountName":           "the pod runs as the default service account",
	"hostUsers":                    "root of the container is root of the node",
	"volumeMounts":                 "nothing is mounted",
	"resources":                    "no requests and limits apply",
	"limits":                       "no limits apply",
	"supplementalGroups":           "the groups are not added",
	"fsGroup":                      "volumes keep their group",
	"runtimeClassName":             "the pod runs in the default runtime, without a sandbox",
	"imagePullSecrets":             "the image is pulled without credentials",
	"policyTypes":                  "",
	"policyType":                   "",
	"failurePolicy":                "the default failure policy applies",
	"omitStages":                   "no stage is left out",
	"anonymous":                    "the default for anonymous requests applies",
	"authorization":                "the default authorisation applies",
	"authentication":               "the default authentication applies",
	"readOnlyPort":                 "the default port setting applies",
	"protectKernelDefaults":        "the kubelet changes kernel settings as it likes",
	"seccompDefault":               "no seccomp profile is set by default",
	"podPidsLimit":                 "pods may start as many processes as the node allows",
	"rotateCertificates":           "the client certificate is not renewed by this file",
	"resourceNames":                "the rule holds for all objects, not for the named ones",
	"level":                        "the rule has no level",
	"resources[]":                  "",
	"roleRef":                      "the binding names no role",
	"rules":                        "there are no rules",
}

// inForce says what is in force without the field, and whether the field
// protects something.
func inForce(o *inventory.Object, f schema.Fault) (string, bool) {
	if o.Kind == "NetworkPolicy" && o.Group() == "networking.k8s.io" {
		return ". As it stands, " + policyEffect(o.Root), true
	}
	field := f.Field
	if f.Suggestion != "" {
		segments := strings.FieldsFunc(f.Suggestion, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
		field = segments[len(segments)-1]
	}
	effect, sensitive := effects[field]
	if (field == "resources" || field == "limits") && len(o.PodTemplates()) == 0 {
		return "", false // another field of that name
	}
	if effect == "" {
		return "", sensitive
	}
	text := ". In force instead: " + effect
	if adds := o.Root.At(f.Path).Get("add"); field == "capabilities" && adds.Len() > 0 {
		text += "; mind that moving the field into place also adds " + strings.Join(adds.Strings(), ", ")
	}
	return text, true
}

// policyEffect says what a NetworkPolicy does after the API server has dropped
// what it does not know.
func policyEffect(root *inventory.Node) string {
	spec := root.Get("spec")
	who := "the policy selects all pods of the namespace"
	selector := spec.Get("podSelector")
	if selector.Get("matchLabels").Len() > 0 || selector.Get("matchExpressions").Len() > 0 {
		who = "the policy isolates the pods it selects"
	}
	ingress, egress := policyDirections(spec)
	var parts []string
	for _, d := range []struct {
		on    bool
		name  string
		rules *inventory.Node
	}{{ingress, "ingress", spec.Get("ingress")}, {egress, "egress", spec.Get("egress")}} {
		switch {
		case !d.on:
			parts = append(parts, d.name+" stays open")
		case d.rules.Len() == 0:
			parts = append(parts, "all "+d.name+" is denied")
		default:
			parts = append(parts, d.name+" is allowed by its rules")
		}
	}
	return who + "; " + strings.Join(parts, "; ")
}

// policyDirections are the directions a NetworkPolicy acts on: those it names,
// or else ingress, and egress if it has egress rules.
func policyDirections(spec *inventory.Node) (bool, bool) {
	types := spec.Get("policyTypes")
	if types.Len() == 0 {
		return true, spec.Get("egress").Len() > 0
	}
	ingress, egress := false, false
	for _, t := range types.Strings() {
		ingress = ingress || t == "Ingress"
		egress = egress || t == "Egress"
	}
	return ingress, egress
}
