package policy_test

import (
	"net/http"
	"strings"
)

// refusals are the reasons for which the API server refuses an object before
// it asks policies, by a part of its message. A scan of files has to say
// something about such objects; a policy never sees them.
var refusals = []struct {
	code      int
	part, why string
}{
	{http.StatusBadRequest, "cannot be handled as a", "a field has the wrong type"},
	{http.StatusConflict, "\"kube-system\" already exists", "every cluster has this namespace"},
	{http.StatusUnprocessableEntity, "type is required when appArmorProfile is set", "a profile without a type is invalid"},
	{http.StatusUnprocessableEntity, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true", "privileged with escalation switched off is invalid"},
	{http.StatusUnprocessableEntity, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN", "CAP_SYS_ADMIN with escalation switched off is invalid"},
	{http.StatusUnprocessableEntity, "may not be set for init containers without restartPolicy=Always", "init containers that end have no probes"},
	{http.StatusUnprocessableEntity, "`hostUsers` must be false to use `Unmasked`", "an unmasked /proc without a user namespace is invalid"},
	{http.StatusUnprocessableEntity, "must not contain '..'", "a profile path that climbs out is invalid"},
	{http.StatusUnprocessableEntity, "must be set when seccomp type is Localhost", "Localhost without a path is invalid"},
	{http.StatusUnprocessableEntity, "all containers must be HostProcess containers", "host process containers don't mix with others"},
}

func refusalOf(x *sample) string {
	for _, r := range refusals {
		if x.answer.code == r.code && strings.Contains(x.answer.status.Message, r.part) {
			return r.why
		}
	}
	return ""
}

// differences are verdicts that rightly differ, because the API server has
// changed the object before it asks policies.
var differences = []struct {
	policy string
	when   func(object map[string]any) bool
	why    string
}{
	{"redoubt-apparmor-unconfined", func(o map[string]any) bool {
		annotations, _ := o["metadata"].(map[string]any)["annotations"].(map[string]any)
		for key := range annotations {
			if strings.HasPrefix(key, "container.apparmor.security.beta.kubernetes.io/") {
				return true
			}
		}
		return false
	}, "the API server copies the annotation into the field; the scan blames the annotation, by apparmor-annotation-unconfined"},
	{"redoubt-empty-dir-unbounded", func(o map[string]any) bool {
		spec, _ := o["spec"].(map[string]any)
		volumes, _ := spec["volumes"].([]any)
		for _, v := range volumes {
			if volume, ok := v.(map[string]any); ok && len(volume) == 1 {
				return true
			}
		}
		return false
	}, "the API server makes an emptyDir of a volume that names no source"},
}

func differenceOf(x *sample, policy string) string {
	for _, d := range differences {
		if d.policy == policy && d.when(x.object) {
			return d.why
		}
	}
	return ""
}
