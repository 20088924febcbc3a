// Package finding holds the outcome of a judgement: verdict, severity, the
// object and field it is about, and the waiver that may cover it.
//
// It knows nothing of how a verdict came about and nothing of output formats.
package finding

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Verdict is the outcome of judging one target by one control. The zero value
// is Unknown: code that forgets to decide can't report a pass.
type Verdict int

// The verdicts.
const (
	Unknown Verdict = iota
	NotApplicable
	Waived
	Pass
	Fail
)

// String is the verdict as the JSON report spells it.
func (v Verdict) String() string {
	switch v {
	case Fail:
		return "fail"
	case Pass:
		return "pass"
	case Waived:
		return "waived"
	case NotApplicable:
		return "not-applicable"
	case Unknown:
	}
	return "unknown"
}

// ParseVerdict is the reverse of [Verdict.String].
func ParseVerdict(s string) (Verdict, error) {
	for _, v := range []Verdict{Unknown, NotApplicable, Waived, Pass, Fail} {
		if v.String() == s {
			return v, nil
		}
	}
	return Unknown, fmt.Errorf("unknown verdict %q: want pass, fail, waived, not-applicable or unknown", s)
}

// Severity is how bad a failing control is. The zero value is no severity.
type Severity int

// The severities, rising.
const (
	NoSeverity Severity = iota
	Info
	Low
	Medium
	High
	Critical
)

// Severities lists the severities from the worst down.
func Severities() []Severity { return []Severity{Critical, High, Medium, Low, Info} }

// String is the severity in lower case.
func (s Severity) String() string {
	switch s {
	case Critical:
		return "critical"
	case High:
		return "high"
	case Medium:
		return "medium"
	case Low:
		return "low"
	case Info:
		return "info"
	case NoSeverity:
	}
	return "none"
}

// ParseSeverity is the reverse of [Severity.String]; letter case does not
// matter.
func ParseSeverity(s string) (Severity, error) {
	for _, v := range Severities() {
		if strings.EqualFold(v.String(), s) {
			return v, nil
		}
	}
	return NoSeverity, fmt.Errorf("unknown severity %q: want critical, high, medium, low or info", s)
}

// Finding is one verdict about one target. Findings are values; what filters
// or waives them makes new ones.
type Finding struct {
	// Control is the id of the control.
	Control  string
	Verdict  Verdict
	Severity Severity
	// Object is what was judged, nil for a finding about the run as a whole.
	Object *inventory.Object
	// Container is the name of the container, if the target is one.
	Container string
	// Path is the field to blame, whether it exists or not.
	Path string
	// File, when set, overrides the object's file, for findings about files
	// that hold no object.
	File string
	// Line and Column, when set, override the position that Path has in Object.
	Line, Column int32
	// Message says in a sentence what is wrong; for an unknown verdict why it
	// could not be told and what would answer it.
	Message string
	// Waiver is what covers the finding when the verdict is Waived.
	Waiver *Waiver
	// Baseline is set by a comparison with an earlier report.
	Baseline BaselineState
}

// BaselineState tells a new finding from one the baseline knows.
type BaselineState int

// The baseline states. Without a baseline every finding is Unmatched.
const (
	Unmatched BaselineState = iota
	Known
	Added
)

// Waiver is a decision of a person that a finding is acceptable.
type Waiver struct {
	// Source says where the decision stands, such as .redoubt.yaml:12 or
	// shop.yaml:7.
	Source string
	Reason string
	Owner  string
	// Until is the day the waiver ends, YYYY-MM-DD, or "".
	Until string
}

// Location is a place a person can open.
type Location struct {
	File         string
	Line, Column int32
}

// String is file:line, as editors and terminals understand it.
func (l Location) String() string {
	if l.File == "" || l.Line == 0 {
		return l.File
	}
	return fmt.Sprintf("%s:%d", l.File, l.Line)
}

// Location is the place of the blamed field, or of its nearest existing
// parent.
func (f *Finding) Location() Location {
	loc := Location{File: f.File, Line: f.Line, Column: f.Column}
	if f.Object == nil || loc.File != "" && loc.Line > 0 {
		return loc
	}
	if loc.File == "" {
		loc.File = f.Object.Origin.File
	}
	// What an API server gives has no lines; asking for them costs time.
	if kind := f.Object.Origin.Kind; loc.Line == 0 && kind != inventory.FromCluster && kind != inventory.FromSnapshot {
		n, _ := f.Object.Root.Nearest(f.Path)
		loc.Line, loc.Column = n.Line, n.Column
	}
	return loc
}

// Ref names the object and container for people.
func (f *Finding) Ref() string {
	if f.Object == nil {
		return f.File
	}
	ref := f.Object.Ref()
	if f.Container != "" {
		ref += "/" + f.Container
	}
	return ref
}

// Compare orders findings by place, then by object, then by severity from the
// worst down, then by control: a total order for a given input. Findings whose
// place is known already, by [Finding.Placed], compare fastest.
func Compare(a, b *Finding) int {
	la, lb := a.Location(), b.Location()
	return cmp.Or(
		cmp.Compare(la.File, lb.File),
		cmp.Compare(la.Line, lb.Line),
		compareObjects(a.Object, b.Object),
		cmp.Compare(a.Container, b.Container),
		cmp.Compare(b.Severity, a.Severity),
		cmp.Compare(a.Control, b.Control),
		cmp.Compare(la.Column, lb.Column),
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Message, b.Message),
		cmp.Compare(a.Verdict, b.Verdict),
	)
}

func compareObjects(a, b *inventory.Object) int {
	switch {
	case a == b:
		return 0
	case a == nil:
		return -1
	case b == nil:
		return 1
	}
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
}

// Sort puts findings into the order of [Compare]. They are large, so pointers
// are sorted in their place.
func Sort(findings []Finding) []Finding {
	order := make([]*Finding, len(findings))
	for i := range findings {
		order[i] = &findings[i]
	}
	slices.SortFunc(order, Compare)
	out := make([]Finding, len(findings))
	for i, f := range order {
		out[i] = *f
	}
	return out
}

// Placed returns the finding with its place looked up.
func (f *Finding) Placed() Finding {
	loc := f.Location()
	out := *f
	out.File, out.Line, out.Column = loc.File, loc.Line, loc.Column
	return out
}
