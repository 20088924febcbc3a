package policy_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/redoubt-k8s/redoubt/internal/catalogue"
	"github.com/redoubt-k8s/redoubt/internal/check"
	"github.com/redoubt-k8s/redoubt/internal/check/checktest"
	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/podsecurity"
	"github.com/redoubt-k8s/redoubt/internal/policy"
)

// judgement is what all controls and Pod Security say of an object.
type judgement struct {
	findings map[string]bool
	levels   []int
}

func judgementOf(t *testing.T, object map[string]any, all []*control.Compiled, levels *podsecurity.Evaluator) judgement {
	t.Helper()
	objects, err := checktest.YAML([]byte(text(object)), &inventory.Origin{File: "object.json"})
	if err != nil {
		t.Fatal(err)
	}
	inv := new(inventory.Inventory)
	inv.Add(objects...)
	inv.Seal()
	out := judgement{findings: make(map[string]bool)}
	for _, f := range check.Run(inv, all, check.Options{}).Findings {
		if f.Verdict == finding.Fail || f.Verdict == finding.Unknown {
			out.findings[f.Control+" "+f.Path] = true
		}
	}
	for _, o := range inv.Objects {
		for _, template := range o.PodTemplates() {
			out.levels = append(out.levels, slices.Index([]string{podsecurity.Privileged, podsecurity.Baseline, podsecurity.Restricted}, levels.Evaluate(template).Level))
		}
	}
	return out
}

// saidSo tells whether a container asks for what the fix would take from it, or
// is left alone.
func saidSo(object map[string]any, path string) bool {
	objects, err := checktest.YAML([]byte(text(object)), &inventory.Origin{File: "object.json"})
	if err != nil {
		return false
	}
	if o := objects[0]; o.Namespace == "kube-system" || o.Annotations().Get("kubernetes.io/config.mirror") != nil {
		return true // left alone
	}
	context := string(objects[0].Root.At(strings.TrimSuffix(path, ".allowPrivilegeEscalation")).JSON())
	return strings.Contains(context, `"allowPrivilegeEscalation":true`) || strings.Contains(context, `"privileged":true`) || strings.Contains(context, "SYS_ADMIN")
}

// judges are what objects are judged by.
type judges struct {
	all    []*control.Compiled
	levels *podsecurity.Evaluator
}

func allJudges(t *testing.T) judges {
	t.Helper()
	sourced, analyses, err := catalogue.Sources()
	if err != nil {
		t.Fatal(err)
	}
	all, err := catalogue.Compile(sourced, analyses, control.Latest)
	if err != nil {
		t.Fatal(err)
	}
	levels, err := podsecurity.New(latest)
	if err != nil {
		t.Fatal(err)
	}
	return judges{all, levels}
}

// fewerFindings sends the objects of all tests of controls, of Pod Security and
// of the examples: what comes back has fewer findings, and no new ones.
func (m *mutated) fewerFindings(t *testing.T) {
	t.Helper()
	m.defineCustomKinds()
	j := allJudges(t)
	_, samples := testsOfControls(t, sources(t))
	samples = append(append(samples, fixtures(t, nil)...), examples(t, nil)...)
	slices.SortStableFunc(samples, func(a, b *sample) int { return cmp.Compare(order(a), order(b)) })
	var n mended
	for _, x := range samples {
		plain := &sample{name: x.name, object: x.object}
		m.glass.ask(plain)
		m.ask(x)
		if plain.answer.ok() != x.answer.ok() {
			t.Errorf("%s: answered %d, with the policies %d %s", x.name, plain.answer.code, x.answer.code, x.answer.status.Message)
		}
		if plain.answer.ok() && x.answer.ok() {
			m.compareFindings(t, x, plain.answer.stored(t), j, &n)
		}
	}
	t.Logf("%d objects, %d changed: %d findings are gone, %d of the same controls stay where the object says so itself or is left alone", n.objects, n.changed, n.mended, n.kept)
	if n.changed < 200 || n.mended < 200 {
		t.Error("too few objects were changed")
	}
}

// mended counts objects and findings.
type mended struct{ objects, changed, mended, kept int }

func (m *mutated) compareFindings(t *testing.T, x *sample, before map[string]any, j judges, n *mended) {
	t.Helper()
	after := x.answer.stored(t)
	now := judgementOf(t, after, j.all, j.levels)
	old := now
	n.objects++
	if !gocmp.Equal(before, after) {
		old = judgementOf(t, before, j.all, j.levels)
		n.changed++
	}
	for f := range now.findings {
		if !old.findings[f] {
			t.Errorf("%s: a new finding: %s", x.name, f)
		}
		id, path, _ := strings.Cut(f, " ")
		if slices.ContainsFunc(m.made, func(p policy.Mutation) bool { return p.Control.ID == id }) {
			n.kept++
			if !saidSo(after, path) {
				t.Errorf("%s: still there: %s", x.name, f)
			}
		}
	}
	for f := range old.findings {
		if !now.findings[f] {
			n.mended++
		}
	}
	for i, level := range old.levels {
		if now.levels[i] < level {
			t.Errorf("%s: template %d passes a lower level of Pod Security", x.name, i)
		}
	}
}
