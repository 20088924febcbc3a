package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/schema"
)

func object(t *testing.T, text string) *inventory.Object {
	t.Helper()
	res, err := decode.File([]byte(text), &inventory.Origin{File: "a.yaml"}, decode.DefaultLimits())
	if err != nil || len(res.Objects) != 1 {
		t.Fatalf("got %d objects and error %v", len(res.Objects), err)
	}
	return res.Objects[0]
}

var kindNames = map[schema.Kind]string{
	schema.UnknownField: "unknown", schema.MisplacedField: "misplaced", schema.WrongCase: "wrong case",
	schema.Misspelt: "misspelt", schema.DuplicateField: "duplicate", schema.WrongType: "wrong type",
}

// say sums a fault up in a line.
func say(f schema.Fault) string {
	out := kindNames[f.Kind] + " " + f.Path
	if f.Suggestion != "" {
		out += " -> " + f.Suggestion
	}
	if f.Detail != "" {
		out += ": " + f.Detail
	}
	if f.Line > 0 {
		out += fmt.Sprintf(" at %d:%d", f.Line, f.Column)
	}
	return out
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const (
		pod        = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
		deployment = "apiVersion: apps/v1\nkind: Deployment\n"
	)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{name: "a sound object has no faults", text: pod + "spec:\n  containers:\n  - {name: a, image: b, ports: [{containerPort: 80}], resources: {limits: {cpu: 1, memory: 1Gi}}}\n"},
		{name: "null is no fault anywhere", text: pod + "spec: {containers: null, hostPID: ~, securityContext: null}\n"},
		{name: "an unknown field is unknown", text: pod + "spec: {zebra: 1}\n", want: []string{"unknown spec.zebra"}},
		{name: "an unknown field at the top is unknown", text: pod + "zebra: 1\n", want: []string{"unknown zebra"}},
		{
			name: "a container's field on the pod is misplaced", text: pod + "spec: {privileged: true}\n",
			want: []string{"misplaced spec.privileged -> spec.containers[].securityContext.privileged"},
		},
		{
			name: "a field of the security context on the container is misplaced", text: pod + "spec: {containers: [{name: a, readOnlyRootFilesystem: true}]}\n",
			want: []string{"misplaced spec.containers[0].readOnlyRootFilesystem -> spec.containers[0].securityContext.readOnlyRootFilesystem"},
		},
		{
			name: "a pod's field on the container is misplaced", text: pod + "spec: {containers: [{name: a, hostNetwork: true}]}\n",
			want: []string{"misplaced spec.containers[0].hostNetwork -> spec.hostNetwork"},
		},
		{
			name: "a container's field in the pod's security context is misplaced", text: pod + "spec: {securityContext: {allowPrivilegeEscalation: false}}\n",
			want: []string{"misplaced spec.securityContext.allowPrivilegeEscalation -> spec.containers[].securityContext.allowPrivilegeEscalation"},
		},
		{
			name: "a pod's field on the Deployment is misplaced", text: deployment + "spec: {automountServiceAccountToken: false}\n",
			want: []string{"misplaced spec.automountServiceAccountToken -> spec.template.spec.automountServiceAccountToken"},
		},
		{name: "a name that is everywhere is not misplaced", text: pod + "spec: {name: a}\n", want: []string{"unknown spec.name"}},
		{name: "a field in another letter case is known", text: pod + "spec: {hostpid: true}\n", want: []string{"wrong case spec.hostpid -> spec.hostPID"}},
		{
			name: "the type in another letter case is known", text: "apiversion: v1\nKind: Pod\n",
			want: []string{"wrong case apiversion -> apiVersion", "wrong case Kind -> kind"},
		},
		{
			name: "letter case counts within containers", text: pod + "spec: {containers: [{name: a, securitycontext: {}}]}\n",
			want: []string{"wrong case spec.containers[0].securitycontext -> spec.containers[0].securityContext"},
		},
		{name: "a letter too few is misspelt", text: pod + "spec: {securtyContext: {}}\n", want: []string{"misspelt spec.securtyContext -> spec.securityContext"}},
		{
			name: "two letters in turn are misspelt", text: pod + "spec: {containers: [{name: a, iamge: b}]}\n",
			want: []string{"misspelt spec.containers[0].iamge -> spec.containers[0].image"},
		},
		{
			name: "a dash that sticks to the name is misspelt", text: pod + "spec: {containers: [{-name: a}]}\n",
			want: []string{"misspelt spec.containers[0].-name -> spec.containers[0].name"},
		},
		{name: "a short name is close to others by accident", text: pod + "spec: {containers: [{name: a, tta: 1}]}\n", want: []string{"unknown spec.containers[0].tta"}},
		{name: "a plural is misspelt", text: pod + "spec: {volume: []}\n", want: []string{"misspelt spec.volume -> spec.volumes"}},
		{
			name: "the path of init containers is their own", text: pod + "spec: {initContainers: [{name: a}, {name: b, runAsNonRoot: true}]}\n",
			want: []string{"misplaced spec.initContainers[1].runAsNonRoot -> spec.initContainers[1].securityContext.runAsNonRoot"},
		},
		{
			name: "several faults come in the order of the fields", text: pod + "spec:\n  zebra: 1\n  hostpid: true\n  containers: [{name: a, lion: 1}]\n",
			want: []string{"unknown spec.zebra", "wrong case spec.hostpid -> spec.hostPID", "unknown spec.containers[0].lion"},
		},
		{name: "a key with a quote is no way to hide a fault", text: pod + "spec: {'a\"b': 1}\n", want: []string{`unknown spec.a"b`}},
		{name: "a key with dots is one key", text: pod + "spec: {a.b: 1}\n", want: []string{"unknown spec[a.b]"}},
		{name: "an empty key is unknown", text: pod + "\"\": 1\n", want: []string{"unknown "}},
		{name: "labels may have any key", text: "apiVersion: v1\nkind: Pod\nmetadata: {labels: {zebra: a, a.b/c: d}}\n"},
		{
			name: "a hundred faults do not hide the next one", text: pod + "spec: {" + many(150) + "hostpid: true}\n",
			want: append(unknown(150), "wrong case spec.hostpid -> spec.hostPID"),
		},
		{
			name: "a duplicate says which line is in force", text: pod + "spec:\n  hostPID: false\n  hostPID: true\n", want: []string{"duplicate spec.hostPID: line 6 is in force at 5:3"},
		},
		{name: "an empty key may be duplicated", text: "apiVersion: v1\nkind: ConfigMap\ndata: {\"\": a, \"\": b}\n", want: []string{"duplicate data.: line 3 is in force at 3:8"}},
		{name: "an empty key may be duplicated at the top", text: pod + "\"\": 1\n\"\": 2\n", want: []string{"duplicate : line 5 is in force at 4:1", "unknown "}},
		{name: "text where a boolean belongs", text: pod + "spec: {hostPID: \"true\"}\n", want: []string{"wrong type spec.hostPID: is a string, and a boolean belongs there"}},
		{name: "a boolean where text belongs", text: pod + "spec: {nodeName: yes}\n", want: []string{"wrong type spec.nodeName: is a boolean, and a string belongs there"}},
		{name: "a number where text belongs", text: "apiVersion: v1\nkind: ConfigMap\ndata: {a: 1}\n", want: []string{"wrong type data.a: is an integer, and a string belongs there"}},
		{name: "a map where a list belongs", text: pod + "spec: {containers: {name: a}}\n", want: []string{"wrong type spec.containers: is an object, and a list belongs there"}},
		{name: "a list where a map belongs", text: pod + "spec: []\n", want: []string{"wrong type spec: is an array, and a map belongs there"}},
		{name: "text where an item belongs", text: pod + "spec: {containers: [a]}\n", want: []string{"wrong type spec.containers[0]: is a string, and a map belongs there"}},
		{name: "a fraction where an integer belongs", text: deployment + "spec: {replicas: 1.5}\n", want: []string{"wrong type spec.replicas: is a number, and an integer belongs there"}},
		{name: "an integer that is too large", text: deployment + "spec: {replicas: 9999999999}\n", want: []string{"wrong type spec.replicas: is 9999999999, which an int32 can't hold"}},
		{name: "a map where a time belongs", text: "apiVersion: v1\nkind: Pod\nmetadata: {creationTimestamp: {}}\n", want: []string{"wrong type metadata.creationTimestamp: is an object, and a time belongs there"}},
		{name: "a map where a port belongs", text: "apiVersion: v1\nkind: Service\nspec: {ports: [{port: 1, targetPort: {}}]}\n", want: []string{"wrong type spec.ports[0].targetPort: is an object, and an integer or string belongs there"}},
		{name: "text that is no time", text: "apiVersion: v1\nkind: Pod\nmetadata: {creationTimestamp: soon}\n", want: []string{"wrong type metadata.creationTimestamp: is not a valid time"}},
		{name: "text that is no quantity", text: pod + "spec: {containers: [{name: a, resources: {limits: {memory: lots}}}]}\n", want: []string{"wrong type spec.containers[0].resources.limits.memory: is not a valid quantity"}},
		{name: "text that is no base64", text: "apiVersion: v1\nkind: Secret\ndata: {a: '!'}\n", want: []string{"wrong type data.a: is not base64"}},
		{
			name: "one wrong type does not hide the next, nor an unknown field", text: pod + "spec: {hostPID: 1, hostIPC: 2, zebra: 3, containers: [{name: 4}]}\n",
			want: []string{
				"wrong type spec.hostPID: is an integer, and a boolean belongs there", "wrong type spec.hostIPC: is an integer, and a boolean belongs there", "unknown spec.zebra",
				"wrong type spec.containers[0].name: is an integer, and a string belongs there",
			},
		},
		{name: "a port may be a name or a number", text: "apiVersion: v1\nkind: Service\nspec: {ports: [{port: 1, targetPort: a}, {port: 2, targetPort: 3}]}\n"},
		{
			name: "unknown fields of a kubelet configuration are found", text: "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nreadonlyPort: 0\n",
			want: []string{"wrong case readonlyPort -> readOnlyPort"},
		},
		{name: "embedded objects of any kind are not looked into", text: "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins: [{name: a, configuration: {zebra: 1}}]\n"},
		{
			name: "faults within schemas of custom resources are found",
			text: "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nspec: {versions: [{name: v1, schema: {openAPIV3Schema: {type: object, propertys: {}}}}]}\n",
			want: []string{"misspelt spec.versions[0].schema.openAPIV3Schema.propertys -> spec.versions[0].schema.openAPIV3Schema.properties"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			faults, known := schema.Check(object(t, c.text))
			if !known {
				t.Fatal("the kind is not known")
			}
			var got []string
			for _, f := range faults {
				got = append(got, say(f))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

// many writes fields that nobody knows, and unknown the faults of them.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "zebra%d: 1, ", i)
	}
	return b.String()
}

func unknown(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("unknown spec.zebra%d", i))
	}
	return out
}

func TestKnownKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		apiVersion, kind string
		want             bool
	}{
		{"v1", "Pod", true},
		{"v1", "Secret", true},
		{"apps/v1", "Deployment", true},
		{"batch/v1", "CronJob", true},
		{"networking.k8s.io/v1", "NetworkPolicy", true},
		{"rbac.authorization.k8s.io/v1", "ClusterRole", true},
		{"admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", true},
		{"apiextensions.k8s.io/v1", "CustomResourceDefinition", true},
		{"apiregistration.k8s.io/v1", "APIService", true},
		{"kubelet.config.k8s.io/v1beta1", "KubeletConfiguration", true},
		{"kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration", true},
		{"audit.k8s.io/v1", "Policy", true},
		{"apiserver.config.k8s.io/v1", "EncryptionConfiguration", true},
		{"apiserver.config.k8s.io/v1", "AuthenticationConfiguration", true},
		{"apiserver.config.k8s.io/v1beta1", "AuthorizationConfiguration", true},
		{"pod-security.admission.config.k8s.io/v1", "PodSecurityConfiguration", true},
		{"v1", "Config", true},
		{"apps/v1", "Pod", false},
		{"v1", "pod", false},
		{"v2", "Pod", false},
		{"argoproj.io/v1alpha1", "Rollout", false},
		{"extensions/v1", "Deployment", false},
		{"", "", false},
		{"a/b/c", "Pod", false},
	} {
		t.Run(fmt.Sprintf("%s %s is known: %t", c.apiVersion, c.kind, c.want), func(t *testing.T) {
			t.Parallel()
			root := &inventory.Node{Kind: inventory.Map}
			faults, known := schema.Check(&inventory.Object{APIVersion: c.apiVersion, Kind: c.kind, Root: root})
			if known != c.want || len(faults) > 0 {
				t.Errorf("known is %t, want %t; faults are %v", known, c.want, faults)
			}
		})
	}
}

func TestWhoReadsAndWhatBecomesOfUnknownFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, apiVersion, kind, who string
		fate                        schema.Fate
	}{
		{"a served kind is pruned", "v1", "Pod", "", schema.Dropped},
		{"the kubelet is lenient", "kubelet.config.k8s.io/v1beta1", "KubeletConfiguration", "the kubelet", schema.Lenient},
		{"kube-proxy is lenient", "kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration", "kube-proxy", schema.Lenient},
		{"an audit policy is read leniently", "audit.k8s.io/v1", "Policy", "the API server", schema.Lenient},
		{"encryption is read strictly", "apiserver.config.k8s.io/v1", "EncryptionConfiguration", "the API server", schema.Refused},
		{"Pod Security defaults are read strictly", "pod-security.admission.config.k8s.io/v1", "PodSecurityConfiguration", "the API server", schema.Refused},
		{"a kubeconfig is read past", "v1", "Config", "the client", schema.Ignored},
		{"a Config of another group is served", "x.io/v1", "Config", "", schema.Dropped},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			who, fate := schema.Component(&inventory.Object{APIVersion: c.apiVersion, Kind: c.kind})
			if who != c.who || fate != c.fate {
				t.Errorf("got %q and %d, want %q and %d", who, fate, c.who, c.fate)
			}
		})
	}
}
