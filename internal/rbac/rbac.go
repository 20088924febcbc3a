// Package rbac reads roles and bindings from an inventory and answers who may
// do what, by the rules of the API server's RBAC authoriser.
//
// It knows nothing of controls; what a right is worth is said elsewhere.
package rbac

import (
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Group is the API group of all RBAC kinds.
const Group = "rbac.authorization.k8s.io"

// Rule is one rule of a role.
type Rule struct {
	Verbs, APIGroups, Resources, ResourceNames, NonResourceURLs []string
	// Role is the object the rule stands in; Index its position there.
	Role  *inventory.Object
	Index int
}

// Path is where the rule stands in its role.
func (r *Rule) Path() string { return inventory.JoinIndex("rules", r.Index) }

// Request is something a subject wants to do to a resource.
type Request struct {
	Verb, APIGroup, Resource string
	// Subresource may be empty.
	Subresource string
	// Name of the object, empty for requests that name none.
	Name string
}

// Allows tells whether the rule alone allows the request, as the RBAC
// authoriser matches (plugin/pkg/auth/authorizer/rbac of Kubernetes).
func (r *Rule) Allows(q Request) bool {
	return matches(r.Verbs, q.Verb) && matches(r.APIGroups, q.APIGroup) && r.resource(q) && r.named(q.Name)
}

// AllowsURL tells whether the rule allows a verb on a non-resource path. A
// trailing * stands for any rest.
func (r *Rule) AllowsURL(verb, path string) bool {
	return matches(r.Verbs, verb) && slices.ContainsFunc(r.NonResourceURLs, func(u string) bool {
		return u == path || strings.HasSuffix(u, "*") && strings.HasPrefix(path, strings.TrimRight(u, "*"))
	})
}

func matches(list []string, want string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return s == "*" || s == want })
}

// resource matches "*", the full name, and "*/subresource". "pods/*" matches
// nothing, as in the authoriser.
func (r *Rule) resource(q Request) bool {
	full := q.Resource
	if q.Subresource != "" {
		full += "/" + q.Subresource
	}
	return slices.ContainsFunc(r.Resources, func(s string) bool {
		return s == "*" || s == full || q.Subresource != "" && s == "*/"+q.Subresource
	})
}

func (r *Rule) named(name string) bool {
	return len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, name)
}

// Wild tells whether the rule covers every resource.
func (r *Rule) Wild() bool { return slices.Contains(r.Resources, "*") }

// Subject is a user, group or service account.
type Subject struct {
	Kind, Name string
	// Namespace is set for service accounts.
	Namespace string
}

// String names the subject for people.
func (s Subject) String() string {
	switch s.Kind {
	case "ServiceAccount":
		return "service account " + s.Namespace + "/" + s.Name
	case "Group":
		return "group " + s.Name
	}
	return "user " + s.Name
}

// Groups are the groups a subject is always in.
func (s Subject) Groups() []string {
	switch s.Kind {
	case "ServiceAccount":
		return []string{"system:serviceaccounts", "system:serviceaccounts:" + s.Namespace, "system:authenticated"}
	case "User":
		if s.Name == "system:anonymous" {
			return []string{"system:unauthenticated"}
		}
		return []string{"system:authenticated"}
	}
	return nil
}

// Binding ties subjects to a role.
type Binding struct {
	Object *inventory.Object
	// Namespace is where the role is granted, "" for the whole cluster.
	Namespace string
	// RoleKind and RoleName are the roleRef.
	RoleKind, RoleName string
	Subjects           []Subject
	// Rules are those of the role, nil when it is not in the inventory.
	Rules []*Rule
	// Found tells whether the role is in the inventory.
	Found bool

	builtin []*Rule
}

// Grants are the rules the binding hands out: those of the role when it was
// read, else those of the role of this name that every cluster starts with.
func (b *Binding) Grants() []*Rule {
	if b.Found {
		return b.Rules
	}
	return b.builtin
}

// Unresolved tells that nothing is known of what the binding grants.
func (b *Binding) Unresolved() bool { return !b.Found && b.builtin == nil }

// Grant is a rule in the hands of a subject.
type Grant struct {
	Subject Subject
	Rule    *Rule
	Binding *Binding
}

// roleKey names a role: namespace is "" for a ClusterRole.
type roleKey struct{ namespace, name string }

// Model is the RBAC of an inventory.
type Model struct {
	Bindings []*Binding
	// Roles are all Role and ClusterRole objects.
	Roles []*inventory.Object

	rules   map[roleKey][]*Rule
	bound   map[roleKey][]*Binding
	builtin map[roleKey][]*Rule
	holders map[Subject][]*Binding
}

type memoKey struct{}

// Of builds the model of an inventory once.
func Of(inv *inventory.Inventory) *Model {
	m, ok := inv.Memo(memoKey{}, func() any { return build(inv) }).(*Model)
	if !ok {
		return new(Model)
	}
	return m
}

func build(inv *inventory.Inventory) *Model {
	m := &Model{
		rules: make(map[roleKey][]*Rule), bound: make(map[roleKey][]*Binding),
		holders: make(map[Subject][]*Binding),
	}
	for _, kind := range []string{"Role", "ClusterRole"} {
		for _, o := range inv.Kind(kind, Group) {
			m.Roles = append(m.Roles, o)
			m.rules[keyOf(o)] = readRules(o)
		}
	}
	m.addBuiltin()
	m.aggregate(func(*inventory.Object) bool { return inv.ClusterWide })
	for _, kind := range []string{"RoleBinding", "ClusterRoleBinding"} {
		for _, o := range inv.Kind(kind, Group) {
			b := readBinding(o)
			key := roleKey{name: b.RoleName}
			if b.RoleKind == "Role" {
				key.namespace = b.Namespace
			}
			b.Rules, b.Found = m.rules[key]
			if !b.Found {
				b.builtin = m.builtin[key]
			}
			m.bound[key] = append(m.bound[key], b)
			m.Bindings = append(m.Bindings, b)
			for i, s := range b.Subjects {
				if !slices.Contains(b.Subjects[:i], s) {
					m.holders[s] = append(m.holders[s], b)
				}
			}
		}
	}
	return m
}

func keyOf(o *inventory.Object) roleKey {
	if o.Kind == "Role" {
		return roleKey{o.EffectiveNamespace(), o.Name}
	}
	return roleKey{name: o.Name}
}

func readRules(o *inventory.Object) []*Rule {
	nodes := o.Root.Get("rules")
	rules := make([]*Rule, 0, nodes.Len())
	for i, n := range nodes.All() {
		rules = append(rules, &Rule{
			Verbs: n.Get("verbs").Strings(), APIGroups: n.Get("apiGroups").Strings(), Resources: n.Get("resources").Strings(),
			ResourceNames: n.Get("resourceNames").Strings(), NonResourceURLs: n.Get("nonResourceURLs").Strings(),
			Role: o, Index: i,
		})
	}
	return rules
}

func readBinding(o *inventory.Object) *Binding {
	ref := o.Root.Get("roleRef")
	b := &Binding{Object: o, RoleKind: ref.Get("kind").Str(), RoleName: ref.Get("name").Str()}
	if o.Kind == "RoleBinding" {
		b.Namespace = o.EffectiveNamespace()
	}
	for _, n := range o.Root.Get("subjects").All() {
		s := Subject{Kind: n.Get("kind").Str(), Name: n.Get("name").Str()}
		if s.Kind == "ServiceAccount" {
			// The authoriser takes the namespace of the binding when the
			// subject names none.
			s.Namespace = n.Get("namespace").Str()
			if s.Namespace == "" {
				s.Namespace = b.Namespace
			}
		}
		b.Subjects = append(b.Subjects, s)
	}
	return b
}

// Rules are the rules of a role, those of aggregation included.
func (m *Model) Rules(role *inventory.Object) []*Rule { return m.rules[keyOf(role)] }

// BindingsOf are the bindings that grant a role.
func (m *Model) BindingsOf(role *inventory.Object) []*Binding { return m.bound[keyOf(role)] }

// WhoCan lists the grants that allow a request in a namespace; "" asks for the
// whole cluster.
func (m *Model) WhoCan(q Request, namespace string) []Grant {
	var out []Grant
	for _, b := range m.Bindings {
		if b.Namespace != "" && b.Namespace != namespace {
			continue
		}
		for _, r := range b.Grants() {
			if !r.Allows(q) {
				continue
			}
			for _, s := range b.Subjects {
				out = append(out, Grant{s, r, b})
			}
		}
	}
	return out
}
