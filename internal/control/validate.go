package control

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/finding"
)

var idForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Validate checks the form of the control and returns all faults at once. It
// does not compile the expressions; [Compile] does.
func (c *Control) Validate() error {
	var faults []error
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("control "+c.ID+": "+format, args...))
	}
	if !idForm.MatchString(c.ID) {
		fault("id %q is not kebab-case words", c.ID)
	}
	for name, text := range map[string]string{"title": c.Title, "rationale": c.Rationale, "fix.text": c.Fix.Text} {
		if strings.TrimSpace(text) == "" {
			fault("%s is missing", name)
		}
	}
	if strings.HasSuffix(c.Title, ".") {
		fault("title ends with a full stop")
	}
	if _, err := finding.ParseSeverity(c.Severity); err != nil {
		fault("%w", err)
	}
	if !slices.Contains([]Target{TargetObject, TargetPodTemplate, TargetContainer, TargetPodOrContainer, TargetVolume, TargetInventory}, c.Target) {
		fault("unknown target %q", c.Target)
	}
	if !slices.Contains([]Safety{Safe, Review, Manual}, c.Fix.Safety) {
		fault("fix.safety %q: want safe, review or manual", c.Fix.Safety)
	}
	c.validateRule(fault)
	c.validateTests(fault)
	return errors.Join(faults...)
}

func (c *Control) validateRule(fault func(format string, args ...any)) {
	if c.Analysis {
		if c.Violation != "" || c.When != "" || len(c.Versions) > 0 {
			fault("an analysis has neither when nor violation nor versions")
		}
		return
	}
	if c.Target == TargetInventory {
		fault("target inventory needs analysis: true")
	}
	if c.Violation == "" {
		fault("violation is missing")
	}
	if c.Message == "" && c.MessageExpression == "" {
		fault("message is missing")
	}
	if c.Target == TargetObject && len(c.Kinds) == 0 {
		fault("target object needs kinds")
	}
	last := -1
	for _, v := range c.Versions {
		minor, err := ParseMinor(v.Since)
		if err != nil {
			fault("%w", err)
		}
		if minor <= last {
			fault("versions do not rise at %s", v.Since)
		}
		last = minor
	}
}

// validateTests demands that a control can fail and can pass.
func (c *Control) validateTests(fault func(format string, args ...any)) {
	seen := make(map[string]bool)
	expects := make(map[finding.Verdict]bool)
	for _, t := range c.Tests {
		if t.Name == "" || seen[t.Name] {
			fault("test name %q is empty or taken", t.Name)
		}
		seen[t.Name] = true
		v, err := finding.ParseVerdict(t.Expect)
		if err != nil {
			fault("test %q: %w", t.Name, err)
		}
		expects[v] = true
	}
	if len(c.Tests) > 0 && (!expects[finding.Fail] || !expects[finding.Pass]) {
		fault("tests need at least one failing and one passing case")
	}
}
