package view_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/redoubt-k8s/redoubt/internal/blast"
	"github.com/redoubt-k8s/redoubt/internal/blast/step"
	"github.com/redoubt-k8s/redoubt/internal/blast/view"
	"github.com/redoubt-k8s/redoubt/internal/decode"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// hostile has names that would end a script or a string where they are not
// escaped.
const hostile = `apiVersion: v1
kind: Pod
metadata: {name: '</script><b>"x', namespace: shop}
spec: {serviceAccountName: a, containers: [{name: c, image: x, securityContext: {privileged: true}}]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: all}
roleRef: {kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: a, namespace: shop}]
`

func report(t *testing.T) *blast.Report {
	t.Helper()
	return graph(t).Report(blast.Limits{Detailed: 10, Gains: 10, Changes: 3})
}

func graph(t *testing.T) *blast.Graph {
	t.Helper()
	res, err := decode.File([]byte(hostile), &inventory.Origin{File: "x.yaml"}, decode.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	inv := new(inventory.Inventory)
	inv.Add(res.Objects...)
	inv.Seal()
	return blast.Build(blast.Gather(inv), step.All())
}

func TestPagesHoldNoMarkupOfTheInput(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	m := graph(t).Map(100)
	if err := view.HTML(&b, report(t), &m); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Count(b.String(), "</script>"), 1; got != want {
		t.Errorf("%d ends of scripts, want %d", got, want)
	}
	if strings.Contains(b.String(), "<b>") {
		t.Error("markup of the input is in the page")
	}
	if !strings.Contains(b.String(), "the whole cluster") || strings.Contains(b.String(), "/*DATA*/") {
		t.Error("the page does not hold the graph")
	}
}

func TestDotQuotesNames(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := view.Dot(&b, report(t)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `"shop/Pod/</script><b>\"x" -> "service account shop/a" [label="mounted-token"`) {
		t.Errorf("the token's step is not in the graph:\n%s", b.String())
	}
}

func TestJSONIsWhole(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := view.JSON(&b, report(t)); err != nil {
		t.Fatal(err)
	}
	var got blast.Report
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Workloads) != 1 || got.Workloads[0].Admin != "yes" || len(got.Workloads[0].Easiest) != 2 || len(got.Cut) == 0 {
		t.Errorf("got %+v", got)
	}
}

func TestTextAnswersTheQuestion(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	if err := (view.Text{Workloads: 5}).Render(&b, report(t)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{view.Question, "You have given me the whole cluster, in 2 steps.", "x.yaml:4", "Make", "every way to the whole cluster"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

func TestNamesCommandNoTerminal(t *testing.T) {
	t.Parallel()
	r := report(t)
	r.Workloads[0].Workload = "shop/Pod/\x1b[31mred\nforged\u009b2J"
	r.Workloads[0].Easiest[0].Evidence[0].Object = "x\x1b]0;title\a"
	r.Gaps = append(r.Gaps, "list\rof things")
	var b bytes.Buffer
	if err := (view.Text{Workloads: 5}).Render(&b, r); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\r\a\u009b") || strings.Contains(b.String(), "\nforged") {
		t.Errorf("names of the input reach the terminal as they are: %q", b.String())
	}
	b.Reset()
	if err := (view.Text{Workloads: 5, Colour: true}).Render(&b, report(t)); err != nil || !strings.Contains(b.String(), "\x1b[1m") {
		t.Errorf("there is no colour: %v", err)
	}
}
