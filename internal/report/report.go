// Package report defines the report of a scan: what the JSON output holds and
// what every other format is rendered from. A report is plain data; it can be
// read back from JSON and rendered again.
//
// It knows nothing of inventories, files or clusters.
package report //nolint:revive // the contract is one set of types

import (
	"io"
	"strconv"
	"time"
)

// Schema is the version of the JSON contract. It changes when a field changes
// its meaning or goes away, not when one is added.
const Schema = "redoubt.report/v1"

// Report is the outcome of one scan.
type Report struct {
	Schema   string    `json:"schema"`
	Scan     Scan      `json:"scan"`
	Summary  Summary   `json:"summary"`
	Findings []Finding `json:"findings"`
	Gaps     []Gap     `json:"gaps"`
	// PodSecurity is the Pod Security level each pod template would pass.
	PodSecurity []PodSecurity `json:"podSecurity,omitempty"`
	// Controls describes the controls that the findings name, sorted by id.
	Controls []Control `json:"controls"`
}

// Scan says what was looked at.
type Scan struct {
	// Version is that of the program.
	Version      string   `json:"version,omitempty"`
	Sources      []string `json:"sources"`
	Files        int      `json:"files"`
	Objects      int      `json:"objects"`
	PodTemplates int      `json:"podTemplates"`
	Controls     int      `json:"controls"`
	// Skipped counts what was seen and is not for Redoubt, by reason.
	Skipped map[string]int `json:"skipped,omitempty"`
	// Started is left out, and Seconds is 0, where reports must be reproducible.
	Started time.Time `json:"started,omitzero"`
	Seconds float64   `json:"seconds"`
}

// Summary counts verdicts.
type Summary struct {
	Fail          Counts `json:"fail"`
	Pass          int    `json:"pass"`
	Unknown       int    `json:"unknown"`
	Waived        int    `json:"waived"`
	NotApplicable int    `json:"notApplicable"`
	// New counts the failures a baseline does not know, when there is one.
	New *int `json:"new,omitempty"`
}

// Counts are failures by severity.
type Counts struct {
	Critical int `json:"critical"`
	High     int `json:"high"`
	Medium   int `json:"medium"`
	Low      int `json:"low"`
	Info     int `json:"info"`
}

// Total adds the severities up.
func (c Counts) Total() int { return c.Critical + c.High + c.Medium + c.Low + c.Info }

// Finding is one verdict.
type Finding struct {
	Control      string   `json:"control"`
	Verdict      string   `json:"verdict"`
	Severity     string   `json:"severity"`
	Requirements []string `json:"requirements,omitempty"`
	Maps         Maps     `json:"maps,omitzero"`
	Object       *Object  `json:"object,omitempty"`
	Container    string   `json:"container,omitempty"`
	Path         string   `json:"path,omitempty"`
	Location     Location `json:"location"`
	Message      string   `json:"message"`
	Fix          Fix      `json:"fix,omitzero"`
	Waiver       *Waiver  `json:"waiver,omitempty"`
	// Fingerprint stays the same when the finding only moves to another line.
	Fingerprint string `json:"fingerprint"`
	// Baseline is "new" or "known" when the scan had a baseline.
	Baseline string `json:"baseline,omitempty"`
	// Values are the Helm values the blamed line reads.
	Values []Value `json:"values,omitempty"`
	// Excerpt is the source around the location. It is left out of the JSON
	// form: the file is at hand where the report is made.
	Excerpt *Excerpt `json:"-"`
}

// Count writes a number with its noun, which takes an s for all but one.
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// Object names a Kubernetes object or another known file.
type Object struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// String is namespace/Kind/name.
func (o *Object) String() string {
	if o == nil {
		return ""
	}
	s := o.Kind
	if o.Name != "" {
		s += "/" + o.Name
	}
	if o.Namespace != "" {
		s = o.Namespace + "/" + s
	}
	return s
}

// Location is where the blamed field stands, or its nearest existing parent.
// Line and Column are 1-based, 0 when unknown.
type Location struct {
	File   string `json:"file"`
	Line   int32  `json:"line"`
	Column int32  `json:"column"`
}

// Maps are the ids of other frameworks.
type Maps struct {
	PSS       string   `json:"pss,omitempty"`
	CIS       []string `json:"cis,omitempty"`
	OWASP     []string `json:"owasp,omitempty"`
	MITRE     []string `json:"mitre,omitempty"`
	Kubescape []string `json:"kubescape,omitempty"`
}

// Fix says what to do.
type Fix struct {
	// Safety is safe, review or manual.
	Safety string `json:"safety"`
	Text   string `json:"text,omitempty"`
}

// Waiver is the decision that covers a finding.
type Waiver struct {
	Source string `json:"source"`
	Reason string `json:"reason,omitempty"`
	Owner  string `json:"owner,omitempty"`
	Until  string `json:"until,omitempty"`
}

// Value is a Helm value in force.
type Value struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	From  string `json:"from,omitempty"`
}

// Excerpt is a few lines of a source file.
type Excerpt struct {
	// First is the number of the first line.
	First int32
	Lines []string
}

// Gap is something that could not be evaluated.
type Gap struct {
	What     string   `json:"what"`
	Why      string   `json:"why"`
	File     string   `json:"file,omitempty"`
	Line     int32    `json:"line,omitempty"`
	Controls []string `json:"controls"`
}

// PodSecurity is the Pod Security level of one pod template.
type PodSecurity struct {
	Object Object `json:"object"`
	Path   string `json:"path,omitempty"`
	// Level is the strictest level it passes: privileged, baseline or
	// restricted; or unknown.
	Level string `json:"level"`
	// Version is the policy version judged by: latest or v1.N.
	Version string `json:"version"`
	// Blocks are the checks that keep it from the next stricter level.
	Blocks   []string `json:"blocks,omitempty"`
	Location Location `json:"location"`
}

// Control describes a control.
type Control struct {
	ID           string   `json:"id"`
	Title        string   `json:"title"`
	Chapter      string   `json:"chapter"`
	Severity     string   `json:"severity"`
	Requirements []string `json:"requirements,omitempty"`
	Maps         Maps     `json:"maps,omitzero"`
	Rationale    string   `json:"rationale"`
	Exceptions   string   `json:"exceptions,omitempty"`
	Fix          Fix      `json:"fix"`
}

// A Renderer writes a report in one format. It must write the same bytes for
// the same report.
type Renderer interface {
	Render(w io.Writer, r *Report) error
}
