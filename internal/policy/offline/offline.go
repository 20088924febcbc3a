// Package offline tries ValidatingAdmissionPolicies on objects that are at
// hand, with the matchers and the CEL machinery of the API server itself.
//
// It asks no cluster: what only a cluster knows makes a decision unknown.
package offline

import (
	"cmp"
	"context"
	"errors"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"

	"github.com/redoubt-k8s/redoubt/internal/inventory"
)

// Verdict is what a policy says of an object.
type Verdict string

// The verdicts, from the worst down.
const (
	// Refused: the object would not get in.
	Refused Verdict = "refused"
	// Noted: it would get in, with a warning or a note in the audit log.
	Noted Verdict = "noted"
	// Unknown: only a cluster can tell.
	Unknown Verdict = "unknown"
)

// Options say who makes the requests.
type Options struct {
	User   string
	Groups []string
}

// Decision is what one policy, by one binding, says of one object. Objects
// that a policy admits have none.
type Decision struct {
	Policy  string `json:"policy"`
	Binding string `json:"binding"`
	// Actions are those of the binding.
	Actions []admissionregistrationv1.ValidationAction `json:"actions,omitempty"`
	Verdict Verdict                                    `json:"verdict"`
	Message string                                     `json:"message"`
	// Object is namespace/Kind/name; Pods is set when its pods are meant.
	Object string `json:"object"`
	Pods   bool   `json:"pods,omitempty"`
	File   string `json:"file,omitempty"`
	Line   int32  `json:"line,omitempty"`
}

// Result is the outcome of a run.
type Result struct {
	// Policies and Objects count what was tried, Requests the pairs of an
	// object and a policy that matches it.
	Policies int `json:"policies"`
	Objects  int `json:"objects"`
	Requests int `json:"requests"`
	// Decisions are in order of file, line and policy.
	Decisions []Decision `json:"decisions"`
	// Remarks are about policies that can have no effect.
	Remarks []string `json:"remarks,omitempty"`
}

// ErrNoPolicy means that there was nothing to try.
var ErrNoPolicy = errors.New("there is no ValidatingAdmissionPolicy among the files")

// Run asks the policies about the creation of every object, and of the pods
// that workloads stand for. Parameters and namespaces are taken from both
// inventories.
func Run(ctx context.Context, policies, objects *inventory.Inventory, o Options) (*Result, error) {
	set, err := load(policies)
	if err != nil {
		return nil, err
	}
	if len(set.policies) == 0 {
		return nil, ErrNoPolicy
	}
	e := newEngine(set, o, policies, objects)
	res := &Result{Policies: len(set.policies), Decisions: make([]Decision, 0), Remarks: set.remarks}
	for _, object := range objects.Objects {
		requests, why := e.requestsOf(object)
		if why != "" {
			res.Decisions = append(res.Decisions, Decision{Verdict: Unknown, Message: why, Object: object.Ref(), File: object.Origin.File, Line: object.Root.Line})
			continue
		}
		if len(requests) > 0 {
			res.Objects++
		}
		for _, r := range requests {
			e.judge(ctx, r, res)
		}
	}
	slices.SortStableFunc(res.Decisions, func(a, b Decision) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Binding, b.Binding))
	})
	return res, nil
}
