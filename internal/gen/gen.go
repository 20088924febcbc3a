// Package gen generates manifests for benchmarks and tests: as varied as those
// of real clusters, and the same for the same seed.
package gen

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Options say what to generate.
type Options struct {
	Seed uint64
	// Same is the share of workloads, 0 to 1, whose pod template is one of a
	// few: replicas of the same chart.
	Same float64
}

// Manifests returns n manifests, each of one to three documents.
func Manifests(n int, opts Options) []string {
	r := rand.New(rand.NewPCG(opts.Seed, 1)) //nolint:gosec // not for secrets
	out := make([]string, n)
	for i := range out {
		switch i % 8 {
		case 6:
			out[i] = role(r, i)
		case 7:
			out[i] = config(r, i)
		default:
			out[i] = workload(r, i, r.Float64() < opts.Same)
		}
	}
	return out
}

var (
	kinds    = []string{"Deployment", "StatefulSet", "DaemonSet", "Rollout"}
	versions = map[string]string{"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "Rollout": "argoproj.io/v1alpha1"}
)

func workload(r *rand.Rand, i int, same bool) string { //nolint:revive // a property of the workload
	kind := kinds[r.IntN(len(kinds))]
	variant := i
	if same {
		variant = r.IntN(4)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: %s
kind: %s
metadata:
  name: app-%d
  namespace: team-%d
  labels:
    app.kubernetes.io/name: app-%d
    app.kubernetes.io/managed-by: helm
spec:
  replicas: %d
  selector:
    matchLabels:
      app.kubernetes.io/name: app-%d
  template:
    metadata:
      labels:
        app.kubernetes.io/name: app-%d
        app.kubernetes.io/part-of: suite-%d
      annotations:
        prometheus.io/scrape: "true"
    spec:
      serviceAccountName: app-%d
      securityContext:
        runAsNonRoot: %t
        fsGroup: 2000
`, versions[kind], kind, i, i%23, variant, 1+i%5, variant, variant, variant%7, variant, variant%3 == 0)
	containers(&b, variant)
	fmt.Fprintf(&b, `      volumes:
      - name: config
        configMap:
          name: app-%d
      - name: tmp
        emptyDir: {}
---
apiVersion: v1
kind: Service
metadata:
  name: app-%d
  namespace: team-%d
spec:
  selector:
    app.kubernetes.io/name: app-%d
  ports:
  - name: http
    port: 80
    targetPort: http
`, variant, i, i%23, variant)
	return b.String()
}

func containers(b *strings.Builder, variant int) {
	b.WriteString("      containers:\n")
	for c := range 1 + variant%2 {
		fmt.Fprintf(b, `      - name: c%d
        image: registry.example.com/team/app-%d:1.%d.%d
        ports:
        - name: http%d
          containerPort: %d
        env:
        - name: LOG_LEVEL
          value: info
        - name: UPSTREAM
          value: "http://app-%d.team-%d.svc:80"
        - name: POD_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        resources:
          requests:
            cpu: %dm
            memory: %dMi
          limits:
            memory: %dMi
        readinessProbe:
          httpGet:
            path: /healthz
            port: http%d
          periodSeconds: 10
        securityContext:
          allowPrivilegeEscalation: %t
          capabilities:
            drop: ["ALL"]
        volumeMounts:
        - name: config
          mountPath: /etc/app
        - name: tmp
          mountPath: /tmp
`, c, variant, variant%9, c, c, 8080+c, variant+1, variant%23, 50+variant%200, 64+variant%512, 128+variant%1024, c, variant%4 == 0)
	}
}

func role(r *rand.Rand, i int) string {
	verbs := []string{"get", "list", "watch", "create", "delete"}
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: role-%d
  namespace: team-%d
rules:
- apiGroups: [""]
  resources: ["configmaps", "services"]
  verbs: ["get", "%s"]
- apiGroups: ["apps"]
  resources: ["deployments"]
  verbs: ["get"]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: role-%d
  namespace: team-%d
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: role-%d
subjects:
- kind: ServiceAccount
  name: app-%d
  namespace: team-%d
`, i, i%23, verbs[r.IntN(len(verbs))], i, i%23, i, i, i%23)
}

func config(r *rand.Rand, i int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-%d\n  namespace: team-%d\ndata:\n  app.properties: |\n", i, i%23)
	for j := range 5 + r.IntN(20) {
		fmt.Fprintf(&b, "    server.option.%d=%d\n", j, r.IntN(1000))
	}
	fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: np-%d\n  namespace: team-%d\nspec:\n  podSelector:\n    matchLabels:\n      app.kubernetes.io/name: app-%d\n  policyTypes: [Ingress]\n  ingress:\n  - from:\n    - podSelector: {}\n", i, i%23, i)
	return b.String()
}
