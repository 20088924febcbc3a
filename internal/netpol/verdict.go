package netpol

import (
	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Verdict says whether a connection can be opened.
type Verdict uint8

// The verdicts. The zero value is [Unknown].
const (
	Unknown Verdict = iota
	No
	Yes
)

// String is yes, no or unknown.
func (v Verdict) String() string { return [...]string{"unknown", "no", "yes"}[v] }

// MarshalText writes the verdict as its word.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// Answer is a verdict with what it rests on.
type Answer struct {
	Verdict Verdict
	// Ports are the destination ports that are open for sure, or, when none
	// is, those that may be: "TCP 8080", "all ports".
	Ports string
	// Because are the policies and facts that decide, the way out first, then
	// the way in.
	Because []Evidence
}

// Effect is what a piece of evidence does to the connection.
type Effect string

// The effects.
const (
	// Open: nothing restricts this side.
	Open Effect = "open"
	// Allows: a rule lets the connection through.
	Allows Effect = "allows"
	// Denies: a rule refuses it, or a policy isolates and has no rule for it.
	Denies Effect = "denies"
	// Passes: a rule hands the decision to the next tier.
	Passes Effect = "passes"
	// Unclear: what it does can't be told.
	Unclear Effect = "unclear"
)

// Evidence is one reason of an answer.
type Evidence struct {
	// Side is egress or ingress, or "" for what concerns both.
	Side   string
	Effect Effect
	// Object is what decides: a policy, a Service, the workload itself; may be
	// nil.
	Object *inventory.Object
	// Path is the field in it.
	Path string
	// Says explains in a sentence.
	Says string
}

// Place is the file and line of the evidence, "" and 0 without an object.
func (e *Evidence) Place() (string, int32) {
	if e.Object == nil {
		return "", 0
	}
	n, _ := e.Object.Root.Nearest(e.Path)
	return e.Object.Origin.File, n.Line
}

// tri is a truth value; and is min, or is max.
type tri uint8

const (
	no tri = iota
	maybe
	yes
)

func (t tri) verdict() Verdict { return [...]Verdict{no: No, maybe: Unknown, yes: Yes}[t] }

// outcomes is a set of ways a tier may decide.
type outcomes uint8

const (
	allow outcomes = 1 << iota
	deny
	// undecided leaves it to the next tier.
	undecided
)

// settle turns the ways all tiers together may decide into a truth value.
func (o outcomes) settle() tri {
	switch {
	case o&deny == 0:
		return yes
	case o&allow == 0:
		return no
	}
	return maybe
}
