package fix

import (
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// What to start from where nothing is known of a program's needs; the edit has
// to be reviewed.
const (
	cpuRequest    = "100m"
	memoryRequest = "128Mi"
	cpuLimit      = "500m"
	memoryLimit   = "256Mi"
)

// fixers are the edits that a control's own file can't say, by control.
var fixers = map[string]fixer{
	// Fields that are not where, or what, they seem.
	"misplaced-field":      misplaced,
	"misspelt-field":       misspelt,
	"wrong-case-field":     misspelt,
	"typographic-quotes":   straightQuotes,
	"network-policy-types": policyTypes,
	"pod-security-label":   securityLabel,
	"capability-name":      capabilityNames,

	// Pods and containers.
	"seccomp-missing":          onPod("seccompProfile", "type", text("RuntimeDefault")),
	"run-as-non-root":          nonRoot,
	"run-as-root-user":         asUser,
	"run-as-root-group":        asUser,
	"user-without-group":       asUser,
	"liveness-probe-missing":   probe("livenessProbe", "readinessProbe"),
	"readiness-probe-missing":  probe("readinessProbe", "livenessProbe"),
	"control-plane-toleration": offControlPlane,
	"empty-dir-unbounded":      bounded,
	"root-group-added":         noRootGroup,
	"selinux-type":             seLinux,
	"unsafe-sysctl":            sysctls,
	"writable-system-path":     readOnlySystem,
	"image-runs-as-root":       knownUser,
	"apparmor-annotation":      appArmor,
	"apparmor-annotation-unconfined": templateAnnotations(func(key string) bool {
		return strings.HasPrefix(key, "container.apparmor.security.beta.kubernetes.io/")
	}),
	"seccomp-annotation-unconfined":   templateAnnotations(func(key string) bool { return strings.Contains(key, "seccomp.security.alpha.kubernetes.io/") }),
	"dead-annotation":                 deadAnnotation,
	"seccomp-on-privileged":           unprivileged,
	"escalation-with-sys-admin":       unprivileged,
	"pod-security-level-privileged":   namespaceLevel,
	"host-port":                       hostPorts,
	"dangerous-host-path":             narrowHostPath,
	"sensitive-host-path-read":        narrowHostPath,
	"capabilities-added":              dropAdded(defaultCapabilities),
	"capabilities-beyond-net-bind":    dropAdded([]string{"NET_BIND_SERVICE"}),
	"token-mounted":                   token,
	"default-service-account":         useAccount,
	"writable-root-filesystem":        readOnlyRoot,
	"cpu-request-missing":             resource(cpuRequest),
	"memory-request-missing":          resource(memoryRequest),
	"cpu-limit-missing":               resource(cpuLimit),
	"memory-limit-missing":            resource(memoryLimit),
	"image-without-digest":            digest,
	"image-latest":                    digest,
	"image-volume-without-digest":     volumeDigest,
	"dockerfile-base-unpinned":        baseDigest,
	"image-not-pulled-again":          setAt("imagePullPolicy", text("Always")),
	"pod-security-level-missing":      namespaceLevel,
	"pod-security-level-too-loose":    namespaceLevel,
	"ingress-snippet":                 dropAnnotations(func(key string) bool { return strings.HasSuffix(key, "-snippet") }),
	"ingress-allows-http":             plainHTTP,
	"policy-fails-open":               setAt("spec.failurePolicy", text("Fail")),
	"mesh-allows-plaintext":           setAt("spec.mtls.mode", text("STRICT")),
	"kyverno-audits-only":             setAt("spec.validationFailureAction", text("Enforce")),
	"pod-security-version-old":        setAt("metadata.labels[pod-security.kubernetes.io/enforce-version]", text("latest")),
	"kubelet-always-allow":            setAt("authorization.mode", text("Webhook")),
	"kubelet-anonymous":               setAt("authentication.anonymous.enabled", boolean("false")),
	"kubelet-read-only-port":          setAt("readOnlyPort", integer("0")),
	"kubelet-kernel-defaults":         setAt("protectKernelDefaults", boolean("true")),
	"kubelet-serving-certificate":     setAt("serverTLSBootstrap", boolean("true")),
	"kubelet-pod-pids-limit":          setAt("podPidsLimit", integer("4096")),
	"kubelet-event-rate":              setAt("eventRecordQPS", integer("50")),
	"kubelet-iptables-chains":         removeAt("makeIPTablesUtilChains"),
	"kubelet-streams-never-end":       removeAt("streamingConnectionIdleTimeout"),
	"kubelet-weak-tls":                setAt("tlsMinVersion", text("VersionTLS12")),
	"encryption-identity-first":       identityLast,
	"encryption-kms-v1":               kmsV2,
	"audit-omits-outcome":             auditStages,
	"pod-security-default-privileged": setAt("defaults.enforce", text("baseline")),

	// Credentials.
	"credential-in-environment": fromSecret,
	"credential-in-config-map":  fromMap,
	"credential-in-annotation":  withoutAnnotation,

	// Dockerfiles.
	"dockerfile-root":             dockerUser,
	"dockerfile-user-name":        dockerUser,
	"dockerfile-credential":       dockerCredential,
	"dockerfile-open-permissions": openMode,
	"dockerfile-remote-login":     dockerExpose,

	// Admission.
	"policy-binding-denies-nothing": strict,
	"gatekeeper-denies-nothing":     with("what violates the constraint is refused from then on: look at the violations there are first", setAt("spec.enforcementAction", text("deny"))),
	"webhook-fails-open":            webhookCloses,
	"webhook-misses-updates":        webhookUpdates,

	// The network.
	"ingress-without-tls":            ingressTLS,
	"network-policy-allows-internet": outsideOnly,
	"service-node-port":              clusterIP,
	"metadata-service-allowed":       exceptMetadata,

	// Rights.
	"admission-policy-write":        rights,
	"api-extension-write":           rights,
	"binding-write":                 rights,
	"csr-approve":                   rights,
	"endpoints-write":               rights,
	"ephemeral-containers":          rights,
	"escalate-or-bind":              rights,
	"events-delete":                 rights,
	"impersonate":                   rights,
	"namespace-update":              rights,
	"network-policy-write":          rights,
	"node-write":                    rights,
	"nodes-proxy":                   rights,
	"persistent-volume-write":       rights,
	"pod-exec":                      rights,
	"pod-port-forward":              rights,
	"role-write":                    rights,
	"secrets-create":                rights,
	"secrets-read":                  rights,
	"system-configmap-write":        rights,
	"token-create":                  rights,
	"webhook-write":                 rights,
	"workload-create":               rights,
	"cluster-admin-binding":         leastRole,
	"wildcard-rights":               knownRules,
	"cluster-binding-for-namespace": inOneNamespace,
	"anonymous-binding":             withoutSubject,
	"everybody-binding":             withoutSubject,
	"system-masters-binding":        withoutSubject,
	"aggregated-role":               notAggregated,
	"unknown-rbac-name":             rbacName,

	// Flags of the control plane.
	"anonymous-api-requests":        flag("anonymous-auth", "false"),
	"profiling":                     flag("profiling", "false"),
	"service-account-lookup":        flag("service-account-lookup", ""),
	"token-expiration-extended":     flag("service-account-extend-token-expiration", "false"),
	"component-listens-everywhere":  flag("bind-address", "127.0.0.1"),
	"controller-credentials":        flag("use-service-account-credentials", "true"),
	"finished-pods-kept":            flag("terminated-pod-gc-threshold", "1000"),
	"etcd-client-auth":              flag("client-cert-auth", "true"),
	"etcd-peer-auth":                flag("peer-client-cert-auth", "true"),
	"etcd-auto-tls":                 flag("auto-tls", ""),
	"etcd-peer-auto-tls":            flag("peer-auto-tls", ""),
	"insecure-port":                 flag("insecure-port", ""),
	"token-file":                    flag("token-auth-file", ""),
	"always-pull-images":            plugin("AlwaysPullImages"),
	"external-ips-admission":        plugin("DenyServiceExternalIPs"),
	"node-restriction":              plugin("NodeRestriction"),
	"always-admit":                  noPlugin("enable-admission-plugins", "AlwaysAdmit"),
	"namespace-lifecycle":           noPlugin("disable-admission-plugins", "NamespaceLifecycle"),
	"pod-security-disabled":         noPlugin("disable-admission-plugins", "PodSecurity"),
	"service-account-admission":     noPlugin("disable-admission-plugins", "ServiceAccount"),
	"audit-log-retention":           auditRetention,
	"audit-log-missing":             auditBackend,
	"encryption-not-configured":     encryption,
	"audit-webhook-settings":        auditBuffer,
	"etcd-shared-ca":                with("clients of etcd need certificates of this authority, as kubeadm issues them", flag("trusted-ca-file", "/etc/kubernetes/pki/etcd/ca.crt")),
	"second-authorizer":             with("what only the other authoriser allowed is refused from then on", withoutItems("authorization-mode", "Webhook", "ABAC")),
	"anonymous-without-conditions":  healthOnly,
	"authorizer-fails-open":         authorizers,
	"encryption-kms-endpoint":       kmsEndpoint,
	"encryption-without-secrets":    encryptSecrets,
	"kubelet-client-ca":             with("requests to the kubelet need a certificate of this authority, which kubeadm puts there", setAt("authentication.x509.clientCAFile", text("/etc/kubernetes/pki/ca.crt"))),
	"kubelet-eviction-off":          eviction,
	"kubelet-log-rotation":          logRotation,
	"kubelet-pid-reservation":       with("pods together get 1000 process ids less", setAt("kubeReserved.pid", text("1000"))),
	"audit-path-not-mounted":        auditMount,
	"audit-policy-blind":            auditRules,
	"audit-policy-secrets":          auditRules,
	"audit-rule-unreachable":        reachable,
	"etcd-client-certificate":       files("etcd-cafile", "etcd-certfile", "etcd-keyfile"),
	"api-serving-certificate":       files("tls-cert-file", "tls-private-key-file"),
	"client-ca":                     files("client-ca-file"),
	"kubelet-client-certificate":    files("kubelet-client-certificate", "kubelet-client-key"),
	"service-account-key":           files("service-account-key-file"),
	"controller-token-key":          files("service-account-private-key-file", "root-ca-file"),
	"etcd-certificate":              files("cert-file", "key-file"),
	"etcd-peer-certificate":         files("peer-cert-file", "peer-key-file"),
	"request-header-names":          with("only the front proxy of kubeadm may say for whom it speaks: name yours if it is called otherwise", flag("requestheader-allowed-names", "front-proxy-client")),
	"kubelet-certificate-authority": with("logs and commands work only with kubelets whose serving certificate comes from this authority: give them such first, with serverTLSBootstrap", flag("kubelet-certificate-authority", "/etc/kubernetes/pki/ca.crt")),
	"authorization-mode":            with("who has no role is refused from then on: have roles and bindings in place first", onlyWith("authorization-mode", "Node", "RBAC")),
	"anonymous-set-twice":           flag("anonymous-auth", ""),
	"request-timeout":               with("requests end after a minute, the default", flag("request-timeout", "")),
	"weak-tls":                      with("clients that know only the old versions or ciphers are refused", noFlag("tls-min-version", "tls-cipher-suites", "cipher-suites")),
	"kubelet-rotation-gate":         noPlugin("feature-gates", "RotateKubeletServerCertificate=false"),
	"etcd-plaintext":                https,
}

func text(s string) *inventory.Node    { return &inventory.Node{Kind: inventory.String, Text: s} }
func boolean(s string) *inventory.Node { return &inventory.Node{Kind: inventory.Bool, Text: s} }
func integer(s string) *inventory.Node { return &inventory.Node{Kind: inventory.Int, Text: s} }

// setAt gives one field of what was judged a value.
func setAt(rel string, value *inventory.Node) fixer {
	return func(s *site) ([]edit.Change, error) { return s.set(s.path(rel), value), nil }
}

func removeAt(rel string) fixer {
	return func(s *site) ([]edit.Change, error) { return s.remove(s.path(rel)), nil }
}

func (s *site) remove(path string) []edit.Change {
	if s.object.Root.At(path) == nil {
		return nil
	}
	return []edit.Change{{Op: edit.Remove, Path: path}}
}

func dropAnnotations(which func(key string) bool) fixer {
	return func(s *site) ([]edit.Change, error) {
		return s.withoutAnnotations(func(a *inventory.Node) bool { return which(a.Key) })
	}
}

// plainHTTP drops the annotations by which an Ingress serves plain HTTP.
func plainHTTP(s *site) ([]edit.Change, error) {
	s.effect = "who asks by plain HTTP is sent to HTTPS, or refused"
	return s.withoutAnnotations(func(a *inventory.Node) bool {
		return a.Key == "kubernetes.io/ingress.allow-http" || strings.HasSuffix(a.Key, "ssl-redirect") && a.Str() == "false"
	})
}

func (s *site) withoutAnnotations(which func(a *inventory.Node) bool) ([]edit.Change, error) {
	var out []edit.Change
	for _, a := range s.object.Annotations().All() {
		if which(a) {
			out = append(out, s.remove(inventory.Join("metadata.annotations", a.Key))...)
		}
	}
	if len(out) > 0 && len(out) == s.object.Annotations().Len() {
		out = s.remove("metadata.annotations")
	}
	return out, nil
}
