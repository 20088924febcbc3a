package step

import (
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var nodeWithoutRestriction = &blast.Step{
	ID:    "node-without-restriction",
	Title: "makes pods as a node",
	Needs: "The API server runs without the Node authoriser or the NodeRestriction plugin.",
	Gives: "With the identity of one node, pods of any making in any namespace, and the labels and status of all nodes.",
	MITRE: []string{"T1078"}, Difficulty: blast.Easy,
	Control: "node-restriction", Fix: "start the API server with --authorization-mode=Node,RBAC and --enable-admission-plugins=NodeRestriction", Effort: 2,
	World: func(f *blast.Facts, emit blast.Emit) {
		for _, server := range apiServers(f) {
			mode, at := server.flag("authorization-mode")
			plugins, pluginsAt := server.flag("enable-admission-plugins")
			switch {
			case mode != "" && !slices.Contains(strings.Split(mode, ","), "Node"):
			case !slices.Contains(strings.Split(plugins, ","), "NodeRestriction"):
				at = pluginsAt
			default:
				continue
			}
			if at == "" {
				at = server.command
			}
			for _, n := range f.Nodes {
				m := blast.Move{From: n.Vertex, To: f.All(blast.PodsIn, ""), Object: server.object, Path: at}
				if mode != "" && !slices.Contains(strings.Split(mode, ","), "Node") {
					m.Possible, m.Why = true, "it depends on what is bound to the group of the nodes"
				}
				emit(m)
			}
			return
		}
	},
}

// server is a component of the control plane that runs as a pod.
type server struct {
	object  *inventory.Object
	command string
	args    []arg
}

type arg struct{ name, value, path string }

// flag is the last value of a flag, and where it stands.
func (s *server) flag(name string) (string, string) {
	value, at := "", ""
	for _, a := range s.args {
		if a.name == name {
			value, at = a.value, a.path
		}
	}
	return value, at
}

func apiServers(f *blast.Facts) []server { return components(f, "kube-apiserver") }

// components finds the pods that run a program of the control plane.
func components(f *blast.Facts, program string) []server {
	var out []server
	for _, w := range f.Workloads {
		if w.Object.Kind != "Pod" {
			continue
		}
		for _, p := range w.Pods {
			for i := range p.Running {
				c := &p.Running[i]
				if runs(c, program) {
					out = append(out, readServer(p, c))
				}
			}
		}
	}
	return out
}

func runs(c *blast.Container, program string) bool {
	first := c.Node.Get("command").Index(0).Str()
	return first == program || strings.HasSuffix(first, "/"+program)
}

func readServer(p *blast.Pod, c *blast.Container) server {
	s := server{object: p.Template.Object, command: c.Path + ".command"}
	for _, field := range []string{"command", "args"} {
		for i, n := range c.Node.Get(field).All() {
			name, value, ok := strings.Cut(strings.TrimLeft(n.Str(), "-"), "=")
			if strings.HasPrefix(n.Str(), "-") {
				if !ok {
					value = "true"
				}
				s.args = append(s.args, arg{name, value, inventory.JoinIndex(c.Path+"."+field, i)})
			}
		}
	}
	return s
}
