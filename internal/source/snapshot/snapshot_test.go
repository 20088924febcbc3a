package snapshot_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/source/snapshot"
)

const manifests = `
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: "x\ny"}}
spec: {containers: [{name: app, image: x, ports: [{containerPort: 80}]}]}
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
maxPods: 10
`

func write(tb testing.TB) []byte {
	tb.Helper()
	res, err := decode.File([]byte(manifests), &inventory.Origin{File: "x.yaml"}, decode.DefaultLimits())
	if err != nil {
		tb.Fatal(err)
	}
	res.Objects[1].Name = "node-1"
	var out bytes.Buffer
	w, err := snapshot.NewWriter(&out, snapshot.Header{ServerVersion: "v1.36.3", ClusterWide: true})
	if err != nil {
		tb.Fatal(err)
	}
	for _, o := range res.Objects {
		if err := w.Object(o); err != nil {
			tb.Fatal(err)
		}
	}
	rest := &inventory.Inventory{Skipped: map[string]int{"pods": 3}, ImageUsers: map[string]string{"x": "0"}}
	rest.AddGap(inventory.Gap{What: "list secrets", Why: "forbidden", Kinds: []string{"Secret"}})
	if err := w.Close(rest); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	t.Parallel()
	data := write(t)
	if !snapshot.Is(data[:64]) {
		t.Error("the file is not known for a snapshot")
	}
	inv, h, err := snapshot.Read(bytes.NewReader(data), &inventory.Origin{Kind: inventory.FromSnapshot})
	if err != nil {
		t.Fatal(err)
	}
	type object struct{ Ref, JSON string }
	var got []object
	for _, o := range inv.Objects {
		got = append(got, object{o.Ref(), string(o.Root.JSON())})
	}
	want := []object{
		{"shop/Pod/a", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"shop","labels":{"app":"x\ny"}},"spec":{"containers":[{"name":"app","image":"x","ports":[{"containerPort":80}]}]}}`},
		{"KubeletConfiguration/node-1", `{"apiVersion":"kubelet.config.k8s.io/v1beta1","kind":"KubeletConfiguration","maxPods":10}`},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Error(diff)
	}
	if h.ServerVersion != "v1.36.3" || inv.ServerVersion != "v1.36.3" || !inv.ClusterWide {
		t.Errorf("got header %+v and cluster-wide %t", h, inv.ClusterWide)
	}
	if diff := cmp.Diff(inv.Gaps, []inventory.Gap{{What: "list secrets", Why: "forbidden", Kinds: []string{"Secret"}}}); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]any{inv.Skipped, inv.ImageUsers}, []any{map[string]int{"pods": 3}, map[string]string{"x": "0"}}); diff != "" {
		t.Error(diff)
	}
}

func TestASnapshotThatIsCutOffIsRefused(t *testing.T) {
	t.Parallel()
	data := write(t)
	for n := range len(data) {
		if _, _, err := snapshot.Read(bytes.NewReader(data[:n]), &inventory.Origin{}); err == nil {
			t.Fatalf("the first %d of %d bytes were taken for all", n, len(data))
		}
	}
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	if _, err := all.ReadFrom(zip); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(all.String(), "\n")
	if _, _, err := snapshot.Read(pack(t, strings.Join(lines[:len(lines)-2], "")), &inventory.Origin{}); !errors.Is(err, snapshot.ErrCut) {
		t.Errorf("got %v without the last line, want %v", err, snapshot.ErrCut)
	}
	if _, _, err := snapshot.Read(pack(t, lines[0]+strings.Join(lines[2:], "")), &inventory.Origin{}); err == nil {
		t.Error("a missing object was not noticed")
	}
}

func TestOtherFilesAreNoSnapshots(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}", "{}\n", `{"schema":"redoubt.snapshot/v2"}` + "\n"} {
		if _, _, err := snapshot.Read(pack(t, text), &inventory.Origin{}); err == nil {
			t.Errorf("%q was read", text)
		}
	}
	if _, _, err := snapshot.Read(strings.NewReader("kind: Pod"), &inventory.Origin{}); err == nil || snapshot.Is([]byte("kind: Pod")) {
		t.Error("a manifest was taken for a snapshot")
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"schema":"redoubt.snapshot/v1"}` + "\n" + `{"object":{"kind":"Pod"},"name":"a"}` + "\n" + `{"end":{"objects":1}}` + "\n")
	f.Add(`{"schema":"redoubt.snapshot/v1"}` + "\n" + `{"gap":{"what":"x"}}` + "\n" + `{"end":{}}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		inv, _, err := snapshot.Read(pack(t, text), &inventory.Origin{})
		if err == nil {
			inv.Seal()
		}
	})
}

func pack(t *testing.T, text string) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	if _, err := zip.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := zip.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}
