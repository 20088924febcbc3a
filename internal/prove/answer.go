package prove

import (
	"net/http"
	"regexp"
	"strings"
)

// Outcome is what became of an object.
type Outcome string

// The outcomes. The zero value is that nothing is known.
const (
	Unknown  Outcome = ""
	Refused  Outcome = "refused"
	Admitted Outcome = "admitted"
)

// Mechanism is a part of a cluster that refuses objects.
type Mechanism string

// The mechanisms.
const (
	PodSecurity Mechanism = "Pod Security"
	Policy      Mechanism = "ValidatingAdmissionPolicy"
	Webhook     Mechanism = "webhook"
	Plugin      Mechanism = "admission plugin"
	// Validation is the API server's own: no object of the kind may be so.
	Validation Mechanism = "validation"
)

// Answer is that of an API server to a request that would create an object.
type Answer struct {
	Code    int
	Reason  string
	Message string
	// Warnings are the texts of the Warning headers.
	Warnings []string
}

// Finding is an answer made out.
type Finding struct {
	Outcome Outcome `json:"outcome"`
	// By and Name say what refused, such as the policy of this name.
	By   Mechanism `json:"by,omitempty"`
	Name string    `json:"name,omitempty"`
	// Message is what the server said, or why nothing is known.
	Message string `json:"message,omitempty"`
	// Warned are the mechanisms that let the object in with a warning.
	Warned []string `json:"warned,omitempty"`
	// Invalid is set when the server refused the object as invalid: another
	// object may say more.
	Invalid bool `json:"-"`
}

// ForField makes out whether an object was refused as invalid for the field that
// a control blames, and for nothing else: then it is the fault that is refused.
func (f Finding) ForField(at string) Finding {
	_, said, found := strings.Cut(f.Message, " is invalid: ")
	if !f.Invalid || at == "" || !found || strings.HasPrefix(said, "[") || !strings.Contains(said, "."+at+": ") {
		return f
	}
	f.Outcome, f.By, f.Message = Refused, Validation, said
	return f
}

var (
	byPolicy   = regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)' (?:with binding '[^']+' )?denied request: (?s:(.*))`)
	byLevel    = regexp.MustCompile(`violates PodSecurity "([^"]+)": (?s:(.*))`)
	byWebhook  = regexp.MustCompile(`admission webhook "([^"]+)" denied the request(?:: |)(?s:(.*))`)
	noDryRun   = regexp.MustCompile(`admission webhook "([^"]+)" does not support dry run`)
	webhookOff = regexp.MustCompile(`failed calling webhook "([^"]+)": (?s:(.*))`)
	warnPolicy = regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)'`)
	warnLevel  = regexp.MustCompile(`would violate PodSecurity \\?"([^"\\]+)`)
)

// Read makes out which part of the cluster gave an answer.
func Read(a Answer) Finding {
	f := Finding{Message: a.Message, Warned: warned(a.Warnings)}
	for _, m := range []struct {
		pattern *regexp.Regexp
		by      Mechanism
	}{{byPolicy, Policy}, {byLevel, PodSecurity}, {byWebhook, Webhook}, {webhookOff, Webhook}} {
		if a.Code < 300 {
			break
		}
		if found := m.pattern.FindStringSubmatch(a.Message); found != nil {
			f.Outcome, f.By, f.Name, f.Message = Refused, m.by, found[1], strings.TrimSpace(found[2])
			if m.pattern == webhookOff {
				f.Message = "the webhook does not answer, and fails closed: " + f.Message
			}
			return f
		}
	}
	return byStatus(a, f)
}

// byStatus makes out an answer that names no mechanism.
func byStatus(a Answer, f Finding) Finding {
	switch {
	case a.Code < 300, a.Reason == "AlreadyExists":
		// That a name is taken shows after admission only.
		f.Outcome, f.Message = Admitted, ""
	case noDryRun.MatchString(a.Message):
		f.Message = "can't be tried: " + a.Message
	case a.Code == http.StatusForbidden && strings.Contains(a.Message, " cannot create resource "):
		f.Message = "the user may not create such objects here: " + a.Message
	case a.Code == http.StatusForbidden && strings.Contains(a.Message, "exceeded quota"):
		f.Message = "the quota of the namespace is used up: " + a.Message
	case a.Code == http.StatusForbidden && strings.Contains(a.Message, "error looking up service account"):
		f.Message = "the namespace has no such service account: " + a.Message
	case a.Code == http.StatusForbidden:
		f.Outcome, f.By = Refused, Plugin
	case a.Code == http.StatusNotFound:
		f.Message = "the cluster has no such namespace or kind: " + a.Message
	case a.Code == http.StatusUnprocessableEntity, a.Code == http.StatusBadRequest:
		f.Invalid, f.Message = true, "the API server takes the object for invalid: "+a.Message
	default:
		f.Message = "no answer to go by: " + a.Message
	}
	return f
}

func warned(warnings []string) []string {
	var out []string
	for _, w := range warnings {
		if found := warnPolicy.FindStringSubmatch(w); found != nil {
			out = append(out, string(Policy)+" "+found[1])
		} else if found := warnLevel.FindStringSubmatch(w); found != nil {
			out = append(out, string(PodSecurity)+" "+found[1])
		}
	}
	return out
}
