// Package offline tries ValidatingAdmissionPolicies on objects that are at
// hand, with the matchers and the CEL machinery of the API server itself.
//
// It asks no cluster: what only a cluster knows makes a decision unknown.
package offline

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

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
	// Admitted: the policy has nothing against it.
	Admitted Verdict = "admitted"
)

// The user that requests are made as, if nobody says another.
const (
	DefaultUser  = "kubernetes-admin"
	DefaultGroup = "system:authenticated"
)

// Options say who makes the requests.
type Options struct {
	User   string
	Groups []string
	// Admitted keeps decisions that admit.
	Admitted bool
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
	// Of is the object, Path where the pods' template stands in it.
	Of   *inventory.Object `json:"-"`
	Path string            `json:"-"`
	// Failed is set when the policy could not be evaluated.
	Failed bool `json:"-"`
}

// Policy is a policy that was tried.
type Policy struct {
	*admissionregistrationv1.ValidatingAdmissionPolicy

	// Denies is set when a binding refuses.
	Denies bool
	// Of is where it was read.
	Of *inventory.Object
}

// Result is the outcome of a run.
type Result struct {
	// Policies and Objects count what was tried, Requests the pairs of an
	// object and a policy that matches it.
	Policies int `json:"policies"`
	Objects  int `json:"objects"`
	Requests int `json:"requests"`
	// Admits counts the requests, by binding, that a policy has nothing against.
	Admits int `json:"admitted"`
	// Decisions are in order of file, line and policy.
	Decisions []Decision `json:"decisions"`
	// Remarks are about policies that can have no effect.
	Remarks []string `json:"remarks,omitempty"`
	// Tried are the policies.
	Tried []Policy `json:"-"`
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
	for _, p := range set.policies {
		denies := slices.ContainsFunc(p.bindings, func(b *admissionregistrationv1.ValidatingAdmissionPolicyBinding) bool {
			return slices.Contains(b.Spec.ValidationActions, admissionregistrationv1.Deny)
		})
		res.Tried = append(res.Tried, Policy{ValidatingAdmissionPolicy: p.ValidatingAdmissionPolicy, Denies: denies, Of: p.of})
	}
	for _, part := range e.all(ctx, objects.Objects) {
		res.Objects += part.Objects
		res.Requests += part.Requests
		res.Admits += part.Admits
		res.Decisions = append(res.Decisions, part.Decisions...)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(res.Decisions, func(a, b Decision) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Binding, b.Binding))
	})
	return res, nil
}

// all asks about objects on all processors, and keeps their order.
func (e *engine) all(ctx context.Context, objects []*inventory.Object) []Result {
	parts := make([]Result, len(objects))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(objects) && ctx.Err() == nil; i = next.Add(1) - 1 {
				e.object(ctx, objects[i], &parts[i])
			}
		})
	}
	wg.Wait()
	return parts
}

// object asks every policy about an object and its pods.
func (e *engine) object(ctx context.Context, o *inventory.Object, res *Result) {
	requests, why := e.requestsOf(o)
	if why != "" {
		res.Decisions = append(res.Decisions, Decision{Verdict: Unknown, Message: why, Object: o.Ref(), File: o.Origin.File, Line: o.Root.Line, Of: o})
		return
	}
	if len(requests) > 0 {
		res.Objects++
	}
	for _, r := range requests {
		e.judge(ctx, r, res)
	}
}
