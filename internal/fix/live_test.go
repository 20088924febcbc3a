package fix_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/fix"
	"github.com/redoubt-k8s/redoubt/internal/gen"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// patchesOf fixes manifests as if they were the objects of a cluster.
func patchesOf(t *testing.T, text string, gaps []inventory.Gap, controls ...string) *fix.Result {
	t.Helper()
	inv := new(inventory.Inventory)
	res, err := decode.File([]byte(text), &inventory.Origin{Kind: inventory.FromSnapshot, Root: "prod.redoubt"}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	inv.Add(res.Objects...)
	inv.Gaps, inv.ClusterWide = gaps, true
	inv.Seal()
	opts := fix.Options{Safety: control.Review, User: 10001, Limits: decode.DefaultLimits(), Selected: make(map[string]bool)}
	opts.Judge, opts.Controls = judge(t)
	for id := range opts.Controls {
		opts.Selected[id] = len(controls) == 0 || slices.Contains(controls, id)
	}
	out, err := fix.Run(inv, opts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestLiveObjectsGetThePatchOfTheirKind(t *testing.T) {
	t.Parallel()
	const containers = "containers: [{name: a, securityContext: {privileged: true}}, {name: b}]"
	for name, tc := range map[string]struct {
		text, control string
		kind          fix.PatchType
		want, command string
	}{
		"a field of one container": {
			"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {" + containers + "}}}\n",
			"privileged-container", fix.Strategic,
			"spec:\n  template:\n    spec:\n      containers:\n        - name: a\n          securityContext:\n            privileged: null\n",
			"kubectl patch deployment.apps a -n shop --type=strategic --patch-file=001-patch-shop-deployment-a.yaml",
		},
		"a list of a custom resource": {
			"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a, namespace: shop}\nspec: {template: {spec: {" + containers + "}}}\n",
			"privileged-container", fix.JSON,
			"- op: test\n  path: /spec/template/spec/containers/0/name\n  value: a\n- op: remove\n  path: /spec/template/spec/containers/0/securityContext/privileged\n",
			"kubectl patch rollout.argoproj.io a -n shop --type=json --patch-file=001-patch-shop-rollout-a.yaml",
		},
		"a map of a custom resource": {
			"apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a, namespace: shop}\nspec: {mtls: {mode: PERMISSIVE}, selector: {matchLabels: {a: b}}}\n",
			"mesh-allows-plaintext", fix.Merge,
			"spec:\n  mtls:\n    mode: STRICT\n",
			"kubectl patch peerauthentication.security.istio.io a -n shop --type=merge --patch-file=001-patch-shop-peerauthentication-a.yaml",
		},
		"a name that a shell would take apart": {
			"apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: \"a; rm -rf '/'\", namespace: shop}\nspec: {template: {spec: {hostPID: true, containers: [{name: a}]}}}\n",
			"host-pid", fix.Merge,
			"spec:\n  template:\n    spec:\n      hostPID: null\n",
			`kubectl patch rollout.argoproj.io 'a; rm -rf '\''/'\''' -n shop --type=merge --patch-file=001-patch-shop-rollout-a--rm--rf.yaml`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := patchesOf(t, tc.text, nil, tc.control)
			if len(res.Patches) != 1 || res.After != 0 || len(res.Texts) > 0 {
				t.Fatalf("patches %v, findings from %d to %d, refused %v, texts %v", res.Patches, res.Before, res.After, res.Refused, res.Texts)
			}
			p := res.Patches[0]
			if diff := cmp.Diff([]string{string(p.Type), p.Text, p.Command}, []string{string(tc.kind), tc.want, tc.command}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLiveObjectsThatWouldBeSetBackAreRefused(t *testing.T) {
	t.Parallel()
	const spec = "spec: {hostPID: true, containers: [{name: a}]}\n"
	template := "spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, " + strings.TrimSpace(spec) + "}}\n"
	for name, tc := range map[string]struct{ text, control, want string }{
		"a pod":                  {head + spec, "host-pid", "can't be changed once it is there"},
		"a job":                  {"apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\n" + template, "host-pid", "can't be changed once it is there"},
		"a pod of a kubelet":     {"apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {kubernetes.io/config.mirror: x}}\n" + spec, "host-pid", "static pod"},
		"what an operator makes": {"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, ownerReferences: [{apiVersion: x/v1, kind: Shop, name: s, uid: u, controller: true}]}\n" + template, "host-pid", "it is made by Shop/s"},
		"a kubelet":              {"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nauthentication: {anonymous: {enabled: true}}\n", "kubelet-anonymous", "configuration of a component"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := patchesOf(t, tc.text, nil, tc.control)
			if len(res.Patches)+len(res.Edits) > 0 || len(res.Refused) != 1 || !strings.Contains(res.Refused[0].Reason, tc.want) {
				t.Errorf("patches %v, refused %v", res.Patches, res.Refused)
			}
		})
	}
}

func TestNewObjectsComeInAnOrderThatLocksNobodyOut(t *testing.T) {
	t.Parallel()
	text, _, _ := strings.Cut(shopServices, "---\napiVersion: networking.k8s.io/v1")
	text = strings.Replace(text, "metadata: {name: shop}", "metadata: {name: shop, labels: {}}", 1)
	res := patchesOf(t, text, nil, "default-deny-ingress", "default-deny-egress", "limit-range-missing", "pod-security-level-missing")
	var got []string
	for _, p := range res.Patches {
		got = append(got, string(p.Type)+" "+p.Object)
	}
	want := []string{
		"create shop/NetworkPolicy/allow-to-db", "create shop/NetworkPolicy/allow-to-web",
		"create shop/NetworkPolicy/allow-dns", "create shop/NetworkPolicy/allow-within-namespace",
		"patch Namespace/shop",
		"create shop/NetworkPolicy/default-deny-ingress", "create shop/NetworkPolicy/default-deny-egress", "create shop/LimitRange/defaults",
	}
	place := func(list []string, what string) int {
		return slices.Index(list, strings.Replace(what, "patch ", "strategic ", 1))
	}
	for i, a := range want {
		for _, b := range want[i+1:] {
			if place(got, a) < 0 || strings.Contains(a, "allow") && !strings.Contains(b, "allow") && place(got, b) < place(got, a) {
				t.Fatalf("%s does not come before %s in\n%s", a, b, strings.Join(got, "\n"))
			}
		}
	}
	if res.After != 0 {
		t.Errorf("findings from %d to %d: %v", res.Before, res.After, res.Refused)
	}

	gap := []inventory.Gap{{What: "services", Why: "forbidden", Kinds: []string{"Service"}}}
	res = patchesOf(t, text, gap, "default-deny-ingress")
	if len(res.Patches) > 0 || len(res.Refused) != 1 || !strings.Contains(res.Refused[0].Reason, "not all of the cluster could be read") {
		t.Errorf("with a gap: patches %v, refused %v", res.Patches, res.Refused)
	}
}

// TestMemoryChangesNoVerdict judges one inventory after another with and without
// a memory.
func TestMemoryChangesNoVerdict(t *testing.T) {
	t.Parallel()
	compiled, err := everything()
	if err != nil {
		t.Fatal(err)
	}
	memory := new(check.Memory)
	for seed := range uint64(4) {
		files := make(map[string]string)
		for i, text := range gen.Manifests(24, gen.Options{Seed: seed / 2, Same: 0.3}) { //nolint:mnd // each twice
			if seed%2 == 1 { //nolint:mnd // the second time some have changed
				text = strings.Replace(text, "allowPrivilegeEscalation: true", "privileged: true", i%3)
			}
			files[string(rune('a'+i))+".yaml"] = text
		}
		got := check.Run(load(t, files), compiled, check.Options{Memory: memory})
		want := check.Run(load(t, files), compiled, check.Options{})
		lines := func(r check.Result) []string {
			out := make([]string, len(r.Findings))
			for i := range r.Findings {
				f := &r.Findings[i]
				out[i] = strings.Join([]string{f.Control, f.Verdict.String(), f.Ref(), f.Path, f.Message, f.Location().File}, " ")
			}
			return out
		}
		if diff := cmp.Diff(lines(got), lines(want)); diff != "" || got.Passed != want.Passed || got.NotApplicable != want.NotApplicable {
			t.Errorf("seed %d: passed %d and %d, not applicable %d and %d\n%s", seed, got.Passed, want.Passed, got.NotApplicable, want.NotApplicable, diff)
		}
	}
}

// TestPoliciesThatMayDoNothing wants policies where it can't be told who acts on
// them, with a word on it, and none where it is known that nobody does.
func TestPoliciesThatMayDoNothing(t *testing.T) {
	t.Parallel()
	const namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: {containers: [{name: a, image: a}]}\n"
	plugin := func(image string) string {
		return "---\napiVersion: v1\nkind: Pod\nmetadata: {name: net, namespace: kube-system}\nspec: {containers: [{name: net, image: " + image + "}]}\nstatus: {phase: Running}\n"
	}
	for name, tc := range map[string]struct {
		text          string
		patches, step bool
	}{
		"nobody is known to act on them":  {namespace, true, true},
		"a plugin acts on them":           {namespace + plugin("quay.io/cilium/cilium:v1.18.1"), true, false},
		"the only plugin lets them lie":   {namespace + plugin("docker.io/flannel/flannel:v0.27.0"), false, false},
		"one lets them lie, one does not": {namespace + plugin("docker.io/flannel/flannel:v0.27.0") + strings.ReplaceAll(plugin("quay.io/cilium/cilium:v1.18.1"), "name: net", "name: more"), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := patchesOf(t, tc.text, nil, "default-deny-ingress", "default-deny-egress")
			patches := slices.ContainsFunc(res.Patches, func(p fix.Patch) bool { return strings.Contains(p.Object, "default-deny-ingress") })
			steps := strings.Join(res.Steps, "\n")
			if patches != tc.patches || strings.Contains(steps, "enforces network policies can't be told") != tc.step {
				t.Errorf("policies: %t, want %t; steps: %q; refused: %v", patches, tc.patches, steps, res.Refused)
			}
		})
	}
}
