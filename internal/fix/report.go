package fix

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/edit"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// edits describes a proposal. That of an object which is made from something
// else is described where it is made.
func (s *session) edits(p *proposal, original func(int32) int32) []Edit {
	out := p.edits(original)
	if p.root == "" {
		return out
	}
	for i := range out {
		if s.live {
			out[i].File, out[i].Line = "", 0
			continue
		}
		out[i].File = p.target
		if len(p.values) > 0 {
			out[i].Path, out[i].Line = p.values[i].Path, original(lineIn(s.state.texts[p.target], p.values[i].Path))
			continue
		}
		out[i].Line = 1
		if file := s.patchNames[p.object]; file != "" {
			out[i].File = file
		}
	}
	return out
}

// edits describes a proposal, one edit for each field it changes.
func (p *proposal) edits(original func(int32) int32) []Edit {
	f := &p.finding
	var out []Edit
	for _, c := range p.changes {
		near, exact := f.Object.Root.Nearest(c.Path)
		e := Edit{
			Control: p.control.ID, Severity: f.Severity.String(), Safety: string(p.safety), Why: strings.TrimSpace(p.control.Fix.Text),
			File: p.object.file, Line: original(near.Line), Object: f.Object.Ref(), Container: f.Container, Path: c.Path, Effect: p.effect,
		}
		if exact && p.control.Chapter == "secret" && near.Kind != inventory.Map {
			e.Before = masked
		} else if exact {
			e.Before = brief(near)
		}
		switch c.Op {
		case edit.Set:
			e.After = brief(c.Value)
		case edit.Rename:
			e.After = "renamed to " + c.To
		case edit.Move:
			e.After = "moved to " + c.To
		case edit.Remove:
		}
		out = append(out, e)
	}
	for _, d := range p.documents {
		out = append(out, Edit{
			Control: p.control.ID, Severity: f.Severity.String(), Safety: string(p.safety), Why: strings.TrimSpace(p.control.Fix.Text),
			File: cmp.Or(d.file, p.object.file), Line: max(1, original(f.Object.Root.Line)), Object: f.Object.Ref(), Effect: p.effect, After: "added " + d.name,
		})
	}
	for i, d := range p.documents {
		if d.file != "" {
			out[len(p.changes)+i].Line = 1
		}
	}
	for i := range out {
		if len(p.lines) > 0 {
			out[i].Line, out[i].Before, out[i].After = original(p.lines[0].line), "", p.lines[0].what
		}
	}
	return out
}

// masked stands for a credential.
const masked = "******"

// brief is a value in JSON. Collections that may hold much, or a secret, are
// not written out.
func brief(n *inventory.Node) string {
	const most = 200
	if n.Kind == inventory.Map && n.Len() > 0 {
		for _, item := range n.All() {
			if item.Kind == inventory.Map || item.Kind == inventory.List || item.Kind == inventory.String {
				return "{...}"
			}
		}
	}
	for _, item := range n.All() {
		if n.Kind == inventory.List && (item.Kind == inventory.Map || item.Kind == inventory.List) {
			return "[...]"
		}
	}
	text := string(n.JSON())
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// report completes the result from the state at the end.
func (s *session) report() {
	r := s.result
	for name, text := range s.state.texts {
		if !s.virtual && !bytes.Equal(text, s.Texts[name]) {
			r.Texts[name] = text
		}
	}
	r.Steps = append(s.secretSteps(), r.Steps...)
	slices.SortStableFunc(r.Edits, func(a, b Edit) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Control, b.Control))
	})
	keys := s.objectKeys()
	lines := make(map[string]func(int32) int32)
	for i := range s.state.findings {
		f := &s.state.findings[i]
		c := s.Controls[f.Control]
		if c == nil || f.Verdict != finding.Fail || !s.Selected[f.Control] {
			continue
		}
		loc := f.Location()
		if lines[loc.File] == nil {
			lines[loc.File] = backwards(s.Texts[loc.File], s.state.texts[loc.File])
		}
		at := Refusal{Control: c.ID, File: loc.File, Line: lines[loc.File](loc.Line), Object: f.Ref(), Path: f.Path, Reason: strings.TrimSpace(c.Fix.Text)}
		switch why := s.why(f, keys); {
		case why != "":
			at.Reason = why + s.answered(f)
			r.Refused = append(r.Refused, at)
		case Has(c) && !s.bold(c) && s.known(f):
			r.Bolder++
		default:
			r.Manual = append(r.Manual, at)
		}
	}
}

func (s *session) why(f *finding.Finding, keys map[*inventory.Object]objectKey) string {
	if f.Object == nil {
		return ""
	}
	key := findingKey(f, keys[f.Object])
	if s.declined[key] {
		return declined
	}
	return s.rejected[key]
}

// known tells whether there would be an edit, were it asked for: without its
// digest no image can be pinned.
func (s *session) known(f *finding.Finding) bool {
	return !pinned[f.Control] || f.Object != nil && s.Digests[f.Object.Root.At(f.Path).Str()] != ""
}
