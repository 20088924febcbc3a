package rbac

// Target is a resource, with its API group.
type Target struct{ Group, Resource, Sub string }

// Name is the resource as rules spell it.
func (t Target) Name() string {
	if t.Sub == "" {
		return t.Resource
	}
	return t.Resource + "/" + t.Sub
}

// Power is a right that is worth a control of its own.
type Power struct {
	Verbs   []string
	Targets []Target
	// Gain completes the sentence "X may ..., which ...".
	Gain string
	// Namespace narrows the power to grants that reach one namespace.
	Namespace string
}

var (
	// Reading are the verbs that show contents.
	Reading = []string{"get", "list", "watch"}
	writing = []string{"create", "update", "patch"}
)

// Powers are the rights judged by control id. A rule with a wildcard resource
// holds all of them and is reported once, by wildcard-rights.
var Powers = map[string]Power{
	"secrets-read":            {Verbs: Reading, Targets: []Target{{"", "secrets", ""}}, Gain: "hands over every credential kept there; list and watch show contents, too"},
	"secrets-create":          {Verbs: []string{"create"}, Targets: []Target{{"", "secrets", ""}}, Gain: "lets them issue a token for any service account there, if they can read it back"},
	"workload-create":         {Verbs: writing, Targets: workloads, Gain: "lets them run any image as any service account there, and mount every Secret and volume"},
	"pod-exec":                {Verbs: []string{"create", "get"}, Targets: []Target{{"", "pods", "exec"}, {"", "pods", "attach"}}, Gain: "gives them a shell in every pod there, with its files and tokens"},
	"pod-port-forward":        {Verbs: []string{"create", "get"}, Targets: []Target{{"", "pods", "portforward"}, {"", "pods", "proxy"}, {"", "services", "proxy"}}, Gain: "lets them reach every port of the pods there past network policies"},
	"ephemeral-containers":    {Verbs: []string{"update", "patch"}, Targets: []Target{{"", "pods", "ephemeralcontainers"}}, Gain: "lets them start a container of their choice in every running pod there"},
	"nodes-proxy":             {Verbs: []string{"get", "create", "update", "patch", "delete"}, Targets: []Target{{"", "nodes", "proxy"}}, Gain: "opens the API of every kubelet; get is enough to run commands in all pods, past admission and audit"},
	"token-create":            {Verbs: []string{"create"}, Targets: []Target{{"", "serviceaccounts", "token"}}, Gain: "lets them become any service account there"},
	"escalate-or-bind":        {Verbs: []string{"escalate", "bind"}, Targets: []Target{{Group, "roles", ""}, {Group, "clusterroles", ""}}, Gain: "switches off the check that nobody can grant more than he has: the way to any right"},
	"impersonate":             {Verbs: []string{"impersonate"}, Targets: []Target{{"", "users", ""}, {"", "groups", ""}, {"", "serviceaccounts", ""}, {"authentication.k8s.io", "userextras", ""}, {"authentication.k8s.io", "uids", ""}}, Gain: "lets them act as somebody else, an administrator included"},
	"csr-approve":             {Verbs: []string{"update", "patch", "approve", "sign"}, Targets: []Target{{"certificates.k8s.io", "certificatesigningrequests", "approval"}, {"certificates.k8s.io", "signers", ""}}, Gain: "lets them issue client certificates, which can not be revoked, in other names"},
	"webhook-write":           {Verbs: append([]string{"delete"}, writing...), Targets: []Target{{"admissionregistration.k8s.io", "validatingwebhookconfigurations", ""}, {"admissionregistration.k8s.io", "mutatingwebhookconfigurations", ""}}, Gain: "lets them read and change every object on its way into the cluster, or switch checks off"},
	"admission-policy-write":  {Verbs: append([]string{"delete"}, writing...), Targets: []Target{{"admissionregistration.k8s.io", "validatingadmissionpolicies", ""}, {"admissionregistration.k8s.io", "validatingadmissionpolicybindings", ""}, {"admissionregistration.k8s.io", "mutatingadmissionpolicies", ""}, {"admissionregistration.k8s.io", "mutatingadmissionpolicybindings", ""}}, Gain: "lets them weaken the rules of admission, or change objects on their way in"},
	"persistent-volume-write": {Verbs: writing, Targets: []Target{{"", "persistentvolumes", ""}}, Gain: "lets them bring files of the nodes into pods past Pod Security"},
	"namespace-update":        {Verbs: []string{"update", "patch"}, Targets: []Target{{"", "namespaces", ""}}, Gain: "lets them change the Pod Security labels, and with them what is admitted"},
	"node-write":              {Verbs: append([]string{"delete"}, writing...), Targets: []Target{{"", "nodes", ""}, {"", "nodes", "status"}}, Gain: "lets them pull pods and their secrets onto a node of their choice"},
	"binding-write":           {Verbs: writing, Targets: []Target{{Group, "rolebindings", ""}, {Group, "clusterrolebindings", ""}}, Gain: "lets them hand all they hold to others, and stay in after their own access ends"},
	"role-write":              {Verbs: writing, Targets: []Target{{Group, "roles", ""}, {Group, "clusterroles", ""}}, Gain: "lets them spread what they hold over roles that others carry"},
	"system-configmap-write":  {Verbs: []string{"update", "patch"}, Targets: []Target{{"", "configmaps", ""}}, Gain: "reaches the configuration of DNS, proxy and cloud identities", Namespace: "kube-system"},
	"endpoints-write":         {Verbs: writing, Targets: []Target{{"", "endpoints", ""}, {"discovery.k8s.io", "endpointslices", ""}}, Gain: "lets them send the traffic of Services to addresses of their choice"},
	"network-policy-write":    {Verbs: append([]string{"delete"}, writing...), Targets: []Target{{"networking.k8s.io", "networkpolicies", ""}}, Gain: "lets them open the network between workloads"},
	"api-extension-write":     {Verbs: writing, Targets: []Target{{"apiextensions.k8s.io", "customresourcedefinitions", ""}, {"apiregistration.k8s.io", "apiservices", ""}}, Gain: "lets them put a server of their own behind a part of the API and receive what is sent there"},
	"events-delete":           {Verbs: []string{"delete", "deletecollection"}, Targets: []Target{{"", "events", ""}, {"events.k8s.io", "events", ""}}, Gain: "lets them remove traces"},
	"pod-log-read":            {Verbs: []string{"get"}, Targets: []Target{{"", "pods", "log"}}, Gain: "shows what programs write to their logs, secrets among it at times"},
}

var workloads = []Target{
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

// Of are the verbs on a target that are the power. A running pod can hardly be
// changed, so of pods themselves only making them counts.
func (p Power) Of(t Target) []string {
	if t.Resource == "pods" && t.Sub == "" && len(p.Targets) == len(workloads) {
		return []string{"create"}
	}
	return p.Verbs
}
