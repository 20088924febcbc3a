package fix_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/dockerfile"
)

// everything is the catalogue, compiled once for all tests.
var everything = sync.OnceValues(func() ([]*control.Compiled, error) {
	controls, analyses, err := catalogue.Sources()
	if err != nil {
		return nil, err
	}
	return catalogue.Compile(controls, analyses, control.Latest)
})

func judge(t *testing.T) (fix.Judge, map[string]*control.Control) {
	t.Helper()
	compiled, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	byID := make(map[string]*control.Control)
	for _, c := range compiled {
		byID[c.ID] = c.Control
	}
	return func(inv *inventory.Inventory) ([]finding.Finding, error) {
		return check.Run(inv, compiled, check.Options{}).Findings, nil
	}, byID
}

func load(t *testing.T, files map[string]string) *inventory.Inventory {
	t.Helper()
	inv := new(inventory.Inventory)
	for name, text := range files {
		read := decode.File
		if strings.Contains(name, "Dockerfile") {
			read = dockerfile.Decode
		}
		res, err := read([]byte(text), &inventory.Origin{Kind: inventory.FromManifest, File: name}, decode.DefaultLimits())
		if err != nil && len(res.Objects) == 0 {
			t.Fatal(err)
		}
		inv.Add(res.Objects...)
	}
	inv.Seal()
	return inv
}

// fixed runs fix on files, for some controls or, if none is named, for all.
func fixed(t *testing.T, files map[string]string, opts fix.Options, controls ...string) *fix.Result {
	t.Helper()
	opts.Judge, opts.Controls = judge(t)
	opts.Dockerfile = dockerfile.Decode
	opts.Selected, opts.Limits, opts.Texts = make(map[string]bool), decode.DefaultLimits(), make(map[string][]byte)
	for id := range opts.Controls {
		opts.Selected[id] = len(controls) == 0 || slices.Contains(controls, id)
	}
	for name, text := range files {
		opts.Texts[name] = []byte(text)
	}
	res, err := fix.Run(load(t, files), opts)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const head = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\n"

const shopServices = `apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: db}}
spec:
  containers: [{name: a}]
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: web, tier: "1"}}
spec:
  containers: [{name: b}]
---
apiVersion: v1
kind: Service
metadata: {name: gone, namespace: shop}
spec: {selector: {app: gone}, ports: [{port: 1}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web, tier: "1"}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}
`

const (
	namespace  = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
	deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  replicas: 12\n  template:\n    spec:\n"
	quotaOf    = "---\napiVersion: v1\nkind: ResourceQuota\nmetadata:\n  name: quota\n  namespace: shop\nspec:\n  hard:\n    pods: 24\n"
)

func policyHead(name string) string {
	return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: " + name + "\n  namespace: shop\nspec:\n"
}

func TestFixersMakeTheSmallestEdit(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, control, text, want string
		opts                      fix.Options
	}{
		{
			name: "one line on the pod serves all containers", control: "seccomp-missing",
			text: head + "spec:\n  containers:\n  - name: a\n  - name: b # second\n",
			want: head + "spec:\n  containers:\n  - name: a\n  - name: b # second\n  securityContext:\n    seccompProfile:\n      type: RuntimeDefault\n",
		},
		{
			name: "a container that says otherwise is corrected itself", control: "run-as-non-root",
			text: head + "spec:\n  securityContext: {runAsNonRoot: true}\n  containers:\n  - name: a\n    securityContext:\n      runAsNonRoot: false # legacy\n",
			want: head + "spec:\n  securityContext: {runAsNonRoot: true}\n  containers:\n  - name: a\n    securityContext:\n      runAsNonRoot: true # legacy\n",
		},
		{
			name: "a misplaced field is moved", control: "misplaced-field",
			text: head + "spec:\n  containers:\n  - name: a\n    readOnlyRootFilesystem: true # pentest\n    image: x\n",
			want: head + "spec:\n  containers:\n  - name: a\n    image: x\n    securityContext:\n      readOnlyRootFilesystem: true # pentest\n",
		},
		{
			name: "a root that comes to be read-only by a move gets its volumes, too", control: "misplaced-field", opts: fix.Options{Writable: []string{"/tmp"}},
			text: head + "spec:\n  containers:\n  - name: a\n    readOnlyRootFilesystem: true\n  - name: b\n",
			want: head + "spec:\n  containers:\n  - name: a\n    securityContext:\n      readOnlyRootFilesystem: true\n    volumeMounts:\n    - name: writable-a-1\n      mountPath: /tmp\n  - name: b\n  volumes:\n  - name: writable-a-1\n    emptyDir:\n      sizeLimit: 256Mi\n",
		},
		{
			name: "a root that comes to be read-only by its right name gets its volumes, too", control: "wrong-case-field", opts: fix.Options{Writable: []string{"/tmp"}},
			text: head + "spec:\n  containers:\n  - name: a\n    securityContext: {readonlyRootFilesystem: true}\n    volumeMounts:\n    - {name: x, mountPath: /tmp}\n  - name: b\n    securitycontext: {readOnlyRootFilesystem: true}\n  volumes:\n  - {name: x, emptyDir: {}}\n",
			want: head + "spec:\n  containers:\n  - name: a\n    securityContext: {readOnlyRootFilesystem: true}\n    volumeMounts:\n    - {name: x, mountPath: /tmp}\n  - name: b\n    securityContext: {readOnlyRootFilesystem: true}\n    volumeMounts:\n    - name: writable-b-1\n      mountPath: /tmp\n  volumes:\n  - {name: x, emptyDir: {}}\n  - name: writable-b-1\n    emptyDir:\n      sizeLimit: 256Mi\n",
		},
		{
			name: "a field of all containers that stands on the pod goes to each", control: "misplaced-field",
			text: head + "spec:\n  securityContext:\n    allowPrivilegeEscalation: false\n    runAsNonRoot: true\n  containers:\n  - name: a\n  - name: b\n",
			want: head + "spec:\n  securityContext:\n    runAsNonRoot: true\n  containers:\n  - name: a\n    securityContext:\n      allowPrivilegeEscalation: false\n  - name: b\n    securityContext:\n      allowPrivilegeEscalation: false\n",
		},
		{
			name: "a field in another letter case is renamed", control: "wrong-case-field",
			text: head + "spec:\n  automountServiceaccountToken: false\n  containers: [{name: a}]\n",
			want: head + "spec:\n  automountServiceAccountToken: false\n  containers: [{name: a}]\n",
		},
		{
			name: "capabilities are spelt as the API does", control: "capability-name",
			text: head + "spec:\n  containers:\n  - name: a\n    securityContext:\n      capabilities:\n        drop:\n        - all  # everything\n",
			want: head + "spec:\n  containers:\n  - name: a\n    securityContext:\n      capabilities:\n        drop:\n        - ALL  # everything\n",
		},
		{
			name: "added capabilities beyond the default set are removed, the others stay", control: "capabilities-added",
			text: head + "spec:\n  containers:\n  - name: a\n    securityContext:\n      capabilities:\n        add:\n        # to listen on 80\n        - NET_BIND_SERVICE\n        - SYS_PTRACE\n",
			want: head + "spec:\n  containers:\n  - name: a\n    securityContext:\n      capabilities:\n        add:\n        # to listen on 80\n        - NET_BIND_SERVICE\n",
		},
		{
			name: "a limit is twice the request", control: "memory-limit-missing",
			text: head + "spec:\n  containers:\n  - name: a\n    resources: {requests: {memory: 100Mi}}\n",
			want: head + "spec:\n  containers:\n  - name: a\n    resources: {requests: {memory: 100Mi}, limits: {memory: 200Mi}}\n",
		},
		{
			name: "the token is switched off on the pod", control: "token-mounted",
			text: head + "spec:\n  containers: [{name: a}]\n",
			want: head + "spec:\n  containers: [{name: a}]\n  automountServiceAccountToken: false\n",
		},
		{
			name: "host namespaces are removed", control: "host-pid",
			text: head + "spec:\n  hostPID: true\n  hostNetwork: false\n  containers: [{name: a}]\n",
			want: head + "spec:\n  hostNetwork: false\n  containers: [{name: a}]\n",
		},
		{
			name: "the user is the one the person names", control: "run-as-root-user", opts: fix.Options{User: 10001},
			text: head + "spec:\n  securityContext: {runAsUser: 0}\n  containers: [{name: a}]\n",
			want: head + "spec:\n  securityContext: {runAsUser: 10001}\n  containers: [{name: a}]\n",
		},
		{
			name: "a read-only root gets empty volumes where the program writes", control: "writable-root-filesystem", opts: fix.Options{Writable: []string{"/tmp"}},
			text: head + "spec:\n  containers:\n  - name: a\n    image: x\n",
			want: head + "spec:\n  containers:\n  - name: a\n    image: x\n    securityContext:\n      readOnlyRootFilesystem: true\n    volumeMounts:\n    - name: writable-a-1\n      mountPath: /tmp\n  volumes:\n  - name: writable-a-1\n    emptyDir:\n      sizeLimit: 256Mi\n",
		},
		{
			name: "a Pod Security label gets the name that is in force", control: "pod-security-label",
			text: "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels:\n    pod-security.kubernetes.io/enforced: restricted\n",
			want: "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels:\n    pod-security.kubernetes.io/enforce: restricted\n",
		},
		{
			name: "a namespace gets the strictest level its workloads pass", control: "pod-security-level-missing",
			text: "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n---\n" + head + "spec:\n  containers: [{name: a}]\n",
			want: "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n  labels:\n    pod-security.kubernetes.io/enforce: baseline\n---\n" + head + "spec:\n  containers: [{name: a}]\n",
		},
		{
			name: "policy types are written out as they are in force", control: "network-policy-types",
			text: "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec:\n  podSelector: {}\n  egress:\n  - {}\n",
			want: "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec:\n  podSelector: {}\n  egress:\n  - {}\n  policyTypes: [Ingress, Egress]\n",
		},
		{
			name: "kubelet settings are corrected where they stand", control: "kubelet-anonymous",
			text: "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthentication:\n  anonymous: {enabled: true} # sigh\n",
			want: "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthentication:\n  anonymous: {enabled: false} # sigh\n",
		},
		{
			name: "the provider that encrypts comes first", control: "encryption-identity-first",
			text: "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - identity: {}\n  - kms: {apiVersion: v2, name: a, endpoint: \"unix:///a\"} # vault\n",
			want: "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - kms: {apiVersion: v2, name: a, endpoint: \"unix:///a\"} # vault\n  - identity: {}\n",
		},
		{
			name: "a flag of the API server is corrected in its place", control: "anonymous-api-requests",
			text: "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver, namespace: kube-system}\nspec:\n  containers:\n  - name: kube-apiserver\n    command:\n    - kube-apiserver\n    - --anonymous-auth=true # for probes\n    - --v=2\n",
			want: "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver, namespace: kube-system}\nspec:\n  containers:\n  - name: kube-apiserver\n    command:\n    - kube-apiserver\n    - --anonymous-auth=false # for probes\n    - --v=2\n",
		},
		{
			name: "an admission plugin is added to the list", control: "always-pull-images",
			text: "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver, namespace: kube-system}\nspec:\n  containers:\n  - name: kube-apiserver\n    command:\n    - kube-apiserver\n    - --enable-admission-plugins=NodeRestriction\n",
			want: "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-apiserver, namespace: kube-system}\nspec:\n  containers:\n  - name: kube-apiserver\n    command:\n    - kube-apiserver\n    - --enable-admission-plugins=NodeRestriction,AlwaysPullImages\n",
		},
		{
			name: "a namespace is closed, and what its Services stand for is opened", control: "default-deny-ingress,default-deny-egress", opts: fix.Options{IngressNamespace: "gateway"},
			text: shopServices,
			want: shopServices + "---\n" + policyHead("default-deny-ingress") + "  podSelector: {}\n  policyTypes: [Ingress]\n" +
				"---\n" + policyHead("allow-to-db") + "  podSelector:\n    matchLabels:\n      app: db\n  policyTypes: [Ingress]\n  ingress:\n    - from:\n        - podSelector: {}\n      ports:\n        - {protocol: TCP, port: 5432}\n" +
				"---\n" + policyHead("allow-to-web") + "  podSelector:\n    matchLabels:\n      app: web\n      tier: \"1\"\n  policyTypes: [Ingress]\n  ingress:\n    - from:\n        - podSelector: {}\n        - namespaceSelector:\n            matchLabels: {kubernetes.io/metadata.name: gateway}\n      ports:\n        - {protocol: TCP, port: http}\n" +
				"---\n" + policyHead("default-deny-egress") + "  podSelector: {}\n  policyTypes: [Egress]\n" +
				"---\n" + policyHead("allow-dns") + "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - to:\n        - namespaceSelector:\n            matchLabels: {kubernetes.io/metadata.name: kube-system}\n          podSelector:\n            matchLabels: {k8s-app: kube-dns}\n      ports:\n        - {protocol: UDP, port: 53}\n        - {protocol: TCP, port: 53}\n" +
				"---\n" + policyHead("allow-within-namespace") + "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - to:\n        - podSelector: {}\n",
		},
		{
			name: "a namespace gets defaults for containers that say nothing", control: "limit-range-missing",
			text: "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n" + head + "spec:\n  containers: [{name: a}]",
			want: "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n" + head + "spec:\n  containers: [{name: a}]\n---\napiVersion: v1\nkind: LimitRange\nmetadata:\n  name: defaults\n  namespace: shop\nspec:\n  limits:\n    - type: Container\n      defaultRequest: {cpu: 100m, memory: 128Mi}\n      default: {cpu: 500m, memory: 256Mi}\n",
		},
		{
			name: "an image is pinned by the digest that somebody looked up", control: "image-without-digest",
			opts: fix.Options{Digests: map[string]string{"shop/web:1.2": "sha256:" + strings.Repeat("0f", 32)}},
			text: head + "spec:\n  containers:\n  - name: a\n    image: \"shop/web:1.2\" # the shop\n  - name: b\n    image: shop/web:1.3\n",
			want: head + "spec:\n  containers:\n  - name: a\n    image: \"shop/web:1.2@sha256:" + strings.Repeat("0f", 32) + "\" # the shop\n  - name: b\n    image: shop/web:1.3\n",
		},
		{
			name: "a workload gets an account of its own", control: "default-service-account",
			text: deployment + "      serviceAccount: default\n      containers: [{name: a}]\n",
			want: deployment + "      containers: [{name: a}]\n      serviceAccountName: web\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: web\n  namespace: shop\nautomountServiceAccountToken: false\n",
		},
		{
			name: "a namespace gets a quota of twice what it takes", control: "resource-quota-missing",
			text: namespace + deployment + "      containers: [{name: a, resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 1, memory: 1Gi}}}]\n",
			want: namespace + deployment + "      containers: [{name: a, resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 1, memory: 1Gi}}}]\n" + quotaOf + "    requests.cpu: \"2400m\"\n    requests.memory: \"1536Mi\"\n    limits.cpu: \"24\"\n    limits.memory: \"24Gi\"\n",
		},
		{
			name: "a quota does not bound what a container does not state", control: "resource-quota-missing",
			text: namespace + deployment + "      containers: [{name: a, resources: {requests: {cpu: 100m}}}]\n",
			want: namespace + deployment + "      containers: [{name: a, resources: {requests: {cpu: 100m}}}]\n" + quotaOf,
		},
		{
			name: "JSON is edited as JSON", control: "privilege-escalation",
			text: "{\n  \"apiVersion\": \"v1\", \"kind\": \"Pod\",\n  \"metadata\": {\"name\": \"a\"},\n  \"spec\": {\n    \"containers\": [\n      {\n        \"name\": \"a\"\n      }\n    ]\n  }\n}\n",
			want: "{\n  \"apiVersion\": \"v1\", \"kind\": \"Pod\",\n  \"metadata\": {\"name\": \"a\"},\n  \"spec\": {\n    \"containers\": [\n      {\n        \"name\": \"a\",\n        \"securityContext\": {\"allowPrivilegeEscalation\": false}\n      }\n    ]\n  }\n}\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.opts.Safety = control.Review
			res := fixed(t, map[string]string{"a.yaml": tc.text}, tc.opts, strings.Split(tc.control, ",")...)
			if diff := gocmp.Diff(string(res.Texts["a.yaml"]), tc.want); diff != "" {
				t.Errorf("%s\nrefused: %v", diff, res.Refused)
			}
			if res.After >= res.Before {
				t.Errorf("findings go from %d to %d", res.Before, res.After)
			}
		})
	}
}

func TestEditsThatDoHarmAreNotOffered(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, control, text, want string
		safety                    control.Safety
		locked                    string
	}{
		{
			name: "added capabilities that are misplaced would come into force", control: "misplaced-field", safety: control.Review,
			text: head + "spec:\n  containers:\n  - name: a\n    capabilities: {add: [SYS_ADMIN]}\n",
			want: "capabilities-added",
		},
		{
			name: "what is refused beside privileged", control: "privilege-escalation", safety: control.Safe,
			text: head + "spec:\n  containers:\n  - name: a\n    securityContext: {privileged: true}\n",
			want: "escalation-with-sys-admin",
		},
		{
			name: "a pod that would need the account before it", control: "default-service-account", safety: control.Review,
			text: head + "spec:\n  containers: [{name: a}]\n",
			want: "before the pod",
		},
		{
			name: "an account of the name that is there", control: "default-service-account", safety: control.Review,
			text: deployment + "      containers: [{name: a}]\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web, namespace: shop}\n",
			want: "already",
		},
		{
			name: "an account that rights were given to", control: "default-service-account", safety: control.Review,
			text: deployment + "      containers: [{name: a}]\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: b, namespace: shop}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}\nsubjects: [{kind: ServiceAccount, name: default, namespace: shop}]\n",
			want: "gives rights",
		},
		{
			name: "a quota for what is not among the input", control: "resource-quota-missing", safety: control.Review,
			text: deployment + "      containers: [{name: a}]\n",
			want: "not among the files",
		},
		{
			name: "a user that nobody named", control: "run-as-root-user", safety: control.Review,
			text: head + "spec:\n  securityContext: {runAsUser: 0}\n  containers: [{name: a}]\n",
			want: "--run-as-user",
		},
		{
			name: "a token that the program needs", control: "token-mounted", safety: control.Review,
			text: "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec:\n  serviceAccountName: bot\n  containers: [{name: a}]\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: bot, namespace: shop}\n---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: bot, namespace: shop}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\nsubjects: [{kind: ServiceAccount, name: bot, namespace: shop}]\n",
			want: "gives rights",
		},
		{
			name: "a policy whose name speaks of the other direction", control: "network-policy-types", safety: control.Safe,
			text: "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny-egress}\nspec:\n  podSelector: {}\n",
			want: "egress",
		},
		{
			name: "an anchor that two containers share", control: "privileged-container", safety: control.Review,
			text: head + "spec:\n  containers:\n  - name: a\n    securityContext: &s {privileged: true}\n  - name: b\n    securityContext: *s\n",
			want: "anchor",
		},
		{
			name: "a Service that an Ingress leads to", control: "default-deny-ingress", safety: control.Review,
			text: shopServices,
			want: "--ingress-namespace",
		},
		{
			name: "a namespace that is not among the files", control: "default-deny-ingress", safety: control.Review,
			text: "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\nspec:\n  template:\n    spec:\n      containers: [{name: a}]\n",
			want: "name the folder with its manifest",
		},
		{
			name: "a pod of the control plane", control: "host-network", safety: control.Review,
			text: "apiVersion: v1\nkind: Pod\nmetadata: {name: etcd, namespace: kube-system}\nspec:\n  hostNetwork: true\n  containers: [{name: etcd, command: [/usr/bin/etcd]}]\n",
			want: "control plane",
		},
		{
			name: "a file that is locked", control: "privilege-escalation", safety: control.Safe, locked: "it is generated",
			text: head + "spec:\n  containers: [{name: a}]\n",
			want: "it is generated",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			opts := fix.Options{Safety: tc.safety}
			if tc.locked != "" {
				opts.Locked = map[string]string{"a.yaml": tc.locked}
			}
			res := fixed(t, map[string]string{"a.yaml": tc.text}, opts, tc.control)
			if len(res.Texts) > 0 {
				t.Errorf("edited:\n%s", res.Texts["a.yaml"])
			}
			if len(res.Refused) == 0 || !strings.Contains(res.Refused[0].Reason, tc.want) {
				t.Errorf("refused %v, want a reason with %q", res.Refused, tc.want)
			}
		})
	}
}

func TestOnlyWhatIsAskedForIsEdited(t *testing.T) {
	t.Parallel()
	text := head + "spec:\n  containers: [{name: a}]\n"
	res := fixed(t, map[string]string{"a.yaml": text}, fix.Options{Safety: control.Safe})
	for _, e := range res.Edits {
		if e.Safety != "safe" {
			t.Errorf("%s needs a review and was not asked for", e.Control)
		}
	}
	if res.Bolder == 0 {
		t.Error("nothing is said of the edits that need a review")
	}
	res = fixed(t, map[string]string{"a.yaml": text}, fix.Options{Safety: control.Review}, "token-mounted")
	if len(res.Edits) != 1 || res.Edits[0].Line != 4 || res.Edits[0].After != "false" {
		t.Errorf("edits %+v", res.Edits)
	}
}

func TestObjectsThatAreNotWrittenThemselvesAreRefused(t *testing.T) {
	t.Parallel()
	for kind, want := range map[inventory.OriginKind]string{
		inventory.FromHelm: "chart", inventory.FromKustomize: "overlay", inventory.FromCluster: "can't be changed once it is there",
	} {
		inv := load(t, map[string]string{"a.yaml": head + "spec:\n  containers: [{name: a}]\n"})
		inv.Objects[0].Origin.Kind = kind
		opts := fix.Options{Safety: control.Safe, Selected: map[string]bool{"privilege-escalation": true}, Limits: decode.DefaultLimits()}
		opts.Judge, opts.Controls = judge(t)
		res, err := fix.Run(inv, opts)
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Edits) > 0 || len(res.Refused) != 1 || !strings.Contains(res.Refused[0].Reason, want) {
			t.Errorf("%s: edits %v, refused %v", kind, res.Edits, res.Refused)
		}
	}
}

// TestControlsWithAnEditClearTheirOwnTests runs fix on every failing test of
// every control: where an edit is offered, the finding is gone, and a control
// whose file names an edit has at least one test in which it is made.
func TestControlsWithAnEditClearTheirOwnTests(t *testing.T) {
	t.Parallel()
	_, controls := judge(t)
	manifests, edits := 0, 0
	for id, c := range controls {
		o := ownTests(t, c)
		manifests, edits = manifests+o.failing, edits+o.edits
		if o.made == 0 && o.failing > 0 && len(c.Fix.Set)+len(c.Fix.Remove) > 0 {
			t.Errorf("control %s names an edit that is never made: %s", id, o.why)
		}
		if o.made == 0 && (o.why != "" || fix.Has(c)) {
			t.Logf("%s: no edit in %d tests: %s", id, o.failing, o.why)
		}
	}
	t.Logf("%d manifests, %d edits", manifests, edits)
	if manifests < 500 || edits < 200 {
		t.Errorf("only %d manifests with %d edits", manifests, edits)
	}
}

// own is the outcome of fixing the tests of a control.
type own struct {
	failing, made, edits int
	why                  string
}

func ownTests(t *testing.T, c *control.Control) own {
	t.Helper()
	var o own
	for _, test := range c.Tests {
		if test.Expect != "fail" {
			continue
		}
		o.failing++
		name := cmp.Or(test.File, "manifest.yaml")
		res := fixed(t, map[string]string{name: test.Manifest}, fix.Options{Safety: control.Review, User: 10001, IngressNamespace: "ingress", Facts: known}, c.ID)
		if len(res.Edits) > 0 {
			o.made++
			o.edits += len(res.Edits)
			if res.After >= res.Before {
				t.Errorf("%s, %q: findings go from %d to %d", c.ID, test.Name, res.Before, res.After)
			}
		}
		for _, r := range res.Refused {
			o.why += test.Name + ": " + r.Reason + "; "
		}
	}
	return o
}

func examples(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	names, err := filepath.Glob("../../examples/shop/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../examples/shop/cluster/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, more...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.ToSlash(name)] = string(text)
	}
	if len(out) < 10 {
		t.Fatal(fmt.Errorf("only %d files of the examples were found", len(out)))
	}
	return out
}
