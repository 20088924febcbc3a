package fix

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// shortestSecret is the length below which a text is not masked: it would be found in
// too many words that are none.
const shortestSecret = 3

// secrets are the texts of credentials that findings are about, the longest
// first. What spans lines is taken apart, since texts are shown by line.
func (s *session) secrets() []string {
	var out []string
	keep := func(text string) {
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); len(line) >= shortestSecret && line != "true" && line != "false" {
				out = append(out, line)
			}
		}
	}
	for _, o := range s.state.inv.Kind("Secret", "") {
		scalars(o.Root.Get("data"), keep)
		scalars(o.Root.Get("stringData"), keep)
	}
	for _, o := range s.state.inv.Kind("EncryptionConfiguration") {
		keysBelow(o.Root, keep)
	}
	for i := range s.state.findings {
		f := &s.state.findings[i]
		if !s.aboutCredential(f) {
			continue
		}
		at := f.Object.Root.At(f.Path)
		if f.Object.Kind == dockerfileKind {
			keep(assigned(at.Get("text").Str()))
			continue
		}
		scalars(at, func(text string) {
			if _, value, ok := strings.Cut(text, "="); ok && strings.HasPrefix(text, "-") {
				text = value
			}
			keep(text)
		})
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b)) })
	return slices.Compact(out)
}

// aboutCredential tells whether a credential stands where a finding is.
func (s *session) aboutCredential(f *finding.Finding) bool {
	c := s.Controls[f.Control]
	return c != nil && f.Object != nil && f.Path != "" && (f.Verdict == finding.Fail || f.Verdict == finding.Waived) && (c.Chapter == "secret" || c.ID == "dockerfile-credential")
}

// assigned is what an instruction of a Dockerfile gives a variable.
func assigned(instruction string) string {
	fields := strings.Fields(instruction)
	if len(fields) < 2 { //nolint:mnd // the instruction and what it is about
		return ""
	}
	rest := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(instruction), fields[0]))
	_, value, ok := strings.Cut(rest, "=")
	if !ok {
		_, value, _ = strings.Cut(rest, " ")
	}
	return strings.Trim(strings.TrimSpace(value), `"'`)
}

// keysBelow calls visit with each field secret below a node.
func keysBelow(n *inventory.Node, visit func(text string)) {
	for _, item := range n.All() {
		if item.Key == "secret" {
			scalars(item, visit)
		}
		keysBelow(item, visit)
	}
}

// scalars calls visit with the text of each string below a node. A node without
// content of its own has none.
func scalars(n *inventory.Node, visit func(text string)) {
	if n == nil {
		return
	}
	if n.Kind == inventory.String {
		visit(n.Text)
	}
	for _, item := range n.All() {
		if item.Key != "name" && item.Key != "cmd" {
			scalars(item, visit)
		}
	}
}

// Mask puts asterisks in the place of credentials, for texts that are shown.
func Mask(text []byte, secrets []string) []byte {
	for _, secret := range secrets {
		text = maskOne(text, []byte(secret))
	}
	return text
}

func maskOne(text, secret []byte) []byte {
	if !bytes.Contains(text, secret) {
		return text
	}
	var out []byte
	for {
		at := bytes.Index(text, secret)
		if at < 0 {
			return append(out, text...)
		}
		end := at + len(secret)
		if at > 0 && joins(text[at-1], secret[0]) || end < len(text) && joins(secret[len(secret)-1], text[end]) {
			out, text = append(out, text[:end]...), text[end:]
			continue
		}
		out, text = append(append(out, text[:at]...), masked...), text[end:]
	}
}

// joins tells whether two bytes belong to one word.
func joins(a, b byte) bool { return wordly(a) && wordly(b) }

func wordly(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
