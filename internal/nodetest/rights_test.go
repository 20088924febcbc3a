package nodetest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// identities are the steps to somebody else's name, by what a pod mounts.
func identities() []showing {
	return []showing{
		{
			step: "mounted-token", gets: "is the service account at the API server",
			yes: app("", ""), no: app("automountServiceAccountToken: false, ", ""),
			tries: [][]string{{"api", "POST", whoAmI, "{}"}}, want: "system:serviceaccount:{ns}:default",
		},
		{
			step: "projected-token", gets: "holds a token that a service named vault takes for the account (TokenReview), and the API server does not",
			yes: app("volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: t, audience: vault}}]}}], ", ", volumeMounts: [{name: v, mountPath: /v}]"),
			no:  app("volumes: [{name: v, emptyDir: {}}], ", ", volumeMounts: [{name: v, mountPath: /v}]"), tries: [][]string{{"read", "/v/t"}}, want: ".",
			check: func(t *testing.T, s *stage, token string) { t.Helper(); s.taken(t, token) },
		},
		{
			step: "perpetual-token", gets: "is the service account the Secret was made for",
			yes: account + mounting("type: kubernetes.io/service-account-token"), no: account + mounting("type: Opaque"),
			tries: [][]string{{"bearer", "/v/token", "POST", whoAmI, "{}"}}, want: "system:serviceaccount:{ns}:ci",
		},
		{
			step: "mounted-secret", gets: "reads the content of the Secret",
			yes: held + app("volumes: [{name: v, secret: {secretName: held}}], ", ", volumeMounts: [{name: v, mountPath: /v}]"),
			no:  held + app("", ""), tries: [][]string{{"read", "/v/p"}}, want: "{canary}",
		},
		{
			step: "registry-credential", gets: "opens the registry (here a service that asks for the password)",
			yes: registry("kubernetes.io/dockerconfigjson", ".dockerconfigjson", `{"auths": {"registry.example": {"username": "u", "password": "{canary}"}}}`),
			no:  registry("Opaque", "other", "nothing"), tries: [][]string{{"pull", "/v/.dockerconfigjson", "{safe}"}}, want: "open",
		},
		{
			step: "environment-credential", gets: "opens the service that asks for the password",
			yes: app("", ", env: [{name: DB_PASSWORD, value: '{canary}'}]"), no: app("", ", env: [{name: PASSWORD, value: ''}]"),
			tries: [][]string{{"unlock", "DB_PASSWORD", "{safe}"}}, want: "open",
		},
		{
			step: "kubeconfig-in-config", gets: "is the user named in the kubeconfig",
			yes: kubeconfig("{users}"), no: kubeconfig("[]"),
			tries: [][]string{{"as", "/v/config", "POST", whoAmI, "{}"}}, want: `"eve"`,
		},
		{
			step: "pull-secret", gets: "reads the registry credential with the identity of the node",
			yes: node + folder("/", readOnly) + pulling("imagePullSecrets: [{name: held}], "), no: node + folder("/", readOnly) + pulling(""), both: held,
			tries: [][]string{{"as", kubelet, "GET", "/api/v1/namespaces/{ns}/secrets/held"}}, want: "{canary64}",
		},
		{
			step: "node-holds-pods", gets: "asks with the identity of the node for a token of the service account of a pod there, and has it",
			unrelated: true,
			yes:       node + folder("/", readOnly) + pulling("serviceAccountName: ci, "), no: folder("/", readOnly), both: account,
			tries: [][]string{{
				"as", kubelet, "POST", "/api/v1/namespaces/{ns}/serviceaccounts/ci/token",
				`{"spec": {"audiences": [], "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "victim", "uid": "{vuid}"}}}`,
			}}, want: `"token"`,
		},
		{
			step: "reachable-workloads", gets: "talks to a port of another pod",
			yes: app("", "") + victim, no: app("", ""), tries: [][]string{{"fetch", "http://{vip}:8080/"}}, want: "ok",
		},
	}
}

// node is the node as the manifests of a cluster show it.
const node = "\n---\napiVersion: v1\nkind: Node\nmetadata: {name: node-1}\n"

// pulling is a pod that was put on the node.
func pulling(more string) string {
	return pod("victim", "{"+more+"nodeName: node-1, terminationGracePeriodSeconds: 0, containers: [{name: app, image: 'x:1'}]}")
}

// mounting is a pod with a Secret that names a service account.
func mounting(kind string) string {
	return "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: t, namespace: '{ns}', annotations: {kubernetes.io/service-account.name: ci}}\n" + kind + "\n" +
		app("volumes: [{name: v, secret: {secretName: t}}], ", ", volumeMounts: [{name: v, mountPath: /v}]")
}

func registry(kind, key, content string) string {
	return "\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: r, namespace: '{ns}'}\ntype: " + kind + "\nstringData: {" + key + ": '" + content + "'}\n" +
		app("volumes: [{name: v, secret: {secretName: r}}], ", ", volumeMounts: [{name: v, mountPath: /v}]")
}

func kubeconfig(users string) string {
	return "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: '{ns}'}\ndata:\n  config: |\n    kind: Config\n    users: " + users + "\n" +
		app("volumes: [{name: v, configMap: {name: conf}}], ", ", volumeMounts: [{name: v, mountPath: /v}]")
}

// taken wants a token refused by the API server for itself, and good for a
// service that is called vault.
func (s *stage) taken(t *testing.T, token string) {
	t.Helper()
	for audience, want := range map[string]bool{"vault": true, "https://kubernetes.default.svc": false} {
		var review struct {
			Status struct {
				Authenticated bool `json:"authenticated"`
			} `json:"status"`
		}
		body := map[string]any{
			"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
			"spec": map[string]any{"token": token[:len(token)-1], "audiences": []string{audience}},
		}
		if err := s.Do(t, http.MethodPost, "/apis/authentication.k8s.io/v1/tokenreviews", body, &review); err != nil {
			t.Fatal(err)
		}
		if got := review.Status.Authenticated; got != want {
			t.Errorf("the token is good for %s: %t, want %t", audience, got, want)
		}
	}
}

const (
	inShop  = "/api/v1/namespaces/shop/"
	secrets = "/api/v1/namespaces/kube-system/secrets"
	rbac    = "/apis/rbac.authorization.k8s.io/v1/"
	// all is a rule that allows everything.
	all = `{"rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]}`
	// me is the subject of bindings.
	me = `"subjects": [{"kind": "ServiceAccount", "name": "app", "namespace": "shop"}]`
)

// also gives the account of the intruder further rights, in both worlds.
func also(rule string) string {
	return "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: also, namespace: shop}\nrules: [" + rule + "]\n" +
		"\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: also, namespace: shop}\n" +
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: also}\nsubjects: [{kind: ServiceAccount, name: app, namespace: shop}]\n"
}

// object is one that a showing needs in the namespace of the shop.
func object(api, kind, name, rest string) string {
	return "\n---\napiVersion: " + api + "\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: shop}\n" + rest + "\n"
}

// newPod is what the intruder posts: a pod that runs the program and ends.
func newPod(name, fields, ofContainer, command string) string {
	return `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "` + name + `"}, "spec": {` + fields + `"restartPolicy": "Never", "terminationGracePeriodSeconds": 0, ` +
		`"containers": [{"name": "c", "image": "x:1", ` + ofContainer + `"args": [` + command + `]}]}}`
}

// logs are needed to see what such a pod says.
var logs = also("{verbs: [get], apiGroups: [''], resources: [pods/log]}")

// makes is the right to have pods made, and its absence.
const (
	makes = "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: shop}\nrules: [{verbs: [create], apiGroups: [''], resources: [pods]}]\n" + makesBound
	// makesNot may create something else.
	makesNot   = "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: shop}\nrules: [{verbs: [create], apiGroups: [''], resources: [configmaps]}]\n" + makesBound
	makesBound = "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b, namespace: shop}\n" +
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}\nsubjects: [{kind: ServiceAccount, name: app, namespace: shop}]\n"
)

// rights are the steps that a service account's rights at the API server make
// possible. An intruder in its pod uses its token.
func rights() []showing {
	return []showing{
		{step: "account-groups", gets: "lists pods by a binding of a group of all accounts", tries: [][]string{{"api", "GET", inShop + "pods"}}, want: "PodList"},
		{step: "anonymous-rights", gets: "lists pods without a token", tries: [][]string{{"bearer", "", "GET", inShop + "pods"}}, want: "PodList"},
		{step: "wildcard", gets: "reads the Secrets of kube-system", tries: [][]string{{"api", "GET", secrets}}, want: "SecretList"},
		{step: "read-secrets", gets: "reads the content of a Secret with a right to list", tries: [][]string{{"api", "GET", inShop + "secrets"}}, want: "{canary64}"},
		{
			step: "request-token", gets: "has a token of another account made, and it is good",
			tries: [][]string{{"api", "POST", inShop + "serviceaccounts/ci/token", "{}"}}, want: `"token"`,
		},
		{
			step: "issue-token-secret", gets: "has the controller write a token of another account into a Secret",
			tries: [][]string{
				{"api", "POST", inShop + "secrets", `{"metadata": {"name": "issued", "annotations": {"kubernetes.io/service-account.name": "ci"}}, "type": "kubernetes.io/service-account-token"}`},
				{"await", "GET", inShop + "secrets/issued", `"token"`},
			}, want: `"token"`, leaves: []string{inShop + "secrets/issued"},
		},
		{
			step: "create-pods", gets: "has a job run a pod with another account",
			tries: [][]string{{"api", "POST", "/apis/batch/v1/namespaces/shop/jobs", `{"metadata": {"name": "made"}, "spec": {"template": {"spec": {"serviceAccountName": "ci", "restartPolicy": "Never", "containers": [{"name": "c", "image": "x:1", "args": ["api", "POST", "` + whoAmI + `", "{}"]}]}}}}`}},
			want:  `"made"`,
			check: func(t *testing.T, s *stage, _ string) { t.Helper(); s.succeeds(t, "made") },
		},
		{
			step: "change-workloads", gets: "has a Deployment run its pods with another account", both: object("apps/v1", "Deployment", "web", "spec: {replicas: 0, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: 'x:1'}]}}}"),
			tries: [][]string{{"api", "PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", `{"spec": {"replicas": 1, "template": {"spec": {"serviceAccountName": "ci"}}}}`}}, want: `"serviceAccountName":"ci"`,
		},
		{
			step: "replace-pod-image", gets: "has the kubelet run another image in a pod that runs", both: also("{verbs: [get], apiGroups: [''], resources: [pods]}") + object("v1", "Pod", "changed", "spec: {terminationGracePeriodSeconds: 0, containers: [{name: app, image: 'x:1'}]}"),
			tries: [][]string{{"edit", inShop + "pods/changed", `"image":"x:1"`, `"image":"x:2"`}}, want: `"image":"x:2"`,
			check: func(t *testing.T, s *stage, _ string) { t.Helper(); s.runs(t, "changed", "x:2") },
		},
		{
			step: "exec-into-pods", gets: "runs a command in another pod and reads its variable", both: also("{verbs: [get], apiGroups: [''], resources: [pods/exec]}"),
			tries: [][]string{{"exec", inShop + "pods/victim/exec", "app", nodeProgram, "environ", "1", "HELD"}}, want: "{canary}",
		},
		{
			step: "ephemeral-containers", gets: "has a container of its own run beside those of another pod and reads the variable of one",
			tries: [][]string{{"api", "PATCH", inShop + "pods/victim/ephemeralcontainers", `{"spec": {"ephemeralContainers": [{"name": "in", "image": "x:1", "targetContainerName": "app"}]}}`}}, want: `"in"`,
			check: func(t *testing.T, s *stage, _ string) { t.Helper(); s.beside(t) },
		},
		{
			step: "port-forward", gets: "talks to a port of a pod through the API server (pods/proxy)",
			yes: access("get", "pods/proxy"), no: access("get", "pods/log"),
			tries: [][]string{{"api", "GET", inShop + "pods/victim:8080/proxy/"}}, want: "ok",
		},
		{
			step: "nodes-proxy", gets: "runs a command in another pod with get alone, at the kubelet itself, and reads its variable",
			tries: [][]string{{"exec", "https://{nodeip}:10250/exec/shop/victim/app", "", nodeProgram, "environ", "1", "HELD"}}, want: "{canary}",
		},
		{
			step: "impersonate-users", gets: "is another user; but no service account, whose names the API server takes for accounts", yes: users("eve"), no: users("carol"),
			tries: [][]string{{"posing", "eve", "", "POST", whoAmI, "{}"}}, want: `"eve"`,
		},
		{step: "impersonate-groups", gets: "reads the Secrets of kube-system as one of system:masters", tries: [][]string{{"posing", "eve", "system:masters", "GET", secrets}}, want: "SecretList"},
		{step: "masters-group", gets: "the same", yes: mastersYes, no: mastersNo, tries: [][]string{{"posing", "eve", "system:masters", "GET", secrets}}, want: "SecretList"},
		{step: "impersonate-accounts", gets: "is another service account", tries: [][]string{{"posing", "system:serviceaccount:shop:ci", "", "POST", whoAmI, "{}"}}, want: "system:serviceaccount:shop:ci"},
		{
			step: "escalate-cluster-roles", gets: "writes every right into its own role and reads the Secrets of kube-system",
			tries: [][]string{{"api", "PUT", rbac + "clusterroles/r", `{"metadata": {"name": "r"}, ` + all[1:]}, {"await-own", secrets, "SecretList"}}, want: "SecretList",
		},
		{
			step: "escalate-namespace-roles", gets: "writes every right into its own role and reads the Secrets of the namespace", fixture: "own-role.yaml",
			tries: [][]string{{"api", "PATCH", rbac + "namespaces/shop/roles/r", all}, {"await-own", inShop + "secrets", "SecretList"}}, want: "SecretList",
		},
		{
			step: "bind-cluster-roles", gets: "binds cluster-admin to itself and reads the Secrets of kube-system",
			tries: [][]string{{"api", "POST", rbac + "clusterrolebindings", `{"metadata": {"name": "mine"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}, ` + me + `}`}, {"await-own", secrets, "SecretList"}}, want: "SecretList",
			leaves: []string{rbac + "clusterrolebindings/mine"},
		},
		{
			step: "bind-namespace-roles", gets: "binds cluster-admin to itself in the namespace and reads its Secrets",
			tries: [][]string{{"api", "POST", rbac + "namespaces/shop/rolebindings", `{"metadata": {"name": "mine"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}, ` + me + `}`}, {"await-own", inShop + "secrets", "SecretList"}}, want: "SecretList",
			leaves: []string{rbac + "namespaces/shop/rolebindings/mine"},
		},
		{
			step: "bind-own-roles", gets: "binds a Role of the namespace to itself and reads the Secrets it allows",
			both:  object("rbac.authorization.k8s.io/v1", "Role", "keeper", "rules: [{verbs: [list], apiGroups: [''], resources: [secrets]}]"),
			tries: [][]string{{"api", "POST", rbac + "namespaces/shop/rolebindings", `{"metadata": {"name": "mine"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "keeper"}, ` + me + `}`}, {"await-own", inShop + "secrets", "SecretList"}}, want: "SecretList",
			leaves: []string{rbac + "namespaces/shop/rolebindings/mine"},
		},
		{step: "approve-certificates", gets: "has a certificate of another user signed and is that user", tries: [][]string{{"certify", "kubernetes.io/kube-apiserver-client", "eve", "dev", "POST", whoAmI, "{}"}}, want: `"eve"`},
		{
			step: "approve-node-certificates", gets: "has a certificate of the node signed and reads the Secret of a pod there",
			tries: [][]string{{"certify", "kubernetes.io/kube-apiserver-client-kubelet", "system:node:node-1", "system:nodes", "GET", inShop + "secrets/held"}}, want: "{canary64}",
		},
		{
			step: "create-volumes", gets: "writes a file of root on the node from a namespace whose Pod Security refuses hostPath",
			tries: [][]string{
				{"api", "POST", "/api/v1/persistentvolumes", `{"metadata": {"name": "made"}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/"}, "claimRef": {"namespace": "guarded", "name": "made"}}}`},
				{"api", "POST", "/api/v1/namespaces/guarded/persistentvolumeclaims", `{"metadata": {"name": "made"}, "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "volumeName": "made", "resources": {"requests": {"storage": "1Gi"}}}}`},
				{"api", "POST", "/api/v1/namespaces/guarded/pods", newPod("made", `"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "made"}}], `, `"volumeMounts": [{"name": "v", "mountPath": "/v"}], `, `"write", "/v{dir}/by-create-volumes", "{canary}"`)},
			}, want: `"made"`, leaves: []string{"/api/v1/persistentvolumes/made"},
			check: func(t *testing.T, s *stage, _ string) { t.Helper(); s.eventually(t, "by-create-volumes") },
		},
		{
			step: "namespace-labels", gets: "takes the label of Pod Security away and has a privileged pod made",
			prepare: func(t *testing.T, s *stage) { t.Helper(); s.guard(t, "restricted") },
			tries: [][]string{
				{"api", "PATCH", "/api/v1/namespaces/shop", `{"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}`},
				{"api", "POST", inShop + "pods", newPod("free", "", `"securityContext": {"privileged": true}, `, `"read", "/program"`)},
			}, want: `"free"`,
		},
		{step: "move-pods", gets: "changes the labels of the node by which pods are put there", tries: [][]string{{"api", "PATCH", "/api/v1/nodes/node-1", `{"metadata": {"labels": {"moved": "yes"}}}`}}, want: `"moved":"yes"`},
		{
			step: "delete-pods", gets: "ends a pod", both: object("v1", "Pod", "doomed", "spec: {terminationGracePeriodSeconds: 0, containers: [{name: app, image: 'x:1'}]}"),
			tries: [][]string{{"api", "DELETE", inShop + "pods?fieldSelector=metadata.name%3Ddoomed"}}, want: `"doomed"`,
		},
		{
			step: "delete-data", gets: "deletes a claim", both: object("v1", "PersistentVolumeClaim", "doomed", "spec: {accessModes: [ReadWriteOnce], storageClassName: '', resources: {requests: {storage: 1Gi}}}"),
			tries: [][]string{{"api", "DELETE", inShop + "persistentvolumeclaims/doomed"}}, want: `"doomed"`,
		},
		{
			step: "system-config", gets: "changes where names lead (there is no name server to act on it)", both: "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: coredns, namespace: kube-system}\ndata: {Corefile: x}\n",
			tries: [][]string{{"api", "PUT", "/api/v1/namespaces/kube-system/configmaps/coredns", `{"metadata": {"name": "coredns"}, "data": {"Corefile": "mine"}}`}}, want: `"mine"`,
		},
		{
			step: "redirect-services", gets: "puts an address of its own behind a Service (nothing here carries traffic of Services)",
			both:  object("discovery.k8s.io/v1", "EndpointSlice", "web", "addressType: IPv4\nendpoints: [{addresses: [198.18.64.9]}]"),
			tries: [][]string{{"api", "PATCH", "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices/web", `{"endpoints": [{"addresses": ["198.18.64.66"]}]}`}}, want: "198.18.64.66",
		},
		{step: "take-host-names", gets: "claims a host name (there is no ingress controller)", tries: [][]string{{"api", "POST", "/apis/networking.k8s.io/v1/namespaces/shop/ingresses", `{"metadata": {"name": "taken"}, "spec": {"rules": [{"host": "www.shop.example"}], "defaultBackend": {"service": {"name": "x", "port": {"number": 1}}}}}`}}, want: "www.shop.example"},
		{step: "read-logs", gets: "reads what another pod has said", tries: [][]string{{"api", "GET", inShop + "pods/victim/log"}}, want: "all there"},
		{step: "read-config-maps", gets: "reads the content of a ConfigMap", both: object("v1", "ConfigMap", "settings", "data: {a: '{canary}'}"), tries: [][]string{{"api", "GET", inShop + "configmaps"}}, want: "{canary}"},
		{
			step: "open-network", gets: "deletes a network policy (nothing here enforces them)", both: object("networking.k8s.io/v1", "NetworkPolicy", "deny", "spec: {podSelector: {}}"),
			tries: [][]string{{"api", "DELETE", "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/deny"}}, want: `"deny"`,
		},
		{
			step: "delete-events", gets: "deletes an event", both: object("v1", "Event", "seen", "involvedObject: {kind: Pod, name: x, namespace: shop}\nreason: Seen"),
			tries: [][]string{{"api", "DELETE", inShop + "events/seen"}}, want: "Success",
		},
		{step: "read-debug-urls", gets: "reads a profile of the API server's memory", tries: [][]string{{"api", "GET", "/debug/pprof/heap?debug=1"}}, want: "heap profile"},
		{
			step: "validating-webhooks", gets: "deletes a webhook that refuses what the intruder wants", both: "\n---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: guard}\n",
			tries: [][]string{{"api", "DELETE", "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/guard"}}, want: "Success",
		},
		{
			step: "admission-policies", gets: "deletes the binding of a policy", both: "\n---\napiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingAdmissionPolicyBinding\nmetadata: {name: guard}\nspec: {policyName: guard, validationActions: [Deny]}\n",
			tries: [][]string{{"api", "DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/guard"}}, want: "Success",
		},
		{
			step: "pods-any-account", gets: "has a pod run as another account, which says its name", yes: makes, no: makesNot, both: logs,
			tries: [][]string{
				{"api", "POST", inShop + "pods", newPod("named", `"serviceAccountName": "ci", `, "", `"api", "POST", "`+whoAmI+`", "{}"`)},
				{"await", "GET", inShop + "pods/named/log", "system:serviceaccount:shop:ci"},
			}, want: "system:serviceaccount:shop:ci",
		},
		{
			step: "pods-any-secret", gets: "has a pod mount a Secret and print it", yes: makes, no: makesNot, both: logs,
			tries: [][]string{
				{"api", "POST", inShop + "pods", newPod("reader", `"volumes": [{"name": "v", "secret": {"secretName": "held"}}], `, `"volumeMounts": [{"name": "v", "mountPath": "/v"}], `, `"read", "/v/p"`)},
				{"await", "GET", inShop + "pods/reader/log", "{canary}"},
			}, want: "{canary}",
		},
		{
			step: "pods-any-claim", gets: "has a pod mount a claim of the namespace and print a file of it", yes: makes + stored, no: makesNot + stored, both: logs,
			tries: [][]string{
				{"api", "POST", inShop + "pods", newPod("mounter", `"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "stored"}}], `, `"volumeMounts": [{"name": "v", "mountPath": "/v"}], `, `"read", "/v/canary"`)},
				{"await", "GET", inShop + "pods/mounter/log", "{canary}"},
			}, want: "{canary}",
		},
		{
			step: "pods-take-node", gets: "has a privileged pod mount the disk of the node and print a file of root", yes: makes, no: makesNot, both: logs,
			tries: [][]string{
				{"api", "POST", inShop + "pods", newPod("taker", "", `"securityContext": {"privileged": true}, `, `"disk", "{dir}/canary"`)},
				{"await", "GET", inShop + "pods/taker/log", "{canary}"},
			}, want: "{canary}",
		},
	}
}

// nodeProgram is the program inside a container.
const nodeProgram = "/program"

// mastersYes lets the intruder act as a member of the group; mastersNo as
// another user only.
const (
	mastersRole = "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\n" +
		"roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r}\nsubjects: [{kind: ServiceAccount, name: app, namespace: shop}]\n"
	mastersYes = "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\nrules: [{verbs: [impersonate], apiGroups: [''], resources: [users, groups]}]\n" + mastersRole
	mastersNo  = "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\nrules: [{verbs: [impersonate], apiGroups: [''], resources: [users]}]\n" + mastersRole
)

// users is the right to impersonate a user.
func users(name string) string {
	return "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\nrules: [{verbs: [impersonate], apiGroups: [''], resources: [users], resourceNames: [" + name + "]}]\n" + mastersRole
}

// stored is a claim whose volume holds the canary.
const stored = "\n---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {name: stored}\nspec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], " +
	"hostPath: {path: '{dir}'}, claimRef: {namespace: shop, name: stored}}\n" +
	"\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: stored, namespace: shop}\n" +
	"spec: {accessModes: [ReadWriteOnce], storageClassName: '', volumeName: stored, resources: {requests: {storage: 1Gi}}}\n"

// access is a right in the namespace of the shop.
func access(verb, resource string) string {
	return "\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: r, namespace: shop}\nrules: [{verbs: [" + verb + "], apiGroups: [''], resources: [" + resource + "]}]\n" + makesBound
}

// eventually waits for the canary in a file of the node.
func (s *stage) eventually(t *testing.T, name string) {
	t.Helper()
	for range 100 {
		if got, err := os.ReadFile(filepath.Join(s.dir, name)); err == nil && string(got) == s.canary {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Errorf("the node has no file %s with the canary", name)
}

// succeeds waits until a job of the shop has.
func (s *stage) succeeds(t *testing.T, job string) {
	t.Helper()
	s.until(t, "/apis/batch/v1/namespaces/shop/jobs/"+job, `"succeeded":1`)
}

// runs waits until a pod of the shop runs an image.
func (s *stage) runs(t *testing.T, pod, image string) {
	t.Helper()
	s.until(t, inShop+"pods/"+pod+"?status", `"image":"docker.io/library/`+image+`"`)
}

// beside waits for the container of the intruder and reads what is beside it.
func (s *stage) beside(t *testing.T) {
	t.Helper()
	s.until(t, inShop+"pods/victim", `"running":{"startedAt":`)
	for range 50 {
		var pod struct {
			Status struct {
				Ephemeral []struct {
					State struct{ Running *struct{} }
				} `json:"ephemeralContainerStatuses"`
			} `json:"status"`
		}
		if err := s.Do(t, http.MethodGet, inShop+"pods/victim", nil, &pod); err != nil {
			t.Fatal(err)
		}
		if e := pod.Status.Ephemeral; len(e) > 0 && e[0].State.Running != nil {
			if said, err := s.Exec(t, "shop", "victim", "in", "find", s.canary); err != nil {
				t.Errorf("%v: %s", err, said)
			}
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Error("the container of the intruder does not run")
}
