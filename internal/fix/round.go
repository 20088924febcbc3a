package fix

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
)

// maxJudged bounds how often the result is judged in one run; few is how many
// edits may be sorted out one by one.
const (
	maxJudged = 150
	few       = 8
)

// round makes the edits all at once and judges the result. If something is
// worse, or a finding is still there, it looks for the edits that are to blame
// and makes the others.
func (s *session) round(proposals []*proposal) error {
	if len(proposals) == 0 {
		return nil
	}
	if s.judged >= maxJudged {
		s.reject(proposals, "too many edits get into each other's way; fix fewer files at a time")
		return nil
	}
	trial, next, err := s.try(proposals)
	if bad, ok := errors.AsType[*buildError](err); ok {
		return s.unbuilt(trial, bad)
	}
	if stray, ok := errors.AsType[*strayError](err); ok {
		if s.slow[stray.file] {
			s.Locked[stray.file] = errChanged.Error()
		}
		// The second time each edit is proven by itself.
		s.slow[stray.file] = true
		return s.round(s.refresh(proposals))
	}
	if err != nil || len(trial) == 0 {
		return err
	}
	s.judged++
	harm := s.worse(trial, &next)
	switch {
	case len(harm) == 0:
		return s.offer(trial, next)
	case len(trial) == 1:
		s.reject(trial, harm.any())
		return nil
	}
	for _, part := range s.parts(trial, harm) {
		if err := s.round(s.refresh(part)); err != nil {
			return err
		}
	}
	return nil
}

// offer makes edits that are proven, unless a person wants only some of them:
// these are then proven by themselves.
func (s *session) offer(trial []*proposal, next state) error {
	wanted, err := s.ask(trial)
	if err != nil {
		return err
	}
	if len(wanted) == len(trial) {
		s.accept(trial, next)
		return nil
	}
	return s.round(s.refresh(wanted))
}

// unbuilt looks for the edits with which a chart or kustomization can't be
// built again.
func (s *session) unbuilt(trial []*proposal, bad *buildError) error {
	plain := slices.DeleteFunc(slices.Clone(trial), func(p *proposal) bool { return p.root != "" })
	rooted := slices.DeleteFunc(slices.Clone(trial), func(p *proposal) bool { return p.root == "" })
	s.judged++
	if len(trial) == 1 {
		s.reject(trial, bad.Error())
		return nil
	}
	if len(plain) > 0 {
		if err := s.round(s.refresh(plain)); err != nil {
			return err
		}
		return s.round(s.refresh(rooted))
	}
	half := len(rooted) / 2 //nolint:mnd // a half
	if err := s.round(s.refresh(rooted[:half])); err != nil {
		return err
	}
	return s.round(s.refresh(rooted[half:]))
}

// parts cuts edits that do harm together into smaller sets: those of objects
// that are none the worse come first. Of the others one edit of each object
// makes a set. What is then still worse is rejected, in sets too large to be
// tried one by one.
func (s *session) parts(trial []*proposal, harm harm) [][]*proposal {
	var blamed, rest []*proposal
	var layers [][]*proposal
	depth := make(map[objectKey]int)
	for _, p := range trial {
		if harm[p.object] == "" {
			rest = append(rest, p)
			continue
		}
		blamed = append(blamed, p)
		n := depth[p.object]
		if n == len(layers) {
			layers = append(layers, nil)
		}
		layers[n] = append(layers[n], p)
		depth[p.object]++
	}
	half := len(trial) / 2
	switch {
	case len(blamed) > 0 && len(rest) > 0:
		return [][]*proposal{rest, blamed}
	case len(layers) > 1:
		return layers
	case len(blamed) > few:
		for _, p := range blamed {
			s.reject([]*proposal{p}, harm[p.object])
		}
		return nil
	}
	return [][]*proposal{trial[:half], trial[half:]}
}

// harm says for objects what is worse about them.
type harm map[objectKey]string

func (h harm) any() string { return slices.Min(slices.Collect(maps.Values(h))) }

func (h harm) add(k objectKey, why string) {
	if h[k] == "" || why < h[k] {
		h[k] = why
	}
}

// refresh makes edits anew from the findings there are now, since the lines of
// their files have changed. Those whose finding is gone are left out.
func (s *session) refresh(old []*proposal) []*proposal {
	wanted := make(map[string]*proposal)
	for _, p := range old {
		for _, key := range p.keys {
			wanted[key] = p
		}
	}
	keys := s.objectKeys()
	made := make(map[*proposal]*proposal)
	for i := range s.state.findings {
		f := &s.state.findings[i]
		p := wanted[findingKey(f, keys[f.Object])]
		switch {
		case p == nil || !s.wanted(f):
		case made[p] != nil:
			made[p].clears++
		default:
			again, err := s.proposal(f, p.object)
			if err != nil {
				s.reject([]*proposal{p}, err.Error())
			} else if again != nil {
				again.keys = p.keys
				made[p] = again
			}
		}
	}
	var out []*proposal
	for _, p := range old {
		if again := made[p]; again != nil {
			out = append(out, again)
		}
	}
	return out
}

func (s *session) reject(proposals []*proposal, why string) {
	for _, p := range proposals {
		said := why
		if p.hint != "" && strings.HasPrefix(why, "the edit would make") {
			said += "; " + p.hint
		}
		for _, key := range p.keys {
			s.rejected[key] = said
		}
	}
}

// try makes the edits, leaves out those the text does not allow, and judges
// what comes out.
func (s *session) try(proposals []*proposal) ([]*proposal, state, error) {
	made, next, err := s.tryOnce(proposals)
	for err == nil && len(made) > 0 {
		whole := s.whole(made)
		if len(whole) == len(made) {
			break
		}
		made, next, err = s.tryOnce(whole)
	}
	return slices.DeleteFunc(made, func(p *proposal) bool { return p.lead != nil }), next, err
}

// tryOnce does that with what goes together not yet looked at.
func (s *session) tryOnce(proposals []*proposal) ([]*proposal, state, error) {
	proposals = withParts(proposals)
	files := make(map[string][]*proposal)
	for _, p := range proposals {
		files[p.target] = append(files[p.target], p)
	}
	texts := make(map[string][]byte)
	kept := make(map[*proposal]bool)
	names := slices.Sorted(maps.Keys(files))
	done := make([]applied, len(names))
	plain := make([]string, 0, len(names))
	for i, name := range names {
		if files[name][0].root != "" {
			done[i] = s.applyRoot(name, files[name])
			continue
		}
		plain = append(plain, name)
	}
	parallel(len(plain), func(i int) {
		at, _ := slices.BinarySearch(names, plain[i])
		done[at] = apply(s.state.texts[plain[i]], files[plain[i]], s.editing(plain[i]))
	})
	for i, name := range names {
		for p, why := range done[i].refused {
			s.reject([]*proposal{p}, why)
		}
		if s.clash(texts, &done[i]) {
			continue
		}
		if len(done[i].made) > 0 && (len(done[i].more) > 0 || !bytes.Equal(done[i].text, s.state.texts[name])) {
			texts[name] = done[i].text
			maps.Copy(texts, done[i].more)
			for _, p := range done[i].made {
				kept[p] = true
			}
		}
	}
	made := slices.DeleteFunc(slices.Clone(proposals), func(p *proposal) bool { return !kept[p] })
	if len(made) == 0 {
		return nil, s.state, nil
	}
	next, err := s.with(texts, made)
	if err == nil {
		err = s.asAnnounced(made, next)
	}
	return made, next, err
}

// applied is a file after edits, and why some were not made.
type applied struct {
	text []byte
	// more are other files that come with it.
	more    map[string][]byte
	made    []*proposal
	refused map[*proposal]string
}

// editing is how a file is edited.
func (s *session) editing(name string) editing {
	if s.slow[name] {
		return edit.Apply
	}
	return func(data []byte, changes []edit.Change) ([]byte, []error) {
		return edit.Draft(data, changes, s.state.parsed[name])
	}
}

// editing is how changes are made, proven or to be proven by what they give.
type editing func(data []byte, changes []edit.Change) ([]byte, []error)

// apply edits one file. An edit of several changes is made whole or not at all.
func apply(old []byte, proposals []*proposal, edits editing) applied {
	refused := make(map[*proposal]string)
	for len(proposals) > 0 {
		text, failed := applyAll(old, proposals, edits)
		if len(failed) == 0 {
			return withDocuments(text, proposals, refused)
		}
		for p, err := range failed {
			// What gets into the way of another edit has its turn in a later round.
			if !errors.Is(err, edit.ErrConflict) || len(proposals) == 1 {
				refused[p] = reason(err)
			}
		}
		proposals = slices.DeleteFunc(proposals, func(p *proposal) bool { return failed[p] != nil })
	}
	return applied{refused: refused}
}

// reason says why the text does not allow an edit.
func reason(err error) string {
	if errors.Is(err, edit.ErrNotFound) {
		err = errChanged
	}
	return err.Error()
}

// applyAll makes all edits of a file, and says which can't be made.
func applyAll(old []byte, proposals []*proposal, edits editing) ([]byte, map[*proposal]error) {
	var changes []edit.Change
	var owner [][]*proposal
	var lines []*proposal
	added := make(map[string]int)
	for _, p := range proposals {
		if len(p.lines) > 0 {
			lines = append(lines, p)
			continue
		}
		for _, c := range p.changes {
			// An item that two edits add is added once.
			if plainPath(c.Path) != c.Path {
				id := fmt.Sprint(c.Object, c.Path, string(c.Value.JSON()))
				if at, known := added[id]; known {
					owner[at] = append(owner[at], p)
					continue
				}
				added[id] = len(changes)
			}
			changes, owner = append(changes, c), append(owner, []*proposal{p})
		}
	}
	failed := make(map[*proposal]error)
	if len(lines) > 0 {
		return applyLines(old, lines, failed), failed
	}
	text, errs := edits(old, changes)
	for i, err := range errs {
		for _, p := range owner[i] {
			if err != nil && failed[p] == nil {
				failed[p] = err
			}
		}
	}
	return text, failed
}

// accept takes the edits over.
func (s *session) accept(trial []*proposal, next state) {
	lines := make(map[string]func(int32) int32)
	for _, p := range withParts(trial) {
		name := p.target
		if p.root != "" {
			s.patched[p.object] = append(s.patched[p.object], p.changes...)
		}
		if s.live {
			s.create(p)
		}
		if lines[name] == nil {
			lines[name] = backwards(s.Texts[name], s.state.texts[name])
		}
		s.result.Edits = append(s.result.Edits, s.edits(p, lines[name])...)
		for len(s.edited) < len(s.result.Edits) {
			s.edited = append(s.edited, p.object)
		}
		s.note(p)
	}
	for k := range next.tallies {
		if step := doubts[k.control]; step != "" && next.tallies[k].unknown > 0 && !slices.Contains(s.result.Steps, step) {
			s.result.Steps = append(s.result.Steps, step)
		}
	}
	s.state = next
	// What could not be done before may be possible now.
	s.retry = true
}
