package rbac

import (
	"maps"
	"slices"
	"strings"
)

// Builtin tells whether every cluster has a ClusterRole of this name from the
// start and this package knows its rules.
func Builtin(name string) bool {
	_, ok := defaults[name]
	return ok
}

// grant writes a default rule in one line: verbs, API group, resources.
type grant struct{ verbs, group, resources string }

const (
	readVerbs  = "get list watch"
	writeVerbs = "create delete deletecollection patch update"
)

// view, edit and admin are written as what each adds to the one before, since
// the server aggregates them in that order.
var (
	viewGrants = []grant{
		{readVerbs, "", "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status"},
		{readVerbs, "", "bindings events limitranges namespaces namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status"},
		{readVerbs, "apps", "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status"},
		{readVerbs, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"},
		{readVerbs, "batch", "cronjobs cronjobs/status jobs jobs/status"},
		{readVerbs, "policy", "poddisruptionbudgets poddisruptionbudgets/status"},
		{readVerbs, "networking.k8s.io", "ingresses ingresses/status networkpolicies"},
		{readVerbs, "discovery.k8s.io", "endpointslices"},
	}
	editGrants = []grant{
		{readVerbs, "", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"},
		{"impersonate", "", "serviceaccounts"},
		{"create", "", "serviceaccounts/token pods/eviction"},
		{writeVerbs, "", "pods pods/attach pods/exec pods/portforward pods/proxy configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy"},
		{writeVerbs, "apps", "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale"},
		{writeVerbs, "autoscaling", "horizontalpodautoscalers"},
		{writeVerbs, "batch", "cronjobs jobs"},
		{writeVerbs, "policy", "poddisruptionbudgets"},
		{writeVerbs, "networking.k8s.io", "ingresses networkpolicies"},
	}
	adminGrants = []grant{
		{"create", "authorization.k8s.io", "localsubjectaccessreviews"},
		{readVerbs + " " + writeVerbs, Group, "rolebindings roles"},
	}
)

// defaults are the rules of the ClusterRoles that people and manifests refer
// to without bringing them.
var defaults = map[string][]grant{
	"cluster-admin": {{"*", "*", "*"}},
	"view":          viewGrants,
	"edit":          slices.Concat(viewGrants, editGrants),
	"admin":         slices.Concat(viewGrants, editGrants, adminGrants),
	"system:auth-delegator": {
		{"create", "authentication.k8s.io", "tokenreviews"},
		{"create", "authorization.k8s.io", "subjectaccessreviews"},
	},
	"system:basic-user": {{"create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"}},
	"system:controller:clusterrole-aggregation-controller": {
		{"escalate get list patch update watch", Group, "clusterroles"},
	},
	"system:node-proxier": {
		{"list watch", "", "services endpoints"}, {readVerbs, "", "nodes"}, {"list watch", "discovery.k8s.io", "endpointslices"},
	},
	"system:kubelet-api-admin": {
		{readVerbs, "", "nodes"}, {"proxy", "", "nodes"}, {"*", "", "nodes/log nodes/metrics nodes/proxy nodes/stats"},
	},
	"system:discovery":                        {},
	"system:public-info-viewer":               {},
	"system:service-account-issuer-discovery": {},
	"system:monitoring":                       {},
}

// discoveryURLs are what everybody may read.
var defaultURLs = map[string][]string{
	"cluster-admin":                           {"*"},
	"system:discovery":                        {"/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"},
	"system:public-info-viewer":               {"/healthz", "/livez", "/readyz", "/version", "/version/"},
	"system:service-account-issuer-discovery": {"/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/"},
	"system:monitoring":                       {"/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz", "/readyz/*"},
}

// addBuiltin fills in the default roles, with what the roles of the inventory
// add to view, edit and admin by their labels.
func (m *Model) addBuiltin() {
	m.builtin = make(map[string][]*Rule, len(defaults))
	for _, name := range slices.Sorted(maps.Keys(defaults)) {
		rules := []*Rule{}
		for _, g := range defaults[name] {
			rules = append(rules, &Rule{
				Verbs: strings.Fields(g.verbs), APIGroups: []string{g.group}, Resources: strings.Fields(g.resources), Index: len(rules),
			})
		}
		if urls := defaultURLs[name]; urls != nil {
			verbs := []string{"get"}
			if name == "cluster-admin" {
				verbs = []string{"*"}
			}
			rules = append(rules, &Rule{Verbs: verbs, NonResourceURLs: urls, Index: len(rules)})
		}
		m.builtin[name] = rules
	}
	for i, name := range []string{"view", "edit", "admin"} {
		for _, into := range []string{"view", "edit", "admin"}[i:] {
			for _, role := range m.Roles {
				if role.Kind == "ClusterRole" && role.Labels().Get(Group+"/aggregate-to-"+name).Str() == "true" {
					m.builtin[into] = union(m.builtin[into], m.rules[keyOf(role)])
				}
			}
		}
	}
}
