package podsecurity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
	"github.com/redoubt-k8s/redoubt/internal/podsecurity"
)

const restricted = `
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: app
        image: app
        env: [{name: A, value: b}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
`

func TestEvaluateNamesTheStrictestLevel(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, spec, version string
		want                podsecurity.Verdict
	}{
		{"restricted", restricted, "latest", podsecurity.Verdict{Level: podsecurity.Restricted}},
		{"a bare container is baseline", "\n      containers: [{name: app, image: app}]\n", "v1.18", podsecurity.Verdict{
			Level: podsecurity.Baseline,
			Blocks: []string{
				"allowPrivilegeEscalation != false (container \"app\" must set securityContext.allowPrivilegeEscalation=false)",
				"runAsNonRoot != true (pod or container \"app\" must set securityContext.runAsNonRoot=true)",
			},
		}},
		{"hostPID is privileged", "\n      hostPID: true" + restricted, "latest", podsecurity.Verdict{
			Level: podsecurity.Privileged, Blocks: []string{"host namespaces (hostPID=true)"},
		}},
		{"a host path is privileged", restricted + "      volumes: [{name: v, hostPath: {path: /}}]\n", "latest", podsecurity.Verdict{
			Level: podsecurity.Privileged, Blocks: []string{"hostPath volumes (volume \"v\")"},
		}},
		{"a volume without a source is an emptyDir", restricted + "      volumes: [{name: v}]\n", "latest", podsecurity.Verdict{Level: podsecurity.Restricted}},
		{"wrong types can't be judged", "\n      hostPID: {}\n      containers: [{name: app}]\n", "latest", podsecurity.Verdict{
			Level:  podsecurity.Unknown,
			Blocks: []string{"the pod specification does not decode: json: cannot unmarshal object into Go struct field PodSpec.hostPID of type bool"},
		}},
		{"lists that are none can't be judged", "\n      containers: [app]\n", "latest", podsecurity.Verdict{
			Level:  podsecurity.Unknown,
			Blocks: []string{"the pod specification does not decode: json: cannot unmarshal string into Go struct field PodSpec.containers of type v1.Container"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			inv := checktest.Inventory(t, "deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  template:\n    spec:"+tc.spec, checktest.YAML)
			e, err := podsecurity.New(tc.version)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e.Evaluate(inv.Objects[0].PodTemplates()[0]), tc.want); diff != "" {
				t.Errorf("verdict (-got +want):\n%s", diff)
			}
		})
	}
}

func TestNewRefusesOtherVersions(t *testing.T) {
	t.Parallel()
	for _, v := range []string{"", "1.30", "v2.0", "newest"} {
		if _, err := podsecurity.New(v); err == nil {
			t.Errorf("version %q is taken, want an error", v)
		}
	}
}
