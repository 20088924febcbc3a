package controlplane

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	cliflag "k8s.io/component-base/cli/flag"

	"github.com/redoubt-k8s/redoubt/internal/component"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// fault is what is wrong with one flag.
type fault struct {
	flag string
	msg  string
}

// flagRule judges the flags of one or several components.
type flagRule struct {
	components []string
	// reads are the flags the rule looks at; one whose value is filled in at
	// run time makes the verdict unknown.
	reads []string
	// instead is a flag that hands the matter to a file; then the rule does not
	// apply.
	instead string
	judge   func(p *component.Process) []fault
}

func (r flagRule) analyse(inv *inventory.Inventory, report func(finding.Finding)) {
	for _, p := range component.Of(inv) {
		if !slices.Contains(r.components, p.Name) {
			continue
		}
		report0 := func(v finding.Verdict, path, msg string) {
			f := finding.Finding{Verdict: v, Object: p.Object, Path: path, Message: msg}
			if p.Container != nil {
				f.Container = p.Container.Name
			}
			report(f)
		}
		if _, ok := p.Flag(r.instead); r.instead != "" && ok {
			report0(finding.NotApplicable, p.Path, "")
			continue
		}
		if open := r.open(p); open != "" {
			report0(finding.Unknown, p.Path, fmt.Sprintf("--%s of %s is filled in at run time; scan the manifest as it is on the node", open, p.Name))
			continue
		}
		faults := r.judge(p)
		for _, f := range faults {
			flag, _ := p.Flag(f.flag)
			report0(finding.Fail, flag.Path, f.msg)
		}
		if len(faults) == 0 {
			report0(finding.Pass, p.Path, "")
		}
	}
}

func (r flagRule) open(p *component.Process) string {
	for _, name := range r.reads {
		if f, ok := p.Flag(name); ok && component.Open(f.Value) {
			return name
		}
	}
	return ""
}

var api = []string{component.APIServer}

// wantBool wants a boolean flag to have a value.
func wantBool(components []string, flag string, want, missing bool, msg string) flagRule { //nolint:revive // both are values of the flag
	return flagRule{components: components, reads: []string{flag}, judge: func(p *component.Process) []fault {
		v, ok := p.Bool(flag, missing)
		if ok && v == want {
			return nil
		}
		if _, given := p.Flag(flag); !given {
			return []fault{{flag, fmt.Sprintf("--%s is not set, and its default is %t: %s", flag, missing, msg)}}
		}
		return []fault{{flag, fmt.Sprintf("--%s is not %t: %s", flag, want, msg)}}
	}}
}

// wantSet wants each flag to be set.
func wantSet(components []string, msg string, flags ...string) flagRule {
	return flagRule{components: components, judge: func(p *component.Process) []fault {
		var out []fault
		for _, name := range flags {
			if f, ok := p.Flag(name); !ok || f.Value == "" {
				out = append(out, fault{name, fmt.Sprintf("--%s is not set: %s", name, msg)})
			}
		}
		return out
	}}
}

// wantUnset wants a flag to be absent.
func wantUnset(components []string, flag, msg string) flagRule {
	return flagRule{components: components, judge: func(p *component.Process) []fault {
		if f, ok := p.Flag(flag); ok && f.Value != "" {
			return []fault{{flag, fmt.Sprintf("--%s is set: %s", flag, msg)}}
		}
		return nil
	}}
}

const (
	enablePlugins  = "enable-admission-plugins"
	disablePlugins = "disable-admission-plugins"
)

// wantPlugin wants an admission plugin to be on. Those on by default count
// unless they are disabled.
func wantPlugin(plugin string, byDefault bool, msg string) flagRule {
	return flagRule{components: api, reads: []string{enablePlugins, disablePlugins}, judge: func(p *component.Process) []fault {
		switch {
		case slices.Contains(p.Values(disablePlugins), plugin):
			return []fault{{disablePlugins, fmt.Sprintf("admission plugin %s is disabled: %s", plugin, msg)}}
		case !byDefault && !slices.Contains(p.Values(enablePlugins), plugin):
			return []fault{{enablePlugins, fmt.Sprintf("admission plugin %s is not enabled: %s", plugin, msg)}}
		}
		return nil
	}}
}

func one(flag, format string, args ...any) []fault {
	return []fault{{flag, fmt.Sprintf(format, args...)}}
}

func insecurePort(p *component.Process) []fault {
	for _, name := range []string{"insecure-port", "insecure-bind-address", "port", "address"} {
		if f, ok := p.Flag(name); ok && f.Value != "0" {
			return one(name, "--%s=%s opens a port without authentication and TLS on old versions, and keeps the component of today from starting", name, f.Value)
		}
	}
	return nil
}

func authorizationMode(p *component.Process) []fault {
	modes := p.Values("authorization-mode")
	if len(modes) == 0 || slices.Contains(modes, "AlwaysAllow") {
		return one("authorization-mode", "the authorisation mode is AlwaysAllow, which is the default without --authorization-mode: every request of everybody is allowed")
	}
	var out []fault
	for mode, msg := range map[string]string{"Node": "each kubelet can read the secrets of all nodes", "RBAC": "roles and bindings have no effect"} {
		if !slices.Contains(modes, mode) {
			out = append(out, fault{"authorization-mode", fmt.Sprintf("--authorization-mode lacks %s: %s", mode, msg)})
		}
	}
	slices.SortFunc(out, func(a, b fault) int { return strings.Compare(a.msg, b.msg) })
	return out
}

func secondAuthorizer(p *component.Process) []fault {
	for _, mode := range p.Values("authorization-mode") {
		if mode == "Webhook" || mode == "ABAC" {
			return one("authorization-mode", "authoriser %s grants rights beside RBAC: reading roles and bindings does not show who may do what", mode)
		}
	}
	return nil
}

func tlsSettings(p *component.Process) []fault {
	var out []fault
	if f, ok := p.Flag("tls-min-version"); ok && (f.Value == "VersionTLS10" || f.Value == "VersionTLS11" || f.Value == "TLS1.0" || f.Value == "TLS1.1") {
		out = append(out, fault{"tls-min-version", fmt.Sprintf("--tls-min-version=%s allows versions of TLS that are broken", f.Value)})
	}
	for _, name := range []string{"tls-cipher-suites", "cipher-suites"} {
		var weak []string
		for _, suite := range p.Values(name) {
			if _, bad := cliflag.InsecureTLSCiphers()[suite]; bad {
				weak = append(weak, suite)
			}
		}
		if len(weak) > 0 {
			out = append(out, fault{name, fmt.Sprintf("--%s allows %s, which are not secure", name, strings.Join(weak, ", "))})
		}
	}
	return out
}

func auditRetention(p *component.Process) []fault {
	if f, ok := p.Flag("audit-log-path"); !ok || f.Value == "-" {
		return nil // standard output is kept by others
	}
	var out []fault
	for _, want := range []struct {
		flag  string
		least int
		what  string
	}{{"audit-log-maxage", 30, "days"}, {"audit-log-maxbackup", 10, "old files"}, {"audit-log-maxsize", 100, "megabytes"}} {
		f, ok := p.Flag(want.flag)
		n, err := strconv.Atoi(f.Value)
		switch {
		case !ok && want.flag == "audit-log-maxsize": // the default is 100
		case !ok:
			out = append(out, fault{want.flag, fmt.Sprintf("--%s is not set: nothing says how long audit logs are kept; at least %d %s are usual", want.flag, want.least, want.what)})
		case err != nil || n < want.least:
			out = append(out, fault{want.flag, fmt.Sprintf("--%s=%s: at least %d %s are needed to look back after an incident", want.flag, f.Value, want.least, want.what)})
		}
	}
	return out
}

func auditBackend(p *component.Process) []fault {
	var out []fault
	if f, ok := p.Flag("audit-policy-file"); !ok || f.Value == "" {
		out = append(out, fault{"audit-policy-file", "--audit-policy-file is not set: nothing is audited"})
	}
	_, log := p.Flag("audit-log-path")
	_, webhook := p.Flag("audit-webhook-config-file")
	if !log && !webhook {
		out = append(out, fault{"audit-log-path", "neither --audit-log-path nor --audit-webhook-config-file is set: audit events go nowhere"})
	}
	return out
}

func auditWebhook(p *component.Process) []fault {
	var out []fault
	for _, name := range []string{"audit-webhook-initial-backoff", "audit-webhook-batch-max-wait", "audit-log-batch-max-wait"} {
		f, ok := p.Flag(name)
		if !ok {
			continue
		}
		if _, err := time.ParseDuration(f.Value); err != nil {
			out = append(out, fault{name, fmt.Sprintf("--%s=%s is no duration: the API server does not start. Write a unit, such as %ss", name, f.Value, f.Value)})
		}
	}
	const usual, least = 10000, 1000
	for _, name := range []string{"audit-webhook-batch-buffer-size", "audit-log-batch-buffer-size"} {
		if f, ok := p.Flag(name); ok {
			if n, err := strconv.Atoi(f.Value); err != nil || n < least {
				out = append(out, fault{name, fmt.Sprintf("--%s=%s: events beyond the buffer are dropped, and only a metric says so; the default is %d", name, f.Value, usual)})
			}
		}
	}
	return out
}

func requestHeaderNames(p *component.Process) []fault {
	if _, ok := p.Flag("requestheader-client-ca-file"); !ok || len(p.Values("requestheader-allowed-names")) > 0 {
		return nil
	}
	return one("requestheader-allowed-names", "--requestheader-allowed-names is empty: every certificate of that authority may say which user it speaks for")
}

func anonymousTwice(p *component.Process) []fault {
	_, config := p.Flag("authentication-config")
	if _, flag := p.Flag("anonymous-auth"); flag && config {
		return one("anonymous-auth", "--anonymous-auth and --authentication-config are both set: if the file says something about anonymous requests, the API server does not start, and readers look at the wrong one of the two")
	}
	return nil
}

func listenAddress(p *component.Process) []fault {
	f, ok := p.Flag("bind-address")
	if ok {
		if addr, err := netip.ParseAddr(f.Value); err == nil && addr.IsLoopback() {
			return nil
		}
	}
	return one("bind-address", "%s listens on all addresses of the node, where loopback is enough", p.Name)
}

func plainURLs(p *component.Process) []fault {
	var out []fault
	for _, name := range []string{"etcd-servers", "listen-client-urls", "listen-peer-urls", "advertise-client-urls", "initial-advertise-peer-urls"} {
		for _, u := range p.Values(name) {
			if !strings.HasPrefix(u, "http://") || name == "listen-client-urls" && strings.HasPrefix(u, "http://127.0.0.1") {
				continue
			}
			out = append(out, fault{name, fmt.Sprintf("--%s names %s: the whole state of the cluster, Secrets included, crosses the network in the clear", name, u)})
			break
		}
	}
	return out
}

func etcdSharedCA(p *component.Process) []fault {
	f, ok := p.Flag("trusted-ca-file")
	if ok && f.Value == "/etc/kubernetes/pki/ca.crt" {
		return one("trusted-ca-file", "etcd trusts the certificate authority of the cluster: every client certificate of the cluster, those of kubelets included, opens the database")
	}
	return nil
}

func rotation(p *component.Process) []fault {
	if slices.Contains(p.Values("feature-gates"), "RotateKubeletServerCertificate=false") {
		return one("feature-gates", "RotateKubeletServerCertificate is off: certificates of kubelets are not renewed")
	}
	return nil
}

func podGC(p *component.Process) []fault {
	if f, ok := p.Flag("terminated-pod-gc-threshold"); ok && strings.HasPrefix(strings.TrimSpace(f.Value)+"0", "0") {
		return one("terminated-pod-gc-threshold", "finished pods are never removed: they fill the database")
	}
	return nil
}

func requestTimeout(p *component.Process) []fault {
	const most = 5 * time.Minute
	if f, ok := p.Flag("request-timeout"); ok {
		if d, err := time.ParseDuration(f.Value); err != nil || d > most || d <= 0 {
			return one("request-timeout", "--request-timeout=%s: slow requests hold connections for long, which helps to exhaust the server", f.Value)
		}
	}
	return nil
}

var all4 = []string{component.APIServer, component.ControllerManager, component.Scheduler, component.Etcd}

// flagRules are the controls on flags, by id.
var flagRules = map[string]flagRule{
	"anonymous-api-requests":        {components: api, instead: "authentication-config", reads: []string{"anonymous-auth"}, judge: wantBool(api, "anonymous-auth", false, true, "requests without credentials are let in as system:anonymous").judge},
	"anonymous-set-twice":           {components: api, judge: anonymousTwice},
	"token-file":                    wantUnset(api, "token-auth-file", "tokens lie in a file in the clear, never expire, and change only with a restart"),
	"insecure-port":                 {components: []string{component.APIServer, component.ControllerManager, component.Scheduler}, judge: insecurePort},
	"authorization-mode":            {components: api, instead: "authorization-config", reads: []string{"authorization-mode"}, judge: authorizationMode},
	"second-authorizer":             {components: api, instead: "authorization-config", reads: []string{"authorization-mode"}, judge: secondAuthorizer},
	"external-ips-admission":        wantPlugin("DenyServiceExternalIPs", false, "whoever may create Services can claim addresses of others"),
	"event-rate-limit":              wantPlugin("EventRateLimit", false, "a flood of events can fill the database"),
	"always-pull-images":            wantPlugin("AlwaysPullImages", false, "an image that is on the node already is run without asking whether the pod may have it"),
	"service-account-admission":     wantPlugin("ServiceAccount", true, "pods get no service account and no token"),
	"namespace-lifecycle":           wantPlugin("NamespaceLifecycle", true, "objects can be created in namespaces that do not exist or are being deleted"),
	"node-restriction":              wantPlugin("NodeRestriction", false, "a kubelet can change other nodes and their pods, so one taken node is all of them"),
	"pod-security-disabled":         wantPlugin("PodSecurity", true, "labels of namespaces enforce nothing"),
	"always-admit":                  {components: api, judge: alwaysAdmit},
	"profiling":                     {components: all4[:3], reads: []string{"profiling"}, judge: wantBool(all4[:3], "profiling", false, true, "profiles show what the program does and cost it time").judge},
	"audit-log-missing":             {components: api, judge: auditBackend},
	"audit-log-retention":           {components: api, reads: []string{"audit-log-maxage", "audit-log-maxbackup", "audit-log-maxsize"}, judge: auditRetention},
	"audit-webhook-settings":        {components: api, judge: auditWebhook},
	"request-timeout":               {components: api, judge: requestTimeout},
	"service-account-lookup":        wantBool(api, "service-account-lookup", true, true, "tokens of deleted accounts stay valid"),
	"service-account-key":           wantSet(api, "tokens are checked with the key of the serving certificate, which can not be changed on its own", "service-account-key-file"),
	"token-expiration-extended":     wantBool(api, "service-account-extend-token-expiration", false, true, "tokens that should live an hour are valid for a year"),
	"request-header-names":          {components: api, judge: requestHeaderNames},
	"kubelet-client-certificate":    wantSet(api, "the API server shows kubelets no certificate, so they must let everybody in", "kubelet-client-certificate", "kubelet-client-key"),
	"kubelet-certificate-authority": wantSet(api, "the API server does not check who answers as kubelet: commands and logs can be read on the way", "kubelet-certificate-authority"),
	"etcd-client-certificate":       wantSet(api, "the API server does not prove to etcd who it is, or does not check etcd", "etcd-certfile", "etcd-keyfile", "etcd-cafile"),
	"api-serving-certificate":       wantSet(api, "the API server signs its own certificate, which clients can not check", "tls-cert-file", "tls-private-key-file"),
	"client-ca":                     wantSet(api, "client certificates are not accepted, and other ways in are weaker", "client-ca-file"),
	"encryption-not-configured":     wantSet(api, "Secrets lie in etcd and its backups in the clear", "encryption-provider-config"),
	"weak-tls":                      {components: all4, reads: []string{"tls-min-version", "tls-cipher-suites", "cipher-suites"}, judge: tlsSettings},
	"controller-credentials":        wantBool([]string{component.ControllerManager}, "use-service-account-credentials", true, false, "all controllers share one identity with the rights of all of them"),
	"controller-token-key":          wantSet([]string{component.ControllerManager}, "no tokens can be issued, or they are signed by a key that is not under control", "service-account-private-key-file", "root-ca-file"),
	"kubelet-rotation-gate":         {components: []string{component.ControllerManager}, judge: rotation},
	"finished-pods-kept":            {components: []string{component.ControllerManager}, judge: podGC},
	"component-listens-everywhere":  {components: []string{component.ControllerManager, component.Scheduler}, reads: []string{"bind-address"}, judge: listenAddress},
	"etcd-plaintext":                {components: []string{component.APIServer, component.Etcd}, judge: plainURLs},
	"etcd-certificate":              wantSet([]string{component.Etcd}, "etcd has no certificate of its own", "cert-file", "key-file"),
	"etcd-client-auth":              wantBool([]string{component.Etcd}, "client-cert-auth", true, false, "whoever reaches the port reads and writes the whole state of the cluster"),
	"etcd-auto-tls":                 wantBool([]string{component.Etcd}, "auto-tls", false, false, "etcd signs its own certificate, which nobody can check"),
	"etcd-peer-certificate":         wantSet([]string{component.Etcd}, "members of etcd do not prove to each other who they are", "peer-cert-file", "peer-key-file"),
	"etcd-peer-auth":                wantBool([]string{component.Etcd}, "peer-client-cert-auth", true, false, "whoever reaches the peer port can join the database"),
	"etcd-peer-auto-tls":            wantBool([]string{component.Etcd}, "peer-auto-tls", false, false, "members sign their own certificates, which nobody can check"),
	"etcd-shared-ca":                {components: []string{component.Etcd}, judge: etcdSharedCA},
}

func alwaysAdmit(p *component.Process) []fault {
	if slices.Contains(p.Values(enablePlugins), "AlwaysAdmit") {
		return one(enablePlugins, "admission plugin AlwaysAdmit is enabled: it lets everything in, and is kept for tests")
	}
	return nil
}
