package waiver

import (
	"path"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Facts are what only people know of the workloads. Edits rest on them.
type Facts struct {
	// User is the number programs run as where nothing else is known, 0 for
	// none.
	User int64
	// Writable are folders programs write to.
	Writable []string
	// IngressNamespace is where the ingress controller runs.
	IngressNamespace string
	HostPaths        []HostPath
	Rights           []Right
}

// HostPath says which folder of the node a workload needs.
type HostPath struct {
	// Kind, Namespace and Name are those of the workload, written out.
	Kind, Namespace, Name string
	Volume, Path          string
	Write                 bool
	// MoveTo is the namespace for it, "" if it stays where it is.
	MoveTo string
}

// Right is what a service account does with the API server in a namespace, or
// everywhere if that is "".
type Right struct {
	AccountNamespace, Account string
	Namespace                 string
	Rules                     []Rule
}

// Rule is a rule as roles have them.
type Rule struct {
	APIGroups, Resources, Verbs, NonResourceURLs, ResourceNames []string
}

func (p *parser) facts(n *inventory.Node) Facts {
	var f Facts
	p.fields(n, "facts", map[string]func(*inventory.Node){
		"user":             func(n *inventory.Node) { f.User = p.user(n) },
		"writable":         func(n *inventory.Node) { f.Writable = p.folders(n) },
		"ingressNamespace": func(n *inventory.Node) { f.IngressNamespace = p.name(n) },
		"hostPaths": func(n *inventory.Node) {
			p.items(n, "hostPaths", func(n *inventory.Node) { f.HostPaths = append(f.HostPaths, p.hostPath(n)) })
		},
		"rights": func(n *inventory.Node) {
			p.items(n, "rights", func(n *inventory.Node) { f.Rights = append(f.Rights, p.right(n)) })
		},
	})
	return f
}

// user reads the number of an ordinary user.
func (p *parser) user(n *inventory.Node) int64 {
	user, ok := n.Int()
	if !ok || user <= 0 || user > maxUser {
		p.fail(p.line(n), "user is %s: want the number of an ordinary user, above 0", p.describe(n))
	}
	return user
}

// maxUser is the highest number a user may have.
const maxUser = 1<<31 - 1

// folders reads a list of full paths.
func (p *parser) folders(n *inventory.Node) []string {
	var out []string
	p.items(n, n.Key, func(n *inventory.Node) { out = append(out, p.folder(n)) })
	return out
}

func (p *parser) folder(n *inventory.Node) string {
	folder := n.Str()
	if !strings.HasPrefix(folder, "/") || folder == "/" || path.Clean(folder) != folder {
		p.fail(p.line(n), "a folder is %s: want a full path, such as /tmp", p.describe(n))
	}
	return folder
}

// name reads a name, which is not a glob.
func (p *parser) name(n *inventory.Node) string {
	name := strings.TrimSpace(n.Str())
	if n.Kind != inventory.String || name == "" || strings.ContainsAny(name, "*?[]\\ /") {
		p.fail(p.line(n), "%s is %s: want a name, written out", n.Key, p.describe(n))
	}
	return name
}

func (p *parser) hostPath(n *inventory.Node) HostPath {
	var h HostPath
	into := func(to *string) func(*inventory.Node) {
		return func(n *inventory.Node) { *to = p.name(n) }
	}
	p.fields(n, "a host path", map[string]func(*inventory.Node){
		"kind": into(&h.Kind), "namespace": into(&h.Namespace), "name": into(&h.Name), "volume": into(&h.Volume), "moveTo": into(&h.MoveTo),
		"path": func(n *inventory.Node) { h.Path = p.folder(n) },
		"write": func(n *inventory.Node) {
			if n.Kind != inventory.Bool {
				p.fail(p.line(n), "write is %s: want true or false", p.describe(n))
			}
			h.Write = n.True()
		},
	})
	p.needs(n, "the host path", "kind", "namespace", "name", "volume", "path")
	return h
}

// needs wants fields to be there.
func (p *parser) needs(n *inventory.Node, what string, fields ...string) {
	for _, field := range fields {
		if n.Kind == inventory.Map && n.Get(field) == nil {
			p.fail(p.line(n), "%s has no %s: it is needed", what, field)
		}
	}
}

func (p *parser) right(n *inventory.Node) Right {
	var r Right
	p.fields(n, "a right", map[string]func(*inventory.Node){
		"account": func(n *inventory.Node) {
			p.fields(n, "account", map[string]func(*inventory.Node){
				"namespace": func(n *inventory.Node) { r.AccountNamespace = p.name(n) },
				"name":      func(n *inventory.Node) { r.Account = p.name(n) },
			})
			p.needs(n, "the account", "namespace", "name")
		},
		"namespace": func(n *inventory.Node) { r.Namespace = p.name(n) },
		"rules": func(n *inventory.Node) {
			p.items(n, "rules", func(n *inventory.Node) { r.Rules = append(r.Rules, p.rule(n)) })
		},
	})
	p.needs(n, "the right", "account", "rules")
	return r
}

func (p *parser) rule(n *inventory.Node) Rule {
	var r Rule
	into := func(to *[]string) func(*inventory.Node) {
		return func(n *inventory.Node) {
			p.items(n, n.Key, func(n *inventory.Node) {
				if n.Kind != inventory.String || n.Text == "*" {
					p.fail(p.line(n), "a rule has %s: want a name, in quotes if needed; what is used is to be written out", p.describe(n))
				}
				*to = append(*to, n.Str())
			})
		}
	}
	p.fields(n, "a rule", map[string]func(*inventory.Node){
		"apiGroups": into(&r.APIGroups), "resources": into(&r.Resources), "verbs": into(&r.Verbs),
		"nonResourceURLs": into(&r.NonResourceURLs), "resourceNames": into(&r.ResourceNames),
	})
	switch {
	case n.Kind != inventory.Map:
	case len(r.Verbs) == 0, len(r.Resources) == 0 && len(r.NonResourceURLs) == 0, len(r.Resources) > 0 && len(r.APIGroups) == 0:
		p.fail(p.line(n), "the rule is not complete: it needs verbs, and apiGroups with resources or nonResourceURLs")
	}
	return r
}
