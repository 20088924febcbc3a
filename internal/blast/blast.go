// Package blast answers what an intruder gets who has taken over a workload:
// facts of an inventory become vertices, attack steps become moves between
// them, and closures, paths and cuts over the moves become the answer.
//
// It defines what a [Step] is and knows none; it does no I/O.
package blast

import (
	"github.com/redoubt-k8s/redoubt/internal/inventory"
	"github.com/redoubt-k8s/redoubt/internal/rbac"
)

// Difficulty is what a step asks of an intruder who already stands where it
// starts.
type Difficulty uint8

// The difficulties, rising. Trivial is a file to read or a command to type;
// Easy needs a known tool or a few commands; Hard needs patience, luck with
// timing, or skill; Rare needs a flaw that may not be there.
const (
	Trivial Difficulty = iota + 1
	Easy
	Hard
	Rare
)

// String is the difficulty in a word.
func (d Difficulty) String() string {
	switch d {
	case Trivial:
		return "trivial"
	case Easy:
		return "easy"
	case Hard:
		return "hard"
	case Rare:
		return "rare"
	}
	return "none"
}

// Cost is the length of a move of this difficulty when the easiest path is
// sought.
func (d Difficulty) Cost() int {
	return [...]int{Trivial: 1, Easy: 3, Hard: 10, Rare: 40}[min(d, Rare)]
}

// Step is one way to get further. Exactly one of Workload, Right and World is
// set: it finds the moves.
type Step struct {
	// ID is kebab-case and unique; the file of the step has the same stem.
	ID string
	// Title says in a few words what the intruder does, as in "reads".
	Title string
	// Needs is what must be true, Gives what is gained.
	Needs, Gives string
	// MITRE are techniques of ATT&CK.
	MITRE      []string
	Difficulty Difficulty
	// Control is the id of the control that finds the fault, empty when there is
	// none. Fix says in a sentence what to change; it is empty for steps nobody
	// can take away, such as a node holding what its pods hold.
	Control, Fix string
	// Effort is how hard the change is for its owner, 1 to 5; 0 counts as 2.
	Effort int
	// Workload finds the moves that start in a workload.
	Workload func(f *Facts, w *Workload, emit Emit)
	// Right describes a step that needs rights of RBAC.
	Right *Right
	// World finds moves that belong to neither.
	World func(f *Facts, emit Emit)
}

// Emit takes the moves a step finds.
type Emit func(Move)

// Move is one step with both ends: who stands at From gets To.
type Move struct {
	From, To Vertex
	// Possible is set when it is not known whether the move works; Why says
	// what is missing.
	Possible bool
	Why      string
	// Difficulty overrides that of the step when it is set.
	Difficulty Difficulty
	// Effort overrides that of the step when it is set.
	Effort int
	// Object and Path are the evidence: the field that makes it possible. Note
	// says more, such as a verb and resource.
	Object *inventory.Object
	Path   string
	Note   string
	// Grant is the evidence for moves by rights.
	Grant rbac.Grant
}

// Right is the precondition of a step that needs rights.
type Right struct {
	// Needs must all be met in one scope; each by any of its requests.
	Needs [][]Request
	// Gain emits the moves of a subject that meets the needs.
	Gain func(f *Facts, h Holding, emit Emit)
	// Wild makes the step count for subjects that may do everything, too.
	// Others are skipped for them, since the one step wildcard says it all.
	Wild bool
}

// Request is a kind of request to the API server.
type Request struct {
	Verb, Group, Resource string
	// Sub is the subresource, URL a non-resource path instead of a resource.
	Sub, URL string
	// Cluster is set for resources outside of namespaces: only rights in the
	// whole cluster count.
	Cluster bool
}

// Holding is a subject with the rights a step needs.
type Holding struct {
	Subject Vertex
	// Namespace is where, "" for everywhere.
	Namespace string
	// Names are the objects the right is limited to, nil for all.
	Names []string
	// Grant is the evidence for the first of the needs; Note names the request.
	Grant rbac.Grant
	Note  string

	// owner and requests are for those who verify the holding.
	owner    rbac.Subject
	requests []named
}

// named is a request about objects of some names, nil for any.
type named struct {
	Request

	names []string
}

// Move makes a move of the holding's subject with its evidence.
func (h *Holding) Move(to Vertex) Move {
	return Move{From: h.Subject, To: to, Grant: h.Grant, Note: h.Note}
}

// Maybe does the same for a gain that depends on something unknown.
func (h *Holding) Maybe(to Vertex, why string) Move {
	m := h.Move(to)
	m.Possible, m.Why = true, why
	return m
}
