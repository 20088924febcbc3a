package rbac

import (
	"maps"
	"slices"
	"strings"
)

// The groups every authenticated or anonymous request is in.
const (
	Authenticated   = "system:authenticated"
	Unauthenticated = "system:unauthenticated"
	Masters         = "system:masters"
	Accounts        = "system:serviceaccounts"
)

const accountPrefix = "system:serviceaccount:"

// User is who asks, as the authenticator has it.
type User struct {
	Name   string
	Groups []string
}

// User is the subject as a user; a group becomes somebody in it who is nobody
// else.
func (s Subject) User() User {
	switch s.Kind {
	case "ServiceAccount":
		return User{accountPrefix + s.Namespace + ":" + s.Name, s.Groups()}
	case "Group":
		return User{Groups: []string{s.Name}}
	}
	return User{s.Name, s.Groups()}
}

// Normal gives one spelling to a subject that can be named in two ways: a user
// with the name of a service account is that account.
func (s Subject) Normal() Subject {
	if s.Kind != "User" {
		return s
	}
	rest, ok := strings.CutPrefix(s.Name, accountPrefix)
	if !ok {
		return s
	}
	namespace, name, ok := strings.Cut(rest, ":")
	if !ok || namespace == "" || name == "" || strings.Contains(name, ":") {
		return s
	}
	return Subject{Kind: "ServiceAccount", Namespace: namespace, Name: name}
}

// Is tells whether the subject of a binding means the user.
func (s Subject) Is(u User) bool {
	switch s.Kind {
	case "User":
		return s.Name == u.Name
	case "Group":
		return slices.Contains(u.Groups, s.Name)
	case "ServiceAccount":
		return s.Namespace != "" && u.Name == accountPrefix+s.Namespace+":"+s.Name
	}
	return false
}

// Subjects are all that bindings name, in order, each once.
func (m *Model) Subjects() []Subject {
	return slices.SortedFunc(maps.Keys(m.holders), func(a, b Subject) int {
		if c := strings.Compare(a.Kind, b.Kind); c != 0 {
			return c
		}
		if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// Held are the bindings that name the subject itself, those of its groups left
// out.
func (m *Model) Held(s Subject) []*Binding { return m.holders[s] }

// Allowed tells whether the user may do it in a namespace, "" for requests
// outside of namespaces, and by which grant. Members of system:masters may do
// everything without one.
func (m *Model) Allowed(u User, q Request, namespace string) (Grant, bool) {
	return m.decide(u, namespace, func(r *Rule) bool { return r.Allows(q) })
}

// AllowedURL does the same for a path that is no resource.
func (m *Model) AllowedURL(u User, verb, path string) (Grant, bool) {
	return m.decide(u, "", func(r *Rule) bool { return r.AllowsURL(verb, path) })
}

func (m *Model) decide(u User, namespace string, allows func(*Rule) bool) (Grant, bool) {
	if slices.Contains(u.Groups, Masters) {
		return Grant{Subject: Subject{Kind: "Group", Name: Masters}}, true
	}
	for _, b := range m.Bindings {
		if b.Namespace != "" && b.Namespace != namespace {
			continue
		}
		at := slices.IndexFunc(b.Subjects, func(s Subject) bool { return s.Is(u) })
		if at < 0 {
			continue
		}
		for _, r := range b.Grants() {
			if allows(r) {
				return Grant{b.Subjects[at], r, b}, true
			}
		}
	}
	return Grant{}, false
}
