package fix

import (
	"maps"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/edit"
)

// Question is one edit, proven, that a person is asked about.
type Question struct {
	// Edits are the fields it changes; there is at least one.
	Edits []Edit
	// Diff is the edit alone, as a unified diff of the text as it is by then.
	Diff string
}

// declined is the reason of edits that the person did not want.
const declined = "declined"

// ask puts each edit of a trial to the person, once. It returns those that are
// wanted; the others are not offered again.
func (s *session) ask(trial []*proposal) ([]*proposal, error) {
	if s.Ask == nil {
		return trial, nil
	}
	var wanted []*proposal
	for _, p := range trial {
		if s.agreed[p.keys[0]] {
			wanted = append(wanted, p)
			continue
		}
		yes, err := s.Ask(s.question(p))
		if err != nil {
			return nil, err
		}
		for _, key := range p.keys {
			if yes {
				s.agreed[key] = true
			} else {
				s.declined[key] = true
			}
		}
		if yes {
			wanted = append(wanted, p)
		}
	}
	return wanted, nil
}

// question shows an edit by itself.
func (s *session) question(p *proposal) Question {
	name := p.target
	q := Question{Edits: s.edits(p, backwards(s.Texts[name], s.state.texts[name]))}
	if s.live {
		q.Diff = s.patchAlone(p)
		return q
	}
	var alone applied
	show := func(file string, text []byte) {
		q.Diff += Unified(file, Mask(s.state.texts[file], s.result.Secrets), Mask(text, s.result.Secrets))
	}
	if p.root != "" {
		alone = s.applyRoot(name, []*proposal{p})
	} else {
		targets := make(map[string][]*proposal)
		for _, part := range withParts([]*proposal{p}) {
			targets[part.target] = append(targets[part.target], part)
		}
		alone = apply(s.state.texts[name], targets[name], edit.Apply)
		delete(targets, name)
		for _, file := range slices.Sorted(maps.Keys(targets)) {
			show(file, apply(s.state.texts[file], targets[file], edit.Apply).text)
		}
	}
	if len(alone.made) > 0 {
		show(name, alone.text)
	}
	for _, file := range slices.Sorted(maps.Keys(alone.more)) {
		show(file, alone.more[file])
	}
	return q
}
