package prove_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/prove"
)

func TestReadMakesOutTheMechanism(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		answer prove.Answer
		want   prove.Finding
	}{
		{"created", prove.Answer{Code: 201}, prove.Finding{Outcome: prove.Admitted}},
		{
			"created with warnings",
			prove.Answer{Code: 201, Warnings: []string{
				`299 - "would violate PodSecurity \"restricted:latest\": x"`, `299 - "would violate PodSecurity "restricted:latest": x"`,
				`299 - "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': x"`, `299 - "spec.x: deprecated"`,
			}},
			prove.Finding{Outcome: prove.Admitted, Warned: []string{"Pod Security restricted:latest", "Pod Security restricted:latest", "ValidatingAdmissionPolicy p"}},
		},
		{"a name that is taken shows after admission", prove.Answer{Code: 409, Reason: "AlreadyExists", Message: "taken"}, prove.Finding{Outcome: prove.Admitted}},
		{
			"a policy",
			prove.Answer{Code: 403, Message: `pods "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not so`},
			prove.Finding{Outcome: prove.Refused, By: prove.Policy, Name: "p", Message: "not so"},
		},
		{
			"a policy with the reason Invalid",
			prove.Answer{Code: 422, Reason: "Invalid", Message: `pods "a" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: not so`},
			prove.Finding{Outcome: prove.Refused, By: prove.Policy, Name: "p", Message: "not so"},
		},
		{
			"Pod Security",
			prove.Answer{Code: 403, Message: `pods "a" is forbidden: violates PodSecurity "baseline:v1.36": host namespaces (hostPID=true)`},
			prove.Finding{Outcome: prove.Refused, By: prove.PodSecurity, Name: "baseline:v1.36", Message: "host namespaces (hostPID=true)"},
		},
		{
			"a webhook",
			prove.Answer{Code: 403, Message: `admission webhook "w.example.com" denied the request: no`},
			prove.Finding{Outcome: prove.Refused, By: prove.Webhook, Name: "w.example.com", Message: "no"},
		},
		{
			"a webhook without a word",
			prove.Answer{Code: 400, Message: `admission webhook "w.example.com" denied the request without explanation`},
			prove.Finding{Outcome: prove.Refused, By: prove.Webhook, Name: "w.example.com", Message: "without explanation"},
		},
		{
			"a webhook that is away",
			prove.Answer{Code: 500, Message: `Internal error occurred: failed calling webhook "w.example.com": no endpoints`},
			prove.Finding{Outcome: prove.Refused, By: prove.Webhook, Name: "w.example.com", Message: "the webhook does not answer, and fails closed: no endpoints"},
		},
		{
			"a webhook that can't be tried",
			prove.Answer{Code: 400, Message: `admission webhook "w.example.com" does not support dry run`},
			prove.Finding{Message: `can't be tried: admission webhook "w.example.com" does not support dry run`},
		},
		{
			"no right",
			prove.Answer{Code: 403, Message: `pods is forbidden: User "eve" cannot create resource "pods" in API group "" in the namespace "a"`},
			prove.Finding{Message: `the user may not create such objects here: pods is forbidden: User "eve" cannot create resource "pods" in API group "" in the namespace "a"`},
		},
		{
			"a full quota",
			prove.Answer{Code: 403, Message: "pods \"a\" is forbidden: exceeded quota: q"},
			prove.Finding{Message: "the quota of the namespace is used up: pods \"a\" is forbidden: exceeded quota: q"},
		},
		{
			"another plugin",
			prove.Answer{Code: 403, Message: "services is forbidden: spec.externalIPs is not allowed"},
			prove.Finding{Outcome: prove.Refused, By: prove.Plugin, Message: "services is forbidden: spec.externalIPs is not allowed"},
		},
		{"invalid", prove.Answer{Code: 422, Message: "x"}, prove.Finding{Invalid: true, Message: "the API server takes the object for invalid: x"}},
		{"no namespace", prove.Answer{Code: 404, Message: "x"}, prove.Finding{Message: "the cluster has no such namespace or kind: x"}},
		{"overload", prove.Answer{Code: 429, Message: "x"}, prove.Finding{Message: "no answer to go by: x"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(prove.Read(tc.answer), tc.want); diff != "" {
				t.Errorf("finding (-got +want):\n%s", diff)
			}
		})
	}
}

func TestForFieldWantsTheFieldAndNothingElse(t *testing.T) {
	t.Parallel()
	const one = `Pod "a" is invalid: spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": no`
	for _, tc := range []struct {
		name, message, at string
		want              prove.Outcome
	}{
		{"the field alone", one, "securityContext.procMount", prove.Refused},
		{"another field", one, "securityContext.privileged", prove.Unknown},
		{"part of a name", one, "procMoun", prove.Unknown},
		{"several faults", strings.Replace(one, "invalid: ", "invalid: [spec.x: Required value, ", 1) + "]", "securityContext.procMount", prove.Unknown},
		{"a control without a field", one, "", prove.Unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := prove.Read(prove.Answer{Code: 422, Reason: "Invalid", Message: tc.message}).ForField(tc.at)
			if got.Outcome != tc.want || (got.By == prove.Validation) != (tc.want == prove.Refused) {
				t.Errorf("got %q by %q", got.Outcome, got.By)
			}
		})
	}
}

func TestHardenLeavesTheFaultAndOnlyIt(t *testing.T) {
	t.Parallel()
	pod := map[string]any{"apiVersion": "v1", "kind": "Pod", "spec": map[string]any{"containers": []any{map[string]any{"name": "a", "image": "nginx"}}}}
	escalates := func(o map[string]any) bool {
		container := o["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any) //nolint:errcheck,forcetypeassert // it is one
		context, _ := container["securityContext"].(map[string]any)
		escalation, set := context["allowPrivilegeEscalation"].(bool)
		return !set || escalation
	}
	got := prove.Harden(pod, escalates)
	container := got["spec"].(map[string]any)["containers"].([]any)[0].(map[string]any) //nolint:errcheck,forcetypeassert // it is one
	want := map[string]any{"capabilities": map[string]any{"drop": []any{"ALL"}}, "readOnlyRootFilesystem": true}
	if diff := cmp.Diff(container["securityContext"], any(want)); diff != "" {
		t.Errorf("securityContext (-got +want):\n%s", diff)
	}
	if pod["spec"].(map[string]any)["hostUsers"] != nil { //nolint:errcheck,forcetypeassert // it is one
		t.Error("the original was changed")
	}
}

func TestCompleteKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	got := prove.Complete(map[string]any{
		"kind": "Deployment", "metadata": map[string]any{"name": "a"},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"image": "x"}}}}},
	})
	want := map[string]any{
		"kind": "Deployment", "metadata": map[string]any{"name": "a"},
		"spec": map[string]any{
			"selector": map[string]any{"matchLabels": map[string]any{"app": "redoubt-probe"}},
			"template": map[string]any{
				"metadata": map[string]any{"labels": map[string]any{"app": "redoubt-probe"}},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "container-0", "image": "x"}}},
			},
		},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("object (-got +want):\n%s", diff)
	}
}
