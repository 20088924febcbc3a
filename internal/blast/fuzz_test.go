package blast_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/blast/step"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// bad is input that is wrong in ways people get it wrong, or on purpose.
var bad = map[string]string{
	"aggregation in a circle": `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: a, labels: {ring: one}}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {ring: one}}, {matchLabels: {in: two}}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: b, labels: {ring: one, in: two}}
aggregationRule: {clusterRoleSelectors: [{matchLabels: {ring: one}}, {matchLabels: {only: b}}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: plain, labels: {only: b}}
rules: [{verbs: [get], apiGroups: [""], resources: [secrets]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: c}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: a}
subjects: [{kind: ServiceAccount, name: app, namespace: shop}]
`,
	"aggregation by selectors that are wrong": `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: a}
aggregationRule: {clusterRoleSelectors: [{matchExpressions: [{key: x, operator: Near}]}, 7, {matchLabels: [1]}, null]}
`,
	"subjects nobody knows": `apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: a, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Rule, name: cluster-admin}
subjects: [{kind: Robot, name: r2}, {kind: User}, {kind: ServiceAccount, name: x, namespace: ""}, {kind: Group, name: ""}, {kind: User, name: "system:serviceaccount:a:b:c"}]
`,
	"rules of other types": `apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: a}
rules: [{verbs: get, apiGroups: {a: b}, resources: [1, null]}, 7, null, {verbs: ["*"], nonResourceURLs: ["*", 1]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: a}
roleRef: {kind: ClusterRole, name: a}
subjects: {kind: User}
`,
	"selectors that are wrong": `apiVersion: v1
kind: Service
metadata: {name: s, namespace: shop}
spec: {type: LoadBalancer, selector: {app: 7}, ports: [{port: x, targetPort: {}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: n, namespace: shop}
spec: {podSelector: {matchExpressions: [{key: "", operator: In, values: []}]}, ingress: [{from: [{namespaceSelector: 3}]}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, namespace: shop}
spec: {rules: [{http: {paths: {backend: 1}}}], defaultBackend: [s]}
`,
	"owners in a circle": `apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: a, namespace: x, ownerReferences: [{kind: ReplicaSet, name: b, controller: true}]}
spec: {template: {spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: b, namespace: x, ownerReferences: [{kind: ReplicaSet, name: a, controller: true}]}
spec: {template: {spec: {containers: [{name: c}]}}}
`,
	"volumes and nodes of other types": `apiVersion: v1
kind: PersistentVolume
metadata: {name: p}
spec: {hostPath: [], claimRef: 3, nodeAffinity: x}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: x}
spec: {nodeName: {}, serviceAccountName: [a], containers: {name: c}, volumes: [{name: 1, projected: {sources: [null, {serviceAccountToken: 1}]}}], tolerations: 1, imagePullSecrets: [1]}
---
apiVersion: v1
kind: Node
metadata: {name: "", labels: [1]}
spec: {taints: {key: a}, providerID: 7}
`,
}

// answerAll asks everything there is to ask of an input.
func answerAll(tb testing.TB, data []byte, clusterWide bool) *blast.Graph {
	tb.Helper()
	res, err := decode.File(data, &inventory.Origin{File: "x.yaml"}, decode.DefaultLimits())
	if err != nil {
		return nil
	}
	inv := &inventory.Inventory{ClusterWide: clusterWide}
	inv.Add(res.Objects...)
	inv.Seal()
	g := blast.Build(blast.Gather(inv), step.All())
	g.Report(blast.Limits{Detailed: 5, Gains: 5, Changes: 2})
	m := g.Map(100)
	for _, l := range m.Links {
		if l.From >= len(m.Things) || l.To >= len(m.Things) {
			tb.Fatalf("a link leads nowhere: %+v", l)
		}
	}
	v := g.Verify(50)
	v.Judge(make([]blast.Ruling, len(v.Ask())))
	blast.Compare(g, g)
	return g
}

func TestBadInputIsNoCrash(t *testing.T) {
	t.Parallel()
	const pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: app, namespace: shop, labels: {app: app}}\nspec: {serviceAccountName: app, containers: [{name: c, image: x}]}\n"
	for name, text := range bad {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			for _, wide := range []bool{false, true} {
				g := answerAll(t, []byte(text+pod), wide)
				if g == nil {
					t.Fatal("it does not decode, so it shows nothing")
				}
				if _, err := g.Facts.FindWorkload("shop/Pod/app"); err != nil {
					t.Errorf("the good pod beside it is gone: %v", err)
				}
			}
		})
	}
}

func TestRulesOfACircleAreHeld(t *testing.T) {
	t.Parallel()
	g := answerAll(t, []byte(bad["aggregation in a circle"]), false)
	if got := len(g.Moves("read-secrets")); got != 1 {
		t.Errorf("%d moves by roles that select each other, want 1", got)
	}
}

func FuzzAnswers(f *testing.F) {
	for _, text := range bad {
		f.Add([]byte(text), true)
	}
	archives, err := filepath.Glob("step/testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		f.Fatal("no fixtures", err)
	}
	for _, name := range archives {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range txtar.Parse(text).Files {
			f.Add(file.Data, false)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, wide bool) {
		const large = 1 << 14
		if len(data) > large {
			t.Skip()
		}
		answerAll(t, data, wide)
	})
}
