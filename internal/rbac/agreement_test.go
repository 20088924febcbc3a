package rbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"

	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

const (
	agreementSeed  = 20261121
	agreementCases = 12000
	agreementAtOne = 16 // requests under way at one time
)

// defaultBindings are those every cluster has that matter to the users the
// test asks for.
const defaultBindings = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:basic-user"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:basic-user"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:discovery"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:discovery"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:public-info-viewer"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:public-info-viewer"}
subjects:
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:authenticated"}
- {apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:unauthenticated"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "system:service-account-issuer-discovery"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "system:service-account-issuer-discovery"}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: "system:serviceaccounts"}]
`

// TestTheAPIServerAgrees asks a real API server and two models the same: one
// read from the manifests alone, which aggregates and knows the default roles
// itself, and one read from the objects the server has.
func TestTheAPIServerAgrees(t *testing.T) {
	t.Parallel()
	cluster := clustertest.Start(t, clustertest.Options{Without: []string{"kube-scheduler"}})
	g := newGenerator(agreementSeed)
	g.populate()
	manifests, err := g.manifests()
	if err != nil {
		t.Fatal(err)
	}
	var namespaces strings.Builder
	for _, name := range agreeNamespaces {
		fmt.Fprintf(&namespaces, "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: %s}\n", name)
	}
	cluster.Create(t, namespaces.String()+manifests)

	live := waitForAggregation(t, cluster)
	models := map[string]*rbac.Model{"manifests": rbac.Of(read(t, manifests+"---"+defaultBindings)), "cluster": rbac.Of(live)}
	questions := make([]question, agreementCases)
	for i := range questions {
		questions[i] = g.question()
	}
	began := time.Now() //nolint:forbidigo // a test may measure
	answers := ask(t, cluster, questions)
	t.Logf("%d subject access reviews in %s", len(answers), time.Since(began).Round(time.Millisecond)) //nolint:forbidigo // a test may measure

	count := make(map[string]int)
	for i, q := range questions {
		count[fmt.Sprintf("allowed %t, path %t", answers[i], q.path != "")]++
		for name, m := range models {
			if got := allowed(m, &q); got != answers[i] {
				count["disagree"]++
				if count["disagree"] < 20 {
					t.Errorf("%s: %+v: got allowed %t, the API server says %t", name, q, got, answers[i])
				}
			}
			if q.path == "" && among(m.WhoCan(q.request, q.namespace), q.user) != answers[i] {
				t.Errorf("%s: %+v: the list of who can does not fit the API server's %t", name, q, answers[i])
			}
		}
	}
	t.Logf("%d objects; %v", len(g.objects), count)
	for _, kind := range []string{"allowed true, path false", "allowed false, path false", "allowed true, path true", "allowed false, path true"} {
		if count[kind] < agreementCases/100 {
			t.Errorf("only %d requests with %s: the test says little", count[kind], kind)
		}
	}
}

// rights are what rules allow, one verb and one resource or path each.
func rights(rules []*rbac.Rule) []string {
	out := []string{}
	for _, r := range rules {
		for _, verb := range r.Verbs {
			for _, url := range r.NonResourceURLs {
				out = append(out, verb+" "+url)
			}
			for _, group := range r.APIGroups {
				for _, resource := range r.Resources {
					out = append(out, fmt.Sprintf("%s %s.%s %q", verb, resource, group, r.ResourceNames))
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func allowed(m *rbac.Model, q *question) bool {
	if q.path != "" {
		_, ok := m.AllowedURL(q.user, q.request.Verb, q.path)
		return ok
	}
	_, ok := m.Allowed(q.user, q.request, q.namespace)
	return ok
}

// among tells whether a grant is in the hands of the user.
func among(grants []rbac.Grant, u rbac.User) bool {
	return slices.Contains(u.Groups, rbac.Masters) || slices.ContainsFunc(grants, func(g rbac.Grant) bool { return g.Subject.Is(u) })
}

// ask sends the questions as SubjectAccessReviews, several at a time.
func ask(t *testing.T, cluster *clustertest.Cluster, questions []question) []bool {
	t.Helper()
	config := clustertest.REST(t, cluster.Kubeconfig)
	config.ContentType = "application/vnd.kubernetes.protobuf" // half the work of JSON
	client, err := authorizationclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	answers, failures := make([]bool, len(questions)), make([]error, agreementAtOne)
	var wait sync.WaitGroup
	for worker := range agreementAtOne {
		wait.Go(func() {
			for i := worker; i < len(questions); i += agreementAtOne {
				got, err := client.SubjectAccessReviews().Create(t.Context(), review(&questions[i]), metav1.CreateOptions{})
				if err != nil {
					failures[worker] = fmt.Errorf("%+v: %w", questions[i], err)
					return
				}
				answers[i] = got.Status.Allowed
			}
		})
	}
	wait.Wait()
	if err := errors.Join(failures...); err != nil {
		t.Fatal(err)
	}
	return answers
}

func review(q *question) *authorizationv1.SubjectAccessReview {
	r := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: q.user.Name, Groups: q.user.Groups}}
	if q.path != "" {
		r.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: q.path, Verb: q.request.Verb}
		return r
	}
	r.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
		Namespace: q.namespace, Verb: q.request.Verb, Group: q.request.APIGroup, Resource: q.request.Resource,
		Subresource: q.request.Subresource, Name: q.request.Name,
	}
	return r
}

// waitForAggregation waits until each aggregated ClusterRole of the server has
// the rules that the model gives it from the others, and returns what the
// server has then. If it never comes to that, the two disagree.
func waitForAggregation(t *testing.T, cluster *clustertest.Cluster) *inventory.Inventory {
	t.Helper()
	client, err := dynamic.NewForConfig(clustertest.REST(t, cluster.Kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	for try := 0; ; try++ {
		text, err := stored(t.Context(), client)
		if err != nil {
			t.Fatal(err)
		}
		want, got := aggregatedRules(read(t, text))
		diff := cmp.Diff(want, got)
		if diff == "" {
			res, err := decode.File([]byte(text), &inventory.Origin{File: "cluster.yaml"}, decode.DefaultLimits())
			if err != nil {
				t.Fatal(err)
			}
			live := &inventory.Inventory{ClusterWide: true}
			live.Add(res.Objects...)
			live.Seal()
			return live
		}
		if try == 60 {
			t.Fatalf("the controller manager aggregates otherwise (- it, + model):\n%s", diff)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// stored are all objects of RBAC that the server has, as documents.
func stored(ctx context.Context, client dynamic.Interface) (string, error) {
	var b strings.Builder
	for _, resource := range []string{"clusterroles", "clusterrolebindings", "roles", "rolebindings"} {
		list, err := client.Resource(schema.GroupVersionResource{Group: rbac.Group, Version: "v1", Resource: resource}).List(ctx, metav1.ListOptions{})
		if err != nil {
			return "", err
		}
		for i := range list.Items {
			text, err := json.Marshal(list.Items[i].Object)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "---\n%s\n", text)
		}
	}
	return b.String(), nil
}

// aggregatedRules are the rules of all aggregated ClusterRoles by name: those
// that are written in them, and those the model gives them.
func aggregatedRules(inv *inventory.Inventory) (map[string][]string, map[string][]string) {
	written, model := make(map[string][]string), make(map[string][]string)
	m := rbac.Of(inv)
	for _, o := range m.Roles {
		if o.Root.Find("aggregationRule", "clusterRoleSelectors").Len() == 0 {
			continue
		}
		for _, n := range o.Root.Get("rules").All() {
			written[o.Name] = append(written[o.Name], fmt.Sprintf("%q %q %q %q %q", n.Get("verbs").Strings(), n.Get("apiGroups").Strings(),
				n.Get("resources").Strings(), n.Get("resourceNames").Strings(), n.Get("nonResourceURLs").Strings()))
		}
		for _, r := range m.Rules(o) {
			model[o.Name] = append(model[o.Name], fmt.Sprintf("%q %q %q %q %q", r.Verbs, r.APIGroups, r.Resources, r.ResourceNames, r.NonResourceURLs))
		}
		slices.Sort(written[o.Name])
		slices.Sort(model[o.Name])
	}
	return written, model
}
