package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

func compile(t *testing.T, controls ...control.Control) []*control.Compiled {
	t.Helper()
	var out []*control.Compiled
	for i := range controls {
		c, err := control.Compile(&controls[i], control.Latest, nil)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

func inventoryOf(t *testing.T, manifests ...string) *inventory.Inventory {
	t.Helper()
	inv := new(inventory.Inventory)
	for i, m := range manifests {
		res, err := decode.File([]byte(m), &inventory.Origin{File: fmt.Sprintf("%02d.yaml", i)}, decode.DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		inv.Add(res.Objects...)
	}
	inv.Seal()
	return inv
}

func lines(res check.Result) []string {
	var out []string
	for i := range res.Findings {
		f := &res.Findings[i]
		out = append(out, fmt.Sprintf("%s %s %s %s %s: %s", f.Location(), f.Verdict, f.Control, f.Ref(), f.Path, f.Message))
	}
	return out
}

var (
	privileged = control.Control{
		ID: "privileged", Severity: "high", Target: control.TargetContainer, At: "securityContext.privileged",
		Violation: "self.?securityContext.?privileged.orValue(false)", Message: "privileged",
	}
	hostPath = control.Control{
		ID: "host-path", Severity: "high", Target: control.TargetVolume, At: "hostPath",
		Violation: "has(self.hostPath)", MessageExpression: "'mounts ' + self.hostPath.path", Message: "mounts the host",
	}
	hostPID = control.Control{
		ID: "host-pid", Severity: "medium", Target: control.TargetPodTemplate, At: "hostPID",
		When: "podSpec.?os.?name.orValue('linux') == 'linux'", Violation: "self.?hostPID.orValue(false)", Message: "hostPID",
	}
	namespaced = control.Control{
		ID: "namespaced", Severity: "low", Target: control.TargetPodTemplate,
		Violation: "namespaceObject != null && namespaceObject.metadata.?labels.?tier.orValue('') == 'prod' && !has(object.metadata.annotations)", Message: "no annotations in prod",
	}
	service = control.Control{
		ID: "service", Severity: "low", Target: control.TargetObject, Kinds: []string{"Service"}, At: "spec.type",
		Violation: "self.?spec.?type.orValue('ClusterIP') == 'NodePort'", Message: "node port",
	}
	ingress = control.Control{
		ID: "ingress", Severity: "low", Target: control.TargetObject, Kinds: []string{"Ingress.networking.k8s.io"}, At: "spec.tls",
		Violation: "!has(self.spec.tls)", Message: "no tls",
	}
)

func TestRunJudgesEveryTarget(t *testing.T) {
	t.Parallel()
	inv := inventoryOf(t, `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  hostPID: true
  initContainers: [{name: i, image: x, securityContext: {privileged: true}}]
  containers: [{name: c, image: x, securityContext: {privileged: null}}]
  ephemeralContainers: [{name: e, image: x, securityContext: {privileged: true}}]
  volumes:
  - {name: v, emptyDir: {}}
  - {name: w, hostPath: {path: /etc}}
---
apiVersion: v1
kind: Pod
metadata: {name: windows}
spec: {hostPID: true, os: {name: windows}, containers: [{name: c, image: x, securityContext: {privileged: "yes"}}]}
`, `
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: s}, spec: {type: NodePort}}
- {apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {}}
- {apiVersion: other.example.com/v1, kind: Ingress, metadata: {name: j}, spec: {}}
- {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {tier: prod}}}
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: shop}, spec: {template: {spec: {containers: [{name: c, image: x}]}}}}
`)
	res := check.Run(inv, compile(t, privileged, hostPath, hostPID, namespaced, service, ingress), check.Options{})
	want := []string{
		"00.yaml:6 fail host-pid Pod/a spec.hostPID: hostPID",
		"00.yaml:7 fail privileged Pod/a/i spec.initContainers[0].securityContext.privileged: privileged",
		"00.yaml:9 fail privileged Pod/a/e spec.ephemeralContainers[0].securityContext.privileged: privileged",
		"00.yaml:12 fail host-path Pod/a spec.volumes[1].hostPath: mounts /etc",
		"00.yaml:17 unknown privileged Pod/windows/c spec.containers[0].securityContext.privileged: " +
			`can't be told: a field has a type the API server does not accept ("self.?securityContext.?privileged.orValue(false)" yields string, want a boolean); correct the field and scan again`,
		"01.yaml:5 fail service Service/s spec.type: node port",
		"01.yaml:6 fail ingress Ingress/i spec.tls: no tls",
		"01.yaml:9 fail namespaced shop/Deployment/d spec.template.spec: no annotations in prod",
	}
	if diff := cmp.Diff(lines(res), want); diff != "" {
		t.Error(diff)
	}
	if res.NotApplicable != 1 {
		t.Errorf("%d not applicable, want 1: the Windows pod", res.NotApplicable)
	}
	all := check.Run(inv, compile(t, privileged, hostPath, hostPID, namespaced, service, ingress), check.Options{Passed: true})
	if got := len(all.Findings) - len(res.Findings); got != res.Passed || got == 0 {
		t.Errorf("%d passes kept, %d counted", got, res.Passed)
	}
}

func TestEqualTemplatesGetTheirOwnPlaces(t *testing.T) {
	t.Parallel()
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n%sspec: {containers: [{name: c, image: x, securityContext: {privileged: true}}]}\n"
	inv := inventoryOf(t, fmt.Sprintf(pod, "a", ""), fmt.Sprintf(pod, "b", "\n\n"))
	got := lines(check.Run(inv, compile(t, privileged), check.Options{}))
	want := []string{
		"00.yaml:4 fail privileged Pod/a/c spec.containers[0].securityContext.privileged: privileged",
		"01.yaml:6 fail privileged Pod/b/c spec.containers[0].securityContext.privileged: privileged",
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
}

func TestOrderOfControlsAndObjectsDoesNotMatter(t *testing.T) {
	t.Parallel()
	var manifests []string
	for i := range 40 {
		manifests = append(manifests, fmt.Sprintf(
			"apiVersion: v1\nkind: Pod\nmetadata: {name: p%d}\nspec: {hostPID: %t, containers: [{name: c, image: x, securityContext: {privileged: %t}}]}\n", i, i%2 == 0, i%3 == 0))
	}
	controls := compile(t, privileged, hostPath, hostPID)
	inv := inventoryOf(t, manifests...)
	first := lines(check.Run(inv, controls, check.Options{Passed: true}))
	slices.Reverse(controls)
	slices.Reverse(inv.Objects)
	second := lines(check.Run(inv, controls, check.Options{Passed: true}))
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(strings.Join(first, "\n"), "pass host-pid") {
		t.Error("passes are missing")
	}
}

func TestAnalysesReportUnderTheirControl(t *testing.T) {
	t.Parallel()
	c := control.Control{ID: "pods-named-a", Severity: "high", Target: control.TargetInventory, Analysis: true}
	compiled, err := control.Compile(&c, control.Latest, func(inv *inventory.Inventory, report func(finding.Finding)) {
		for _, o := range inv.Kind("Pod", "") {
			f := finding.Finding{Verdict: finding.Pass, Object: o}
			if o.Name == "a" {
				f.Verdict, f.Severity, f.Message = finding.Fail, finding.Low, "named a"
			}
			report(f)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	inv := inventoryOf(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\n")
	res := check.Run(inv, []*control.Compiled{compiled}, check.Options{})
	if len(res.Findings) != 1 || res.Findings[0].Control != c.ID || res.Findings[0].Severity != finding.Low || res.Passed != 1 {
		t.Errorf("got %+v", res)
	}
}
