package offline_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/policy"
	"github.com/redoubt-k8s/redoubt/internal/policy/offline"
)

func inventoryOf(t *testing.T, manifest string) *inventory.Inventory {
	t.Helper()
	objects, err := checktest.YAML([]byte(manifest), &inventory.Origin{Kind: inventory.FromManifest, File: "files.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	inv := new(inventory.Inventory)
	inv.Add(objects...)
	inv.Seal()
	return inv
}

// generated are policy and binding of a control as YAML, "" if it has none.
func generated(t *testing.T, c *control.Control) string {
	t.Helper()
	compiled, err := control.Compile(c, control.Latest, nil)
	if err != nil {
		t.Fatal(err)
	}
	made, _ := policy.Generate([]*control.Compiled{compiled}, policy.Options{Mode: policy.Enforce})
	if len(made) == 0 {
		return ""
	}
	text, err := policy.YAML(made[0].Policy, made[0].Binding)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// verdictOf is the worst that policies say of a manifest.
func verdictOf(t *testing.T, policies, manifest string) offline.Verdict {
	t.Helper()
	res, err := offline.Run(t.Context(), inventoryOf(t, policies), inventoryOf(t, manifest), offline.Options{User: "eve"})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []offline.Verdict{offline.Unknown, offline.Refused, offline.Noted} {
		if slices.ContainsFunc(res.Decisions, func(d offline.Decision) bool { return d.Verdict == v }) {
			return v
		}
	}
	return ""
}

func TestGeneratedPoliciesAgreeWithTheTestsOfControls(t *testing.T) {
	t.Parallel()
	controls, _, err := catalogue.Sources()
	if err != nil {
		t.Fatal(err)
	}
	compared, refused := 0, 0
	for _, c := range controls {
		policies := generated(t, c)
		for _, test := range c.Tests {
			if policies == "" || test.Version != "" || test.File != "" {
				continue
			}
			got := verdictOf(t, policies, test.Manifest)
			if got == offline.Unknown {
				continue // the API server would not take the object
			}
			if (got == offline.Refused) != (test.Expect == "fail") {
				t.Errorf("%s: %s: the scan says %s, the policy %q", c.ID, test.Name, test.Expect, got)
			}
			compared++
			if got == offline.Refused {
				refused++
			}
		}
	}
	t.Logf("%d tests of controls compared, %d refused", compared, refused)
	if compared < 300 || refused < 150 {
		t.Errorf("%d tests compared, %d refused: too few", compared, refused)
	}
}

const policyText = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: p}
spec:
  FAILURE
  PARAMKIND
  matchConstraints:
    SELECTOR
    resourceRules:
    - {apiGroups: [RULES], apiVersions: [v1], operations: [OPERATIONS], resources: [RESOURCES]}
  validations:
  - {expression: "EXPRESSION", message: not so}
`

const bindingText = `
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: b}
spec: {policyName: p, validationActions: [ACTION]PARAMREF}
`

func textOf(pairs ...string) string {
	all := append(slices.Clone(pairs),
		"FAILURE", "", "PARAMKIND", "", "SELECTOR", "", "RULES", `""`, "OPERATIONS", "CREATE", "RESOURCES", "pods",
		"EXPRESSION", "false", "ACTION", "Deny", "PARAMREF", "")
	return strings.NewReplacer(all...).Replace(policyText + bindingText)
}

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec: {template: {spec: {containers: [{name: app, image: nginx}]}}}
`

func TestRunTriesPolicies(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, policies, objects string
		want                    []string
	}{
		{"a policy on pods covers the pods of workloads", textOf(), deployment, []string{"refused pods shop/Deployment/cart: not so"}},
		{"a policy on deployments covers the deployment", textOf("RULES", "apps", "RESOURCES", "deployments"), deployment, []string{"refused shop/Deployment/cart: not so"}},
		{"an audit binding notes", textOf("ACTION", "Audit"), deployment, []string{"noted pods shop/Deployment/cart: not so"}},
		{"a policy that is met says nothing", textOf("EXPRESSION", "true"), deployment, nil},
		{"another resource is not covered", textOf("RESOURCES", "services"), deployment, nil},
		{"defaults are filled in", textOf("EXPRESSION", "object.spec.containers[0].imagePullPolicy == 'Always' && has(object.spec.securityContext)"), deployment, nil},
		{"pods come from controllers", textOf("EXPRESSION", "request.userInfo.username == 'system:serviceaccount:kube-system:replicaset-controller'"), deployment, nil},
		{
			"an error refuses", textOf("EXPRESSION", "object.spec.nodeName == 'a'"), deployment,
			[]string{"refused pods shop/Deployment/cart: expression 'object.spec.nodeName == 'a'' resulted in error: no such key: nodeName"},
		},
		{
			"an error is let through where the policy says so", textOf("FAILURE", "failurePolicy: Ignore", "EXPRESSION", "object.spec.nodeName == 'a'"), deployment,
			[]string{"noted pods shop/Deployment/cart: let through, since failurePolicy is Ignore: expression 'object.spec.nodeName == 'a'' resulted in error: no such key: nodeName"},
		},
		{
			"a namespace by its name is known", textOf("SELECTOR", "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}"), deployment,
			[]string{"refused pods shop/Deployment/cart: not so"},
		},
		{
			"another namespace by its name is not covered", textOf("SELECTOR", "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}"), deployment, nil,
		},
		{
			"labels of an unknown namespace are unknown", textOf("SELECTOR", "namespaceSelector: {matchLabels: {team: a}}"), deployment,
			[]string{"unknown pods shop/Deployment/cart: whether the policy covers namespace shop depends on its labels, and it is not among the files"},
		},
		{
			"labels of a known namespace count", textOf("SELECTOR", "namespaceSelector: {matchLabels: {team: a}}"),
			deployment + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n",
			[]string{"refused pods shop/Deployment/cart: not so"},
		},
		{
			"the namespace object must be known", textOf("EXPRESSION", "namespaceObject.metadata.name != ''"), deployment,
			[]string{"unknown pods shop/Deployment/cart: the policy looks at namespace shop, which is not among the files"},
		},
		{
			"rights are not known", textOf("EXPRESSION", "authorizer.group('').resource('pods').check('get').allowed()"), deployment,
			[]string{"unknown pods shop/Deployment/cart: the policy asks what the user may do, which only the cluster knows"},
		},
		{
			"a parameter is found", textOf("PARAMKIND", "paramKind: {apiVersion: v1, kind: ConfigMap}", "EXPRESSION", "params.data.a == 'x'", "PARAMREF", ", paramRef: {name: c, parameterNotFoundAction: Deny}") +
				"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\ndata: {a: other}\n",
			deployment,
			[]string{"refused pods shop/Deployment/cart: not so"},
		},
		{
			"a parameter that is missing refuses", textOf("PARAMKIND", "paramKind: {apiVersion: v1, kind: ConfigMap}", "EXPRESSION", "params.data.a == 'x'", "PARAMREF", ", paramRef: {name: c, parameterNotFoundAction: Deny}"),
			deployment,
			[]string{"refused pods shop/Deployment/cart: no ConfigMap among the files is what the paramRef of binding b asks for"},
		},
		{
			"a parameter that may be missing admits", textOf("PARAMKIND", "paramKind: {apiVersion: v1, kind: ConfigMap}", "EXPRESSION", "params.data.a == 'x'", "PARAMREF", ", paramRef: {name: c, parameterNotFoundAction: Allow}"),
			deployment, nil,
		},
		{
			"what does not decode is unknown", textOf("RULES", "apps", "RESOURCES", "deployments"), strings.Replace(deployment, "[{name: app, image: nginx}]", "app", 1),
			[]string{"unknown shop/Deployment/cart: the API server would refuse it: decode: json: cannot unmarshal string into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container"},
		},
		{"a file of a component is nobody's business", textOf("RESOURCES", "'*'"), "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n", nil},
		{"a name that is made up is no obstacle", textOf(), "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\nspec: {containers: []}\n", []string{"refused Pod/a-: not so"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res, err := offline.Run(t.Context(), inventoryOf(t, tc.policies), inventoryOf(t, tc.objects), offline.Options{User: "eve", Groups: []string{"system:authenticated"}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, d := range res.Decisions {
				pods := ""
				if d.Pods {
					pods = "pods "
				}
				got = append(got, fmt.Sprintf("%s %s%s: %s", d.Verdict, pods, d.Object, d.Message))
			}
			if diff := cmp.Diff(got, tc.want, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("decisions (-got +want):\n%s", diff)
			}
		})
	}
}

func TestRunSaysWhatPoliciesCanHaveNoEffect(t *testing.T) {
	t.Parallel()
	alone, bound, _ := strings.Cut(textOf(), "---")
	for _, tc := range []struct{ name, policies, want string }{
		{"no binding", alone, "policy p has no binding: it is never asked"},
		{"a binding without its policy", alone + "---" + strings.Replace(bound, "policyName: p", "policyName: q", 1), "binding b names policy q, which is not among the files"},
		{"no creation", textOf("OPERATIONS", "DELETE"), "policy p is about no creation: nothing in files can show what it does"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			res, err := offline.Run(t.Context(), inventoryOf(t, tc.policies), inventoryOf(t, deployment), offline.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(res.Remarks, tc.want) || len(res.Decisions) > 0 {
				t.Errorf("remarks %q and decisions %v, want remark %q and no decision", res.Remarks, res.Decisions, tc.want)
			}
		})
	}
}

func TestRunRefusesBrokenPolicies(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, policies, want string }{
		{"an expression that does not compile", textOf("EXPRESSION", "objekt.a"), "undeclared reference to 'objekt'"},
		{"a field that does not exist", strings.Replace(textOf(), "validations:", "validation:", 1), `unknown field "spec.validation"`},
		{"no policy at all", deployment, "there is no ValidatingAdmissionPolicy"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := offline.Run(t.Context(), inventoryOf(t, tc.policies), inventoryOf(t, deployment), offline.Options{})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}
