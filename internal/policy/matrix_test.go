package policy_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/policy"
	"github.com/redoubt-k8s/redoubt/internal/prove"
)

// sample is one object of a test, completed, with the controls to compare.
type sample struct {
	name   string
	object map[string]any
	// own is the name of the policy the test is about, if it is one of a control.
	own string
	// level and want, which is pass or fail, are set for fixtures of Pod Security.
	level, want string
	// verdicts are those of the scan by policy.
	verdicts map[string]finding.Verdict
	answer   answer
	// created is the audit id of the pod to which ephemeral containers were added.
	created string
	// denied tells whether the own policy refused the object.
	denied bool
}

// latest is the version of controls that tests of controls mean by default.
const latest = "latest"

// judged are compiled controls by the name of their policy.
type judged map[string]*control.Compiled

func sources(t *testing.T) []*control.Control {
	t.Helper()
	controls, _, err := catalogue.Sources()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(controls, func(c *control.Control) bool { return c.Analysis })
}

func compile(t *testing.T, c *control.Control, version string) *control.Compiled {
	t.Helper()
	minor, err := control.ParseMinor(version)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := control.Compile(c, minor, nil)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// generate makes the policies of a version, with the version in their names
// unless it is the latest.
func generate(t *testing.T, controls []*control.Control, version string, o policy.Options) ([]policy.Policy, judged) {
	t.Helper()
	var compiled []*control.Compiled
	for _, c := range controls {
		compiled = append(compiled, compile(t, c, version))
	}
	made, _ := policy.Generate(compiled, o)
	all := make(judged)
	for _, p := range made {
		if version != latest {
			p.Policy.Name += "." + version
			p.Binding.Name, p.Binding.Spec.PolicyName = p.Policy.Name, p.Policy.Name
		}
		i := slices.IndexFunc(compiled, func(c *control.Compiled) bool { return c.ID == p.Control.ID })
		all[p.Policy.Name] = compiled[i]
	}
	return made, all
}

// scan judges one object by compiled controls.
func scan(t *testing.T, object map[string]any, controls judged) map[string]finding.Verdict {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string]finding.Verdict)
	objects, err := checktest.YAML(text, &inventory.Origin{File: "object.json"})
	if err != nil {
		t.Fatal(err)
	}
	inv := new(inventory.Inventory)
	inv.Add(objects...)
	inv.Seal()
	for name, c := range controls {
		out[name] = worst(check.Run(inv, []*control.Compiled{c}, check.Options{Passed: true}).Findings)
	}
	return out
}

func worst(findings []finding.Finding) finding.Verdict {
	got := finding.NotApplicable
	for _, f := range findings {
		switch {
		case f.Verdict == finding.Fail:
			return finding.Fail
		case f.Verdict == finding.Unknown:
			got = finding.Unknown
		case got == finding.NotApplicable:
			got = f.Verdict
		}
	}
	return got
}

// samplesOf makes samples of a manifest. Objects of kinds that the API server
// doesn't know are judged as the pods they stand for.
func samplesOf(t *testing.T, name, manifest string) []*sample {
	t.Helper()
	var out []*sample
	objects, err := checktest.YAML([]byte(manifest), &inventory.Origin{File: "manifest.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range objects {
		tree, ok := o.Root.Any().(map[string]any)
		if !ok {
			continue
		}
		if tree["apiVersion"] == nil {
			tree["apiVersion"], tree["kind"] = "v1", o.Kind // an item of a typed list
		}
		add := func(object map[string]any) {
			out = append(out, &sample{name: fmt.Sprintf("%s #%d %s", name, i, o.Kind), object: prove.Complete(object)})
		}
		if prove.Templated(o.Kind) || len(o.PodTemplates()) == 0 {
			add(tree)
			continue
		}
		for _, template := range o.PodTemplates() {
			add(podOf(o, template))
		}
	}
	return out
}

func podOf(o *inventory.Object, t *inventory.PodTemplate) map[string]any {
	var metadata map[string]any
	if t.Meta != nil {
		metadata, _ = t.Meta.Any().(map[string]any)
	}
	spec, _ := t.Spec.Any().(map[string]any)
	return prove.AsPod(o.Namespace, metadata, spec)
}

// clusterScoped are the kinds of samples that are in no namespace.
var clusterScoped = []string{
	"Namespace", "PersistentVolume", "APIService", "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration",
	"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy", "ClusterPolicy", "ClusterRole", "ClusterRoleBinding",
}

// pathOf is where objects of the kind are created. The namespace is made.
func (s *server) pathOf(object map[string]any) string {
	s.t.Helper()
	version, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	gv, err := schema.ParseGroupVersion(version)
	if err != nil {
		return ""
	}
	path := "/apis/" + version
	if gv.Group == "" {
		path = "/api/" + version
	}
	if slices.Contains(clusterScoped, kind) {
		return path + "/" + policy.Plural(kind)
	}
	metadata, _ := object["metadata"].(map[string]any)
	namespace, _ := metadata["namespace"].(string)
	if namespace == "" {
		namespace = "default"
	}
	if kind == "ServiceAccount" {
		namespace = "accounts"                                            // where there is none yet
		_ = s.send(http.MethodPost, "/api/v1/namespaces", map[string]any{ // it may be there
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": namespace},
		})
		metadata["namespace"] = namespace
	} else {
		s.namespace(namespace, nil)
	}
	return path + "/namespaces/" + namespace + "/" + policy.Plural(kind)
}

// prepare makes what a pod refers to and cannot be created without.
func (s *server) prepare(path string, spec map[string]any) {
	s.t.Helper()
	for _, need := range []struct{ name, path, version, kind string }{
		{"serviceAccountName", strings.TrimSuffix(path, "pods") + "serviceaccounts", "v1", "ServiceAccount"},
		{"runtimeClassName", "/apis/node.k8s.io/v1/runtimeclasses", "node.k8s.io/v1", "RuntimeClass"},
	} {
		name, ok := spec[need.name].(string)
		if !ok || name == "" || s.known[need.path+name] {
			continue
		}
		s.known[need.path+name] = true
		a := s.send(http.MethodPost, need.path, map[string]any{
			"apiVersion": need.version, "kind": need.kind, "metadata": map[string]any{"name": name}, "handler": "any",
		})
		if a.code != http.StatusConflict {
			s.must(a)
		}
	}
}

// ask sends a sample as a dry run. A pod with ephemeral containers is created
// without them, and then gets them the way the API has for it.
func (s *server) ask(x *sample) {
	s.t.Helper()
	path := s.pathOf(x.object)
	spec, _ := x.object["spec"].(map[string]any)
	if x.object["kind"] == "Pod" {
		s.prepare(path, spec)
	}
	ephemeral, _ := spec["ephemeralContainers"].([]any)
	if x.object["kind"] != "Pod" || len(ephemeral) == 0 {
		x.answer = s.send(http.MethodPost, path+"?dryRun=All", x.object)
		if x.answer.code == http.StatusConflict && x.object["kind"] == "Namespace" {
			// Every cluster has it: it is judged as an update.
			name, _ := x.object["metadata"].(map[string]any)["name"].(string)
			x.answer = s.send(http.MethodPut, path+"/"+name+"?dryRun=All", x.object)
		}
		return
	}
	bare := maps.Clone(x.object)
	bare["spec"] = maps.Clone(spec)
	delete(bare["spec"].(map[string]any), "ephemeralContainers") //nolint:errcheck,forcetypeassert // just put there
	created := s.send(http.MethodPost, path, bare)
	x.created = created.auditID
	if !created.ok() {
		x.answer = created
		return
	}
	var stored map[string]any
	if err := json.Unmarshal(created.body, &stored); err != nil {
		s.t.Fatal(err)
	}
	stored["spec"].(map[string]any)["ephemeralContainers"] = spec["ephemeralContainers"] //nolint:errcheck,forcetypeassert // a stored pod has it
	name, _ := stored["metadata"].(map[string]any)["name"].(string)
	x.answer = s.send(http.MethodPut, path+"/"+name+"/ephemeralcontainers?dryRun=All", stored)
	s.must(s.send(http.MethodDelete, path+"/"+name+"?gracePeriodSeconds=0", nil))
}

// policyLabel marks the objects that the policy it names shall refuse.
const policyLabel = "test.redoubt.dev/policy"

// onLabel is a second binding of a policy, which refuses.
func onLabel(p policy.Policy) *admissionregistrationv1.ValidatingAdmissionPolicyBinding {
	b := p.Binding.DeepCopy()
	b.Name = "refuse-" + b.Name
	b.Spec.ValidationActions = []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}
	b.Spec.MatchResources = &admissionregistrationv1.MatchResources{ObjectSelector: &metav1.LabelSelector{MatchLabels: map[string]string{policyLabel: p.Policy.Name}}}
	return b
}

// askAgain sends the sample with only its own policy set to refuse.
func (s *server) askAgain(x *sample) {
	s.t.Helper()
	if x.own == "" || !x.answer.ok() {
		return
	}
	labelled := maps.Clone(x.object)
	metadata, _ := x.object["metadata"].(map[string]any)
	metadata = maps.Clone(metadata)
	labels, _ := metadata["labels"].(map[string]any)
	labels = maps.Clone(labels)
	if labels == nil {
		labels = make(map[string]any)
	}
	labels[policyLabel] = x.own
	metadata["labels"] = labels
	labelled["metadata"] = metadata
	again := &sample{name: x.name, object: labelled}
	s.ask(again)
	refused := !again.answer.ok()
	byPolicy := strings.Contains(again.answer.status.Message, "ValidatingAdmissionPolicy '"+x.own+"'")
	if refused != (x.verdicts[x.own] == finding.Fail) || refused && (!byPolicy || again.answer.code != http.StatusForbidden) {
		s.t.Errorf("%s: scan says %s, the API server answers %d %s", x.name, x.verdicts[x.own], again.answer.code, again.answer.status.Message)
	}
	x.denied = refused
}

// TestScanAgreesWithPolicies is the matrix: every test of every control that
// has an admission face, and all fixtures of Pod Security, are judged by the
// scan and by the generated policies on a real API server.
func TestScanAgreesWithPolicies(t *testing.T) {
	t.Parallel()
	s := startServer(t, clustertest.Options{Without: clustertest.ControlPlaneOnly})
	s.defineCustomKinds()
	controls := sources(t)
	made, samples := testsOfControls(t, controls)
	_, current := generate(t, controls, latest, policy.Options{})
	samples = append(samples, fixtures(t, current)...)
	samples = append(samples, examples(t, current)...)
	s.compare(t, made, samples)
	s.compareUpdates(t, samples, current)
}

// versions are the policies of each version that tests of controls name.
type versions struct {
	made []policy.Policy
	all  map[string]judged
}

// add generates the policy of a control as it is in a version.
func (v *versions) add(t *testing.T, c *control.Control, version string) {
	t.Helper()
	if v.all[version] == nil {
		v.all[version] = make(judged)
	}
	older, compiled := generate(t, []*control.Control{c}, version, policy.Options{})
	for _, p := range older {
		if v.all[version][p.Policy.Name] == nil {
			v.made = append(v.made, p)
		}
	}
	maps.Copy(v.all[version], compiled)
}

func testsOfControls(t *testing.T, controls []*control.Control) ([]policy.Policy, []*sample) {
	t.Helper()
	made, current := generate(t, controls, latest, policy.Options{})
	v := &versions{made, map[string]judged{latest: current}}
	var samples []*sample
	for _, c := range controls {
		for _, test := range c.Tests {
			if test.File != "" && test.File != "manifest.yaml" {
				continue
			}
			version, own := cmp.Or(test.Version, latest), policy.Name(c.ID, policy.Stored)
			if version != latest {
				v.add(t, c, version)
				own += "." + version
			}
			if v.all[version][own] == nil {
				continue // the control has no admission face
			}
			for _, x := range samplesOf(t, c.ID+": "+test.Name, test.Manifest) {
				x.own = own
				x.verdicts = scan(t, x.object, current)
				maps.Copy(x.verdicts, scan(t, x.object, v.all[version]))
				samples = append(samples, x)
			}
		}
	}
	return v.made, samples
}

// checkLevel holds the controls of a Pod Security level, as the policies see
// them, against what Pod Security itself says of a fixture.
func checkLevel(t *testing.T, x *sample, made []policy.Policy, failed map[string]string) {
	t.Helper()
	var violated []string
	for _, p := range made {
		pss := p.Control.Maps.PSS
		if pss == "" || x.level == "baseline" && !strings.HasPrefix(pss, "baseline/") || p.Policy.Name != policy.Name(p.Control.ID, policy.Stored) {
			continue
		}
		if failed[p.Policy.Name] != "" {
			violated = append(violated, p.Policy.Name)
		}
	}
	if (x.want == "fail") != (len(violated) > 0) {
		t.Errorf("%s: want %s, violated are %q", x.name, x.want, violated)
	}
}

func order(x *sample) int {
	if x.object["kind"] == "Namespace" {
		return 0
	}
	return 1
}

// compare sends all samples, and holds what the policies say against the scan.
func (s *server) compare(t *testing.T, made []policy.Policy, samples []*sample) {
	t.Helper()
	var policies []*admissionregistrationv1.ValidatingAdmissionPolicy
	var bindings []*admissionregistrationv1.ValidatingAdmissionPolicyBinding
	for _, p := range made {
		p.Policy.Spec.AuditAnnotations = []admissionregistrationv1.AuditAnnotation{{
			Key: "violation", ValueExpression: "variables.violation",
		}}
		policies, bindings = append(policies, p.Policy), append(bindings, p.Binding, onLabel(p))
	}
	s.apply(policies, bindings)
	// Namespaces come first: later samples need some of the same names.
	slices.SortStableFunc(samples, func(a, b *sample) int { return cmp.Compare(order(a), order(b)) })
	for _, x := range samples {
		s.ask(x)
		s.askAgain(x)
	}
	failures := s.failures()
	var n counts
	for _, x := range samples {
		if !x.answer.ok() {
			n.refused++
			why := refusalOf(x)
			if why == "" {
				t.Errorf("refused before policy, but not by the scan: %s: %d %.250s", x.name, x.answer.code, x.answer.status.Message)
			}
			t.Logf("refused before policy, %s: %s: %.200s", why, x.name, x.answer.status.Message)
			continue
		}
		failed, ok := failures[x.answer.auditID]
		if !ok {
			t.Fatalf("%s: the audit log has no event %s", x.name, x.answer.auditID)
		}
		n.add(t, x, failed, failures[x.created])
		if x.level != "" {
			checkLevel(t, x, made, failed)
		}
	}
	t.Logf("%d policies, %d objects (%d fixtures of Pod Security compared), %d refused by the API server itself and faulted by the scan; "+
		"%d verdicts compared: %d violations, %d none, no exception; %d objects sent with their own policy set to refuse, %d of them refused",
		len(made), len(samples), n.fixtures, n.refused, n.failed+n.passed, n.failed, n.passed, n.own, n.denied)
	if n.failed < 1000 || n.passed < 1000 {
		t.Error("too few verdicts were compared")
	}
}

// counts are what was compared.
type counts struct{ failed, passed, own, denied, refused, fixtures int }

// add compares the verdicts about a sample. A fault that was there before
// ephemeral containers were added was refused when the pod was created.
func (n *counts) add(t *testing.T, x *sample, failed, before map[string]string) {
	t.Helper()
	if x.own != "" {
		n.own++
	}
	if x.denied {
		n.denied++
	}
	if x.level != "" {
		n.fixtures++
	}
	for name, verdict := range x.verdicts {
		message := cmp.Or(failed[name], before[name])
		violated := message != ""
		switch {
		case violated != (verdict == finding.Fail) || verdict == finding.Unknown || strings.Contains(message, "resulted in error"):
			t.Errorf("%s: %s: scan says %s, policy %t (%s)\n%v", x.name, name, verdict, violated, message, x.object)
		case violated:
			n.failed++
		default:
			n.passed++
		}
	}
}
