package controlplane

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/apis/audit"
	auditpolicy "k8s.io/apiserver/pkg/audit/policy"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/redoubt-k8s/redoubt/internal/component"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// request is one call to the API server that an audit policy is asked about.
type request struct {
	what                             string
	verb, group, resource, sub, user string
	groups                           []string
	namespace                        string
}

func (r request) attributes() authorizer.Attributes {
	return authorizer.AttributesRecord{
		User: &user.DefaultInfo{Name: r.user, Groups: r.groups}, Verb: r.verb, APIGroup: r.group, APIVersion: "v1",
		Resource: r.resource, Subresource: r.sub, Namespace: r.namespace, Name: "a", ResourceRequest: true,
	}
}

var people = []string{"system:authenticated"}

// mustSee are requests that an audit policy must not drop.
var mustSee = []request{
	{"commands run in pods", "create", "", "pods", "exec", "jane", people, "shop"},
	{"port forwarding", "create", "", "pods", "portforward", "jane", people, "shop"},
	{"new pods", "create", "", "pods", "", "jane", people, "shop"},
	{"pods in kube-system", "create", "", "pods", "", "jane", people, "kube-system"},
	{"access to Secrets", "get", "", "secrets", "", "jane", people, "shop"},
	{"access to Secrets by service accounts", "list", "", "secrets", "", "system:serviceaccount:shop:web", []string{"system:serviceaccounts", "system:authenticated"}, "shop"},
	{"issued tokens", "create", "", "serviceaccounts", "token", "jane", people, "shop"},
	{"changes of roles and bindings", "create", "rbac.authorization.k8s.io", "clusterrolebindings", "", "jane", people, ""},
	{"changes of admission webhooks", "update", "admissionregistration.k8s.io", "validatingwebhookconfigurations", "", "jane", people, ""},
	{"new scheduled jobs", "create", "batch", "cronjobs", "", "jane", people, "shop"},
	{"deletions", "delete", "apps", "deployments", "", "jane", people, "shop"},
	{"what anonymous callers do", "list", "", "pods", "", "system:anonymous", []string{"system:unauthenticated"}, "shop"},
	{"certificate requests", "create", "certificates.k8s.io", "certificatesigningrequests", "", "jane", people, ""},
	{"debug containers", "patch", "", "pods", "ephemeralcontainers", "jane", people, "shop"},
}

// bodies are requests whose content is a secret.
var bodies = []request{
	{"the contents of Secrets", "create", "", "secrets", "", "jane", people, "shop"},
	{"the contents of Secrets", "get", "", "secrets", "", "jane", people, "shop"},
	{"live tokens", "create", "", "serviceaccounts", "token", "jane", people, "shop"},
	{"tokens under review", "create", "authentication.k8s.io", "tokenreviews", "", "jane", people, ""},
}

// eachPolicy loads every audit policy with the API server's own loader.
func eachPolicy(inv *inventory.Inventory, report func(finding.Finding), judge func(o *inventory.Object, p *audit.Policy)) {
	for _, o := range inv.Kind("Policy", "audit.k8s.io") {
		p, err := auditpolicy.LoadPolicyFromBytes(o.Root.JSON())
		if err != nil {
			report(finding.Finding{Verdict: finding.Fail, Object: o, Path: "rules", Message: fmt.Sprintf("the API server does not load this policy, and does not start: %v", err)})
			continue
		}
		judge(o, p)
	}
}

// level is the level a policy records a request at.
func level(p *audit.Policy, r request) audit.Level {
	return auditpolicy.NewPolicyRuleEvaluator(p).EvaluatePolicyRule(r.attributes()).Level
}

// ruleFor is the first rule that matches a request, -1 for none.
func ruleFor(p *audit.Policy, r request) int {
	for i := range p.Rules {
		alone := &audit.Policy{Rules: []audit.PolicyRule{p.Rules[i]}}
		alone.Rules[0].Level = audit.LevelRequestResponse
		if level(alone, r) == audit.LevelRequestResponse {
			return i
		}
	}
	return -1
}

func auditPolicyBlind(inv *inventory.Inventory, report func(finding.Finding)) {
	eachPolicy(inv, report, func(o *inventory.Object, p *audit.Policy) {
		unseen := make(map[int][]string)
		for _, r := range mustSee {
			if level(p, r) == audit.LevelNone {
				i := ruleFor(p, r)
				unseen[i] = append(unseen[i], r.what)
			}
		}
		if len(unseen) == 0 {
			report(finding.Finding{Verdict: finding.Pass, Object: o})
		}
		for i, what := range unseen {
			f := finding.Finding{Verdict: finding.Fail, Object: o, Path: inventory.JoinIndex("rules", i)}
			f.Message = "this rule drops " + strings.Join(what, ", ")
			if i < 0 {
				f.Path, f.Message = "rules", "no rule matches, so the policy drops "+strings.Join(what, ", ")
			}
			report(f)
		}
	})
}

func auditPolicySecrets(inv *inventory.Inventory, report func(finding.Finding)) {
	eachPolicy(inv, report, func(o *inventory.Object, p *audit.Policy) {
		leaks := make(map[int][]string)
		for _, r := range bodies {
			if l := level(p, r); l == audit.LevelRequest && r.verb != "get" || l == audit.LevelRequestResponse {
				i := ruleFor(p, r)
				if !slices.Contains(leaks[i], r.what) {
					leaks[i] = append(leaks[i], r.what)
				}
			}
		}
		if len(leaks) == 0 {
			report(finding.Finding{Verdict: finding.Pass, Object: o})
		}
		for i, what := range leaks {
			report(finding.Finding{
				Verdict: finding.Fail, Object: o, Path: inventory.JoinIndex("rules", i) + ".level",
				Message: fmt.Sprintf("this rule records %s: whoever reads the audit log has them. Put a rule with level Metadata for secrets, serviceaccounts/token and tokenreviews before it", strings.Join(what, ", ")),
			})
		}
	})
}

func auditRuleUnreachable(inv *inventory.Inventory, report func(finding.Finding)) {
	eachPolicy(inv, report, func(o *inventory.Object, p *audit.Policy) {
		failed := false
		for i := range p.Rules {
			if j := slices.IndexFunc(p.Rules[:i], catchAll); j >= 0 {
				failed = true
				report(finding.Finding{
					Verdict: finding.Fail, Object: o, Path: inventory.JoinIndex("rules", i),
					Message: fmt.Sprintf("rule %d before it matches every request and the first match counts: this rule is never reached", j+1),
				})
			}
		}
		if !failed {
			report(finding.Finding{Verdict: finding.Pass, Object: o})
		}
	})
}

func catchAll(r audit.PolicyRule) bool {
	return len(r.Users) == 0 && len(r.UserGroups) == 0 && len(r.Verbs) == 0 && len(r.Resources) == 0 && len(r.Namespaces) == 0 && len(r.NonResourceURLs) == 0
}

// auditPathNotMounted holds the audit flags of the API server against its
// mounts: a policy that is not mounted keeps it from starting, a log that is
// not mounted dies with the container, one that is mounted as a single file
// can not be rotated.
func auditPathNotMounted(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, p := range component.Of(inv) {
		if p.Name != component.APIServer || p.Template == nil {
			continue
		}
		failed := false
		for _, name := range []string{"audit-policy-file", "audit-webhook-config-file", "audit-log-path"} {
			f, ok := p.Flag(name)
			if !ok || f.Value == "" || f.Value == "-" || component.Open(f.Value) {
				continue
			}
			if msg := mountFault(p, name, f.Value); msg != "" {
				failed = true
				report(finding.Finding{Verdict: finding.Fail, Object: p.Object, Container: p.Container.Name, Path: f.Path, Message: msg})
			}
		}
		if !failed {
			report(finding.Finding{Verdict: finding.Pass, Object: p.Object, Container: p.Container.Name, Path: p.Path})
		}
	}
}

func mountFault(p *component.Process, flag, file string) string {
	for _, m := range p.Container.Node.Get("volumeMounts").All() {
		at := path.Clean(m.Get("mountPath").Str())
		if at != file && !strings.HasPrefix(file, strings.TrimSuffix(at, "/")+"/") {
			continue
		}
		switch {
		case flag == "audit-log-path" && m.Get("readOnly").True():
			return fmt.Sprintf("--%s=%s lies on a mount that is read-only: nothing can be logged", flag, file)
		case flag == "audit-log-path" && at == file:
			return fmt.Sprintf("--%s=%s is mounted as a single file: the log can not be rotated, because rotation renames it. Mount the folder", flag, file)
		}
		return ""
	}
	if flag == "audit-log-path" {
		return fmt.Sprintf("--%s=%s is on no mount of the container: the log is lost when the container ends", flag, file)
	}
	return fmt.Sprintf("--%s=%s is on no mount of the container: the API server does not find the file and does not start", flag, file)
}
