package fix

import (
	"errors"
	"fmt"
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
