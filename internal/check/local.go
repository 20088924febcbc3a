package check

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/expr"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// group are local controls that read the same fields of the same targets, so
// that they share what is known of a target.
type group struct {
	target   control.Target
	reads    control.Reads
	controls []*control.Compiled
}

// groups sorts controls by what they read.
func groups(controls []*control.Compiled) []group {
	var out []group
	index := make(map[string]int)
	for _, c := range controls {
		key := fmt.Sprintf("%s %v", c.Target, *c.Reads)
		i, ok := index[key]
		if !ok {
			i = len(out)
			index[key] = i
			out = append(out, group{target: c.Target, reads: *c.Reads})
		}
		out[i].controls = append(out[i].controls, c)
	}
	return out
}

// memo remembers verdicts by what they depend on. Each worker has its own:
// judging twice is cheaper than waiting for each other.
type memo struct {
	// older is what was known before the run, if anything; it is only read.
	older *memo
	// outcomes has, for a group and a digest of the fields it reads, the
	// verdict of each control of the group.
	outcomes map[memoKey][]outcome
	// applies has, for a group and a digest of the fields that its conditions
	// read, whether any of its controls is applicable.
	applies map[memoKey]bool
	// templates has the judgements of whole pod templates by digest.
	templates map[uint64]*templateResult
	// kinds has the object controls by kind.
	kinds map[kindKey][]*control.Compiled
}

type kindKey struct{ apiVersion, kind string }

type memoKey struct {
	group  int
	digest uint64
}

// template is what is known of a template with a digest.
func (m *memo) template(digest uint64) (*templateResult, bool) {
	if known, ok := m.templates[digest]; ok || m.older == nil {
		return known, ok
	}
	known, ok := m.older.templates[digest]
	return known, ok
}

// verdicts are those known of a group.
func (m *memo) verdicts(key memoKey) ([]outcome, bool) {
	if known, ok := m.outcomes[key]; ok || m.older == nil {
		return known, ok
	}
	known, ok := m.older.outcomes[key]
	return known, ok
}

func newMemo() *memo {
	return &memo{outcomes: make(map[memoKey][]outcome), applies: make(map[memoKey]bool), templates: make(map[uint64]*templateResult), kinds: make(map[kindKey][]*control.Compiled)}
}

// templateResult are the judgements of the local controls on a pod template:
// those worth a finding, and the number of the others.
type templateResult struct {
	kept                  []judgement
	passed, notApplicable int
}

// local judges a template by the local controls, once for all templates with
// the same content, and each control once for all targets that agree in the
// fields it reads.
func (e *engine) local(t *inventory.PodTemplate, m *memo) *templateResult {
	if known, ok := m.template(t.Digest); ok {
		return known
	}
	r := new(templateResult)
	v := &view{scopeOf: scopeOf{spec: t.Spec, meta: t.Meta}, specFields: fieldsOf(t.Spec), metaFields: fieldsOf(t.Meta)}
	targetsOf := make(map[control.Target][]hashedTarget)
	for i := range e.groups {
		g := &e.groups[i]
		all, ok := targetsOf[g.target]
		if !ok {
			all = hashTargets(targets(g.target, t))
			targetsOf[g.target] = all
		}
		for k := range all {
			tg := &all[k]
			if !m.applicable(g, memoKey{i, v.digest(tg, &g.reads.When)}, &tg.target, v.scopeOf) {
				r.notApplicable += len(g.controls)
				continue
			}
			key := memoKey{i, mix(v.digest(tg, &g.reads.When), v.digest(tg, &g.reads.Verdict))}
			outcomes, ok := m.verdicts(key)
			if !ok {
				outcomes = judgeAll(g, &tg.target, v.scopeOf)
				m.outcomes[key] = outcomes
			}
			r.add(g, tg, outcomes, e.opts.Passed)
		}
	}
	m.templates[t.Digest] = r
	return r
}

// applicable tells whether any control of the group applies to the target, or
// can't tell.
func (m *memo) applicable(g *group, key memoKey, t *target, around scopeOf) bool {
	known, ok := m.applies[key]
	if !ok && m.older != nil {
		known, ok = m.older.applies[key]
	}
	if !ok {
		known = slices.ContainsFunc(g.controls, func(c *control.Compiled) bool { return !notApplicable(c, t, around) })
		m.applies[key] = known
	}
	return known
}

// view is a pod template with digests of its fields.
type view struct {
	scopeOf
	specFields, metaFields hashedFields
}

// digest is equal for targets that agree in what is read.
func (v *view) digest(t *hashedTarget, reads *expr.Reads) uint64 {
	d := mix(mix(t.fields.digest(reads.Self), v.specFields.digest(reads.PodSpec)), v.metaFields.digest(reads.PodMeta))
	if reads.Field {
		d = mix(d, uint64(len(t.field))) // the three names differ in length
	}
	return d
}

func judgeAll(g *group, t *target, around scopeOf) []outcome {
	out := make([]outcome, len(g.controls))
	for i, c := range g.controls {
		out[i] = judge(c, t, around)
	}
	return out
}

func (r *templateResult) add(g *group, t *hashedTarget, outcomes []outcome, keepPassed bool) { //nolint:revive // an option of the run
	for i, o := range outcomes {
		switch o.verdict {
		case finding.NotApplicable:
			r.notApplicable++
			continue
		case finding.Pass:
			if !keepPassed {
				r.passed++
				continue
			}
		case finding.Fail, finding.Unknown, finding.Waived:
		}
		r.kept = append(r.kept, judgement{control: g.controls[i], target: &t.target, outcome: o})
	}
}

// hashedTarget is a target with digests of its fields.
type hashedTarget struct {
	target
	fields hashedFields
}

func hashTargets(all []target) []hashedTarget {
	out := make([]hashedTarget, len(all))
	for i, t := range all {
		out[i] = hashedTarget{target: t, fields: fieldsOf(t.node)}
	}
	return out
}

// hashedFields computes the digest of each field of a map at most once.
type hashedFields struct {
	node *inventory.Node
	// digests has one entry per item of the node, 0 if not yet computed.
	digests []uint64
}

func fieldsOf(n *inventory.Node) hashedFields {
	return hashedFields{node: n, digests: make([]uint64, n.Len())}
}

// digest is equal for maps that agree in the fields.
func (h *hashedFields) digest(f expr.Fields) uint64 {
	if f.All || h.node != nil && h.node.Kind != inventory.Map {
		return h.node.Digest()
	}
	if h.node == nil {
		return 1
	}
	sum := uint64(0)
	for _, name := range f.Names {
		sum = mix(sum, h.field(name))
	}
	return sum
}

func (h *hashedFields) field(name string) uint64 {
	for i, item := range h.node.All() {
		if item.Key != name {
			continue
		}
		if h.digests[i] == 0 {
			h.digests[i] = item.Digest()
		}
		return h.digests[i]
	}
	return 0
}

// mix combines two digests; the order counts.
func mix(a, b uint64) uint64 {
	const odd = 0x9e3779b97f4a7c15
	return (bits.RotateLeft64(a, 23) ^ b) * odd
}
