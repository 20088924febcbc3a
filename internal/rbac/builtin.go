package rbac

import (
	"strings"

	"k8s.io/apimachinery/pkg/labels"
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

// view, edit and admin are aggregated by the server; these are the rules they
// start from, each what it adds to the one before.
var (
	viewGrants = []grant{
		{readVerbs, "", "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status"},
		{readVerbs, "events.k8s.io", "events"},
		{readVerbs, "", "bindings events limitranges namespaces namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status"},
		{readVerbs, "apps", "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status"},
		{readVerbs, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"},
		{readVerbs, "batch", "cronjobs cronjobs/status jobs jobs/status"},
		{readVerbs, "policy", "poddisruptionbudgets poddisruptionbudgets/status"},
		{readVerbs, "networking.k8s.io", "ingresses ingresses/status networkpolicies"},
		{readVerbs, "discovery.k8s.io", "endpointslices"},
		{readVerbs, "extensions", "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale"},
		{readVerbs, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"},
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
		{writeVerbs, "extensions", "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale"},
		{writeVerbs, "events.k8s.io", "events"},
		{writeVerbs, "resource.k8s.io", "resourceclaims resourceclaimtemplates"},
		{readVerbs + " " + writeVerbs, "coordination.k8s.io", "leases"},
	}
	adminGrants = []grant{
		{"create", "authorization.k8s.io", "localsubjectaccessreviews"},
		{readVerbs + " " + writeVerbs, Group, "rolebindings roles"},
	}
)

// defaults are the rules of the ClusterRoles that people and manifests refer
// to without bringing them.
var defaults = map[string][]grant{
	"cluster-admin":             {{"*", "*", "*"}},
	"view":                      {},
	"edit":                      {},
	"admin":                     {},
	"system:aggregate-to-view":  viewGrants,
	"system:aggregate-to-edit":  editGrants,
	"system:aggregate-to-admin": adminGrants,
	"system:auth-delegator": {
		{"create", "authentication.k8s.io", "tokenreviews"},
		{"create", "authorization.k8s.io", "subjectaccessreviews"},
	},
	"system:basic-user": {
		{"create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"},
		{"create", "authentication.k8s.io", "selfsubjectreviews"},
	},
	"system:controller:clusterrole-aggregation-controller": {
		{"escalate get list patch update watch", Group, "clusterroles"},
	},
	"system:node-proxier": {
		{"list watch", "", "services endpoints"},
		{readVerbs, "", "nodes"},
		{"list watch", "discovery.k8s.io", "endpointslices"},
		{"create patch update", "", "events"},
		{"create patch update", "events.k8s.io", "events"},
		{"list watch", "networking.k8s.io", "servicecidrs"},
	},
	"system:kubelet-api-admin": {
		{readVerbs, "", "nodes"}, {"proxy", "", "nodes"}, {"*", "", "nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats"},
	},
	"system:discovery":                        {},
	"system:public-info-viewer":               {},
	"system:service-account-issuer-discovery": {},
	"system:monitoring":                       {{"get", "", "nodes/metrics"}},
}

// discoveryURLs are what everybody may read.
var defaultURLs = map[string][]string{
	"cluster-admin":                           {"*"},
	"system:discovery":                        {"/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*", "/readyz", "/version", "/version/"},
	"system:public-info-viewer":               {"/healthz", "/livez", "/readyz", "/version", "/version/"},
	"system:service-account-issuer-discovery": {"/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/"},
	"system:monitoring":                       {"/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz", "/readyz/*", "/flagz", "/statusz"},
}

// aggregateTo is the start of the labels that add a role to a default one.
const aggregateTo = Group + "/aggregate-to-"

// aggregatedDefaults are made of the roles with their label; view is part of
// edit, and edit of admin.
var aggregatedDefaults = []string{"view", "edit", "admin"}

// defaultLabels are the labels the server gives a default role.
func defaultLabels(name string) labels.Set {
	out := labels.Set{"kubernetes.io/bootstrapping": "rbac-defaults"}
	switch name {
	case "view":
		out[aggregateTo+"edit"] = "true"
	case "edit":
		out[aggregateTo+"admin"] = "true"
	}
	if to, ok := strings.CutPrefix(name, "system:aggregate-to-"); ok {
		out[aggregateTo+to] = "true"
	}
	return out
}

// addBuiltin fills in the default roles, before aggregation.
func (m *Model) addBuiltin() {
	m.builtin = make(map[string][]*Rule, len(defaults))
	for name, grants := range defaults {
		rules := []*Rule{}
		for _, g := range grants {
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
}
