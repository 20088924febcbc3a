package fix

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// each gathers changes over the items of a list.
func (s *site) each(list string, change func(at string, n *inventory.Node) []edit.Change) []edit.Change {
	var out []edit.Change
	for i, n := range s.object.Root.At(list).All() {
		out = append(out, change(inventory.JoinIndex(list, i), n)...)
	}
	return out
}

func adding(list string, value *inventory.Node) edit.Change {
	return edit.Change{Op: edit.Set, Path: list + "[" + edit.Append + "]", Value: value}
}

// strict has a policy refuse what it only spoke of. Warnings do not go with
// that.
func strict(s *site) ([]edit.Change, error) {
	actions := []string{"Deny"}
	if slices.Contains(s.object.Root.Find("spec", "validationActions").Strings(), "Audit") {
		actions = append(actions, "Audit")
	}
	s.effect = "what violates the policy is refused from then on: look at the violations there are first"
	return s.set("spec.validationActions", strs(actions)), nil
}

// webhookCloses has requests refused while a webhook does not answer.
func webhookCloses(s *site) ([]edit.Change, error) {
	s.effect = "while the webhook does not answer, requests it looks at are refused: run more than one replica of it, and leave its own namespace out"
	return s.each("webhooks", func(at string, n *inventory.Node) []edit.Change {
		if n.Get("failurePolicy").Str() != "Ignore" {
			return nil
		}
		return s.set(at+".failurePolicy", text("Fail"))
	}), nil
}

// webhookUpdates shows a webhook for pods the containers that are added later.
func webhookUpdates(s *site) ([]edit.Change, error) {
	s.effect = "the webhook is asked about containers for debugging, too, and has to understand such requests"
	return s.each("webhooks", func(at string, n *inventory.Node) []edit.Change {
		pods, later := false, false
		for _, r := range n.Get("rules").All() {
			resources, operations := r.Get("resources").Strings(), r.Get("operations").Strings()
			pods = pods || slices.Contains(resources, "pods")
			later = later || (slices.Contains(operations, "UPDATE") || slices.Contains(operations, "*")) &&
				slices.ContainsFunc(resources, func(r string) bool { return r == "pods/ephemeralcontainers" || r == "pods/*" || r == "*/*" })
		}
		if !pods || later {
			return nil
		}
		return []edit.Change{adding(at+".rules", dict(
			named("apiGroups", strs([]string{""})), named("apiVersions", strs([]string{"v1"})), named("operations", strs([]string{"UPDATE"})), named("resources", strs([]string{"pods/ephemeralcontainers"}))))}
	}), nil
}

// bindPolicy adds the binding without which a policy is not in force.
func bindPolicy(s *site) ([]document, error) {
	if s.object.Kind != "ValidatingAdmissionPolicy" || s.object.Root.Find("spec", "paramKind") != nil {
		return nil, errors.New("the policy takes parameters: write the binding with those that are meant")
	}
	s.effect = "the policy is in force from then on, and refuses what violates it"
	return []document{{
		name: "ValidatingAdmissionPolicyBinding/" + s.object.Name,
		text: fmt.Sprintf("apiVersion: %s\nkind: ValidatingAdmissionPolicyBinding\nmetadata:\n  name: %s\nspec:\n  policyName: %s\n  validationActions: [Deny]\n", scalar(s.object.APIVersion), scalar(s.object.Name), scalar(s.object.Name)),
	}}, nil
}

// healthOnly lets requests without credentials ask for the health of the API
// server and nothing else.
func healthOnly(s *site) ([]edit.Change, error) {
	conditions := &inventory.Node{Kind: inventory.List}
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		conditions.Items = append(conditions.Items, *dict(named("path", text(path))))
	}
	s.effect = "requests without credentials reach the health of the API server only: what joins nodes by a public ConfigMap needs another way"
	return append(s.set("anonymous.enabled", boolean("true")), s.set("anonymous.conditions", conditions)...), nil
}

// authorizers has a list of authorisers hold those that are needed, and no way
// past them.
func authorizers(s *site) ([]edit.Change, error) {
	types := make(map[string]bool)
	out := s.each("authorizers", func(at string, n *inventory.Node) []edit.Change {
		types[n.Get("type").Str()] = true
		switch {
		case n.Get("type").Str() == "AlwaysAllow":
			return s.remove(at)
		case n.Get("type").Str() == "Webhook" && n.Find("webhook", "failurePolicy").Str() == "NoOpinion" && n.Find("webhook", "matchConditions").Len() > 0:
			return s.set(at+".webhook.failurePolicy", text("Deny"))
		}
		return nil
	})
	for _, kind := range []string{"Node", "RBAC"} {
		if !types[kind] {
			out = append(out, adding("authorizers", dict(named("type", text(kind)), named("name", text(strings.ToLower(kind))))))
		}
	}
	s.effect = "who has no role, or whom a webhook that fails guards against, is refused from then on"
	return out, nil
}

func kmsEndpoint(s *site) ([]edit.Change, error) {
	var out []edit.Change
	for i, r := range s.object.Root.Get("resources").All() {
		for j, p := range r.Get("providers").All() {
			endpoint := p.Find("kms", "endpoint").Str()
			if p.Get("kms") == nil || strings.HasPrefix(endpoint, "unix:///") || strings.HasPrefix(endpoint, "unix://@") {
				continue
			}
			rest := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(endpoint, "unix:"), "//"), "/")
			if rest == "" || strings.Contains(rest, "://") {
				return nil, errors.New("which socket is meant is not certain: write unix:// and its full path")
			}
			at := inventory.JoinIndex(inventory.JoinIndex("resources", i)+".providers", j)
			out = append(out, s.set(at+".kms.endpoint", text("unix:///"+rest))...)
		}
	}
	return out, nil
}

// encryptSecrets adds Secrets to the first of the encrypted resources.
func encryptSecrets(s *site) ([]edit.Change, error) {
	if s.object.Root.Get("resources").Len() == 0 {
		return nil, errors.New("there is no provider: name one, best kms with apiVersion v2")
	}
	s.effect = "new Secrets are encrypted; write the old ones anew: kubectl get secrets -A -o json | kubectl replace -f -"
	return []edit.Change{adding("resources[0].resources", text("secrets"))}, nil
}

// eviction gives the thresholds back that a kubelet has by default.
func eviction(s *site) ([]edit.Change, error) {
	var out []edit.Change
	for _, t := range []struct{ key, value string }{{"memory.available", "100Mi"}, {"nodefs.available", "10%"}, {"nodefs.inodesFree", "5%"}, {"imagefs.available", "15%"}} {
		switch s.object.Root.Get("evictionHard").Get(t.key).Str() {
		case "", "0", "0%", "0Mi", "0Gi", "100%":
			out = append(out, s.set(inventory.Join("evictionHard", t.key), text(t.value))...)
		}
	}
	s.effect = "a node that runs out of memory or disk ends pods before it stops"
	return out, nil
}

// logRotation keeps as much of the logs of containers as a kubelet does by
// default.
func logRotation(s *site) ([]edit.Change, error) {
	var out []edit.Change
	if n, ok := s.object.Root.Get("containerLogMaxFiles").Int(); ok && n < 2 {
		out = append(out, s.set("containerLogMaxFiles", integer("5"))...)
	}
	if size := s.object.Root.Get("containerLogMaxSize"); size != nil && smallLog.MatchString(size.Text) {
		out = append(out, s.set("containerLogMaxSize", text("10Mi"))...)
	}
	return out, nil
}

var smallLog = regexp.MustCompile(`^[0-9]{1,6}$|^[0-9]{1,3}[kK]i?$`)

// auditBuffer writes a unit behind durations, and leaves buffers at their
// default.
func auditBuffer(s *site) ([]edit.Change, error) {
	name, _, ok := strings.Cut(strings.TrimPrefix(s.finding.Message, "--"), "=")
	if !ok {
		return nil, nil
	}
	return s.flag(name, func(old string) string {
		if strings.HasSuffix(name, "-size") || old == "" {
			return ""
		}
		return old + "s"
	})
}

// appArmor moves profiles from annotations into fields.
func appArmor(s *site) ([]edit.Change, error) {
	const prefix = "container.apparmor.security.beta.kubernetes.io/"
	if s.template == nil {
		return nil, nil
	}
	base := inventory.JoinPath(s.template.Path, "metadata.annotations")
	var out []edit.Change
	all := s.object.Root.At(base)
	for _, a := range all.All() {
		name, ok := strings.CutPrefix(a.Key, prefix)
		if !ok {
			continue
		}
		out = append(out, s.remove(inventory.Join(base, a.Key))...)
		profile, local := strings.CutPrefix(a.Str(), "localhost/")
		for i := range s.template.Containers {
			c := &s.template.Containers[i]
			if c.Name != name || c.Node.Find("securityContext", "appArmorProfile") != nil || !local && a.Str() != "runtime/default" {
				continue
			}
			at := inventory.JoinPath(s.template.SpecPath(), c.Path()) + ".securityContext.appArmorProfile"
			value := dict(named("type", text("RuntimeDefault")))
			if local {
				value = dict(named("type", text("Localhost")), named("localhostProfile", text(profile)))
			}
			out = append(out, s.set(at, value)...)
		}
	}
	if len(out) > 0 && all.Len() == countPrefix(all, prefix) {
		out = slices.DeleteFunc(out, func(c edit.Change) bool { return c.Op == edit.Remove })
		out = append(out, s.remove(base)...)
	}
	s.effect = "the profile is in force by its field, which versions before 1.30 don't know"
	return out, nil
}

func countPrefix(n *inventory.Node, prefix string) int {
	count := 0
	for _, a := range n.All() {
		if strings.HasPrefix(a.Key, prefix) {
			count++
		}
	}
	return count
}

// templateAnnotations drops annotations of a pod template.
func templateAnnotations(which func(key string) bool) fixer {
	return func(s *site) ([]edit.Change, error) {
		base := "metadata.annotations"
		if s.template != nil {
			base = inventory.JoinPath(s.template.Path, base)
		}
		all := s.object.Root.At(base)
		var out []edit.Change
		for _, a := range all.All() {
			if which(a.Key) {
				out = append(out, s.remove(inventory.Join(base, a.Key))...)
			}
		}
		if len(out) > 0 && len(out) == all.Len() {
			out = s.remove(base)
		}
		return out, nil
	}
}

// deadAnnotation takes away what has no effect any more.
func deadAnnotation(s *site) ([]edit.Change, error) {
	at := s.object.Root.At(s.finding.Path)
	if at == nil || !strings.Contains(s.finding.Path, "metadata.annotations") {
		return nil, nil
	}
	s.effect = "nothing changes in the cluster: the annotation has no effect there. What it was meant to do needs the field"
	parent := s.finding.Path[:strings.Index(s.finding.Path, "metadata.annotations")] + "metadata.annotations"
	if s.object.Root.At(parent).Len() == 1 {
		return s.remove(parent), nil
	}
	return s.remove(s.finding.Path), nil
}

// unprivileged makes the confinement true that privileged makes void.
func unprivileged(s *site) ([]edit.Change, error) {
	if s.container == nil {
		return nil, nil
	}
	var out []edit.Change
	if s.container.Node.Find("securityContext", "privileged").True() {
		out = append(out, s.set(inventory.JoinPath(s.containerPath(), "securityContext.privileged"), boolean("false"))...)
	}
	at := s.containerPath() + ".securityContext.capabilities.add"
	for i, c := range s.object.Root.At(at).All() {
		if name := strings.TrimPrefix(strings.ToUpper(c.Str()), "CAP_"); s.control.ID == "escalation-with-sys-admin" && name == "SYS_ADMIN" {
			out = append(out, s.remove(inventory.JoinIndex(at, i))...)
		}
	}
	s.effect = "the container can no longer change the node: mounting, loading modules and reaching devices fail"
	return out, nil
}

func (s *site) containerPath() string {
	return inventory.JoinPath(s.template.SpecPath(), s.container.Path())
}

var errAgent = errors.New("a DaemonSet may be meant for every node: take the toleration out, or name the taints, by hand")

// offControlPlane takes the tolerations away that let a pod onto nodes of the
// control plane.
func offControlPlane(s *site) ([]edit.Change, error) {
	if s.object.Kind == "DaemonSet" {
		return nil, errAgent
	}
	s.effect = "the pods no longer run on nodes of the control plane, or on others whose taints were tolerated by this"
	list := s.path("tolerations")
	out := s.each(list, func(at string, n *inventory.Node) []edit.Change {
		key := n.Get("key").Str()
		if key == "node-role.kubernetes.io/control-plane" || key == "node-role.kubernetes.io/master" || key == "" && n.Get("operator").Str() == "Exists" {
			return s.remove(at)
		}
		return nil
	})
	if len(out) == s.object.Root.At(list).Len() {
		out = s.remove(list)
	}
	return out, nil
}

// bounded gives an empty volume a size to start from.
func bounded(s *site) ([]edit.Change, error) {
	if s.object.Root.At(s.base).Get("emptyDir") == nil {
		return nil, nil
	}
	s.effect = "a pod that writes more than 1Gi to the volume is evicted: measure, and adjust"
	return s.set(s.path("emptyDir.sizeLimit"), text("1Gi")), nil
}

// noRootGroup takes group 0 from a pod.
func noRootGroup(s *site) ([]edit.Change, error) {
	var out []edit.Change
	if n, ok := s.object.Root.At(s.path("securityContext.fsGroup")).Int(); ok && n == 0 {
		out = append(out, s.remove(s.path("securityContext.fsGroup"))...)
	}
	out = append(out, s.each(s.path("securityContext.supplementalGroups"), func(at string, n *inventory.Node) []edit.Change {
		if group, ok := n.Int(); ok && group == 0 {
			return s.remove(at)
		}
		return nil
	})...)
	s.effect = "files that only group 0 may use are closed to the program"
	return out, nil
}

// seLinux leaves of SELinux options the level.
func seLinux(s *site) ([]edit.Change, error) {
	at := s.path("securityContext.seLinuxOptions")
	n := s.object.Root.At(at)
	var out []edit.Change
	for _, field := range []string{"type", "user", "role"} {
		out = append(out, s.remove(at+"."+field)...)
	}
	if len(out) == n.Len() {
		out = s.remove(at)
	}
	s.effect = "the container runs under the type for containers"
	return out, nil
}

// safeSysctls are the parameters of the kernel that stay within a pod.
var safeSysctls = []string{
	"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem", "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat",
}

func sysctls(s *site) ([]edit.Change, error) {
	list := s.path("securityContext.sysctls")
	out := s.each(list, func(at string, n *inventory.Node) []edit.Change {
		if slices.Contains(safeSysctls, n.Get("name").Str()) {
			return nil
		}
		return s.remove(at)
	})
	if len(out) > 0 && len(out) == s.object.Root.At(list).Len() {
		out = s.remove(list)
	}
	s.effect = "the pod runs with the value of the node; kubelets refuse such parameters anyway unless they were told"
	return out, nil
}

var systemPath = regexp.MustCompile(`^/+(bin|sbin|usr|usr/bin|usr/sbin|usr/lib|usr/local|usr/local/bin|lib|lib64|etc|root|opt)?/*$`)

// readOnlySystem makes mounts over folders of the system read-only.
func readOnlySystem(s *site) ([]edit.Change, error) {
	s.effect = "the program can't write there any more"
	return s.each(s.path("volumeMounts"), func(at string, n *inventory.Node) []edit.Change {
		if n.Get("readOnly").True() || !systemPath.MatchString(n.Get("mountPath").Str()) {
			return nil
		}
		return s.set(at+".readOnly", boolean("true"))
	}), nil
}

// knownUser has a container whose image runs as root run as a user that the
// person has named.
func knownUser(s *site) ([]edit.Change, error) {
	if s.container == nil {
		return nil, nil
	}
	if s.User <= 0 {
		return nil, errUser
	}
	number := integer(strconv.FormatInt(s.User, 10))
	s.effect = fmt.Sprintf("the program runs as user %d, not as the root of its image: try whether it can", s.User)
	at := s.containerPath() + ".securityContext."
	return append(s.set(at+"runAsUser", number), s.set(at+"runAsGroup", number)...), nil
}

// The addresses of machines rather than of the internet, and those under which
// clouds hand out credentials.
var (
	privateRanges = map[bool][]string{
		true:  {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "168.63.129.16/32"},
		false: {"fc00::/7", "fe80::/10"},
	}
	metadataRanges = []struct{ address, best string }{
		{"169.254.169.254/32", "169.254.0.0/16"}, {"100.100.100.200/32", "100.100.100.200/32"}, {"168.63.129.16/32", "168.63.129.16/32"}, {"fd00:ec2::254/128", "fd00:ec2::254/128"},
	}
)

// outsideOnly leaves of a rule for every address those of the internet.
func outsideOnly(s *site) ([]edit.Change, error) {
	s.effect = "machines of the cluster and its network are no longer reached through this rule: name those that are needed"
	return s.each("spec.egress", func(at string, rule *inventory.Node) []edit.Change {
		if rule.Get("to").Len() == 0 && rule.Get("ports").Len() == 0 {
			peers := &inventory.Node{Kind: inventory.List}
			for _, all := range []struct {
				cidr string
				four bool
			}{{"0.0.0.0/0", true}, {"::/0", false}} {
				peers.Items = append(peers.Items, *dict(named("ipBlock", dict(named("cidr", text(all.cidr)), named("except", strs(privateRanges[all.four]))))))
			}
			return s.set(at+".to", peers)
		}
		var out []edit.Change
		for i, peer := range rule.Get("to").All() {
			cidr := peer.Find("ipBlock", "cidr").Str()
			if (cidr == "0.0.0.0/0" || cidr == "::/0") && peer.Find("ipBlock", "except").Len() == 0 {
				out = append(out, s.set(inventory.JoinIndex(at+".to", i)+".ipBlock.except", strs(privateRanges[cidr == "0.0.0.0/0"]))...)
			}
		}
		return out
	}), nil
}

// exceptMetadata takes the metadata services of clouds out of the addresses that
// rules allow.
func exceptMetadata(s *site) ([]edit.Change, error) {
	s.effect = "pods that ask the metadata service of the cloud are refused: give them an identity of their own"
	return s.each("spec.egress", func(at string, rule *inventory.Node) []edit.Change {
		var out []edit.Change
		for i, peer := range rule.Get("to").All() {
			block, err := netip.ParsePrefix(peer.Find("ipBlock", "cidr").Str())
			if err != nil {
				continue
			}
			for _, m := range metadataRanges {
				address, best := netip.MustParsePrefix(m.address), netip.MustParsePrefix(m.best)
				if block.Bits() >= best.Bits() {
					best = address
				}
				if block.Contains(address.Addr()) && block.Bits() < best.Bits() && !excepted(peer.Find("ipBlock", "except"), address) {
					out = append(out, adding(inventory.JoinIndex(at+".to", i)+".ipBlock.except", text(best.String())))
				}
			}
		}
		return out
	}), nil
}

// excepted tells whether a list of exceptions covers an address.
func excepted(list *inventory.Node, want netip.Prefix) bool {
	return slices.ContainsFunc(list.Strings(), func(e string) bool {
		p, err := netip.ParsePrefix(e)
		return err == nil && p.Bits() <= want.Bits() && p.Contains(want.Addr())
	})
}

// ingressTLS names a certificate for the hosts of an Ingress.
func ingressTLS(s *site) ([]edit.Change, error) {
	var hosts []string
	served := make(map[string]bool)
	for _, t := range s.object.Root.Find("spec", "tls").All() {
		for _, host := range t.Get("hosts").Strings() {
			served[host] = true
		}
	}
	for _, r := range s.object.Root.Find("spec", "rules").All() {
		if host := r.Get("host").Str(); host != "" && !served[host] && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		return nil, errors.New("the rules name no host that a certificate could be for")
	}
	name := s.object.Name + "-tls"
	s.effect = fmt.Sprintf("the controller answers with the certificate of Secret %s, and sends plain requests to HTTPS; without the Secret it shows one of its own, which clients refuse", name)
	s.steps = append(s.steps, fmt.Sprintf("kubectl create secret tls %s%s --cert=FILE --key=FILE   # for %s, unless something issues certificates in the cluster", name, inNamespace(s.object), strings.Join(hosts, ", ")))
	return []edit.Change{adding("spec.tls", dict(named("hosts", strs(hosts)), named("secretName", text(name))))}, nil
}

// probe asks a port that the manifest shows: as the other probe does, or whether
// it is open.
func probe(kind, other string) fixer {
	return func(s *site) ([]edit.Change, error) {
		if s.container == nil {
			return nil, nil
		}
		known := s.container.Node.Get(other)
		var how *inventory.Node
		for _, name := range []string{"httpGet", "grpc", "tcpSocket"} {
			if n := known.Get(name); n != nil && kind == "readinessProbe" {
				how = named(name, n)
			}
		}
		if how == nil {
			port := probePort(s.container.Node.Get("ports"))
			if port == nil {
				return nil, errors.New("no port of the container is known that a probe could ask: name one under ports, or write the probe by hand")
			}
			how = named("tcpSocket", dict(named("port", port)))
		}
		fields := []*inventory.Node{how}
		s.effect = "a pod gets requests once its port answers"
		if kind == "livenessProbe" {
			s.effect = "a program whose port does not answer for two minutes is started anew: mind how long it takes to start"
			fields = append(fields, named("periodSeconds", integer("20")), named("failureThreshold", integer("6")))
		}
		return s.set(s.path(kind), dict(fields...)), nil
	}
}

// probePort is the name or number of the first TCP port.
func probePort(ports *inventory.Node) *inventory.Node {
	for _, p := range ports.All() {
		if p.Get("protocol").StrOr("TCP") != "TCP" {
			continue
		}
		if name := p.Get("name").Str(); name != "" {
			return text(name)
		}
		if n := p.Get("containerPort"); n != nil {
			return integer(n.Text)
		}
	}
	return nil
}
