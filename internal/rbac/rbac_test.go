package rbac_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

func read(t *testing.T, text string) *inventory.Inventory {
	t.Helper()
	res, err := decode.File([]byte(text), &inventory.Origin{File: "test.yaml"}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	inv := new(inventory.Inventory)
	inv.Add(res.Objects...)
	inv.Seal()
	return inv
}

func TestRulesMatchAsTheAuthoriserDoes(t *testing.T) {
	t.Parallel()
	core, star := []string{""}, []string{"*"}
	for _, tc := range []struct {
		name string
		rule rbac.Rule
		q    rbac.Request
		want bool
	}{
		{"the same words match", rbac.Rule{Verbs: []string{"get"}, APIGroups: core, Resources: []string{"pods"}}, rbac.Request{Verb: "get", Resource: "pods"}, true},
		{"another group does not match", rbac.Rule{Verbs: []string{"get"}, APIGroups: []string{"apps"}, Resources: []string{"pods"}}, rbac.Request{Verb: "get", Resource: "pods"}, false},
		{"no group at all matches nothing", rbac.Rule{Verbs: []string{"get"}, Resources: []string{"pods"}}, rbac.Request{Verb: "get", Resource: "pods"}, false},
		{"stars match everything, subresources too", rbac.Rule{Verbs: star, APIGroups: star, Resources: star}, rbac.Request{Verb: "create", APIGroup: "x", Resource: "pods", Subresource: "exec", Name: "a"}, true},
		{"a resource does not cover its subresources", rbac.Rule{Verbs: star, APIGroups: core, Resources: []string{"pods"}}, rbac.Request{Verb: "get", Resource: "pods", Subresource: "log"}, false},
		{"a subresource does not cover its resource", rbac.Rule{Verbs: star, APIGroups: core, Resources: []string{"pods/log"}}, rbac.Request{Verb: "get", Resource: "pods"}, false},
		{"a star before the slash covers all resources", rbac.Rule{Verbs: star, APIGroups: star, Resources: []string{"*/scale"}}, rbac.Request{Verb: "get", APIGroup: "apps", Resource: "deployments", Subresource: "scale"}, true},
		{"a star before the slash does not cover resources themselves", rbac.Rule{Verbs: star, APIGroups: star, Resources: []string{"*/scale"}}, rbac.Request{Verb: "get", APIGroup: "apps", Resource: "scale"}, false},
		{"a star after the slash covers nothing", rbac.Rule{Verbs: star, APIGroups: core, Resources: []string{"pods/*"}}, rbac.Request{Verb: "get", Resource: "pods", Subresource: "log"}, false},
		{"a prefix with a star is no pattern", rbac.Rule{Verbs: []string{"ge*"}, APIGroups: core, Resources: []string{"pods"}}, rbac.Request{Verb: "get", Resource: "pods"}, false},
		{"letter case counts", rbac.Rule{Verbs: []string{"GET"}, APIGroups: core, Resources: []string{"pods"}}, rbac.Request{Verb: "get", Resource: "pods"}, false},
		{"names limit", rbac.Rule{Verbs: []string{"get"}, APIGroups: core, Resources: []string{"pods"}, ResourceNames: []string{"a"}}, rbac.Request{Verb: "get", Resource: "pods", Name: "b"}, false},
		{"a request without a name is not for a rule with names", rbac.Rule{Verbs: []string{"list"}, APIGroups: core, Resources: []string{"pods"}, ResourceNames: []string{"a"}}, rbac.Request{Verb: "list", Resource: "pods"}, false},
		{"a star is no name", rbac.Rule{Verbs: []string{"get"}, APIGroups: core, Resources: []string{"pods"}, ResourceNames: star}, rbac.Request{Verb: "get", Resource: "pods", Name: "b"}, false},
	} {
		if got := tc.rule.Allows(tc.q); got != tc.want {
			t.Errorf("%s: got %t, want %t", tc.name, got, tc.want)
		}
	}
}

func TestPathsMatchAsTheAuthoriserDoes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		rule, path string
		want       bool
	}{
		{"*", "/metrics", true},
		{"/metrics", "/metrics", true},
		{"/metrics", "/metrics/slis", false},
		{"/metrics/*", "/metrics/slis", true},
		{"/metrics/*", "/metrics", false},
		{"/api**", "/apis", true},
		{"/*/b", "/a/b", false},
	} {
		r := rbac.Rule{Verbs: []string{"get"}, NonResourceURLs: []string{tc.rule}}
		if got := r.AllowsURL("get", tc.path); got != tc.want {
			t.Errorf("%s for %s: got %t, want %t", tc.rule, tc.path, got, tc.want)
		}
	}
}

// grants writes a ClusterRole and a binding of it.
func grants(binding string) string {
	return `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: r}
rules:
- {apiGroups: [""], resources: [secrets], verbs: [get]}
- {nonResourceURLs: ["/metrics"], verbs: [get]}
---
` + binding
}

const (
	inShop = `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: b, namespace: shop}
roleRef: {kind: ClusterRole, name: r}
subjects: [%s]
`
	everywhere = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: b}
roleRef: {kind: ClusterRole, name: r}
subjects: [%s]
`
)

func TestSubjectsMatchAsTheAuthoriserDoes(t *testing.T) {
	t.Parallel()
	cart := rbac.Subject{Kind: "ServiceAccount", Namespace: "shop", Name: "cart"}
	for _, tc := range []struct {
		name, binding, subject string
		who                    rbac.Subject
		namespace              string
		want                   bool
	}{
		{"a service account by name", inShop, "{kind: ServiceAccount, name: cart, namespace: shop}", cart, "shop", true},
		{"not in another namespace", inShop, "{kind: ServiceAccount, name: cart, namespace: shop}", cart, "bank", false},
		{"not outside of namespaces", inShop, "{kind: ServiceAccount, name: cart, namespace: shop}", cart, "", false},
		{"a cluster binding counts in every namespace", everywhere, "{kind: ServiceAccount, name: cart, namespace: shop}", cart, "bank", true},
		{"the namespace of the binding is the default", inShop, "{kind: ServiceAccount, name: cart}", cart, "shop", true},
		{"a cluster binding has no default", everywhere, "{kind: ServiceAccount, name: cart}", cart, "shop", false},
		{"a user with the account's name is the account", everywhere, `{kind: User, name: "system:serviceaccount:shop:cart"}`, cart, "shop", true},
		{"the group of all accounts", everywhere, `{kind: Group, name: "system:serviceaccounts"}`, cart, "shop", true},
		{"the group of the namespace", everywhere, `{kind: Group, name: "system:serviceaccounts:shop"}`, cart, "shop", true},
		{"the group of another namespace", everywhere, `{kind: Group, name: "system:serviceaccounts:bank"}`, cart, "shop", false},
		{"all who are logged in", everywhere, `{kind: Group, name: "system:authenticated"}`, cart, "shop", true},
		{"those who are not logged in", everywhere, `{kind: Group, name: "system:unauthenticated"}`, cart, "shop", false},
		{"nobody in particular", everywhere, `{kind: Group, name: "system:unauthenticated"}`, rbac.Subject{Kind: "User", Name: "system:anonymous"}, "shop", true},
		{"a group is no user of the same name", everywhere, "{kind: Group, name: anna}", rbac.Subject{Kind: "User", Name: "anna"}, "shop", false},
		{"masters need no binding", everywhere, "{kind: User, name: nobody}", rbac.Subject{Kind: "Group", Name: "system:masters"}, "shop", true},
	} {
		m := rbac.Of(read(t, grants(fmt.Sprintf(tc.binding, tc.subject))))
		if _, got := m.Allowed(tc.who.User(), rbac.Request{Verb: "get", Resource: "secrets", Name: "a"}, tc.namespace); got != tc.want {
			t.Errorf("%s: got %t, want %t", tc.name, got, tc.want)
		}
	}
}

func TestPathsNeedABindingForTheCluster(t *testing.T) {
	t.Parallel()
	u := rbac.User{Name: "anna"}
	for binding, want := range map[string]bool{inShop: false, everywhere: true} {
		m := rbac.Of(read(t, grants(fmt.Sprintf(binding, "{kind: User, name: anna}"))))
		if _, got := m.AllowedURL(u, "get", "/metrics"); got != want {
			t.Errorf("%s: got %t, want %t", strings.Fields(binding)[3], got, want)
		}
	}
}

const aggregated = `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: a, labels: {to: b}}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: a}}, {matchExpressions: [{key: also, operator: Exists}]}]}
rules: [{apiGroups: [""], resources: [overwritten], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: b, labels: {to: a}}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {to: b}}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: c, labels: {to: a}}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: d, labels: {also: "", rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: all}
aggregationRule: {clusterRoleSelectors: [{}]}
`

func TestAggregationRunsUntilNothingChangesAndCyclesEnd(t *testing.T) {
	t.Parallel()
	m := rbac.Of(read(t, aggregated))
	got := make(map[string][]string)
	for _, role := range m.Roles {
		for _, r := range m.Rules(role) {
			if r.Role != nil { // not of a default role
				got[role.Name] = append(got[role.Name], r.Resources...)
			}
		}
		slices.Sort(got[role.Name])
		if everything := slices.ContainsFunc(m.Rules(role), (*rbac.Rule).Wild); everything != (role.Name == "all") {
			t.Errorf("role %s: it selects cluster-admin is %t", role.Name, everything)
		}
	}
	want := map[string][]string{
		"a": {"pods", "secrets"}, "b": {"pods", "secrets"}, "c": {"pods"}, "d": {"secrets"}, "all": {"pods", "secrets"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

func TestDefaultRolesAreKnown(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		role, verb, resource string
		want                 bool
	}{
		{"view", "get", "pods", true},
		{"view", "get", "secrets", false},
		{"edit", "get", "secrets", true},
		{"edit", "create", "rolebindings", false},
		{"admin", "create", "rolebindings", true},
		{"admin", "bind", "clusterroles", false},
		{"cluster-admin", "escalate", "clusterroles", true},
	} {
		text := fmt.Sprintf(strings.ReplaceAll(everywhere, "name: r}", "name: "+tc.role+"}"), "{kind: User, name: anna}")
		m := rbac.Of(read(t, text))
		group := ""
		if strings.Contains(tc.resource, "role") {
			group = rbac.Group
		}
		if _, got := m.Allowed(rbac.User{Name: "anna"}, rbac.Request{Verb: tc.verb, APIGroup: group, Resource: tc.resource}, "shop"); got != tc.want {
			t.Errorf("%s may %s %s: got %t, want %t", tc.role, tc.verb, tc.resource, got, tc.want)
		}
	}
}

func TestLabelsAddToDefaultRoles(t *testing.T) {
	t.Parallel()
	m := rbac.Of(read(t, aggregated+"---\n"+fmt.Sprintf(strings.ReplaceAll(everywhere, "name: r}", "name: admin}"), "{kind: User, name: anna}")))
	if _, ok := m.Allowed(rbac.User{Name: "anna"}, rbac.Request{Verb: "list", Resource: "secrets"}, "shop"); !ok {
		t.Error("a role that aggregates to view does not reach admin")
	}
}

// TestRandomRolesAgreeWithAPlainEvaluator compares the model with one written
// from the documentation in the most literal way, over 10,000 random requests.
func TestRandomRolesAgreeWithAPlainEvaluator(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	allowed := 0
	for range 400 {
		w := randomWorld(r)
		m := rbac.Of(read(t, w.yaml()))
		for range 25 {
			q, u, namespace := request(r)
			_, got := m.Allowed(u, q, namespace)
			want := w.allows(u, q, namespace)
			if got != want {
				t.Fatalf("%+v by %+v in %q: got %t, want %t\n%s", q, u, namespace, got, want, w.yaml())
			}
			if want {
				allowed++
			}
		}
	}
	if allowed < 500 {
		t.Errorf("only %d of the requests are allowed: the worlds show too little", allowed)
	}
}

type plainRule struct{ verbs, groups, resources, names []string }

type plainBinding struct {
	namespace string // "" for the cluster
	role      int
	subject   string // kind/namespace/name
}

type world struct {
	roles    [][]plainRule
	bindings []plainBinding
}

func some(r *rand.Rand, from ...string) []string {
	var out []string
	for _, s := range from {
		if r.IntN(3) == 0 {
			out = append(out, s)
		}
	}
	if len(out) == 0 {
		out = append(out, from[r.IntN(len(from))])
	}
	return out
}

var subjects = []string{"User//anna", "User//system:serviceaccount:shop:cart", "Group//system:authenticated", "Group//system:serviceaccounts:shop", "Group//team", "ServiceAccount/shop/cart", "ServiceAccount/bank/cart"}

func randomWorld(r *rand.Rand) world {
	var w world
	for range 1 + r.IntN(4) {
		var rules []plainRule
		for range 1 + r.IntN(3) {
			rule := plainRule{
				some(r, "get", "list", "create", "update", "*"), some(r, "", "apps", "*"),
				some(r, "pods", "pods/log", "*/scale", "deployments", "pods/*", "*"), nil,
			}
			if r.IntN(3) == 0 {
				rule.names = some(r, "a", "b")
			}
			rules = append(rules, rule)
		}
		w.roles = append(w.roles, rules)
	}
	for range 1 + r.IntN(4) {
		w.bindings = append(w.bindings, plainBinding{[]string{"", "shop", "bank"}[r.IntN(3)], r.IntN(len(w.roles)), subjects[r.IntN(len(subjects))]})
	}
	return w
}

func quoted(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func (w *world) yaml() string {
	var b strings.Builder
	for i, rules := range w.roles {
		fmt.Fprintf(&b, "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r%d}\nrules:\n", i)
		for _, r := range rules {
			fmt.Fprintf(&b, "- {verbs: %s, apiGroups: %s, resources: %s, resourceNames: %s}\n", quoted(r.verbs), quoted(r.groups), quoted(r.resources), quoted(r.names))
		}
		b.WriteString("---\n")
	}
	for i, bind := range w.bindings {
		kind, where := "ClusterRoleBinding", ""
		if bind.namespace != "" {
			kind, where = "RoleBinding", ", namespace: "+bind.namespace
		}
		s := strings.Split(bind.subject, "/")
		fmt.Fprintf(&b, "apiVersion: rbac.authorization.k8s.io/v1\nkind: %s\nmetadata: {name: b%d%s}\nroleRef: {kind: ClusterRole, name: r%d}\nsubjects: [{kind: %s, name: %q, namespace: %q}]\n---\n", kind, i, where, bind.role, s[0], s[2], s[1])
	}
	return b.String()
}

func request(r *rand.Rand) (rbac.Request, rbac.User, string) {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	q := rbac.Request{Verb: pick("get", "list", "create", "update"), APIGroup: pick("", "apps"), Resource: pick("pods", "deployments"), Subresource: pick("", "", "log", "scale"), Name: pick("", "a", "b")}
	users := []rbac.User{
		{Name: "anna", Groups: []string{"system:authenticated", "team"}},
		{Name: "system:serviceaccount:shop:cart", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"}},
		{Name: "system:serviceaccount:bank:cart", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:bank", "system:authenticated"}},
		{Name: "system:anonymous", Groups: []string{"system:unauthenticated"}},
	}
	return q, users[r.IntN(len(users))], pick("", "shop", "bank")
}

// in tells whether one of the words is in the list.
func in(list []string, words ...string) bool {
	for _, word := range words {
		if slices.Contains(list, word) {
			return true
		}
	}
	return false
}

// allows is the plain evaluator.
func (w *world) allows(u rbac.User, q rbac.Request, namespace string) bool {
	for _, b := range w.bindings {
		if (b.namespace == "" || b.namespace == namespace) && b.names(u) && slices.ContainsFunc(w.roles[b.role], func(r plainRule) bool { return r.allows(q) }) {
			return true
		}
	}
	return false
}

func (b *plainBinding) names(u rbac.User) bool {
	s := strings.Split(b.subject, "/")
	switch s[0] {
	case "Group":
		return in(u.Groups, s[2])
	case "ServiceAccount":
		return u.Name == "system:serviceaccount:"+s[1]+":"+s[2]
	}
	return u.Name == s[2]
}

func (r *plainRule) allows(q rbac.Request) bool {
	resource := []string{"*", q.Resource}
	if q.Subresource != "" {
		resource = []string{"*", q.Resource + "/" + q.Subresource, "*/" + q.Subresource}
	}
	return in(r.verbs, "*", q.Verb) && in(r.groups, "*", q.APIGroup) && in(r.resources, resource...) && (len(r.names) == 0 || in(r.names, q.Name))
}
