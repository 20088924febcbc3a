package testcluster

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// A Component is a program of the cluster.
type Component string

// The components that a cluster may have.
const (
	Etcd              Component = "etcd"
	APIServer         Component = "kube-apiserver"
	ControllerManager Component = "kube-controller-manager"
	Scheduler         Component = "kube-scheduler"
	Containerd        Component = "containerd"
	Kubelet           Component = "kubelet"
)

// Options say how a cluster differs from the plain one. The zero value is a
// control plane with every component, without audit log and encryption.
//
// In flags, files and configurations, ${DIR} stands for the cluster's folder.
type Options struct {
	// Dir is the cluster's folder. If empty it is a temporary one, which
	// [Cluster.Stop] removes; one given here stays, with the logs in it.
	Dir string `json:"dir,omitempty"`
	// EmulatedVersion makes all components act as an older minor, such as "1.35".
	EmulatedVersion string `json:"emulatedVersion,omitempty"`
	// Without lists components not to start. Etcd and the API server always run.
	Without []Component `json:"without,omitempty"`
	// Flags are extra flags per component, each as "--name=value". They replace
	// all flags of the same name.
	Flags map[Component][]string `json:"flags,omitempty"`
	// Files are written to ${DIR}/files before the start, by name.
	Files map[string]string `json:"files,omitempty"`
	// Config is what the API server reads from files.
	Config Config `json:"config,omitzero"`
	// Node adds one real node: kubelet, containerd, runc and a bridge network.
	// It needs Linux and root, and one cluster of a computer has it at a time.
	Node bool `json:"node,omitempty"`
	// Kubelet is a KubeletConfiguration that is laid over the node's own. It
	// must have apiVersion and kind.
	Kubelet string `json:"kubelet,omitempty"`
	// Progress takes messages for people; nil means none.
	Progress io.Writer `json:"-"`
}

// Config holds the contents of the API server's configuration files. An empty
// one is not given to the server.
type Config struct {
	// Audit is an audit.k8s.io Policy; with it there is an audit log.
	Audit string `json:"audit,omitempty"`
	// Admission is an AdmissionConfiguration.
	Admission string `json:"admission,omitempty"`
	// Encryption is an EncryptionConfiguration.
	Encryption string `json:"encryption,omitempty"`
	// Authentication is an AuthenticationConfiguration.
	Authentication string `json:"authentication,omitempty"`
	// Authorization is an AuthorizationConfiguration; it replaces Node and RBAC.
	Authorization string `json:"authorization,omitempty"`
}

// components lists what to start, in order.
func (o Options) components() []Component {
	all := []Component{Etcd, APIServer, ControllerManager, Scheduler}
	if o.Node {
		all = append(all, Containerd, Kubelet)
	}
	return slices.DeleteFunc(all, func(c Component) bool { return slices.Contains(o.Without, c) })
}

func (o Options) validate() error {
	for _, c := range o.Without {
		if c != ControllerManager && c != Scheduler {
			return fmt.Errorf("options: without %q: only %s and %s can be left out", c, ControllerManager, Scheduler)
		}
	}
	if o.Node && len(o.Without) > 0 {
		return errors.New("options: a node needs all of the control plane, so without must be empty")
	}
	if !o.Node && o.Kubelet != "" {
		return errors.New("options: a kubelet configuration without a node")
	}
	known := []Component{Etcd, APIServer, ControllerManager, Scheduler, Containerd, Kubelet}
	for _, c := range slices.Sorted(maps.Keys(o.Flags)) {
		if !slices.Contains(known, c) {
			return fmt.Errorf("options: flags for %q: no such component, want one of %q", c, known)
		}
		for _, flag := range o.Flags[c] {
			if !strings.HasPrefix(flag, "--") || !strings.Contains(flag, "=") {
				return fmt.Errorf("options: flag %q of %s: want --name=value", flag, c)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o.Files)) {
		if !filepath.IsLocal(name) {
			return fmt.Errorf("options: file %q: want a name inside the cluster's folder", name)
		}
	}
	return nil
}

// merge gives the component the extra flags in place of ours of the same name.
func (o Options) merge(c Component, flags []string) []string {
	replaced := make(map[string]bool)
	for _, flag := range o.Flags[c] {
		name, _, _ := strings.Cut(flag, "=")
		replaced[name] = true
	}
	kept := slices.DeleteFunc(flags, func(flag string) bool {
		name, _, _ := strings.Cut(flag, "=")
		return replaced[name]
	})
	return append(kept, o.Flags[c]...)
}
