package rbac

import (
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// wildcardRights finds rules that cover all resources, all verbs on ordinary
// resources, or all groups.
func wildcardRights(inv *inventory.Inventory, report func(finding.Finding)) {
	m := rbac.Of(inv)
	for _, role := range m.Roles {
		if exempt(role) {
			report(finding.Finding{Verdict: finding.NotApplicable, Object: role})
			continue
		}
		failed := false
		for _, r := range m.Rules(role) {
			path, what, severity := wildcard(r)
			if r.Role != role || path == "" {
				continue
			}
			failed = true
			f := finding.Finding{Verdict: finding.Fail, Object: role, Path: r.Path() + "." + path, Severity: severity}
			who, scope := holders(m.BindingsOf(role), role)
			f.Message = fmt.Sprintf("%s gets %s %s", who, what, scope)
			if who == "" {
				f.Severity = min(severity, finding.Medium)
				f.Message = fmt.Sprintf("whoever gets this role has %s; among the input it is bound to nobody", what)
			}
			report(f)
		}
		if !failed {
			report(finding.Finding{Verdict: finding.Pass, Object: role})
		}
	}
}

// wildcard names the field with a wildcard, what it gives, and how bad it is.
func wildcard(r *rbac.Rule) (string, string, finding.Severity) {
	all := func(s []string) bool { return slices.Contains(s, "*") }
	changes := all(r.Verbs) || slices.ContainsFunc(r.Verbs, func(v string) bool { return !slices.Contains(read, v) })
	switch {
	case all(r.Resources) && all(r.Verbs):
		return "resources", "every verb on every resource of group " + groups(r) + ", now and in future", finding.Critical
	case all(r.Resources) && changes:
		return "resources", list(slices.Clone(r.Verbs)) + " on every resource of group " + groups(r) + ", Secrets among them", finding.High
	case all(r.Resources):
		return "resources", "read access to every resource of group " + groups(r) + ", Secrets among them", finding.High
	case all(r.NonResourceURLs):
		return "nonResourceURLs", "every path of the API server", finding.Medium
	case all(r.Verbs) && len(r.Resources) > 0:
		return "verbs", "every verb on " + list(slices.Clone(r.Resources)) + ", those that grant more rights included", finding.Medium
	case all(r.APIGroups) && len(r.Resources) > 0:
		return "apiGroups", list(slices.Clone(r.Resources)) + " of every API group, those that are installed later included", finding.Low
	}
	return "", "", finding.NoSeverity
}

func groups(r *rbac.Rule) string {
	if slices.Contains(r.APIGroups, "*") {
		return "*"
	}
	out := slices.Clone(r.APIGroups)
	for i := range out {
		if out[i] == "" {
			out[i] = "core"
		}
	}
	return list(out)
}

// eachSubject judges every subject of every binding. judge returns a message
// for a fault.
func eachSubject(inv *inventory.Inventory, report func(finding.Finding), judge func(b *rbac.Binding, s rbac.Subject) (string, finding.Severity)) {
	for _, b := range rbac.Of(inv).Bindings {
		failed := false
		for i, s := range b.Subjects {
			if msg, severity := judge(b, s); msg != "" {
				failed = true
				report(finding.Finding{Verdict: finding.Fail, Severity: severity, Object: b.Object, Path: inventory.JoinIndex("subjects", i), Message: msg})
			}
		}
		if !failed {
			report(finding.Finding{Verdict: finding.Pass, Object: b.Object})
		}
	}
}

func defaultObject(o *inventory.Object) bool {
	return o.Labels().Get("kubernetes.io/bootstrapping").Str() == "rbac-defaults"
}

func clusterAdminBinding(inv *inventory.Inventory, report func(finding.Finding)) {
	eachSubject(inv, report, func(b *rbac.Binding, s rbac.Subject) (string, finding.Severity) {
		if b.RoleKind != "ClusterRole" || b.RoleName != "cluster-admin" || defaultObject(b.Object) && s.Name == "system:masters" {
			return "", finding.NoSeverity
		}
		if b.Namespace != "" {
			return fmt.Sprintf("%s has every right in namespace %s, Secrets and roles included", s, b.Namespace), finding.High
		}
		if s.Kind == "ServiceAccount" {
			return fmt.Sprintf("%s is administrator of the whole cluster: so is whoever takes over a pod that runs as it", s), finding.Critical
		}
		return fmt.Sprintf("%s is administrator of the whole cluster", s), finding.High
	})
}

// anonymousRoles are what Kubernetes grants to everybody by itself.
var anonymousRoles = []string{"system:public-info-viewer", "kubeadm:bootstrap-signer-clusterinfo"}

func anonymousBinding(inv *inventory.Inventory, report func(finding.Finding)) {
	eachSubject(inv, report, func(b *rbac.Binding, s rbac.Subject) (string, finding.Severity) {
		if s.Name != "system:anonymous" && s.Name != "system:unauthenticated" || slices.Contains(anonymousRoles, b.RoleName) {
			return "", finding.NoSeverity
		}
		return fmt.Sprintf("%s %s goes to %s: everybody who reaches the API server has it without logging in", strings.ToLower(b.RoleKind), b.RoleName, s), finding.Critical
	})
}

// everybodyRoles are granted to all who are logged in by Kubernetes itself.
var everybodyRoles = []string{"system:basic-user", "system:discovery", "system:public-info-viewer", "system:service-account-issuer-discovery"}

func everybodyBinding(inv *inventory.Inventory, report func(finding.Finding)) {
	eachSubject(inv, report, func(b *rbac.Binding, s rbac.Subject) (string, finding.Severity) {
		wide := s.Kind == "Group" && (s.Name == "system:authenticated" || strings.HasPrefix(s.Name, "system:serviceaccounts"))
		if !wide || slices.Contains(everybodyRoles, b.RoleName) {
			return "", finding.NoSeverity
		}
		whom := "everybody who is logged in, every pod with a token included"
		if s.Name != "system:authenticated" {
			whom = "every pod with a token" + strings.Replace(strings.TrimPrefix(s.Name, "system:serviceaccounts"), ":", " in namespace ", 1)
		}
		return fmt.Sprintf("%s goes to group %s: that is %s", b.RoleName, s.Name, whom), finding.High
	})
}

func systemMastersBinding(inv *inventory.Inventory, report func(finding.Finding)) {
	eachSubject(inv, report, func(b *rbac.Binding, s rbac.Subject) (string, finding.Severity) {
		if s.Kind != "Group" || s.Name != "system:masters" || defaultObject(b.Object) {
			return "", finding.NoSeverity
		}
		return "group system:masters passes every authorisation without a look at RBAC; a binding for it shows that somebody uses it, and can not be taken away by deleting it", finding.High
	})
}

func defaultAccountBinding(inv *inventory.Inventory, report func(finding.Finding)) {
	eachSubject(inv, report, func(b *rbac.Binding, s rbac.Subject) (string, finding.Severity) {
		if s.Kind != "ServiceAccount" || s.Name != "default" {
			return "", finding.NoSeverity
		}
		return fmt.Sprintf("%s goes to the default service account of namespace %s: every pod there that names no account has it", b.RoleName, s.Namespace), finding.NoSeverity
	})
}

func singleUserBinding(inv *inventory.Inventory, report func(finding.Finding)) {
	eachSubject(inv, report, func(b *rbac.Binding, s rbac.Subject) (string, finding.Severity) {
		if s.Kind != "User" || strings.HasPrefix(s.Name, "system:") || defaultObject(b.Object) {
			return "", finding.NoSeverity
		}
		return fmt.Sprintf("user %s is named in the binding: the right stays when the person changes teams", s.Name), finding.NoSeverity
	})
}

// wellKnown are roles every cluster has.
var wellKnown = []string{"cluster-admin", "admin", "edit", "view"}

func danglingRole(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, b := range rbac.Of(inv).Bindings {
		f := finding.Finding{Verdict: finding.Pass, Object: b.Object, Path: "roleRef.name"}
		if b.RoleName == "" {
			f.Verdict, f.Message = finding.Fail, "roleRef names no role; the API server refuses the binding"
			report(f)
			continue
		}
		known := b.RoleKind == "ClusterRole" && (slices.Contains(wellKnown, b.RoleName) || strings.HasPrefix(b.RoleName, "system:"))
		if gap, missing := inv.GapFor(b.RoleKind); !b.Found && !known {
			f.Verdict = finding.Unknown
			f.Message = fmt.Sprintf("%s %s is not among the files: if it does not exist in the cluster either, whoever creates a role of this name decides what the subjects may do; add its manifest, or scan the cluster", b.RoleKind, b.RoleName)
			if inv.ClusterWide && !missing {
				f.Verdict = finding.Fail
				f.Message = fmt.Sprintf("%s %s does not exist: whoever creates a role of this name decides what the subjects may do", b.RoleKind, b.RoleName)
			} else if missing {
				f.Message += " (not read: " + gap.What + ")"
			}
		}
		report(f)
	}
}

func danglingSubject(inv *inventory.Inventory, report func(finding.Finding)) {
	accounts := make(map[rbac.Subject]bool)
	for _, o := range inv.Kind("ServiceAccount", "") {
		accounts[rbac.Subject{Kind: "ServiceAccount", Name: o.Name, Namespace: o.EffectiveNamespace()}] = true
	}
	_, missing := inv.GapFor("ServiceAccount")
	for _, b := range rbac.Of(inv).Bindings {
		if defaultObject(b.Object) {
			continue // the accounts of controllers come when they start
		}
		for i, s := range b.Subjects {
			if s.Kind != "ServiceAccount" {
				continue
			}
			f := finding.Finding{Verdict: finding.Pass, Object: b.Object, Path: inventory.JoinIndex("subjects", i)}
			switch {
			case s.Namespace == "":
				f.Verdict, f.Message = finding.Fail, "the subject is a service account without a namespace; the API server refuses the binding"
			case accounts[s] || s.Name == "default":
			case inv.ClusterWide && !missing:
				f.Verdict, f.Message = finding.Fail, fmt.Sprintf("%s does not exist: whoever may create it gets the rights", s)
			default:
				f.Verdict, f.Message = finding.Unknown, fmt.Sprintf("%s is not among the files: if it does not exist in the cluster either, whoever may create it gets the rights; add its manifest, or scan the cluster", s)
			}
			report(f)
		}
	}
}

// resourceNamesWithoutEffect finds rules whose resourceNames do not narrow what
// their author thinks.
func resourceNamesWithoutEffect(inv *inventory.Inventory, report func(finding.Finding)) {
	m := rbac.Of(inv)
	for _, role := range m.Roles {
		v := finding.Finding{Verdict: finding.Pass, Object: role}
		for _, r := range m.Rules(role) {
			if r.Role != role || len(r.ResourceNames) == 0 {
				continue
			}
			var lost []string
			for _, verb := range r.Verbs {
				if slices.Contains([]string{"create", "deletecollection"}, verb) {
					lost = append(lost, verb)
				}
			}
			if len(lost) > 0 && !slices.ContainsFunc(r.Resources, func(s string) bool { return strings.Contains(s, "/") }) {
				v.Verdict, v.Path = finding.Fail, r.Path()+".resourceNames"
				v.Message = list(lost) + " name no object in the request, so a rule with resourceNames never allows them: they belong into a rule of their own, and there they hold for all objects"
				report(v)
			}
		}
		if v.Verdict == finding.Pass {
			report(v)
		}
	}
}

// aggregatedRole finds roles that add rights to admin, edit or view.
func aggregatedRole(inv *inventory.Inventory, report func(finding.Finding)) {
	m := rbac.Of(inv)
	for _, role := range m.Roles {
		if role.Kind != "ClusterRole" || exempt(role) || defaultObject(role) {
			continue
		}
		f := finding.Finding{Verdict: finding.Pass, Object: role}
		for _, to := range []string{"view", "edit", "admin"} {
			label := rbac.Group + "/aggregate-to-" + to
			if role.Labels().Get(label).Str() != "true" {
				continue
			}
			for _, r := range m.Rules(role) {
				if r.Wild() || slices.ContainsFunc([]string{"secrets-read", "pod-exec", "workload-create", "impersonate", "escalate-or-bind", "token-create"}, func(id string) bool {
					_, ok := powers[id].holds(r)
					return ok && (to == "view" || r.Wild() || id == "impersonate" || id == "escalate-or-bind")
				}) {
					f.Verdict, f.Path = finding.Fail, inventory.Join("metadata.labels", label)
					f.Message = fmt.Sprintf("the label adds the rules of this role to ClusterRole %s, and with them rights which its holders should not have", to)
				}
			}
		}
		report(f)
	}
}

// clusterBindingForNamespace finds grants for the whole cluster whose holder
// works in one namespace and whose rules need no more.
func clusterBindingForNamespace(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, b := range rbac.Of(inv).Bindings {
		if b.Namespace != "" || !b.Found || len(b.Subjects) == 0 || defaultObject(b.Object) {
			continue
		}
		f := finding.Finding{Verdict: finding.Pass, Object: b.Object, Path: "roleRef"}
		if slices.ContainsFunc(b.Subjects, func(s rbac.Subject) bool {
			return s.Kind != "ServiceAccount" || s.Namespace != b.Subjects[0].Namespace || strings.HasPrefix(s.Namespace, "kube-")
		}) || slices.ContainsFunc(b.Rules, needsCluster) {
			report(f)
			continue
		}
		f.Verdict = finding.Fail
		f.Message = fmt.Sprintf("the rights hold in every namespace, while all subjects live in namespace %s and the rules name namespaced resources only; a RoleBinding there may be enough", b.Subjects[0].Namespace)
		report(f)
	}
}

// clusterScoped are the built-in resources outside of namespaces.
var clusterScoped = []string{
	"*", "nodes", "namespaces", "persistentvolumes", "clusterroles", "clusterrolebindings", "customresourcedefinitions", "apiservices",
	"storageclasses", "volumeattachments", "csidrivers", "csinodes", "ingressclasses", "priorityclasses", "runtimeclasses",
	"certificatesigningrequests", "signers", "tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews",
	"validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicies", "validatingadmissionpolicybindings",
	"mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "componentstatuses", "users", "groups", "flowschemas", "prioritylevelconfigurations",
}

func needsCluster(r *rbac.Rule) bool {
	if len(r.NonResourceURLs) > 0 {
		return true
	}
	return slices.ContainsFunc(r.Resources, func(s string) bool {
		name, _, _ := strings.Cut(s, "/")
		return slices.Contains(clusterScoped, name)
	}) || slices.ContainsFunc(r.APIGroups, func(g string) bool { return !builtinGroup(g) })
}
