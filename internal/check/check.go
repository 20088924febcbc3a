// Package check judges an inventory by controls: it walks every target of
// every control and turns what it sees into findings and counts.
//
// It knows no single control and does no I/O.
package check

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Options say how much to keep.
type Options struct {
	// Passed keeps a finding for each pass instead of counting it only.
	Passed bool
	// Memory is for those who judge one inventory after another by the same
	// controls and options: what has not changed is not judged again.
	Memory *Memory
}

// Memory holds verdicts by what they depend on. The zero value is ready; one
// run at a time may use it.
type Memory struct{ known *memo }

// memo starts that of a worker.
func (m *Memory) memo() *memo {
	out := newMemo()
	if m != nil {
		out.older = m.known
	}
	return out
}

// keep takes over what workers have learnt.
func (m *Memory) keep(memos []*memo) {
	if m == nil {
		return
	}
	if m.known == nil {
		m.known = newMemo()
	}
	for _, learnt := range memos {
		maps.Copy(m.known.outcomes, learnt.outcomes)
		maps.Copy(m.known.applies, learnt.applies)
		maps.Copy(m.known.templates, learnt.templates)
	}
}

// Result is the outcome of a run.
type Result struct {
	// Findings are failures and unknowns, and passes if asked for, in the
	// order of [finding.Compare].
	Findings []finding.Finding
	// Passed and NotApplicable count verdicts.
	Passed, NotApplicable int
}

// Run judges inv by the controls. The result does not depend on the order of
// either.
func Run(inv *inventory.Inventory, controls []*control.Compiled, opts Options) Result {
	e := newEngine(inv, controls, opts)
	var next atomic.Int64
	var wg sync.WaitGroup
	parts := make([]part, runtime.GOMAXPROCS(0))
	memos := make([]*memo, len(parts))
	for i := range parts {
		memos[i] = opts.Memory.memo()
		wg.Go(func() {
			e.work(&next, memos[i], &parts[i])
			slices.SortFunc(parts[i].found, finding.Compare)
		})
	}
	wg.Wait()
	opts.Memory.keep(memos)
	return merge(parts)
}

// part is what one worker has found. Findings are large and there may be many,
// so they are moved as pointers until the end.
type part struct {
	found                 []*finding.Finding
	passed, notApplicable int
}

// merge joins sorted parts.
func merge(parts []part) Result {
	var all Result
	total := 0
	for _, p := range parts {
		total += len(p.found)
		all.Passed += p.passed
		all.NotApplicable += p.notApplicable
	}
	all.Findings = make([]finding.Finding, 0, total)
	for len(all.Findings) < total {
		least := -1
		for i := range parts {
			if len(parts[i].found) > 0 && (least < 0 || finding.Compare(parts[i].found[0], parts[least].found[0]) < 0) {
				least = i
			}
		}
		all.Findings = append(all.Findings, *parts[least].found[0])
		parts[least].found[0] = nil
		parts[least].found = parts[least].found[1:]
	}
	return all
}

type engine struct {
	inv  *inventory.Inventory
	opts Options
	// groups are the controls that depend on nothing but the pod template, so
	// that equal templates are judged once; wide are the other template controls.
	groups []group
	wide   []*control.Compiled
	// objects are the object controls by kind.
	objects  map[string][]*control.Compiled
	analyses []*control.Compiled
	// namespaces are the Namespace objects by name.
	namespaces map[string]*inventory.Node
}

func newEngine(inv *inventory.Inventory, controls []*control.Compiled, opts Options) *engine {
	e := &engine{inv: inv, opts: opts, objects: make(map[string][]*control.Compiled), namespaces: make(map[string]*inventory.Node)}
	var local []*control.Compiled
	for _, c := range controls {
		switch {
		case c.Analysis:
			e.analyses = append(e.analyses, c)
		case c.Target == control.TargetObject:
			for _, k := range c.Kinds {
				e.objects[k] = append(e.objects[k], c)
			}
		case len(c.Kinds) == 0 && !c.Reads.When.Wide && !c.Reads.Verdict.Wide:
			local = append(local, c)
		default:
			e.wide = append(e.wide, c)
		}
	}
	e.groups = groups(local)
	for _, ns := range inv.Kind("Namespace", "") {
		e.namespaces[ns.Name] = ns.Root
	}
	return e
}

// work takes units off the shared counter until none is left: first the
// analyses, which take longest, then the objects in small batches.
func (e *engine) work(next *atomic.Int64, m *memo, out *part) {
	const batch = 16
	for {
		unit := int(next.Add(1)) - 1
		if unit < len(e.analyses) {
			e.analyse(e.analyses[unit], out)
			continue
		}
		first := (unit - len(e.analyses)) * batch
		if first >= len(e.inv.Objects) {
			return
		}
		for _, o := range e.inv.Objects[first:min(first+batch, len(e.inv.Objects))] {
			e.object(o, m, out)
		}
	}
}

func (e *engine) analyse(c *control.Compiled, out *part) {
	c.Analyse(e.inv, func(f finding.Finding) {
		f.Control = c.ID
		if f.Severity == finding.NoSeverity {
			f.Severity = c.Level
		}
		e.keep(f, out)
	})
}

// keep counts a verdict and stores the findings that are wanted.
func (e *engine) keep(f finding.Finding, out *part) {
	switch f.Verdict {
	case finding.NotApplicable:
		out.notApplicable++
		return
	case finding.Pass:
		out.passed++
		if !e.opts.Passed {
			return
		}
	case finding.Fail, finding.Unknown, finding.Waived:
	}
	placed := f.Placed()
	out.found = append(out.found, &placed)
}

func (e *engine) object(o *inventory.Object, m *memo, out *part) {
	for _, c := range e.objectControls(o, m) {
		e.judgeObject(c, o, out)
	}
	for _, t := range o.PodTemplates() {
		e.template(t, m, out)
	}
}

// objectControls are the object controls for the kind of an object.
func (e *engine) objectControls(o *inventory.Object, m *memo) []*control.Compiled {
	kind := kindKey{o.APIVersion, o.Kind}
	if known, ok := m.kinds[kind]; ok {
		return known
	}
	all := slices.Concat(e.objects[o.Kind], e.objects[o.Kind+"."+o.Group()])
	m.kinds[kind] = all
	return all
}

func (e *engine) judgeObject(c *control.Compiled, o *inventory.Object, out *part) {
	j := judge(c, &target{node: o.Root}, e.scope(nil, o))
	e.keep(finding.Finding{
		Control: c.ID, Verdict: j.verdict, Severity: c.Level, Object: o, Path: c.At, Message: j.message,
	}, out)
}

// scope builds what an expression can see, with self left open.
func (e *engine) scope(t *inventory.PodTemplate, o *inventory.Object) scopeOf {
	s := scopeOf{object: o.Root, namespace: e.namespaces[o.EffectiveNamespace()]}
	if t != nil {
		s.spec, s.meta = t.Spec, t.Meta
	}
	return s
}

func (e *engine) template(t *inventory.PodTemplate, m *memo, out *part) {
	r := e.local(t, m)
	out.passed += r.passed
	out.notApplicable += r.notApplicable
	for _, j := range r.kept {
		e.keepJudgement(t, j, out)
	}
	for _, c := range e.wide {
		if !appliesTo(c, t.Object) {
			continue
		}
		s := e.scope(t, t.Object)
		for _, tg := range targets(c.Target, t) {
			e.keepJudgement(t, judgement{control: c, target: &tg, outcome: judge(c, &tg, s)}, out)
		}
	}
}

func (e *engine) keepJudgement(t *inventory.PodTemplate, j judgement, out *part) {
	e.keep(finding.Finding{
		Control:   j.control.ID,
		Verdict:   j.verdict,
		Severity:  j.control.Level,
		Object:    t.Object,
		Container: j.target.container,
		Path:      fieldPath(t, inventory.JoinPath(j.target.rel, j.control.At)),
		Message:   j.message,
	}, out)
}

// fieldPath makes the path of a judgement one of the object. Paths that start
// with metadata are those of the template, all others of its specification.
func fieldPath(t *inventory.PodTemplate, rel string) string {
	if strings.HasPrefix(rel, "metadata") {
		return inventory.JoinPath(t.Path, rel)
	}
	return inventory.JoinPath(t.SpecPath(), rel)
}

// appliesTo tells whether a control with kinds looks at the object.
func appliesTo(c *control.Compiled, o *inventory.Object) bool {
	return len(c.Kinds) == 0 || slices.Contains(c.Kinds, o.Kind) || slices.Contains(c.Kinds, o.Kind+"."+o.Group())
}
