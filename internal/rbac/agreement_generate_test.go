package rbac_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// The words that roles, bindings and requests are made of. They are few, so
// that rules and requests meet, and hold what looks like a pattern and is none.
var (
	agreeNamespaces = []string{"agree-a", "agree-b", "agree-c"}
	agreeGroups     = []string{"", "", "", "apps", "apps", "batch", rbac.Group, "example.com", "autoscaling"}
	agreeResources  = []string{"pods", "pods", "pods/exec", "pods/log", "secrets", "configmaps", "nodes/proxy", "deployments", "deployments/scale", "clusterroles", "rolebindings", "widgets", "widgets/status", "jobs", "serviceaccounts/token"}
	agreeOddities   = []string{"*", "*", "*/scale", "*/log", "pods/*", "*/*", "Pods", "pod"}
	agreeVerbs      = []string{"get", "get", "list", "watch", "create", "update", "patch", "delete", "impersonate", "bind", "escalate"}
	agreeOddVerbs   = []string{"*", "*", "GET", "ge*"}
	agreeNames      = []string{"a", "b", "c"}
	agreePaths      = []string{"/metrics", "/metrics/slis", "/healthz", "/healthz/ping", "/api", "/api/v1", "/apis", "/version", "/version/", "/logs/kubelet.log", "/openapi/v2", "/"}
	agreePatterns   = []string{"/metrics", "/metrics/*", "/metrics*", "/healthz", "/api*", "/logs/**", "/*/ping", "/version/", "*"}
	agreeTiers      = []string{"one", "two", "three", "four", "five", "six"}
)

// object is one of the API, as JSON has it.
type object map[string]any

// generator makes roles, bindings and requests from a seed.
type generator struct {
	*rand.Rand

	objects  []object
	bindings []object
	rules    map[string][]object // by kind, namespace and name of the role
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, 1)), rules: make(map[string][]object)}
}

func oneOf[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

// in tells whether something of so many in a hundred happens.
func (g *generator) in(percent int) bool { return g.IntN(100) < percent }

// some picks up to n words, now and then an odd one.
func (g *generator) some(n int, words, odd []string) []string {
	var out []string
	for range 1 + g.IntN(n) {
		w := oneOf(g, words)
		if g.in(8) {
			w = oneOf(g, odd)
		}
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// rule is for a resource, or for paths if the role may have such.
func (g *generator) rule(kind string) object {
	if kind == "ClusterRole" && g.in(25) {
		return object{"verbs": g.some(2, []string{"get", "post", "head"}, []string{"*", "list"}), "nonResourceURLs": g.some(2, agreePatterns[:len(agreePatterns)-1], agreePatterns)}
	}
	r := object{
		"verbs":     g.some(3, agreeVerbs, agreeOddVerbs),
		"apiGroups": g.some(2, agreeGroups, []string{"*"}), "resources": g.some(3, agreeResources, agreeOddities),
	}
	if g.in(35) {
		r["resourceNames"] = g.some(2, agreeNames, []string{"*", ""})
	}
	return r
}

func (g *generator) add(kind, namespace, name string, more object) object {
	meta := object{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	o := object{"apiVersion": rbac.Group + "/v1", "kind": kind, "metadata": meta}
	maps.Copy(o, more)
	g.objects = append(g.objects, o)
	return o
}

// role makes a role with rules, and labels that aggregation may ask for.
func (g *generator) role(kind, namespace, name string) {
	rules := []object{}
	for range g.IntN(4) {
		rules = append(rules, g.rule(kind))
	}
	o := g.add(kind, namespace, name, object{"rules": rules})
	if kind == "ClusterRole" {
		g.label(o)
	}
	g.rules[kind+"/"+namespace+"/"+name] = rules
}

// label gives a role labels; a few roles add to the default roles.
func (g *generator) label(o object) {
	labels := make(object)
	if g.in(60) {
		labels["tier"] = oneOf(g, agreeTiers)
	}
	if g.in(20) {
		labels["extra"] = "true"
	}
	if g.in(4) {
		labels[rbac.Group+"/aggregate-to-"+oneOf(g, []string{"view", "edit", "admin"})] = "true"
	}
	meta, _ := o["metadata"].(object)
	meta["labels"] = labels
}

// aggregated makes a ClusterRole that takes its rules from others. Some select
// each other, in circles too; those that are selected by nobody bring rules of
// their own, which the controller manager overwrites.
func (g *generator) aggregated(name string) {
	var selectors []object
	for range 1 + g.IntN(2) {
		selectors = append(selectors, g.selector())
	}
	o := g.add("ClusterRole", "", name, object{"aggregationRule": object{"clusterRoleSelectors": selectors}})
	if g.in(50) {
		g.label(o)
		return
	}
	o["rules"] = []object{{"verbs": []string{"own"}, "apiGroups": []string{"own"}, "resources": []string{"own"}}}
}

func (g *generator) selector() object {
	match := func(operator string, values ...string) object {
		e := object{"key": "tier", "operator": operator}
		if len(values) > 0 {
			e["values"] = values
		}
		return object{"matchExpressions": []object{e}}
	}
	switch g.IntN(12) {
	case 0:
		return match("In", oneOf(g, agreeTiers), oneOf(g, agreeTiers))
	case 1:
		s := match("NotIn", agreeTiers[:4]...)
		s["matchLabels"] = object{"extra": "true"}
		return s
	case 2:
		s := match("DoesNotExist")
		s["matchLabels"] = object{"extra": "true"}
		return s
	case 3:
		return object{"matchLabels": object{rbac.Group + "/aggregate-to-" + oneOf(g, []string{"view", "edit", "admin"}): "true"}}
	}
	return object{"matchLabels": object{"tier": oneOf(g, agreeTiers)}}
}

// subject is a user, a group or a service account. Without a namespace, which
// only a RoleBinding allows, an account is that of the binding's namespace.
func (g *generator) subject(bindingNamespace string) object {
	switch g.IntN(5) {
	case 0, 1:
		name := fmt.Sprintf("user-%d", g.IntN(12))
		if g.in(15) {
			name = oneOf(g, []string{"system:anonymous", "system:serviceaccount:agree-a:sa-0", "system:serviceaccount:agree-b:sa-1", "agree-a:sa-0"})
		}
		return object{"kind": "User", "name": name, "apiGroup": rbac.Group}
	case 2:
		name := fmt.Sprintf("group-%d", g.IntN(8))
		if g.in(20) {
			name = oneOf(g, []string{"system:serviceaccounts:agree-a", "system:serviceaccounts:agree-c", "system:unauthenticated", "user-1"})
		}
		return object{"kind": "Group", "name": name, "apiGroup": rbac.Group}
	}
	s := object{"kind": "ServiceAccount", "name": fmt.Sprintf("sa-%d", g.IntN(4)), "namespace": oneOf(g, agreeNamespaces)}
	if bindingNamespace != "" && g.in(30) {
		delete(s, "namespace")
	}
	return s
}

// binding ties up to three subjects to a role, which may not exist.
func (g *generator) binding(namespace, name, roleKind, roleName string) {
	kind := "ClusterRoleBinding"
	if namespace != "" {
		kind = "RoleBinding"
	}
	subjects := []object{}
	for range g.IntN(4) {
		subjects = append(subjects, g.subject(namespace))
	}
	g.bindings = append(g.bindings, g.add(kind, namespace, name, object{
		"roleRef":  object{"apiGroup": rbac.Group, "kind": roleKind, "name": roleName},
		"subjects": subjects,
	}))
}

// populate makes a whole cluster of roles and bindings.
func (g *generator) populate() {
	const clusterRoles, aggregated, roles, clusterBindings, bindings = 90, 30, 25, 45, 80
	for i := range clusterRoles {
		g.role("ClusterRole", "", fmt.Sprintf("agree-%d", i))
	}
	for i := range aggregated {
		g.aggregated(fmt.Sprintf("agree-sum-%d", i))
	}
	for _, namespace := range agreeNamespaces {
		for i := range roles {
			g.role("Role", namespace, fmt.Sprintf("agree-%d", i))
		}
	}
	clusterRole := func() string {
		switch {
		case g.in(25):
			return fmt.Sprintf("agree-sum-%d", g.IntN(aggregated))
		case g.in(5):
			return oneOf(g, []string{"view", "edit", "admin", "system:monitoring", "system:discovery"})
		case g.in(5):
			return "agree-missing"
		}
		return fmt.Sprintf("agree-%d", g.IntN(clusterRoles))
	}
	for i := range clusterBindings {
		g.binding("", fmt.Sprintf("agree-%d", i), "ClusterRole", clusterRole())
	}
	for _, namespace := range agreeNamespaces {
		for i := range bindings {
			if g.in(50) {
				g.binding(namespace, fmt.Sprintf("agree-%d", i), "ClusterRole", clusterRole())
			} else { // a few of these roles do not exist
				g.binding(namespace, fmt.Sprintf("agree-%d", i), "Role", fmt.Sprintf("agree-%d", g.IntN(roles+2)))
			}
		}
	}
}

// manifests are the objects as documents of YAML, which JSON is.
func (g *generator) manifests() (string, error) {
	var b strings.Builder
	for _, o := range g.objects {
		text, err := json.Marshal(o)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "---\n%s\n", text)
	}
	return b.String(), nil
}

// question is a request of a user; path is set for those that are no resource.
type question struct {
	user      rbac.User
	namespace string
	request   rbac.Request
	path      string
}

// question asks anything half of the time, and else what a binding grants, or
// nearly so.
func (g *generator) question() question {
	b := oneOf(g, g.bindings)
	meta, _ := b["metadata"].(object)
	ref, _ := b["roleRef"].(object)
	subjects, _ := b["subjects"].([]object)
	q := g.anything()
	namespace, _ := meta["namespace"].(string)
	if g.in(35) || len(subjects) == 0 {
		return q
	}
	q.user = g.userOf(oneOf(g, subjects), namespace)
	if namespace != "" && g.in(90) {
		q.namespace = namespace
	}
	role := fmt.Sprint(ref["kind"], "//", ref["name"])
	if ref["kind"] == "Role" {
		role = fmt.Sprint("Role/", namespace, "/", ref["name"])
	}
	if rules := g.rules[role]; len(rules) > 0 {
		g.aim(&q, oneOf(g, rules))
	}
	return q
}

// anything is a request made of any words.
func (g *generator) anything() question {
	q := question{user: g.userOf(g.subject(""), ""), namespace: oneOf(g, append([]string{"", "default"}, agreeNamespaces...))}
	q.request.Resource, q.request.Subresource, _ = strings.Cut(oneOf(g, agreeResources), "/")
	q.request.Verb, q.request.APIGroup = oneOf(g, agreeVerbs), oneOf(g, agreeGroups)
	if g.in(50) {
		q.request.Name = oneOf(g, agreeNames)
	}
	if g.in(15) {
		q = question{user: q.user, path: oneOf(g, agreePaths), request: rbac.Request{Verb: oneOf(g, []string{"get", "get", "post", "head"})}}
	}
	return q
}

// userOf is the user a subject means, with other groups besides.
func (g *generator) userOf(subject object, namespace string) rbac.User {
	s := rbac.Subject{Kind: fmt.Sprint(subject["kind"]), Name: fmt.Sprint(subject["name"])}
	if s.Kind == "ServiceAccount" {
		s.Namespace = namespace
		if own, ok := subject["namespace"].(string); ok {
			s.Namespace = own
		}
	}
	u := s.User()
	if u.Name == "" {
		u.Name = fmt.Sprintf("user-%d", g.IntN(20))
	}
	switch {
	case g.in(30):
		u.Groups = append(u.Groups, fmt.Sprintf("group-%d", g.IntN(8)))
	case g.in(10):
		u.Groups = nil
	case g.in(2):
		u.Groups = append(u.Groups, rbac.Masters)
	}
	return u
}

// aim makes the request one that the rule allows, and changes one word of it
// now and then.
func (g *generator) aim(q *question, rule object) {
	pick := func(field, old string) string {
		list, _ := rule[field].([]string)
		if len(list) == 0 || g.in(8) {
			return old
		}
		if w := oneOf(g, list); w != "*" || g.in(5) {
			return w
		}
		return old
	}
	if rule["nonResourceURLs"] != nil {
		*q = question{user: q.user, path: strings.TrimRight(pick("nonResourceURLs", "/metrics"), "*")}
		if g.in(50) {
			q.path += "more"
		}
		q.request.Verb = pick("verbs", "get")
		return
	}
	if q.path != "" {
		q.path, q.namespace = "", oneOf(g, agreeNamespaces)
	}
	resource := q.request.Resource
	if q.request.Subresource != "" {
		resource += "/" + q.request.Subresource
	}
	q.request = rbac.Request{Verb: pick("verbs", "get"), APIGroup: pick("apiGroups", q.request.APIGroup), Name: pick("resourceNames", q.request.Name)}
	q.request.Resource, q.request.Subresource, _ = strings.Cut(pick("resources", resource), "/")
}
