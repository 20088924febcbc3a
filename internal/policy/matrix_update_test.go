package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// compareUpdates makes every fault that the tests of controls have by an update
// of an object without it: the policy has to say what the scan says of the
// result.
func (s *server) compareUpdates(t *testing.T, samples []*sample, controls judged) {
	t.Helper()
	const deployments = "/apis/apps/v1/namespaces/default/deployments"
	s.must(s.send(http.MethodPost, deployments, object(t, workloads[deployments], "base", goodContainer)))
	var sent []*sample
	for _, x := range samples {
		c := controls[x.own]
		if c == nil || x.verdicts[x.own] != finding.Fail || !x.answer.ok() {
			continue
		}
		if c.Target == control.TargetObject {
			if y := without(samples, x); y != nil {
				sent = append(sent, s.update(x, y, len(sent)))
			}
		} else if d := deploymentOf(t, x); d != nil {
			sent = append(sent, &sample{name: x.name, own: x.own, object: d, answer: s.send(http.MethodPut, deployments+"/base?dryRun=All", d)})
		}
	}
	failures := s.failures()
	compared, refused := make(map[string]bool), 0
	for _, x := range sent {
		if !x.answer.ok() {
			refused++
			t.Logf("not an update that the API server takes: %s: %d %.200s", x.name, x.answer.code, x.answer.status.Message)
			continue
		}
		verdict := scan(t, x.object, judged{x.own: controls[x.own]})[x.own]
		if violated := failures[x.answer.auditID][x.own] != ""; violated != (verdict == finding.Fail) {
			t.Errorf("%s, by an update: scan says %s, policy %t", x.name, verdict, violated)
		} else if violated {
			compared[x.own] = true
		}
	}
	t.Logf("%d updates, %d of them not taken by the API server; %d controls were violated by one", len(sent), refused, len(compared))
	if len(compared) < 60 {
		t.Error("too few controls were violated by an update")
	}
}

// deploymentOf has the pod of a sample, nil if it has ephemeral containers,
// which only pods can have.
func deploymentOf(t *testing.T, x *sample) map[string]any {
	t.Helper()
	objects, err := checktest.YAML([]byte(text(x.object)), &inventory.Origin{File: "object.json"})
	if err != nil || len(objects[0].PodTemplates()) == 0 {
		t.Fatal(x.name, err)
	}
	template := objects[0].PodTemplates()[0]
	spec, _ := template.Spec.Any().(map[string]any)
	if spec["ephemeralContainers"] != nil {
		return nil
	}
	spec = maps.Clone(spec)
	spec["restartPolicy"] = "Always"
	metadata := make(map[string]any)
	if template.Meta != nil {
		written, _ := template.Meta.Any().(map[string]any)
		metadata["annotations"] = written["annotations"]
	}
	metadata["labels"] = map[string]any{"app": "a"}
	return map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": "base", "namespace": "default"},
		"spec": map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"app": "a"}}, "template": map[string]any{"metadata": metadata, "spec": spec}},
	}
}

// without is a sample of the same control and kind that has no fault.
func without(samples []*sample, x *sample) *sample {
	for _, y := range samples {
		if y.own == x.own && y.object["kind"] == x.object["kind"] && y.object["apiVersion"] == x.object["apiVersion"] &&
			y.answer.ok() && y.verdicts[y.own] != finding.Fail {
			return y
		}
	}
	return nil
}

// update creates an object and asks for its update to another.
func (s *server) update(x, from *sample, n int) *sample {
	s.t.Helper()
	named := func(object map[string]any) map[string]any {
		out := maps.Clone(object)
		metadata, _ := object["metadata"].(map[string]any)
		metadata = maps.Clone(metadata)
		if kind := object["kind"]; kind != "APIService" && metadata["namespace"] != "kube-system" && kind != "ServiceAccount" {
			metadata["name"] = fmt.Sprintf("update-%d", n)
		}
		delete(metadata, "generateName")
		out["metadata"] = metadata
		return out
	}
	before, after := named(from.object), named(x.object)
	metadata, _ := after["metadata"].(map[string]any)
	first, _ := before["metadata"].(map[string]any)
	first["name"], first["namespace"] = metadata["name"], metadata["namespace"]
	out := &sample{name: x.name, own: x.own, object: after}
	path := s.pathOf(after)
	created := s.send(http.MethodPost, path, before)
	if !created.ok() {
		out.answer = created
		return out
	}
	var stored map[string]any
	if err := json.Unmarshal(created.body, &stored); err != nil {
		s.t.Fatal(err)
	}
	metadata["resourceVersion"] = stored["metadata"].(map[string]any)["resourceVersion"] //nolint:errcheck,forcetypeassert // a stored object has it
	name, _ := metadata["name"].(string)
	out.answer = s.send(http.MethodPut, path+"/"+name+"?dryRun=All", after)
	s.must(s.send(http.MethodDelete, path+"/"+name, nil))
	return out
}
