package decode_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

var deployment = bytes.Repeat([]byte(`---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: shop
  labels:
    app.kubernetes.io/name: cart
    app.kubernetes.io/part-of: shop
spec:
  replicas: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: cart
  template:
    metadata:
      labels:
        app.kubernetes.io/name: cart
    spec:
      serviceAccountName: cart
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
      containers:
      - name: cart
        image: "registry.example.com/shop/cart:1.4.2"
        ports:
        - name: http
          containerPort: 8080
        env:
        - name: REDIS_ADDR
          value: "redis:6379"
        - name: LOG_LEVEL
          value: info
        resources:
          requests: {cpu: 100m, memory: 128Mi}
          limits: {memory: 256Mi}
        livenessProbe:
          httpGet: {path: /healthz, port: http}
          initialDelaySeconds: 10
`), 500)

// BenchmarkParse is the YAML library alone: the yardstick for everything else.
func BenchmarkParse(b *testing.B) {
	b.SetBytes(int64(len(deployment)))
	b.ReportAllocs()
	for b.Loop() {
		dec := yaml.NewDecoder(bytes.NewReader(deployment))
		for {
			var n yaml.Node
			if err := dec.Decode(&n); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkFile is parsing and building the trees.
func BenchmarkFile(b *testing.B) {
	b.SetBytes(int64(len(deployment)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode.File(deployment, &inventory.Origin{File: "a.yaml"}, decode.DefaultLimits()); err != nil {
			b.Fatal(err)
		}
	}
}
