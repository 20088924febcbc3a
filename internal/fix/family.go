package fix

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// extra is what a fixer has to say beside the changes of its object.
type extra struct {
	// documents are objects to be added.
	documents []document
	lines     []lineEdit
	// also are edits of other objects that belong to it.
	also []change
	// effect says in words what else the edit changes.
	effect string
	// needed are keys of Secrets that are to be made.
	needed []wantedSecret
	// hint is what helps if the edit is refused for harm.
	hint string
	// steps are commands or words for what is to be done beside the edit.
	steps []string
}

// change is what happens to one object.
type change struct {
	object  *inventory.Object
	changes []edit.Change
}

var errFamily = errors.New("the edit concerns several objects or a new one, which can't be proven through a chart or an overlay: make it by hand")

// place says in all changes which object of the file is meant.
func (p *proposal) place(o *inventory.Object) {
	for i := range p.changes {
		p.changes[i].Object = edit.Place{Line: o.Root.Line, Column: o.Root.Column}
	}
}

// family gives a proposal the edits of other objects that belong to it. They are
// made together or not at all.
func (s *session) family(p *proposal, also []change) error {
	keys := s.objectKeys()
	for _, c := range also {
		o := c.object
		if o.Origin.Kind != inventory.FromManifest {
			return fmt.Errorf("%s has to change with it, and is made from something else: %w", o.Ref(), errFamily)
		}
		if err := s.editable(o); err != nil {
			return fmt.Errorf("%s has to change with it: %w", o.Ref(), err)
		}
		about := finding.Finding{Control: p.finding.Control, Severity: p.finding.Severity, Verdict: finding.Fail, Object: o}
		part := &proposal{
			finding: about, control: p.control, changes: c.changes, phase: p.phase, object: keys[o], safety: p.safety, target: o.Origin.File, lead: p,
			effect: "belongs to the edit of " + p.finding.Ref(),
		}
		part.place(o)
		p.parts = append(p.parts, part)
	}
	for _, d := range p.documents {
		if d.file == "" {
			continue
		}
		if _, taken := s.state.texts[d.file]; taken || s.Exists != nil && s.Exists(d.file) {
			return fmt.Errorf("there is a file %s already: move it, or write %s by hand", d.file, d.name)
		}
		if p.target == "-" {
			return fmt.Errorf("%s needs a file of its own, and there is no folder to put it into: name the file or folder instead of standard input", d.name)
		}
	}
	return nil
}

// withParts lists proposals with what belongs to them, each once.
func withParts(proposals []*proposal) []*proposal {
	out := make([]*proposal, 0, len(proposals))
	for _, p := range proposals {
		if p.lead == nil {
			out = append(append(out, p), p.parts...)
		}
	}
	return out
}

// whole are the proposals, without their parts, all of whose parts were made.
func (s *session) whole(made []*proposal) []*proposal {
	there := make(map[*proposal]bool, len(made))
	for _, p := range made {
		there[p] = true
	}
	out := make([]*proposal, 0, len(made))
	leads, orphans := 0, false
	for _, p := range made {
		if p.lead != nil {
			orphans = orphans || !there[p.lead]
			continue
		}
		leads++
		if !slices.ContainsFunc(p.parts, func(part *proposal) bool { return !there[part] }) {
			out = append(out, p)
			continue
		}
		s.reject([]*proposal{p}, "another object has to change with it, and can't be edited as it is written")
	}
	if leads == len(out) && !orphans {
		return made
	}
	return out
}

// freshGain lets objects that are added have lesser faults than those they
// answer: a role with what a program needs may hold much.
func (s *session) freshGain(trial []*proposal, next *state, gain map[objectKey]finding.Severity, fresh map[objectKey]bool) {
	old := make(map[objectKey]bool)
	for _, k := range s.objectKeys() {
		old[k] = true
	}
	worst := make(map[string]finding.Severity)
	for _, p := range trial {
		for _, d := range p.documents {
			file := cmp.Or(d.file, p.object.file)
			worst[file] = max(worst[file], p.finding.Severity)
		}
	}
	for _, k := range next.objectKeys() {
		if !old[k] && worst[k.file] > 0 {
			gain[k], fresh[k] = worst[k.file], true
		}
	}
}

// clash tells whether files that are to be added are there by now, and refuses
// the edits that add them.
func (s *session) clash(texts map[string][]byte, done *applied) bool {
	for name := range done.more {
		if _, taken := texts[name]; taken {
			s.reject(slices.DeleteFunc(slices.Clone(done.made), func(p *proposal) bool {
				return !slices.ContainsFunc(p.documents, func(d document) bool { return d.file == name })
			}), "another edit adds "+name+" already")
			return true
		}
	}
	return false
}

// unbalanced finds the objects that would have more findings than before. What is
// new, or edited for the sake of another object, may have some, if fewer are left
// of all.
func unbalanced(balance map[objectKey]int, gain map[objectKey]finding.Severity, fresh map[objectKey]bool, found harm) {
	total := 0
	for _, n := range balance {
		total += n
	}
	for k := range gain {
		switch {
		case found[k] != "":
		case fresh[k] && total > 0:
			found.add(k, "the objects that go with it would bring more findings than it answers")
		case !fresh[k] && balance[k] > 0:
			found.add(k, "the edit would bring more findings than it answers")
		}
	}
}

// asAnnounced makes sure of the objects of all roots that a trial edits.
func (s *session) asAnnounced(made []*proposal, next state) error {
	for _, dir := range slices.Sorted(maps.Keys(s.Roots)) {
		if !slices.ContainsFunc(made, func(p *proposal) bool { return p.root == dir }) {
			continue
		}
		if err := s.announced(dir, made, (&session{Options: s.Options, state: next}).own(dir)); err != nil {
			return err
		}
	}
	return nil
}

// lesser tells whether a control may come to fail for an edit that answers a
// finding of the given severity. What only looks hardened never may.
func (s *session) lesser(id string, gain finding.Severity) bool {
	c := s.Controls[id]
	return c != nil && c.Chapter != "phantom" && c.SeverityLevel() < gain
}

// withDocuments adds the new objects to the text.
func withDocuments(text []byte, proposals []*proposal, refused map[*proposal]string) applied {
	made := make([]*proposal, 0, len(proposals))
	more := make(map[string][]byte)
	for _, p := range proposals {
		next, err := text, error(nil)
		for _, d := range p.documents {
			switch {
			case d.file == "":
				next, err = edit.AppendDocument(next, d.text)
			case more[d.file] != nil:
				err = fmt.Errorf("another edit adds %s already", d.file)
			}
			if err != nil {
				break
			}
		}
		if err != nil {
			refused[p] = err.Error()
			continue
		}
		for _, d := range p.documents {
			if d.file != "" {
				more[d.file] = []byte(d.text)
			}
		}
		text, made = next, append(made, p)
	}
	return applied{text: text, more: more, made: made, refused: refused}
}

// once adds a change, unless it adds an item to a list that another adds already.
func once(changes []edit.Change, c edit.Change) []edit.Change {
	if plainPath(c.Path) != c.Path && slices.ContainsFunc(changes, func(o edit.Change) bool { return o.Path == c.Path && o.Value.Equal(c.Value) }) {
		return changes
	}
	return append(changes, c)
}
