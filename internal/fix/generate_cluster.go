package fix

import (
	"fmt"
	pathpkg "path"

	"github.com/redoubt-k8s/redoubt/internal/edit"
)

// Where the files of the API server go on its node.
const (
	auditPolicyPath = "/etc/kubernetes/audit-policy.yaml"
	auditLogPath    = "/var/log/kubernetes/audit/audit.log"
	encryptionPath  = "/etc/kubernetes/encryption.yaml"
)

// auditBackend has the API server keep a log, with a policy that is written
// where there is none among the files.
func auditBackend(s *site) ([]edit.Change, error) {
	policy, log := auditPolicyPath, auditLogPath
	var out []edit.Change
	keep := func(into *string) func(string) string {
		return func(old string) string {
			if old != "" {
				*into = old
			}
			return *into
		}
	}
	more, err := s.flag("audit-policy-file", keep(&policy))
	if err != nil {
		return nil, err
	}
	out = append(out, more...)
	if !s.hasFlag("audit-webhook-config-file") {
		if more, err = s.flag("audit-log-path", keep(&log)); err != nil {
			return nil, err
		}
		out = append(out, more...)
		out = append(out, s.mount("audit-log", pathpkg.Dir(log), "DirectoryOrCreate", log, nil)...)
	}
	out = append(out, s.mount("audit-policy", policy, "File", policy, boolean("true"))...)
	s.effect = fmt.Sprintf("the API server starts only if %s is on its node; the log grows there and has to be collected", policy)
	if len(s.state.inv.Kind("Policy", "audit.k8s.io")) == 0 {
		s.beside("audit-policy.yaml", "Policy of audit.k8s.io", auditPolicy, policy)
	}
	return out, nil
}

// encryption has the API server encrypt Secrets, with a configuration that is
// written where there is none among the files. It names no key: a key does not
// belong into a file that is kept with manifests.
func encryption(s *site) ([]edit.Change, error) {
	out, err := s.flag("encryption-provider-config", func(old string) string {
		if old != "" {
			return old
		}
		return encryptionPath
	})
	if err != nil {
		return nil, err
	}
	out = append(out, s.mount("encryption", encryptionPath, "File", encryptionPath, boolean("true"))...)
	s.effect = "the API server starts only if " + encryptionPath + " is on its node and the plugin it names answers; keep the key safe, nothing opens the Secrets without it"
	if len(s.state.inv.Kind("EncryptionConfiguration")) == 0 {
		s.beside("encryption.yaml", "EncryptionConfiguration", encryptionConfig, encryptionPath)
	}
	s.steps = append(s.steps, "kubectl get secrets -A -o json | kubectl replace -f -   # when the API server runs with it: Secrets that are there are encrypted when they are written anew")
	return out, nil
}

// beside adds a file for the node next to the one that is edited.
func (s *site) beside(file, name, text, path string) {
	at := pathpkg.Join(pathpkg.Dir(s.object.Origin.File), file)
	s.documents = append(s.documents, document{name: name, text: text, file: at})
	s.steps = append(s.steps, fmt.Sprintf("copy %s to %s on each node of the control plane, for root only, before the API server starts with it", at, path))
}

// hasFlag tells whether the command line has a flag.
func (s *site) hasFlag(name string) bool {
	found := false
	_, _ = s.flag(name, func(old string) string {
		found = found || old != ""
		return old
	})
	return found
}

const auditPolicy = `# What the API server records: who did what and when, and for changes of rights
# and admission what exactly. No content of Secrets or tokens.
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  # Secrets and tokens: never their content.
  - level: Metadata
    resources:
      - group: ""
        resources: [secrets, configmaps, serviceaccounts/token]
      - group: authentication.k8s.io
        resources: [tokenreviews]
  # The ways into a running container.
  - level: RequestResponse
    resources:
      - group: ""
        resources: [pods/exec, pods/attach, pods/portforward, pods/proxy, services/proxy, nodes/proxy, pods/ephemeralcontainers]
  # Rights, admission and certificates: what was changed.
  - level: RequestResponse
    verbs: [create, update, patch, delete, deletecollection]
    resources:
      - group: rbac.authorization.k8s.io
      - group: admissionregistration.k8s.io
      - group: certificates.k8s.io
  # Whoever comes without credentials, but for questions after health.
  - level: None
    userGroups: ["system:unauthenticated"]
    nonResourceURLs: ["/healthz*", "/livez*", "/readyz*"]
  - level: Metadata
    userGroups: ["system:unauthenticated"]
  # What nodes and the control plane look at all the time, and nobody asks about.
  - level: None
    users: ["system:kube-proxy"]
    verbs: [watch]
    resources:
      - group: ""
        resources: [endpoints, services]
      - group: discovery.k8s.io
        resources: [endpointslices]
  - level: None
    userGroups: ["system:nodes"]
    verbs: [get]
    resources:
      - group: ""
        resources: [nodes, nodes/status]
  - level: None
    verbs: [get, list, watch, update, patch]
    users: ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"]
    resources:
      - group: coordination.k8s.io
        resources: [leases]
  # Events are a log themselves.
  - level: None
    verbs: [get, list, watch, create, update, patch]
    resources:
      - group: ""
        resources: [events]
      - group: events.k8s.io
        resources: [events]
  - level: Metadata
`

const encryptionConfig = `# Secrets are encrypted by a plugin that asks a key store: no key lies on the node.
# Where there is no such plugin, put secretbox in the place of kms, on the node and
# nowhere else:
#   - secretbox: {keys: [{name: key1, secret: KEY}]}   KEY: head -c 32 /dev/urandom | base64
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - kms:
          apiVersion: v2
          name: key-store
          endpoint: unix:///run/kms-plugin/socket.sock
          timeout: 3s
      # Reads what was written before; nothing new is written in the clear.
      - identity: {}
`
