// Package control defines what a control is: the declarative file that says
// what to judge, when it is violated, which field to blame, how to fix it and
// how it proves itself.
//
// It knows no single control, and judges nothing.
package control

import (
	"slices"

	"github.com/google/cel-go/cel"

	"github.com/redoubt-k8s/redoubt/internal/expr"
	"github.com/redoubt-k8s/redoubt/internal/finding"
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Target says what one judgement of a control is about.
type Target string

// The targets.
const (
	// TargetObject is a whole object of one of the control's kinds.
	TargetObject Target = "object"
	// TargetPodTemplate is a pod specification: self is the spec.
	TargetPodTemplate Target = "podTemplate"
	// TargetContainer is each init, sidecar, regular and ephemeral container.
	TargetContainer Target = "container"
	// TargetPodOrContainer is the pod specification and then each container:
	// for fields, such as those of securityContext, that both may hold.
	TargetPodOrContainer Target = "podOrContainer"
	// TargetVolume is each volume of a pod specification.
	TargetVolume Target = "volume"
	// TargetInventory is the inventory as a whole; only analyses have it.
	TargetInventory Target = "inventory"
)

// Safety says how far a fix can be trusted.
type Safety string

// The safeties of a fix.
const (
	// Safe edits can't change how a correct application behaves.
	Safe Safety = "safe"
	// Review edits may change behaviour; the fix says how.
	Review Safety = "review"
	// Manual means that a person has to decide what the right value is.
	Manual Safety = "manual"
)

// Control is one rule with everything that belongs to it. It is written once,
// as YAML, in a file named after its id.
type Control struct {
	// ID is kebab-case words, unique and never reused.
	ID string `json:"id"`
	// Formerly are ids the control had before.
	Formerly []string `json:"formerly,omitempty"`
	// Chapter is the folder of the catalogue; set by the loader.
	Chapter string `json:"chapter,omitempty"`
	// Title states the fault, in sentence case without a full stop.
	Title    string `json:"title"`
	Severity string `json:"severity"`
	// Requirements are ids of the requirements catalogue.
	Requirements []string `json:"requirements"`
	Maps         Maps     `json:"maps,omitzero"`
	Target       Target   `json:"target"`
	// Kinds are the kinds a TargetObject control looks at, as Kind or
	// Kind.group ("Ingress.networking.k8s.io"). For other targets they narrow
	// the objects looked at; empty means all.
	Kinds []string `json:"kinds,omitempty"`
	// When is CEL: where it is false the control is not applicable.
	When string `json:"when,omitempty"`
	// Violation is CEL: where it is true the control fails.
	Violation string `json:"violation,omitempty"`
	// Versions are other texts of When and Violation from a Kubernetes minor
	// version on, rising. Violation itself is in force before the first.
	Versions []Version `json:"versions,omitempty"`
	// At is the field to blame, relative to the target. It need not exist. In
	// a pod template, a path that starts with metadata is one of the template.
	At string `json:"at,omitempty"`
	// Message says what is wrong, for people, about one target.
	Message string `json:"message,omitempty"`
	// MessageExpression is CEL yielding a more precise message.
	MessageExpression string `json:"messageExpression,omitempty"`
	// Analysis marks a control that is judged by Go beside the YAML.
	Analysis bool `json:"analysis,omitempty"`
	// Rationale says why it matters, in two or three sentences.
	Rationale string `json:"rationale"`
	Fix       Fix    `json:"fix"`
	// Exceptions says when a person may rightly waive it.
	Exceptions string `json:"exceptions,omitempty"`
	// Reads says what the expressions look at. It is computed, never written
	// by hand.
	Reads *Reads `json:"reads,omitempty"`
	// Tests prove the control.
	Tests []Test `json:"tests,omitempty"`
}

// Version is the text of a rule from a Kubernetes minor version on.
type Version struct {
	// Since is the first version, such as v1.27.
	Since     string `json:"since"`
	When      string `json:"when,omitempty"`
	Violation string `json:"violation"`
	// Reads is computed, as that of the control.
	Reads *Reads `json:"reads,omitempty"`
}

// Reads says what the expressions in force look at.
type Reads struct {
	// When is what the expression of that name reads, Verdict what violation
	// and message read.
	When    expr.Reads `json:"when,omitzero"`
	Verdict expr.Reads `json:"verdict,omitzero"`
}

// Maps are the ids other frameworks have for the same thing.
type Maps struct {
	// PSS is level/checkID of the Pod Security Standards.
	PSS       string   `json:"pss,omitempty"`
	CIS       []string `json:"cis,omitempty"`
	OWASP     []string `json:"owasp,omitempty"`
	MITRE     []string `json:"mitre,omitempty"`
	Kubescape []string `json:"kubescape,omitempty"`
}

// Fix is how to mend a violation.
type Fix struct {
	Safety Safety `json:"safety"`
	// Set gives fields values; the paths are relative to the target.
	Set map[string]any `json:"set,omitempty"`
	// Remove lists fields to delete; the paths are relative to the target.
	Remove []string `json:"remove,omitempty"`
	// Unless is CEL about the target: where it is true, Set and Remove would
	// make an object that the API server refuses, and a policy that applies them
	// unasked must leave the target alone.
	Unless string `json:"unless,omitempty"`
	// Text says what to do, in one or two sentences.
	Text string `json:"text"`
}

// Test is one case a control must get right.
type Test struct {
	// Name is a sentence about the case.
	Name string `json:"name"`
	// Expect is the verdict: pass, fail, unknown or not-applicable.
	Expect string `json:"expect"`
	// At is the path of the blamed field of the first failing finding,
	// checked if given.
	At string `json:"at,omitempty"`
	// Count is the number of failing findings, checked if given.
	Count int `json:"count,omitempty"`
	// Version is the Kubernetes version to judge by, latest if empty.
	Version string `json:"version,omitempty"`
	// Manifest is YAML, one or more documents; or another known file if File
	// names it.
	Manifest string `json:"manifest"`
	// Images are users of images that are known from elsewhere.
	Images map[string]string `json:"images,omitempty"`
	// File is the name the manifest is read under, manifest.yaml if empty.
	File string `json:"file,omitempty"`
	// Cluster makes the manifest all that a cluster holds.
	Cluster *TestCluster `json:"cluster,omitempty"`
}

// TestCluster is the cluster that a test plays.
type TestCluster struct {
	// Server is the version of the API server.
	Server string `json:"server,omitempty"`
	// Date is when the cluster was read, such as 2026-11-21.
	Date string `json:"date,omitempty"`
	// Digests are those that run under an image reference.
	Digests map[string][]string `json:"digests,omitempty"`
	// Missing are kinds that could not be read.
	Missing []string `json:"missing,omitempty"`
}

// SeverityLevel is the parsed severity.
func (c *Control) SeverityLevel() finding.Severity {
	s, err := finding.ParseSeverity(c.Severity)
	if err != nil {
		return finding.NoSeverity
	}
	return s
}

// An Analysis judges what one object alone can't show. It must be a pure
// function of inv, and report every target it looked at, passes included. The
// caller fills in control and severity; an analysis may set a severity of its
// own, and leaves File, Line and Column alone where Object and Path say it.
type Analysis func(inv *inventory.Inventory, report func(finding.Finding))

// Compiled is a control ready to judge.
type Compiled struct {
	*Control

	// Level is the severity.
	Level finding.Severity
	// Reads is never nil but for an analysis.
	Reads *Reads

	// When and Violation are nil for an analysis; When may be nil.
	When, Violation *expr.Program
	// Message is nil when the control has a fixed message.
	Message *expr.Program
	// Unless is that of the fix, nil if it has none.
	Unless *expr.Program
	// Analyse is set for an analysis.
	Analyse Analysis
}

// Prepare makes the expressions of c, as they are in force in a Kubernetes
// minor version, ready to run. They are compiled when they are first needed:
// that is right for built-in controls, which a test has compiled.
func Prepare(c *Control, minor int, analyse Analysis) (*Compiled, error) {
	out := &Compiled{Control: c, Level: c.SeverityLevel(), Analyse: analyse}
	if c.Analysis {
		return out, nil
	}
	text, err := c.textOf(minor)
	if err != nil {
		return nil, err
	}
	if out.Reads = text.Reads; out.Reads == nil {
		if out.Reads, err = c.readsOf(text); err != nil {
			return nil, err
		}
	}
	out.Violation = expr.Lazy(text.Violation, cel.BoolType)
	if text.When != "" {
		out.When = expr.Lazy(text.When, cel.BoolType)
	}
	if c.MessageExpression != "" {
		out.Message = expr.Lazy(c.MessageExpression, cel.StringType)
	}
	if c.Fix.Unless != "" {
		out.Unless = expr.Lazy(c.Fix.Unless, cel.BoolType)
	}
	return out, nil
}

// WithReads returns a copy of c in which Reads is set, for all versions.
func (c *Control) WithReads() (*Control, error) {
	out := *c
	if c.Analysis {
		return &out, nil
	}
	out.Versions = slices.Clone(c.Versions)
	var err error
	if out.Reads, err = c.readsOf(c.first()); err != nil {
		return nil, err
	}
	for i := range out.Versions {
		if out.Versions[i].Reads, err = c.readsOf(out.Versions[i]); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

func (c *Control) readsOf(text Version) (*Reads, error) {
	when, err := expr.ReadsOf(text.When)
	if err != nil {
		return nil, err
	}
	verdict, err := expr.ReadsOf(text.Violation, c.MessageExpression)
	if err != nil {
		return nil, err
	}
	return &Reads{When: *when, Verdict: *verdict}, nil
}

// Compile is [Prepare], and compiles the expressions at once.
func Compile(c *Control, minor int, analyse Analysis) (*Compiled, error) {
	out, err := Prepare(c, minor, analyse)
	if err != nil {
		return nil, err
	}
	for _, p := range []*expr.Program{out.Violation, out.When, out.Message, out.Unless} {
		if err := p.Check(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// first is the text in force before the first of the versions.
func (c *Control) first() Version {
	return Version{When: c.When, Violation: c.Violation, Reads: c.Reads}
}

// textOf picks the text in force in a minor version.
func (c *Control) textOf(minor int) (Version, error) {
	text := c.first()
	for _, v := range c.Versions {
		since, err := ParseMinor(v.Since)
		if err != nil {
			return text, err
		}
		if minor >= since {
			text = v
		}
	}
	return text, nil
}
