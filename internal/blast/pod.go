package blast

import (
	"path"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Pod is the effective state of one pod template.
type Pod struct {
	Template *inventory.PodTemplate
	// HostPID and the like are those of the pod specification; OwnUsers is set
	// when the pod has a user namespace of its own.
	HostPID, HostIPC, HostNetwork, OwnUsers, SharedProcesses, Windows bool
	Account                                                           string
	// Token is where the mount of the account's own token is decided, nil when
	// no token is mounted.
	Token *Field
	// Tokens are further tokens, for audiences of their own.
	Tokens []Audience
	// Running are the containers an intruder can stand in: init containers that
	// have ended are left out.
	Running []Container
	// Secrets are those the containers see, PullSecrets what the node pulls
	// images with.
	Secrets, PullSecrets []SecretUse
	// HostPaths are the mounted folders of the node, Claims the mounted claims.
	HostPaths []HostPath
	Claims    []ClaimUse
}

// Field is a place in an object.
type Field struct {
	Object *inventory.Object
	Path   string
}

// Audience is a token for somebody else than the API server.
type Audience struct {
	Name, Path string
}

// SecretUse is a reference to a Secret, with its path in the object.
type SecretUse struct{ Name, Path string }

// ClaimUse is a mounted PersistentVolumeClaim.
type ClaimUse struct {
	Name, Path string
	Write      bool
}

// HostPath is a folder of the node in a container.
type HostPath struct {
	// Folder is the cleaned path of what the container sees: the volume's path
	// with the subPath.
	Folder string
	// Write is set when a container may write there.
	Write bool
	// Path is the field of the volume.
	Path string
}

// Container is the effective state of one container.
type Container struct {
	inventory.Container

	// Path is the field of the container in the object.
	Path string
	// Privileged, Unmasked and HostProcess are effective.
	Privileged, Unmasked, HostProcess bool
	// Root is whether its process runs as user 0; RootUnknown that only the
	// image knows, and then root is taken for granted.
	Root, RootUnknown bool
	// MayGain is set when the process can gain rights by a setuid program.
	MayGain bool
	caps    capabilities
}

// Has tells whether a process of the container can use a capability: root can
// use what is granted, others only through a setuid program, which the second
// result says.
func (c *Container) Has(capability string) (bool, bool) {
	if !c.caps.has(capability) {
		return false, false
	}
	if c.Root {
		return true, true
	}
	return c.MayGain, false
}

// capabilities are those a container starts with.
type capabilities struct {
	all         bool
	none        bool
	add, remove []string
}

// defaultCapabilities are those of containerd and CRI-O that matter here.
var defaultCapabilities = map[string]bool{"NET_RAW": true, "DAC_OVERRIDE": true, "MKNOD": true, "SYS_CHROOT": true, "SETUID": true, "CHOWN": true, "FOWNER": true}

// has follows the runtime: all or none first, then what is added, then what is
// dropped.
func (c capabilities) has(name string) bool {
	if slices.Contains(c.remove, name) {
		return false
	}
	return slices.Contains(c.add, name) || c.all || !c.none && defaultCapabilities[name]
}

func readCapabilities(n *inventory.Node) capabilities {
	var c capabilities
	for _, s := range n.Get("add").Strings() {
		if s = capabilityName(s); s == "ALL" {
			c.all = true
		} else {
			c.add = append(c.add, s)
		}
	}
	for _, s := range n.Get("drop").Strings() {
		if s = capabilityName(s); s == "ALL" {
			c.none = true
		} else {
			c.remove = append(c.remove, s)
		}
	}
	if c.none {
		c.all = false
	}
	return c
}

func capabilityName(s string) string {
	return strings.TrimPrefix(strings.ToUpper(s), "CAP_")
}

// readPod works out a template's effective state.
func (f *Facts) readPod(t *inventory.PodTemplate, namespace string) *Pod {
	spec := t.Spec
	p := &Pod{
		Template: t,
		HostPID:  spec.Get("hostPID").True(), HostIPC: spec.Get("hostIPC").True(), HostNetwork: spec.Get("hostNetwork").True(),
		OwnUsers: spec.Get("hostUsers").False(), SharedProcesses: spec.Get("shareProcessNamespace").True(),
		Windows: spec.Find("os", "name").Str() == "windows",
		Account: spec.Get("serviceAccountName").StrOr(spec.Get("serviceAccount").StrOr("default")),
	}
	if p.Account == "" {
		p.Account = "default"
	}
	for i := range t.Containers {
		if c := &t.Containers[i]; c.Field != inventory.InitContainers || c.Sidecar() {
			p.Running = append(p.Running, f.readContainer(t, c))
		}
		p.containerSecrets(&t.Containers[i])
	}
	p.readVolumes()
	for i, s := range spec.Get("imagePullSecrets").All() {
		p.PullSecrets = append(p.PullSecrets, SecretUse{s.Get("name").Str(), inventory.JoinIndex(p.At("imagePullSecrets"), i)})
	}
	f.accountSecrets(p, namespace)
	f.readToken(p, namespace)
	return p
}

// At is the path in the object of a field of the pod specification.
func (p *Pod) At(rel string) string { return inventory.JoinPath(p.Template.SpecPath(), rel) }

func (f *Facts) readContainer(t *inventory.PodTemplate, c *inventory.Container) Container {
	own, pod := c.Node.Get("securityContext"), t.Spec.Get("securityContext")
	out := Container{Container: *c, Path: inventory.JoinPath(t.SpecPath(), c.Path())}
	out.Privileged = own.Get("privileged").True()
	out.Unmasked = own.Get("procMount").Str() == "Unmasked"
	out.HostProcess = either(own.Find("windowsOptions", "hostProcess"), pod.Find("windowsOptions", "hostProcess")).True()
	out.MayGain = !own.Get("allowPrivilegeEscalation").False()
	out.caps = readCapabilities(own.Get("capabilities"))
	if out.Privileged {
		out.caps = capabilities{all: true}
	}
	out.Root, out.RootUnknown = f.root(either(own.Get("runAsUser"), pod.Get("runAsUser")), either(own.Get("runAsNonRoot"), pod.Get("runAsNonRoot")), c.Node.Get("image").Str())
	return out
}

func either(first, second *inventory.Node) *inventory.Node {
	if first.IsNull() {
		return second
	}
	return first
}

// root tells whether a process runs as user 0, and whether that is a guess.
func (f *Facts) root(user, nonRoot *inventory.Node, image string) (bool, bool) {
	if id, ok := user.Int(); ok {
		return id == 0, false
	}
	if nonRoot.True() {
		return false, false
	}
	switch user, ok := f.Inventory.ImageUsers[image]; {
	case !ok:
		return true, true
	case user == "" || user == "0" || user == "root" || strings.HasPrefix(user, "0:") || strings.HasPrefix(user, "root:"):
		return true, false
	default:
		return false, false
	}
}

func (p *Pod) containerSecrets(c *inventory.Container) {
	at := inventory.JoinPath(p.Template.SpecPath(), c.Path())
	for i, e := range c.Node.Get("env").All() {
		if name := e.Find("valueFrom", "secretKeyRef", "name").Str(); name != "" {
			p.addSecret(name, inventory.JoinIndex(at+".env", i)+".valueFrom.secretKeyRef")
		}
	}
	for i, e := range c.Node.Get("envFrom").All() {
		if name := e.Find("secretRef", "name").Str(); name != "" {
			p.addSecret(name, inventory.JoinIndex(at+".envFrom", i)+".secretRef")
		}
	}
}

func (p *Pod) addSecret(name, at string) {
	for _, s := range p.Secrets {
		if s.Name == name {
			return
		}
	}
	if name != "" {
		p.Secrets = append(p.Secrets, SecretUse{name, at})
	}
}

func (p *Pod) readVolumes() {
	for i, v := range p.Template.Spec.Get("volumes").All() {
		at := inventory.JoinIndex(p.At("volumes"), i)
		p.addSecret(v.Find("secret", "secretName").Str(), at+".secret")
		p.addSecret(v.Find("csi", "nodePublishSecretRef", "name").Str(), at+".csi.nodePublishSecretRef")
		for j, s := range v.Find("projected", "sources").All() {
			source := inventory.JoinIndex(at+".projected.sources", j)
			p.addSecret(s.Find("secret", "name").Str(), source+".secret")
			if audience := s.Find("serviceAccountToken", "audience").Str(); audience != "" {
				p.Tokens = append(p.Tokens, Audience{audience, source + ".serviceAccountToken"})
			}
		}
		if host := v.Find("hostPath", "path").Str(); host != "" {
			p.mounted(v.Get("name").Str(), host, at+".hostPath.path")
		}
		if claim := v.Find("persistentVolumeClaim", "claimName").Str(); claim != "" {
			_, write := p.mounts(v.Get("name").Str())
			write = write && !v.Find("persistentVolumeClaim", "readOnly").True()
			p.Claims = append(p.Claims, ClaimUse{claim, at + ".persistentVolumeClaim", write})
		}
	}
}

// mounted adds a host path once for each folder containers see of it.
func (p *Pod) mounted(volume, host, at string) {
	folders, _ := p.mounts(volume)
	seen := make(map[string]int)
	for _, m := range folders {
		folder := path.Clean("/" + host + "/" + m.sub)
		if k, ok := seen[folder]; ok {
			p.HostPaths[k].Write = p.HostPaths[k].Write || m.write
			continue
		}
		seen[folder] = len(p.HostPaths)
		p.HostPaths = append(p.HostPaths, HostPath{Folder: folder, Write: m.write, Path: at})
	}
}

type mount struct {
	sub   string
	write bool
}

// mounts are the mounts of a volume in running containers, and whether one of
// them may write.
func (p *Pod) mounts(volume string) ([]mount, bool) {
	var out []mount
	write := false
	for i := range p.Running {
		for _, m := range p.Running[i].Node.Get("volumeMounts").All() {
			if m.Get("name").Str() == volume {
				one := mount{m.Get("subPath").Str(), !m.Get("readOnly").True()}
				out, write = append(out, one), write || one.write
			}
		}
	}
	return out, write
}

// accountSecrets adds the pull secrets of the service account, which count
// where the pod names none.
func (f *Facts) accountSecrets(p *Pod, namespace string) {
	if len(p.PullSecrets) > 0 {
		return
	}
	for _, s := range pullSecrets(f.AccountObject(namespace, p.Account)) {
		p.PullSecrets = append(p.PullSecrets, SecretUse{s, p.At("serviceAccountName")})
	}
}

func pullSecrets(account *inventory.Object) []string {
	if account == nil {
		return nil
	}
	var out []string
	for _, s := range account.Root.Get("imagePullSecrets").All() {
		if name := s.Get("name").Str(); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// readToken finds where the mount of the account's token is decided.
func (f *Facts) readToken(p *Pod, namespace string) {
	spec := p.Template.Spec
	for i, v := range spec.Get("volumes").All() {
		for j, s := range v.Find("projected", "sources").All() {
			if t := s.Get("serviceAccountToken"); t != nil && t.Get("audience").Str() == "" {
				if mounts, _ := p.mounts(v.Get("name").Str()); len(mounts) > 0 {
					at := inventory.JoinIndex(inventory.JoinIndex(p.At("volumes"), i)+".projected.sources", j)
					p.Token = &Field{p.Template.Object, at + ".serviceAccountToken"}
					return
				}
			}
		}
	}
	own := spec.Get("automountServiceAccountToken")
	switch account := f.AccountObject(namespace, p.Account); {
	case own.False():
	case own.True() || account == nil:
		p.Token = &Field{p.Template.Object, p.At("automountServiceAccountToken")}
	case !account.Root.Get("automountServiceAccountToken").False():
		p.Token = &Field{p.Template.Object, p.At("automountServiceAccountToken")}
	}
	// What an API server shows of a static pod has no token: it refuses such pods
	// an account. Of other pods that run nothing follows from a missing mount,
	// since the volume that admission adds is taken out when they are read, and
	// nothing from the node, which the scheduler may have set.
	if p.Template.Path == "" && p.Template.Object.Annotations().Get(mirror) != nil && f.Inventory.ClusterWide {
		p.Token = nil
	}
}

// mirror marks what an API server shows of a static pod.
const mirror = "kubernetes.io/config.mirror"
