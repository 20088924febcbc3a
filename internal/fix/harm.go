package fix

import (
	"fmt"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/podsecurity"
	"github.com/redoubt-k8s/redoubt/internal/schema"
)

// tally counts what is wrong with an object by one control.
type tally struct {
	fail, unknown, severity int
	worst                   finding.Severity
	message                 string
}

type tallyKey struct {
	object  objectKey
	control string
}

func tallies(st *state) map[tallyKey]tally {
	keys := st.objectKeys()
	out := make(map[tallyKey]tally)
	for i := range st.findings {
		f := &st.findings[i]
		k := tallyKey{control: f.Control}
		if f.Object != nil {
			k.object = keys[f.Object]
		} else {
			k.object.file = f.File
		}
		t := out[k]
		switch f.Verdict {
		case finding.Fail:
			t.fail++
			t.severity += int(f.Severity)
			t.worst = max(t.worst, f.Severity)
			t.message = f.Message
		case finding.Unknown:
			t.unknown++
			t.message = f.Message
		case finding.NotApplicable, finding.Pass, finding.Waived:
			continue
		}
		out[k] = t
	}
	return out
}

// worseThan tells whether more is wrong than before, or may be.
func (t tally) worseThan(was tally) bool {
	return t.fail > was.fail || t.severity > was.severity || t.fail+t.unknown > was.fail+was.unknown
}

// doubts are what can't be told of some clusters: whether something there acts
// on an object of a kind at all. That is no reason against the object, but one
// to look.
var doubts = map[string]string{
	"network-policies-not-enforced": "# try a connection that must fail: whether anything in this cluster enforces network policies can't be told",
}

// worse says what is worse than before, or which finding is still there: nothing
// if the edits do what they are for and no harm.
func (s *session) worse(trial []*proposal, next *state) harm {
	if s.state.tallies == nil {
		s.state.tallies = tallies(&s.state)
	}
	next.tallies = tallies(next)
	before, after := s.state.tallies, next.tallies
	expected := make(map[tallyKey]int)
	gain := make(map[objectKey]finding.Severity)
	fresh := make(map[objectKey]bool)
	for _, p := range withParts(trial) {
		if p.lead == nil {
			expected[tallyKey{p.object, p.control.ID}] += p.clears
		}
		gain[p.object] = max(gain[p.object], p.finding.Severity)
		// What a part brings is held against all that its family answers.
		fresh[p.object] = fresh[p.object] || p.lead != nil
	}
	s.freshGain(trial, next, gain, fresh)
	balance := make(map[objectKey]int)
	found := make(harm)
	for k := range before {
		balance[k.object] += after[k].fail - before[k].fail
	}
	for k, now := range after {
		was, known := before[k]
		if !known {
			balance[k.object] += now.fail
		}
		if !now.worseThan(was) || doubts[k.control] != "" && now.fail <= was.fail {
			continue
		}
		// A lesser fault may come to light when a greater one goes: a pod that
		// leaves the network of the host shares its users still.
		lesser := s.lesser(k.control, gain[k.object]) && now.worst < gain[k.object] && now.unknown <= was.unknown
		if !lesser || expected[k] > 0 {
			found.add(k.object, fmt.Sprintf("the edit would make %s fail: %s", k.control, strings.TrimSuffix(now.message, ".")))
		}
	}
	unbalanced(balance, gain, fresh, found)
	for k, n := range expected {
		if after[k].fail > max(0, before[k].fail-n) {
			found.add(k.object, "the edit alone does not clear the finding")
		}
	}
	s.refused(trial, next, found)
	return found
}

// refused adds the edited objects that the strict decoder or the Pod Security
// evaluator takes less well than before.
func (s *session) refused(trial []*proposal, next *state, found harm) {
	edited := make(map[objectKey]bool)
	for _, p := range withParts(trial) {
		edited[p.object] = true
	}
	old := make(map[objectKey]*inventory.Object)
	for o, k := range s.objectKeys() {
		if edited[k] {
			old[k] = o
		}
	}
	if s.evaluator == nil {
		var err error
		if s.evaluator, err = podsecurity.New("latest"); err != nil {
			for k := range edited {
				found.add(k, err.Error())
			}
			return
		}
	}
	for o, k := range next.objectKeys() {
		if old[k] == nil || found[k] != "" {
			continue
		}
		was, _ := schema.Check(old[k])
		now, _ := schema.Check(o)
		if len(now) > len(was) {
			found.add(k, "the API server would refuse or drop a field of the result")
		}
		if looser(s.evaluator, old[k], o) {
			found.add(k, "the edit would lower the Pod Security level of the pod")
		}
	}
}

var levels = map[string]int{podsecurity.Restricted: 3, podsecurity.Baseline: 2, podsecurity.Privileged: 1}

// looser tells whether a pod template passes a weaker level than before.
func looser(evaluator *podsecurity.Evaluator, old, now *inventory.Object) bool {
	templates := now.PodTemplates()
	for i, t := range old.PodTemplates() {
		if i >= len(templates) {
			return true
		}
		if templates[i].Digest == t.Digest {
			continue
		}
		level := evaluator.Evaluate(templates[i]).Level
		if level != podsecurity.Restricted && levels[level] < levels[evaluator.Evaluate(t).Level] {
			return true
		}
	}
	return false
}
