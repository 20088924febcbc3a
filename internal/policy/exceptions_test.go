package policy_test

import (
	"net/http"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/policy"
)

// refusals are the reasons for which the API server refuses an object before
// it asks policies, by a part of its message, with the control by which the
// scan says so; none means the control that the test is about, which can't tell.
var refusals = []struct {
	code               int
	part, why, control string
}{
	{http.StatusBadRequest, "cannot be handled as a", "a field has the wrong type", ""},
	{http.StatusUnprocessableEntity, "type is required when appArmorProfile is set", "a profile without a type is invalid", "apparmor-unconfined"},
	{http.StatusUnprocessableEntity, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true", "privileged with escalation switched off is invalid", "escalation-with-sys-admin"},
	{http.StatusUnprocessableEntity, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN", "CAP_SYS_ADMIN with escalation switched off is invalid", "escalation-with-sys-admin"},
	{http.StatusUnprocessableEntity, "`hostUsers` must be false to use `Unmasked`", "an unmasked /proc without a user namespace is invalid", "proc-mount"},
	{http.StatusUnprocessableEntity, "must not contain '..'", "a profile path that climbs out is invalid", "seccomp-localhost-path"},
	{http.StatusUnprocessableEntity, "must be set when seccomp type is Localhost", "Localhost without a path is invalid", "seccomp-localhost-path"},
	{http.StatusUnprocessableEntity, "all containers must be HostProcess containers", "host process containers don't mix with others", "windows-host-process"},
}

// refusalOf says why the API server refused a sample, and what the scan says of
// that: a fault, or that it can't tell. It is "" when the two disagree.
func refusalOf(x *sample) string {
	for _, r := range refusals {
		if x.answer.code != r.code || !strings.Contains(x.answer.status.Message, r.part) {
			continue
		}
		verdict, want := x.verdicts[policy.Name(r.control, policy.Stored)], finding.Fail
		if r.control == "" {
			verdict, want = x.verdicts[x.own], finding.Unknown
		}
		if verdict == want {
			return r.why
		}
	}
	return ""
}
