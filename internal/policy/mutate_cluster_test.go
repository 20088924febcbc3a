package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
	"github.com/redoubt-k8s/redoubt/internal/clustertest"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/policy"
)

// mutated is a server with mutating policies in force, and the way to it of
// somebody whom they leave alone.
type mutated struct {
	*server
	glass *server
	made  []policy.Mutation
}

// mutating starts a server of a version with the mutating policies of all
// controls.
func mutating(t *testing.T, version string, o policy.Options) *mutated {
	t.Helper()
	options := clustertest.Options{Without: clustertest.ControlPlaneOnly}
	if version != "1.36" {
		options.EmulatedVersion = version
		options.Flags = map[string][]string{"kube-apiserver": {
			"--feature-gates=MutatingAdmissionPolicy=true", "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
			// The plugin of v1.36 watches v1, which these versions do not serve.
			"--emulation-forward-compatible=true",
		}}
	}
	s := startServer(t, options)
	s.namespace("default", nil)
	s.namespace("kube-system", nil)
	m := &mutated{server: s, glass: connect(t, s.cluster, s.cluster.User(t, "eve", "system:masters", policy.DefaultBreakGlass))}
	m.glass.known = s.known
	m.made = mutations(t, sources(t), version, o)
	m.bind(m.made, pod(m.t, `{containers: [{name: a, image: x, livenessProbe: {httpGet: {host: a, port: 80}}}]}`), func(got string) bool {
		return strings.Contains(got, `"allowPrivilegeEscalation":false`) && !strings.Contains(got, `"host":`)
	})
	return m
}

func mutations(t *testing.T, controls []*control.Control, version string, o policy.Options) []policy.Mutation {
	t.Helper()
	minor, err := control.ParseMinor(version)
	if err != nil {
		t.Fatal(err)
	}
	var compiled []*control.Compiled
	for _, c := range controls {
		compiled = append(compiled, compile(t, c, latest))
	}
	made, _ := policy.Mutations(compiled, minor, o)
	if len(made) == 0 {
		t.Fatal("no control has a mutating policy")
	}
	return made
}

// bind creates policies and waits until what a pod becomes shows that they act.
func (m *mutated) bind(made []policy.Mutation, probe map[string]any, act func(got string) bool) {
	m.t.Helper()
	for _, p := range made {
		path := "/apis/" + p.Policy.APIVersion + "/"
		m.must(m.send(http.MethodPost, path+"mutatingadmissionpolicies", p.Policy))
		m.must(m.send(http.MethodPost, path+"mutatingadmissionpolicybindings", p.Binding))
	}
	for range 900 {
		a := m.send(http.MethodPost, podsPath+"?dryRun=All", probe)
		if a.ok() && act(string(a.body)) {
			return
		}
		time.Sleep(100 * time.Millisecond) // policies come by a watch
	}
	m.t.Fatal("the policies do not act after a minute and a half")
}

const podsPath = "/api/v1/namespaces/default/pods"

func pod(t *testing.T, spec string) map[string]any {
	t.Helper()
	return parsed(t, "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: default}, spec: "+spec+"}")
}

func parsed(t *testing.T, text string) map[string]any {
	t.Helper()
	objects, err := checktest.YAML([]byte(text), &inventory.Origin{File: "object.yaml"})
	if err != nil || len(objects) != 1 {
		t.Fatal(len(objects), err)
	}
	return objects[0].Root.Any().(map[string]any) //nolint:errcheck,forcetypeassert // it is one
}

var (
	tokenName = regexp.MustCompile(`kube-api-access-[a-z0-9]+`)
	jobLabel  = regexp.MustCompile(`"(batch.kubernetes.io/)?(controller-uid|job-name)":"[^"]*",?`)
)

// stored is the object in an answer, without what differs by chance.
func (a *answer) stored(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	body := tokenName.ReplaceAll(jobLabel.ReplaceAll(a.body, nil), []byte("kube-api-access-chance"))
	if err := json.Unmarshal(bytes.ReplaceAll(body, []byte(",}"), []byte("}")), &out); err != nil {
		t.Fatal(err)
	}
	if out["kind"] == "Job" {
		delete(out["spec"].(map[string]any), "selector") //nolint:errcheck,forcetypeassert // a job has it
	}
	metadata := out["metadata"].(map[string]any) //nolint:errcheck,forcetypeassert // a stored object has it
	for _, field := range []string{"uid", "creationTimestamp", "managedFields", "resourceVersion"} {
		delete(metadata, field)
	}
	return out
}

// diff lists the fields that differ between two trees, with both values.
func diff(path string, before, after any, into map[string]string) {
	b, isMap := before.(map[string]any)
	a, both := after.(map[string]any)
	if isMap && both {
		for key := range maps.All(mergedKeys(a, b)) {
			diff(inventory.JoinPath(path, key), b[key], a[key], into)
		}
		return
	}
	bl, isList := before.([]any)
	al, both := after.([]any)
	if isList && both && len(al) == len(bl) {
		for i := range al {
			diff(inventory.JoinIndex(path, i), bl[i], al[i], into)
		}
		return
	}
	if !gocmp.Equal(before, after) {
		into[path] = text(before) + " -> " + text(after)
	}
}

func mergedKeys(a, b map[string]any) map[string]any {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func text(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(out)
}

// twice sends an object with and without the policies, and once more what came
// back. It returns both forms and the fields that differ.
func (m *mutated) twice(path string, object map[string]any) (map[string]any, map[string]any, map[string]string) {
	m.t.Helper()
	plain, fixed := m.glass.send(http.MethodPost, path+"?dryRun=All", object), m.send(http.MethodPost, path+"?dryRun=All", object)
	if !plain.ok() || !fixed.ok() {
		m.t.Fatalf("%s is answered %d %s, with the policies %d %s", text(object), plain.code, plain.status.Message, fixed.code, fixed.status.Message)
	}
	before, after := plain.stored(m.t), fixed.stored(m.t)
	changed := make(map[string]string)
	diff("", before, after, changed)
	again := m.send(http.MethodPost, path+"?dryRun=All", after)
	m.must(again)
	if d := gocmp.Diff(again.stored(m.t), after); d != "" {
		m.t.Errorf("%s: a second pass changes (-second +first):\n%s", text(object), d)
	}
	return before, after, changed
}

const context = ".securityContext"

// noEscalation is the change of a container at a path that has no security
// context.
func noEscalation(at string) map[string]string {
	return map[string]string{at + context: `null -> {"allowPrivilegeEscalation":false}`}
}

func merge(all ...map[string]string) map[string]string {
	out := make(map[string]string)
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

func TestMutatingPoliciesMendAndBreakNothing(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"1.34", "1.35", "1.36"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			m := mutating(t, version, enforced())
			m.announced(t)
			if version == "1.36" {
				m.fewerFindings(t)
				m.leaveAlone(t)
				m.ownFixes(t)
			}
		})
	}
}

// announced sends objects in which only the announced fields may change.
func (m *mutated) announced(t *testing.T) {
	t.Helper()
	for _, tc := range announcements {
		_, _, changed := m.twice(podsPath, pod(t, tc.spec))
		if d := gocmp.Diff(changed, merge(tc.want)); d != "" {
			t.Errorf("%s: changes (-got +want):\n%s", tc.name, d)
		}
	}
	for path, text := range workloads {
		_, _, changed := m.twice(path, object(t, text, "a", goodContainer))
		want := noEscalation(containerOf[path[strings.LastIndex(path, "/")+1:]])
		if d := gocmp.Diff(changed, want); d != "" {
			t.Errorf("%s: changes (-got +want):\n%s", path, d)
		}
	}
}

// containerOf is where the resources of workloads keep their first container.
var containerOf = map[string]string{
	"podtemplates": "template.spec.containers[0]", "replicationcontrollers": "spec.template.spec.containers[0]",
	"deployments": "spec.template.spec.containers[0]", "replicasets": "spec.template.spec.containers[0]",
	"statefulsets": "spec.template.spec.containers[0]", "daemonsets": "spec.template.spec.containers[0]",
	"cronjobs": "spec.jobTemplate.spec.template.spec.containers[0]", "jobs": "spec.template.spec.containers[0]",
}

var announcements = []struct {
	name, spec string
	want       map[string]string
}{
	{"no security context", `{containers: [{name: a, image: x}]}`, noEscalation("spec.containers[0]")},
	{
		"an empty security context", `{containers: [{name: a, image: x, securityContext: {}}]}`,
		map[string]string{"spec.containers[0].securityContext.allowPrivilegeEscalation": "null -> false"},
	},
	{
		"a security context with other fields", `{containers: [{name: a, image: x, securityContext: {runAsUser: 1}}]}`,
		map[string]string{"spec.containers[0].securityContext.allowPrivilegeEscalation": "null -> false"},
	},
	{"null", `{containers: [{name: a, image: x, securityContext: null}]}`, noEscalation("spec.containers[0]")},
	{"who says true keeps it", `{containers: [{name: a, image: x, securityContext: {allowPrivilegeEscalation: true}}]}`, nil},
	{"who says false keeps it", `{containers: [{name: a, image: x, securityContext: {allowPrivilegeEscalation: false}}]}`, nil},
	{"privileged can't have it", `{containers: [{name: a, image: x, securityContext: {privileged: true}}]}`, nil},
	{"nor can CAP_SYS_ADMIN", `{containers: [{name: a, image: x, securityContext: {capabilities: {add: [CAP_SYS_ADMIN]}}}]}`, nil},
	{"for SYS_ADMIN it would mean nothing", `{containers: [{name: a, image: x, securityContext: {capabilities: {add: [SYS_ADMIN]}}}]}`, nil},
	{"Windows has no such switch", `{os: {name: windows}, containers: [{name: a, image: x}]}`, nil},
	{
		"one of three containers", `{containers: [{name: a, image: x, securityContext: {privileged: true}}, {name: b, image: x}, {name: c, image: x, securityContext: {allowPrivilegeEscalation: true}}]}`,
		noEscalation("spec.containers[1]"),
	},
	{
		"init containers and sidecars", `{initContainers: [{name: i, image: x}, {name: s, image: x, restartPolicy: Always}], containers: [{name: a, image: x}]}`,
		merge(noEscalation("spec.initContainers[0]"), noEscalation("spec.initContainers[1]"), noEscalation("spec.containers[0]")),
	},
	{
		"lists with a key twice", `{containers: [{name: a, image: x, env: [{name: E, value: "1"}, {name: E, value: "2"}], ports: [{containerPort: 80}, {containerPort: 80, name: b}]}]}`,
		noEscalation("spec.containers[0]"),
	},
	{
		"hosts of all probes and hooks",
		`{containers: [{name: a, image: x, securityContext: {allowPrivilegeEscalation: false},
		  livenessProbe: {httpGet: {host: h, port: 80}}, readinessProbe: {tcpSocket: {host: h, port: 80}}, startupProbe: {httpGet: {port: 80}},
		  lifecycle: {postStart: {httpGet: {host: h, port: 80}}, preStop: {tcpSocket: {host: h, port: 80}}}}]}`,
		map[string]string{
			"spec.containers[0].livenessProbe.httpGet.host": `"h" -> null`, "spec.containers[0].readinessProbe.tcpSocket.host": `"h" -> null`,
			"spec.containers[0].lifecycle.postStart.httpGet.host": `"h" -> null`, "spec.containers[0].lifecycle.preStop.tcpSocket.host": `"h" -> null`,
		},
	},
}

// leaveAlone makes objects that the policies would break, or change for nothing.
func (m *mutated) leaveAlone(t *testing.T) {
	t.Helper()
	// Older pods can be changed and get new ephemeral containers.
	old := pod(t, `{containers: [{name: a, image: x}]}`)
	m.must(m.glass.send(http.MethodPost, podsPath, old))
	debug := func(s *server, names ...string) answer {
		var list []any
		for _, name := range names {
			list = append(list, map[string]any{"name": name, "image": "x"})
		}
		return s.send(http.MethodPatch, podsPath+"/a/ephemeralcontainers", map[string]any{"spec": map[string]any{"ephemeralContainers": list}})
	}
	m.must(debug(m.glass, "first"))
	m.must(debug(m.server, "second"))
	m.must(m.send(http.MethodPatch, podsPath+"/a", map[string]any{"metadata": map[string]any{"labels": map[string]any{"x": "y"}}}))
	got := m.send(http.MethodGet, podsPath+"/a", nil)
	spec := got.stored(t)["spec"].(map[string]any) //nolint:errcheck,forcetypeassert // a pod has it
	var contexts []string
	for _, c := range append(spec["ephemeralContainers"].([]any), spec["containers"].([]any)...) { //nolint:errcheck,forcetypeassert // a pod has them
		container := c.(map[string]any) //nolint:errcheck,forcetypeassert // it is one
		contexts = append(contexts, fmt.Sprint(container["name"], " ", text(container["securityContext"])))
	}
	slices.Sort(contexts)
	if d := gocmp.Diff(contexts, []string{"a null", "first null", `second {"allowPrivilegeEscalation":false}`}); d != "" {
		t.Errorf("containers (-got +want):\n%s", d)
	}

	// What would be changed for nothing, or again and again.
	mirror := pod(t, `{containers: [{name: a, image: x}], nodeName: node-a}`)
	mirror["metadata"].(map[string]any)["name"] = "mirror"                                                  //nolint:errcheck,forcetypeassert // just put there
	mirror["metadata"].(map[string]any)["annotations"] = map[string]any{"kubernetes.io/config.mirror": "x"} //nolint:errcheck,forcetypeassert // just put there
	owner := map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "00000000-0000-4000-8000-000000000000", "controller": true}
	const replicaSets = "/apis/apps/v1/namespaces/default/replicasets"
	owned := object(t, workloads[replicaSets], "owned", goodContainer)
	owned["metadata"].(map[string]any)["ownerReferences"] = []any{owner} //nolint:errcheck,forcetypeassert // just put there
	exempt := pod(t, `{containers: [{name: a, image: x}]}`)
	exempt["metadata"].(map[string]any)["namespace"] = "kube-system" //nolint:errcheck,forcetypeassert // just put there
	for _, tc := range []struct {
		name, path string
		object     map[string]any
	}{
		{"the mirror of a static pod", podsPath, mirror},
		{"a replica set of a deployment", replicaSets, owned},
		{"an exempt namespace", strings.Replace(podsPath, "default", "kube-system", 1), exempt},
	} {
		if _, _, changed := m.twice(tc.path, tc.object); len(changed) > 0 {
			t.Errorf("%s: changed are %v", tc.name, changed)
		}
	}

	// Workloads that are older than the policy keep their template, and with it
	// their pods, until somebody changes it.
	const deployments = "/apis/apps/v1/namespaces/default/deployments"
	m.must(m.glass.send(http.MethodPost, deployments, object(t, workloads[deployments], "old", goodContainer)))
	scaled := m.send(http.MethodPatch, deployments+"/old", map[string]any{"spec": map[string]any{"replicas": 3}})
	m.must(scaled)
	if strings.Contains(string(scaled.body), "allowPrivilegeEscalation") {
		t.Error("scaling changes the template")
	}
	rolled := m.send(http.MethodPatch, deployments+"/old", map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{"x": "y"}}}}})
	m.must(rolled)
	if !strings.Contains(string(rolled.body), `"allowPrivilegeEscalation":false`) {
		t.Error("a new template does not get the fix")
	}
	const jobs = "/apis/batch/v1/namespaces/default/jobs"
	m.must(m.glass.send(http.MethodPost, jobs, object(t, workloads[jobs], "old", goodContainer)))
	m.must(m.send(http.MethodPatch, jobs+"/old", map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"nodeSelector": map[string]any{"a": "b"}}}}}))
}

// ownFixes are controls of a user, with a fix for each target.
func (m *mutated) ownFixes(t *testing.T) {
	t.Helper()
	own := func(id string, target control.Target, violation string, fix control.Fix) *control.Control {
		fix.Safety = control.Safe
		return &control.Control{ID: id, Title: id, Severity: "low", Target: target, Violation: violation, Message: id, Fix: fix}
	}
	profile := own("own-profile", control.TargetPodOrContainer, "containerField == '' && !self.?securityContext.?seccompProfile.hasValue()", control.Fix{
		Set: map[string]any{"securityContext.seccompProfile.type": "RuntimeDefault", "securityContext.fsGroup": 7},
	})
	made := mutations(t, []*control.Control{
		profile,
		own("own-share", control.TargetPodTemplate, "self.?shareProcessNamespace.orValue(false)", control.Fix{Remove: []string{"shareProcessNamespace"}}),
		own("own-volume", control.TargetVolume, "has(self.emptyDir) && !has(self.emptyDir.sizeLimit)", control.Fix{Set: map[string]any{"emptyDir.sizeLimit": "1Gi"}}),
		own("own-drop", control.TargetContainer, "containerField == 'containers' && object.kind == 'Pod' && !self.?securityContext.?capabilities.hasValue()", control.Fix{
			Set: map[string]any{"securityContext.capabilities.drop": []any{"ALL"}}, Unless: "self.name == 'b'",
		}),
		func() *control.Control {
			c := own("own-type", control.TargetObject, "!('own/key' in object.metadata.?annotations.orValue({}))", control.Fix{
				Set: map[string]any{"metadata.annotations": map[string]any{"own/key": "x"}}, Remove: []string{"immutable"},
			})
			c.Kinds = []string{"ConfigMap"}
			return c
		}(),
	}, "1.36", enforced())
	const configMapsPath = "/api/v1/namespaces/default/configmaps"
	configMap := parsed(t, "{apiVersion: v1, kind: ConfigMap, metadata: {name: own}, immutable: true}")
	probe := pod(t, `{shareProcessNamespace: true, containers: [{name: a, image: x, securityContext: {privileged: true}}], volumes: [{name: v, emptyDir: {}}]}`)
	probe["metadata"].(map[string]any)["name"] = "probe" //nolint:errcheck,forcetypeassert // just put there
	m.bind(made, probe, func(got string) bool {
		other := m.send(http.MethodPost, configMapsPath+"?dryRun=All", configMap)
		return strings.Contains(got, "RuntimeDefault") && strings.Contains(got, `"sizeLimit":"1Gi"`) && !strings.Contains(got, `"shareProcessNamespace":true`) &&
			strings.Contains(got, `"drop":["ALL"]`) && strings.Contains(string(other.body), "own/key")
	})
	object := pod(t, `{shareProcessNamespace: true, volumes: [{name: v, emptyDir: {}}, {name: w, emptyDir: {sizeLimit: 2Gi}}], initContainers: [{name: i, image: x}],
	  containers: [{name: a, image: x}, {name: b, image: x}]}`)
	object["metadata"].(map[string]any)["name"] = "own" //nolint:errcheck,forcetypeassert // just put there
	_, _, changed := m.twice(podsPath, object)
	want := map[string]string{
		"spec.securityContext.seccompProfile": `null -> {"type":"RuntimeDefault"}`, "spec.securityContext.fsGroup": "null -> 7",
		"spec.shareProcessNamespace": "true -> null", "spec.volumes[0].emptyDir.sizeLimit": `null -> "1Gi"`,
		"spec.containers[0].securityContext":     `null -> {"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}`,
		"spec.containers[1].securityContext":     `null -> {"allowPrivilegeEscalation":false}`,
		"spec.initContainers[0].securityContext": `null -> {"allowPrivilegeEscalation":false}`,
	}
	if d := gocmp.Diff(changed, want); d != "" {
		t.Errorf("a pod (-got +want):\n%s", d)
	}
	_, _, changed = m.twice(configMapsPath, configMap)
	if d := gocmp.Diff(changed, map[string]string{"immutable": "true -> null", "metadata.annotations": `null -> {"own/key":"x"}`}); d != "" {
		t.Errorf("a config map (-got +want):\n%s", d)
	}
}
