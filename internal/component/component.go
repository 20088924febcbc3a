// Package component recognises the programs of a control plane in pod
// specifications and kubeadm files, and reads their flags as those programs do.
//
// It says what is set and where; what a setting is worth is said by controls.
package component

import (
	"path"
	"strconv"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// The components.
const (
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Scheduler         = "kube-scheduler"
	Etcd              = "etcd"
)

// Flag is one setting of a process.
type Flag struct {
	Value string
	// Path is where it stands in the object; for a flag that kubeadm sets by
	// itself it is the place where it could be overridden.
	Path string
}

// Process is one component as the input starts it.
type Process struct {
	Name   string
	Object *inventory.Object
	// Template is nil for a kubeadm file.
	Template *inventory.PodTemplate
	// Container is the container the process runs in; nil for a kubeadm file.
	Container *inventory.Container
	// Path is what to blame when a flag is missing.
	Path string

	flags map[string][]Flag
}

// Flag returns the flag in force: the last one given.
func (p *Process) Flag(name string) (Flag, bool) {
	all := p.flags[name]
	if len(all) == 0 {
		return Flag{Path: p.Path}, false
	}
	return all[len(all)-1], true
}

// Values returns a list flag taken apart at commas, all occurrences together.
func (p *Process) Values(name string) []string {
	var out []string
	for _, f := range p.flags[name] {
		for v := range strings.SplitSeq(f.Value, ",") {
			if v = strings.TrimSpace(v); v != "" {
				out = append(out, v)
			}
		}
	}
	return out
}

// Bool returns a boolean flag, or its default when it is not set. The second
// result is false when the value is no boolean.
func (p *Process) Bool(name string, missing bool) (bool, bool) {
	f, ok := p.Flag(name)
	if !ok {
		return missing, true
	}
	v, err := strconv.ParseBool(f.Value)
	return v, err == nil
}

// Open tells whether a value is filled in at run time and can't be told from
// the file.
func Open(value string) bool {
	return strings.Contains(value, "$(") || strings.Contains(value, "${") || strings.Contains(value, "{{")
}

type memoKey struct{}

// Of finds all processes of an inventory once.
func Of(inv *inventory.Inventory) []*Process {
	all, ok := inv.Memo(memoKey{}, func() any {
		var out []*Process
		for _, o := range inv.Objects {
			for _, t := range o.PodTemplates() {
				for i := range t.Containers {
					if p := fromContainer(t, &t.Containers[i]); p != nil {
						out = append(out, p)
					}
				}
			}
			if o.Group() == "kubeadm.k8s.io" && o.Kind == "ClusterConfiguration" {
				out = append(out, fromKubeadm(o)...)
			}
		}
		return out
	}).([]*Process)
	if !ok {
		return nil
	}
	return all
}

func fromContainer(t *inventory.PodTemplate, c *inventory.Container) *Process {
	type word struct{ text, path string }
	var words []word
	base := inventory.JoinPath(t.SpecPath(), c.Path())
	for _, field := range []string{"command", "args"} {
		for i, n := range c.Node.Get(field).All() {
			words = append(words, word{n.Str(), inventory.JoinIndex(inventory.Join(base, field), i)})
		}
	}
	if len(words) == 0 {
		return nil
	}
	name := path.Base(words[0].text)
	switch name {
	case APIServer, ControllerManager, Scheduler, Etcd:
	default:
		return nil
	}
	p := &Process{Name: name, Object: t.Object, Template: t, Container: c, Path: inventory.Join(base, "command"), flags: make(map[string][]Flag)}
	if c.Node.Get("command") == nil {
		p.Path = inventory.Join(base, "args")
	}
	if name == Etcd {
		p.environment(c, base)
	}
	for i := 1; i < len(words); i++ {
		flag, ok := strings.CutPrefix(words[i].text, "-")
		if !ok {
			continue
		}
		flag = strings.TrimPrefix(flag, "-")
		at := words[i].path
		key, value, given := strings.Cut(flag, "=")
		if !given {
			value = "true"
			if !boolean[normal(key)] && i+1 < len(words) && !strings.HasPrefix(words[i+1].text, "-") {
				i++
				value = words[i].text
			}
		}
		p.add(key, value, at)
	}
	return p
}

// environment reads the ETCD_* variables; flags given later win over them.
func (p *Process) environment(c *inventory.Container, base string) {
	for i, e := range c.Node.Get("env").All() {
		name, ok := strings.CutPrefix(e.Get("name").Str(), "ETCD_")
		if ok && e.Get("value") != nil {
			p.add(strings.ToLower(strings.ReplaceAll(name, "_", "-")), e.Get("value").Str(), inventory.JoinIndex(inventory.Join(base, "env"), i))
		}
	}
}

func (p *Process) add(key, value, at string) {
	key = normal(key)
	p.flags[key] = append(p.flags[key], Flag{Value: value, Path: at})
}

// normal is the name of a flag: underscores count as dashes.
func normal(key string) string { return strings.ReplaceAll(key, "_", "-") }

// boolean are the flags that take no value from the next word.
var boolean = map[string]bool{
	"anonymous-auth": true, "allow-privileged": true, "profiling": true, "contention-profiling": true, "enable-bootstrap-token-auth": true,
	"service-account-lookup": true, "service-account-extend-token-expiration": true, "enable-aggregator-routing": true, "leader-elect": true,
	"use-service-account-credentials": true, "allocate-node-cidrs": true, "client-cert-auth": true, "peer-client-cert-auth": true,
	"auto-tls": true, "peer-auto-tls": true, "audit-log-compress": true, "enable-garbage-collector": true, "insecure-skip-tls-verify": true,
	"logtostderr": true, "alsologtostderr": true, "encryption-provider-config-automatic-reload": true, "goaway-chance": false,
	"authorization-always-allow-paths": false, "experimental-initial-corrupt-check": true, "strict-reconfig-check": true, "enable-pprof": true,
}

// kubeadmDefaults are the flags that matter to controls and that kubeadm sets
// by itself (Kubernetes 1.36, cmd/kubeadm/app/phases/controlplane and etcd).
var kubeadmDefaults = map[string]map[string]string{
	APIServer: {
		"authorization-mode": "Node,RBAC", "enable-admission-plugins": "NodeRestriction", "client-ca-file": "/etc/kubernetes/pki/ca.crt",
		"tls-cert-file": "/etc/kubernetes/pki/apiserver.crt", "tls-private-key-file": "/etc/kubernetes/pki/apiserver.key",
		"kubelet-client-certificate": "/etc/kubernetes/pki/apiserver-kubelet-client.crt", "kubelet-client-key": "/etc/kubernetes/pki/apiserver-kubelet-client.key",
		"etcd-cafile": "/etc/kubernetes/pki/etcd/ca.crt", "etcd-certfile": "/etc/kubernetes/pki/apiserver-etcd-client.crt", "etcd-keyfile": "/etc/kubernetes/pki/apiserver-etcd-client.key",
		"etcd-servers": "https://127.0.0.1:2379", "service-account-key-file": "/etc/kubernetes/pki/sa.pub", "service-account-signing-key-file": "/etc/kubernetes/pki/sa.key",
		"requestheader-client-ca-file": "/etc/kubernetes/pki/front-proxy-ca.crt", "requestheader-allowed-names": "front-proxy-client",
	},
	ControllerManager: {
		"bind-address": "127.0.0.1", "use-service-account-credentials": "true", "root-ca-file": "/etc/kubernetes/pki/ca.crt",
		"service-account-private-key-file": "/etc/kubernetes/pki/sa.key",
	},
	Scheduler: {"bind-address": "127.0.0.1"},
	Etcd: {
		"cert-file": "/etc/kubernetes/pki/etcd/server.crt", "key-file": "/etc/kubernetes/pki/etcd/server.key", "client-cert-auth": "true",
		"trusted-ca-file": "/etc/kubernetes/pki/etcd/ca.crt", "peer-cert-file": "/etc/kubernetes/pki/etcd/peer.crt", "peer-key-file": "/etc/kubernetes/pki/etcd/peer.key",
		"peer-client-cert-auth": "true", "peer-trusted-ca-file": "/etc/kubernetes/pki/etcd/ca.crt", "listen-client-urls": "https://127.0.0.1:2379",
	},
}

// fromKubeadm makes the processes a ClusterConfiguration describes.
func fromKubeadm(o *inventory.Object) []*Process {
	var out []*Process
	for _, c := range []struct{ name, path string }{
		{APIServer, "apiServer"}, {ControllerManager, "controllerManager"}, {Scheduler, "scheduler"}, {Etcd, "etcd.local"},
	} {
		if c.name == Etcd && o.Root.At("etcd.external") != nil {
			continue
		}
		p := &Process{Name: c.name, Object: o, Path: c.path + ".extraArgs", flags: make(map[string][]Flag)}
		for key, value := range kubeadmDefaults[c.name] {
			p.add(key, value, p.Path)
		}
		args := o.Root.At(c.path + ".extraArgs")
		overridden := make(map[string]bool)
		for i, n := range args.All() {
			key, value, at := n.Key, n.Text, inventory.Join(p.Path, n.Key)
			if args.Kind == inventory.List { // v1beta4
				key, value, at = n.Get("name").Str(), n.Get("value").StrOr(""), inventory.JoinIndex(p.Path, i)
			}
			if key = normal(key); !overridden[key] {
				p.flags[key], overridden[key] = nil, true
			}
			p.add(key, value, at)
		}
		out = append(out, p)
	}
	return out
}

// Default is the value kubeadm gives a flag of a component by itself, "" for
// none.
func Default(component, flag string) string { return kubeadmDefaults[component][flag] }
