package catalogue

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/control"
	"github.com/redoubt-k8s/redoubt/internal/finding"
)

// Selection says which controls to use. The zero value selects all.
type Selection struct {
	// Frameworks selects the controls of any of these: see [Frameworks].
	Frameworks []string
	// IDs selects controls by id, former id or glob; Skip takes away likewise.
	IDs, Skip []string
	// Severity is the least severity of a control.
	Severity finding.Severity
}

// Frameworks lists the frameworks a selection can name.
func Frameworks() []string {
	return []string{"nsa", "cis", "pss-baseline", "pss-restricted", "owasp", "mitre"}
}

// Select returns the controls a selection names. A name that matches no
// control, and a selection that leaves none, is an error: a filter with a slip
// in it must not read as a clean scan.
func Select(controls []*control.Control, s Selection) ([]*control.Control, error) {
	for _, f := range s.Frameworks {
		if !slices.Contains(Frameworks(), f) {
			return nil, fmt.Errorf("unknown framework %q: want one of %s", f, strings.Join(Frameworks(), ", "))
		}
	}
	for _, pattern := range slices.Concat(s.IDs, s.Skip) {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("control pattern %q: %w", pattern, err)
		}
		if !slices.ContainsFunc(controls, func(c *control.Control) bool { return named(c, pattern) }) {
			return nil, fmt.Errorf("no control matches %q%s", pattern, suggest(controls, pattern))
		}
	}
	var out []*control.Control
	for _, c := range controls {
		if s.keeps(c) {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the selection leaves no control: %d exist, none is in all of --framework, --control, --skip and --severity", len(controls))
	}
	return out, nil
}

func (s Selection) keeps(c *control.Control) bool {
	matches := func(pattern string) bool { return named(c, pattern) }
	switch {
	case len(s.Frameworks) > 0 && !slices.ContainsFunc(s.Frameworks, func(f string) bool { return inFramework(c, f) }):
		return false
	case len(s.IDs) > 0 && !slices.ContainsFunc(s.IDs, matches):
		return false
	case slices.ContainsFunc(s.Skip, matches):
		return false
	}
	return c.SeverityLevel() >= s.Severity
}

// named tells whether a pattern names the control: by id, by a former id, or
// as pss-CHECK by the id of the Pod Security check it is.
func named(c *control.Control, pattern string) bool {
	names := append([]string{c.ID}, c.Formerly...)
	if c.Maps.PSS != "" {
		names = append(names, "pss-"+path.Base(c.Maps.PSS))
	}
	return slices.ContainsFunc(names, func(name string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}

func inFramework(c *control.Control, framework string) bool {
	switch framework {
	case "nsa":
		return slices.ContainsFunc(c.Requirements, func(id string) bool { return strings.HasPrefix(id, "NSA-") })
	case "cis":
		return len(c.Maps.CIS) > 0
	case "pss-baseline":
		return strings.HasPrefix(c.Maps.PSS, "baseline/")
	case "pss-restricted":
		return c.Maps.PSS != ""
	case "owasp":
		return len(c.Maps.OWASP) > 0
	case "mitre":
		return len(c.Maps.MITRE) > 0
	}
	return false
}

// suggest names controls that share a word with the pattern.
func suggest(controls []*control.Control, pattern string) string {
	var near []string
	for _, c := range controls {
		for word := range strings.SplitSeq(strings.Trim(pattern, "*?"), "-") {
			if len(word) > 2 && strings.Contains(c.ID, word) && !slices.Contains(near, c.ID) {
				near = append(near, c.ID)
			}
		}
	}
	if len(near) == 0 {
		return "; redoubt controls lists them"
	}
	return "; near: " + strings.Join(near[:min(len(near), 5)], ", ")
}
