package fix_test

import (
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/fix"
)

// known is what somebody said of the account that the tests of the catalogue
// have.
var known = fix.Facts{Rights: []fix.Right{{AccountNamespace: "shop", Account: "shop", Rules: []fix.RightRule{{APIGroups: []string{""}, Resources: []string{"services"}, Verbs: []string{"get"}}}}}}

const secretValue = "Tr0ub4dor-and-3"

func role(rules string) string {
	return "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: dev, namespace: shop}\nrules:\n" + rules + "---\n" +
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: dev, namespace: shop}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: dev}\nsubjects:\n- {kind: Group, name: devs, apiGroup: rbac.authorization.k8s.io}\n"
}

func boundTo(kind, name, subject string) string {
	return "apiVersion: rbac.authorization.k8s.io/v1\nkind: " + kind + "\nmetadata: {name: bot}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: " + name + "}\nsubjects:\n- " + subject + "\n"
}

const bot = "{kind: ServiceAccount, name: bot, namespace: shop}"

var botRights = fix.Facts{Rights: []fix.Right{
	{AccountNamespace: "shop", Account: "bot", Namespace: "shop", Rules: []fix.RightRule{{APIGroups: []string{""}, Resources: []string{"configmaps"}, Verbs: []string{"get"}}}},
}}

const agent = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: logs, namespace: shop}\nspec:\n  selector: {matchLabels: {app: logs}}\n  template:\n    metadata: {labels: {app: logs}}\n    spec:\n      containers:\n      - name: logs\n        image: x\n        volumeMounts: [{name: host, mountPath: /host}]\n      volumes: [{name: host, hostPath: {path: /}}]\n"

var agentPath = fix.Facts{HostPaths: []fix.HostPath{{Kind: "DaemonSet", Namespace: "shop", Name: "logs", Volume: "host", Path: "/var/log/pods"}}}

const audit = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n"

// TestEditsSayWhatAPersonWouldWrite has an example of each kind of edit that
// moves something out or takes something away.
func TestEditsSayWhatAPersonWouldWrite(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, control, text, want, step string
		opts                            fix.Options
	}{
		{
			name: "a literal becomes a reference to a Secret that is to be made", control: "credential-in-environment",
			text: head + "spec:\n  containers:\n  - name: a\n    env:\n    - name: DB_PASSWORD # from the wiki\n      value: " + secretValue + "\n",
			want: head + "spec:\n  containers:\n  - name: a\n    env:\n    - name: DB_PASSWORD # from the wiki\n      valueFrom:\n        secretKeyRef:\n          name: a-credentials\n          key: db-password\n",
			step: "kubectl create secret generic a-credentials -n shop --from-literal=db-password=VALUE",
		},
		{
			name: "an option takes its value from a variable", control: "credential-in-environment",
			text: head + "spec:\n  containers:\n  - name: a\n    args: [\"--db-password=" + secretValue + "\", run]\n",
			want: head + "spec:\n  containers:\n  - name: a\n    args: [\"--db-password=$(DB_PASSWORD)\", run]\n    env:\n    - name: DB_PASSWORD\n      valueFrom:\n        secretKeyRef:\n          name: a-credentials\n          key: db-password\n",
			step: "a.yaml:7",
		},
		{
			name: "a file of a map goes to a Secret, and the volume takes it from there", control: "credential-in-config-map",
			text: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: shop}\ndata:\n  a: plain\n  app.ini: |\n    db.password=" + secretValue + "\n---\n" +
				head + "spec:\n  containers:\n  - {name: a, image: x}\n  volumes:\n  - name: conf\n    configMap: {name: conf}\n",
			want: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: shop}\ndata:\n  a: plain\n---\n" +
				head + "spec:\n  containers:\n  - {name: a, image: x}\n  volumes:\n  - name: conf\n    projected:\n      sources:\n      - configMap:\n          name: conf\n      - secret:\n          name: conf-credentials\n",
			step: "--from-file=app.ini=FILE",
		},
		{
			name: "a variable from a map is taken from the Secret", control: "credential-in-config-map",
			text: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: shop}\ndata: {password: " + secretValue + "}\n---\n" +
				head + "spec:\n  containers:\n  - name: a\n    env:\n    - name: P\n      valueFrom:\n        configMapKeyRef:\n          name: conf\n          key: password\n",
			want: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: shop}\n---\n" +
				head + "spec:\n  containers:\n  - name: a\n    env:\n    - name: P\n      valueFrom:\n        secretKeyRef:\n          name: conf-credentials\n          key: password\n",
		},
		{
			name: "a resource that loses all its verbs leaves the rule", control: "pod-exec",
			text: role("- apiGroups: [\"\"]\n  resources: [pods, pods/exec]\n  verbs: [get, create]\n"),
			want: role("- apiGroups: [\"\"]\n  resources: [pods]\n  verbs: [get, create]\n"),
		},
		{
			name: "a resource that keeps verbs gets a rule of its own", control: "secrets-read",
			text: role("- apiGroups: [\"\"]\n  resources: [configmaps, secrets]\n  verbs: [get, update]\n"),
			want: role("- apiGroups: [\"\"]\n  resources: [configmaps]\n  verbs: [get, update]\n- apiGroups: [\"\"]\n  resources: [secrets]\n  verbs: [update]\n"),
		},
		{
			name: "a verb that nothing else in the rule needs leaves it", control: "workload-create",
			text: role("- apiGroups: [\"\"]\n  resources: [pods, pods/log]\n  verbs: [get, create]\n"),
			want: role("- apiGroups: [\"\"]\n  resources: [pods, pods/log]\n  verbs: [get]\n"),
		},
		{
			name: "a rule that holds nothing else goes", control: "secrets-read",
			text: role("- apiGroups: [\"\"]\n  resources: [pods]\n  verbs: [get]\n- apiGroups: [\"\"]\n  resources: [secrets]\n  verbs: [list]\n"),
			want: role("- apiGroups: [\"\"]\n  resources: [pods]\n  verbs: [get]\n"),
		},
		{
			name: "an administrator keeps what is known of it, in its namespace", control: "cluster-admin-binding", opts: fix.Options{Facts: botRights},
			text: boundTo("ClusterRoleBinding", "cluster-admin", bot),
			want: "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {name: bot, namespace: shop}\nroleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: bot}\nsubjects:\n- " + bot + "\n" +
				"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: bot\n  namespace: shop\nrules:\n  - apiGroups: [\"\"]\n    resources: [configmaps]\n    verbs: [get]\n",
			step: "kubectl delete clusterrolebinding bot",
		},
		{
			name: "whoever is not logged in loses the role", control: "anonymous-binding",
			text: boundTo("ClusterRoleBinding", "view", "{kind: Group, name: devs}\n- {kind: User, name: \"system:anonymous\"}"),
			want: boundTo("ClusterRoleBinding", "view", "{kind: Group, name: devs}"),
		},
		{
			name: "a volume of the node is narrowed, and found where it was", control: "dangerous-host-path", opts: fix.Options{Facts: agentPath},
			text: agent,
			want: strings.NewReplacer("mountPath: /host", "mountPath: /host/var/log/pods, readOnly: true", "path: /}", "path: /var/log/pods}").Replace(agent),
		},
		{
			name: "contents of Secrets are recorded by a rule in front", control: "audit-policy-secrets",
			text: audit + "# all of it\n- level: RequestResponse\n",
			want: audit + "- level: Metadata\n  resources:\n  - group: \"\"\n    resources: [secrets, serviceaccounts/token]\n  - group: authentication.k8s.io\n    resources: [tokenreviews]\n# all of it\n- level: RequestResponse\n",
		},
		{
			name: "what a policy drops is recorded without content", control: "audit-policy-blind",
			text: audit + "- level: None\n  resources: [{group: rbac.authorization.k8s.io}]\n- level: Metadata\n",
			want: audit + "- level: Metadata\n  verbs: [create, update, patch, delete, deletecollection]\n  resources:\n  - group: rbac.authorization.k8s.io\n- level: None\n  resources: [{group: rbac.authorization.k8s.io}]\n- level: Metadata\n",
		},
		{
			name: "the rule for everything goes behind those it hides", control: "audit-rule-unreachable",
			text: audit + "- level: Metadata\n- level: Request\n  resources: [{group: apps}]\n",
			want: audit + "- level: Request\n  resources: [{group: apps}]\n- level: Metadata\n",
		},
		{
			name: "a file of kubeadm gets its flags as a list", control: "profiling",
			text: "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nscheduler: {}\napiServer:\n  extraArgs:\n  - {name: profiling, value: \"false\"}\ncontrollerManager:\n  extraArgs:\n  - name: profiling\n    value: \"true\"\n",
			want: "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nscheduler: {extraArgs: [{name: profiling, value: \"false\"}]}\napiServer:\n  extraArgs:\n  - {name: profiling, value: \"false\"}\ncontrollerManager:\n  extraArgs:\n  - name: profiling\n    value: \"false\"\n",
		},
		{
			name: "clouds' metadata is taken out of what a rule allows", control: "metadata-service-allowed",
			text: policyHead("a") + "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n  - to:\n    - ipBlock: {cidr: 168.0.0.0/6}\n",
			want: policyHead("a") + "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n  - to:\n    - ipBlock: {cidr: 168.0.0.0/6, except: [\"169.254.0.0/16\", \"168.63.129.16/32\"]}\n",
		},
		{
			name: "a probe asks the port that the manifest shows", control: "liveness-probe-missing",
			text: deployment + "      containers:\n      - name: a\n        ports: [{containerPort: 53, protocol: UDP}, {name: web, containerPort: 80}]\n",
			want: deployment + "      containers:\n      - name: a\n        ports: [{containerPort: 53, protocol: UDP}, {name: web, containerPort: 80}]\n        livenessProbe:\n          tcpSocket:\n            port: web\n          periodSeconds: 20\n          failureThreshold: 6\n",
		},
		{
			name: "a policy that names its types in a field there is none of stays closed", control: "misspelt-field",
			text: namespace + policyHead("deny-egress") + "  podSelector: {}\n  policyType: [Egress]\n",
			want: namespace + policyHead("deny-egress") + "  podSelector: {}\n  policyTypes: [Egress]\n---\n" + policyHead("default-deny-ingress") + "  podSelector: {}\n  policyTypes: [Ingress]\n---\n" +
				policyHead("allow-dns") + "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - to:\n        - namespaceSelector:\n            matchLabels: {kubernetes.io/metadata.name: kube-system}\n          podSelector:\n            matchLabels: {k8s-app: kube-dns}\n      ports:\n        - {protocol: UDP, port: 53}\n        - {protocol: TCP, port: 53}\n---\n" +
				policyHead("allow-within-namespace") + "  podSelector: {}\n  policyTypes: [Egress]\n  egress:\n    - to:\n        - podSelector: {}\n",
		},
		{
			name: "a user that is known of the image is set where root is forbidden", control: "run-as-non-root",
			opts: fix.Options{Facts: fix.Facts{Images: []fix.ImageFact{{Image: "db:*", User: 999}}}},
			text: "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\nspec:\n  template:\n    spec:\n      containers:\n      - {name: db, image: \"db:1\"}\n  volumeClaimTemplates:\n  - metadata: {name: data}\n",
			want: "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\nspec:\n  template:\n    spec:\n      containers:\n      - {name: db, image: \"db:1\"}\n      securityContext:\n        runAsNonRoot: true\n        runAsUser: 999\n        runAsGroup: 999\n        fsGroup: 999\n  volumeClaimTemplates:\n  - metadata: {name: data}\n",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.opts.Safety = control.Review
			res := fixed(t, map[string]string{"a.yaml": tc.text}, tc.opts, tc.control)
			if diff := gocmp.Diff(string(res.Texts["a.yaml"]), tc.want); diff != "" {
				t.Errorf("%s\nrefused: %v", diff, res.Refused)
			}
			for _, e := range res.Edits {
				if e.Safety != "review" || strings.Contains(e.Before+e.After+e.Effect, secretValue) {
					t.Errorf("edit %+v", e)
				}
			}
			steps := strings.Join(res.Steps, "\n")
			if !strings.Contains(steps, tc.step) || strings.Contains(steps, secretValue) {
				t.Errorf("steps %q, want %q in them and no credential", steps, tc.step)
			}
			again := fixed(t, map[string]string{"a.yaml": tc.want}, tc.opts, tc.control)
			if len(again.Edits) > 0 {
				t.Errorf("a second run makes %v", again.Edits)
			}
		})
	}
}

// TestWhatOnlyAPersonKnowsIsAskedFor has the refusals that lead to a fact.
func TestWhatOnlyAPersonKnowsIsAskedFor(t *testing.T) {
	t.Parallel()
	moved := fix.Facts{HostPaths: []fix.HostPath{{Kind: "DaemonSet", Namespace: "shop", Name: "logs", Volume: "host", Path: "/var/log/pods", MoveTo: "agents"}}}
	for _, tc := range []struct {
		name, control, text, want string
		facts                     fix.Facts
	}{
		{"what an administrator does", "cluster-admin-binding", boundTo("ClusterRoleBinding", "cluster-admin", bot), "--audit-log", fix.Facts{}},
		{"what a person who is an administrator needs", "cluster-admin-binding", boundTo("ClusterRoleBinding", "cluster-admin", "{kind: User, name: jane}"), "for a person to say", fix.Facts{}},
		{"what two accounts need", "cluster-admin-binding", boundTo("ClusterRoleBinding", "cluster-admin", bot+"\n- {kind: Group, name: x}"), "several subjects", botRights},
		{"whether a program needs a right", "secrets-read", strings.Replace(role("- {apiGroups: [\"\"], resources: [secrets], verbs: [get]}\n"), "{kind: Group, name: devs, apiGroup: rbac.authorization.k8s.io}", bot, 1), "may need it", fix.Facts{}},
		{"a right that a program uses", "secrets-read", strings.Replace(role("- {apiGroups: [\"\"], resources: [secrets], verbs: [get]}\n"), "{kind: Group, name: devs, apiGroup: rbac.authorization.k8s.io}", bot, 1), "uses it", fix.Facts{Rights: []fix.Right{
			{AccountNamespace: "shop", Account: "bot", Namespace: "shop", Rules: []fix.RightRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}}}},
		}}},
		{"a rule with a wildcard among its verbs", "secrets-read", role("- {apiGroups: [\"\"], resources: [secrets], verbs: [\"*\"]}\n"), "wildcard", fix.Facts{}},
		{"which folder of the node is needed", "dangerous-host-path", agent, "hostPaths", fix.Facts{}},
		{"a folder outside of the volume", "dangerous-host-path", strings.Replace(agent, "path: /}", "path: /etc}", 1), "does not lie in /etc", agentPath},
		{"a workload that its namespace holds", "dangerous-host-path", agent + "---\napiVersion: v1\nkind: Service\nmetadata: {name: logs, namespace: shop}\nspec: {selector: {app: logs}, ports: [{port: 1}]}\n", "selects its pods", moved},
		{"an account that would have to move", "dangerous-host-path", strings.Replace(agent, "      containers:", "      serviceAccountName: logs\n      containers:", 1), "it runs as logs", moved},
		{"a map that cannot change", "credential-in-config-map", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\nimmutable: true\ndata: {password: " + secretValue + "}\n", "immutable", fix.Facts{}},
		{"a map whose files are picked", "credential-in-config-map", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\ndata: {password: " + secretValue + "}\n---\n" + head + "spec:\n  containers: [{name: a}]\n  volumes: [{name: c, configMap: {name: c, items: [{key: password, path: p}]}}]\n", "picks files", fix.Facts{}},
		{"a port that a probe could ask", "readiness-probe-missing", deployment + "      containers: [{name: a}]\n", "no port", fix.Facts{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res := fixed(t, map[string]string{"a.yaml": tc.text}, fix.Options{Safety: control.Review, Facts: tc.facts}, tc.control)
			if len(res.Texts) > 0 || len(res.Refused) == 0 || !strings.Contains(res.Refused[0].Reason, tc.want) {
				t.Errorf("texts %v, refused %v, want a reason with %q", len(res.Texts), res.Refused, tc.want)
			}
		})
	}
}

// TestDockerfilesAreEditedByLine covers the edits of files that hold no YAML.
func TestDockerfilesAreEditedByLine(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("ab", 32)
	for _, tc := range []struct{ name, control, text, want, refused string }{
		{name: "a user in front of the command", control: "dockerfile-root", text: "FROM node\nCOPY . /app\nEXPOSE 80\nCMD [\"x\"]", want: "FROM node\nCOPY . /app\nUSER 10001:10001\nEXPOSE 80\nCMD [\"x\"]"},
		{name: "a user at the end of a file without a last line break", control: "dockerfile-root", text: "FROM node\nRUN x", want: "FROM node\nRUN x\nUSER 10001:10001\n"},
		{name: "a user in the place of root, with breaks of Windows", control: "dockerfile-root", text: "FROM node\r\nUSER root\r\nCMD x\r\n", want: "FROM node\r\nUSER 10001:10001\r\nCMD x\r\n"},
		{name: "the user of the last stage", control: "dockerfile-root", text: "FROM node AS build\nUSER root\nFROM node\nCMD x\n", want: "FROM node AS build\nUSER root\nFROM node\nUSER 10001:10001\nCMD x\n"},
		{name: "a credential becomes a secret of the build where it is used", control: "dockerfile-credential", text: "FROM node\nENV NPM_TOKEN=" + secretValue + "\nRUN echo $NPM_TOKENS\nRUN npm login ${NPM_TOKEN}\n", want: "FROM node\nRUN echo $NPM_TOKENS\nRUN --mount=type=secret,id=npm-token,env=NPM_TOKEN npm login ${NPM_TOKEN}\n"},
		{name: "an instruction over several lines is left", control: "dockerfile-credential", text: "FROM node\nENV A=b \\\n  NPM_TOKEN=" + secretValue + "\n", refused: "more than the credential"},
		{name: "rights of others", control: "dockerfile-open-permissions", text: "FROM node\nRUN chmod -R 777 /app && chmod 4755 /bin/x\n", want: "FROM node\nRUN chmod -R 775 /app && chmod 0755 /bin/x\n"},
		{name: "the port of SSH", control: "dockerfile-remote-login", text: "FROM node\nEXPOSE 80 22/tcp\n", want: "FROM node\nEXPOSE 80\n"},
		{name: "a base by its digest", control: "dockerfile-base-unpinned", text: "FROM node AS b\n", want: "FROM node@" + digest + " AS b\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			opts := fix.Options{Safety: control.Review, User: 10001, Digests: map[string]string{"node": digest}}
			res := fixed(t, map[string]string{"Dockerfile": tc.text}, opts, tc.control)
			if diff := gocmp.Diff(string(res.Texts["Dockerfile"]), tc.want); diff != "" {
				t.Errorf("%s\nrefused: %v", diff, res.Refused)
			}
			if tc.refused != "" && (len(res.Refused) != 1 || !strings.Contains(res.Refused[0].Reason, tc.refused)) {
				t.Errorf("refused %v", res.Refused)
			}
			if len(res.Edits) > 0 && len(fixed(t, map[string]string{"Dockerfile": tc.want}, opts, tc.control).Edits) > 0 {
				t.Error("a second run edits again")
			}
		})
	}
}
