package rbac

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// target is a resource, with its API group, whose control is power.
type target struct{ group, resource, sub string }

// power is a right that is worth a control of its own.
type power struct {
	verbs   []string
	targets []target
	// gain completes the sentence "X may ..., which ...".
	gain string
	// namespace narrows the power to grants that reach one namespace.
	namespace string
}

var (
	read  = []string{"get", "list", "watch"}
	write = []string{"create", "update", "patch"}
)

// powers are the rights judged by control id. A rule with a wildcard resource
// holds all of them and is reported once, by wildcard-rights.
var powers = map[string]power{
	"secrets-read":            {verbs: read, targets: []target{{"", "secrets", ""}}, gain: "hands over every credential kept there; list and watch show contents, too"},
	"secrets-create":          {verbs: []string{"create"}, targets: []target{{"", "secrets", ""}}, gain: "lets them issue a token for any service account there, if they can read it back"},
	"workload-create":         {verbs: write, targets: workloads, gain: "lets them run any image as any service account there, and mount every Secret and volume"},
	"pod-exec":                {verbs: []string{"create", "get"}, targets: []target{{"", "pods", "exec"}, {"", "pods", "attach"}}, gain: "gives them a shell in every pod there, with its files and tokens"},
	"pod-port-forward":        {verbs: []string{"create", "get"}, targets: []target{{"", "pods", "portforward"}, {"", "pods", "proxy"}, {"", "services", "proxy"}}, gain: "lets them reach every port of the pods there past network policies"},
	"ephemeral-containers":    {verbs: []string{"update", "patch"}, targets: []target{{"", "pods", "ephemeralcontainers"}}, gain: "lets them start a container of their choice in every running pod there"},
	"nodes-proxy":             {verbs: []string{"get", "create", "update", "patch", "delete"}, targets: []target{{"", "nodes", "proxy"}}, gain: "opens the API of every kubelet; get is enough to run commands in all pods, past admission and audit"},
	"token-create":            {verbs: []string{"create"}, targets: []target{{"", "serviceaccounts", "token"}}, gain: "lets them become any service account there"},
	"escalate-or-bind":        {verbs: []string{"escalate", "bind"}, targets: []target{{rbac.Group, "roles", ""}, {rbac.Group, "clusterroles", ""}}, gain: "switches off the check that nobody can grant more than he has: the way to any right"},
	"impersonate":             {verbs: []string{"impersonate"}, targets: []target{{"", "users", ""}, {"", "groups", ""}, {"", "serviceaccounts", ""}, {"authentication.k8s.io", "userextras", ""}, {"authentication.k8s.io", "uids", ""}}, gain: "lets them act as somebody else, an administrator included"},
	"csr-approve":             {verbs: []string{"update", "patch", "approve", "sign"}, targets: []target{{"certificates.k8s.io", "certificatesigningrequests", "approval"}, {"certificates.k8s.io", "signers", ""}}, gain: "lets them issue client certificates, which can not be revoked, in other names"},
	"webhook-write":           {verbs: append([]string{"delete"}, write...), targets: []target{{"admissionregistration.k8s.io", "validatingwebhookconfigurations", ""}, {"admissionregistration.k8s.io", "mutatingwebhookconfigurations", ""}}, gain: "lets them read and change every object on its way into the cluster, or switch checks off"},
	"admission-policy-write":  {verbs: append([]string{"delete"}, write...), targets: []target{{"admissionregistration.k8s.io", "validatingadmissionpolicies", ""}, {"admissionregistration.k8s.io", "validatingadmissionpolicybindings", ""}, {"admissionregistration.k8s.io", "mutatingadmissionpolicies", ""}, {"admissionregistration.k8s.io", "mutatingadmissionpolicybindings", ""}}, gain: "lets them weaken the rules of admission, or change objects on their way in"},
	"persistent-volume-write": {verbs: write, targets: []target{{"", "persistentvolumes", ""}}, gain: "lets them bring files of the nodes into pods past Pod Security"},
	"namespace-update":        {verbs: []string{"update", "patch"}, targets: []target{{"", "namespaces", ""}}, gain: "lets them change the Pod Security labels, and with them what is admitted"},
	"node-write":              {verbs: append([]string{"delete"}, write...), targets: []target{{"", "nodes", ""}, {"", "nodes", "status"}}, gain: "lets them pull pods and their secrets onto a node of their choice"},
	"binding-write":           {verbs: write, targets: []target{{rbac.Group, "rolebindings", ""}, {rbac.Group, "clusterrolebindings", ""}}, gain: "lets them hand all they hold to others, and stay in after their own access ends"},
	"role-write":              {verbs: write, targets: []target{{rbac.Group, "roles", ""}, {rbac.Group, "clusterroles", ""}}, gain: "lets them spread what they hold over roles that others carry"},
	"system-configmap-write":  {verbs: []string{"update", "patch"}, targets: []target{{"", "configmaps", ""}}, gain: "reaches the configuration of DNS, proxy and cloud identities", namespace: "kube-system"},
	"endpoints-write":         {verbs: write, targets: []target{{"", "endpoints", ""}, {"discovery.k8s.io", "endpointslices", ""}}, gain: "lets them send the traffic of Services to addresses of their choice"},
	"network-policy-write":    {verbs: append([]string{"delete"}, write...), targets: []target{{"networking.k8s.io", "networkpolicies", ""}}, gain: "lets them open the network between workloads"},
	"api-extension-write":     {verbs: write, targets: []target{{"apiextensions.k8s.io", "customresourcedefinitions", ""}, {"apiregistration.k8s.io", "apiservices", ""}}, gain: "lets them put a server of their own behind a part of the API and receive what is sent there"},
	"events-delete":           {verbs: []string{"delete", "deletecollection"}, targets: []target{{"", "events", ""}, {"events.k8s.io", "events", ""}}, gain: "lets them remove traces"},
	"pod-log-read":            {verbs: []string{"get"}, targets: []target{{"", "pods", "log"}}, gain: "shows what programs write to their logs, secrets among it at times"},
}

var workloads = []target{
	{"", "pods", ""},
	{"", "replicationcontrollers", ""},
	{"", "podtemplates", ""},
	{"apps", "deployments", ""},
	{"apps", "daemonsets", ""},
	{"apps", "statefulsets", ""},
	{"apps", "replicasets", ""},
	{"batch", "jobs", ""},
	{"batch", "cronjobs", ""},
}

// holds returns the verb and resource by which a rule has the power.
func (p power) holds(r *rbac.Rule) (string, bool) {
	for _, t := range p.targets {
		for _, verb := range p.verbs {
			if t.resource == "pods" && t.sub == "" && verb != "create" && len(p.targets) == len(workloads) {
				continue // a running pod can hardly be changed
			}
			name := ""
			if len(r.ResourceNames) > 0 {
				name = r.ResourceNames[0]
			}
			if r.Allows(rbac.Request{Verb: verb, APIGroup: t.group, Resource: t.resource, Subresource: t.sub, Name: name}) {
				resource := t.resource
				if t.sub != "" {
					resource += "/" + t.sub
				}
				return verb + " " + resource, true
			}
		}
	}
	return "", false
}

// judged makes the analysis of one power.
func (p power) judged(inv *inventory.Inventory, report func(finding.Finding)) {
	m := rbac.Of(inv)
	for _, role := range m.Roles {
		if exempt(role) {
			report(finding.Finding{Verdict: finding.NotApplicable, Object: role})
			continue
		}
		failed := false
		for _, r := range m.Rules(role) {
			if r.Role != role || r.Wild() {
				continue
			}
			if f, ok := p.judge(m, role, r); ok {
				failed = true
				report(f)
			}
		}
		if !failed {
			report(finding.Finding{Verdict: finding.Pass, Object: role})
		}
	}
}

func (p power) judge(m *rbac.Model, role *inventory.Object, r *rbac.Rule) (finding.Finding, bool) {
	what, ok := p.holds(r)
	bindings := m.BindingsOf(role)
	if !ok || p.namespace != "" && !reaches(role, bindings, p.namespace) {
		return finding.Finding{}, false
	}
	f := finding.Finding{Verdict: finding.Fail, Object: role, Path: r.Path()}
	who, scope := holders(bindings, role)
	f.Message = fmt.Sprintf("%s may %s %s, which %s", who, what, scope, p.gain)
	if who == "" {
		f.Severity = finding.Low
		f.Message = fmt.Sprintf("whoever gets this role may %s, which %s; among the input it is bound to nobody", what, p.gain)
	}
	if len(r.ResourceNames) > 0 {
		f.Severity = finding.Low
		f.Message += fmt.Sprintf(" (narrowed to %s)", list(r.ResourceNames))
	}
	return f, true
}

// reaches tells whether a role is granted in a namespace.
func reaches(role *inventory.Object, bindings []*rbac.Binding, namespace string) bool {
	if role.Kind == "Role" {
		return role.EffectiveNamespace() == namespace
	}
	return slices.ContainsFunc(bindings, func(b *rbac.Binding) bool { return b.Namespace == "" || b.Namespace == namespace })
}

// holders names who gets a role and where.
func holders(bindings []*rbac.Binding, role *inventory.Object) (string, string) {
	var who, through, where []string
	for _, b := range bindings {
		for _, s := range b.Subjects {
			who = append(who, s.String())
		}
		if len(b.Subjects) > 0 {
			through = append(through, b.Object.Name)
			place := "in the whole cluster"
			if b.Namespace != "" {
				place = "in namespace " + b.Namespace
			}
			where = append(where, place)
		}
	}
	if len(who) == 0 {
		return "", ""
	}
	scope := list(where)
	if role.Kind == "Role" {
		scope = "in namespace " + role.EffectiveNamespace()
	}
	return list(who), scope + " through binding " + list(through)
}

// list joins distinct words, at most five.
func list(words []string) string {
	slices.Sort(words)
	words = slices.Compact(words)
	const most = 5
	if extra := len(words) - most; extra > 0 {
		return strings.Join(words[:most], ", ") + fmt.Sprintf(" and %d more", extra)
	}
	return strings.Join(words, ", ")
}

// exempt are the roles Kubernetes itself creates.
func exempt(role *inventory.Object) bool {
	if role.Labels().Get("kubernetes.io/bootstrapping").Str() != "rbac-defaults" {
		return false
	}
	return strings.HasPrefix(role.Name, "system:") || slices.Contains([]string{"cluster-admin", "admin", "edit", "view"}, role.Name)
}

func analyses() map[string]control.Analysis {
	out := map[string]control.Analysis{
		"wildcard-rights":               wildcardRights,
		"cluster-admin-binding":         clusterAdminBinding,
		"anonymous-binding":             anonymousBinding,
		"everybody-binding":             everybodyBinding,
		"system-masters-binding":        systemMastersBinding,
		"default-account-binding":       defaultAccountBinding,
		"single-user-binding":           singleUserBinding,
		"dangling-role":                 danglingRole,
		"dangling-subject":              danglingSubject,
		"unknown-rbac-name":             unknownName,
		"resource-names-without-effect": resourceNamesWithoutEffect,
		"aggregated-role":               aggregatedRole,
		"cluster-binding-for-namespace": clusterBindingForNamespace,
	}
	for id, p := range powers {
		out[id] = p.judged
	}
	return out
}
