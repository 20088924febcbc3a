package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Question asks whether somebody may do something. It is answered by all
// authorisers of the server, and nothing is kept.
type Question struct {
	User   string
	Groups []string
	Verb   string
	// Path is set for what is no resource.
	Path                                          string
	Group, Resource, Subresource, Namespace, Name string
}

// Decision is the answer to a question.
type Decision struct {
	Allowed bool
	// Reason is the server's own, which may be empty.
	Reason string
	// Unclear says why there is no answer, "" if there is one.
	Unclear string
}

// ErrMayNotAsk means that the right to ask is missing.
var ErrMayNotAsk = errors.New("to check rights with the cluster takes the right to create subjectaccessreviews.authorization.k8s.io, which the ClusterRole system:auth-delegator gives")

// Ask puts the questions to the server as SubjectAccessReviews, some at a time.
// A question that is not answered is unclear; only a missing right to ask, and
// the end of the run, are errors.
func (c *Client) Ask(ctx context.Context, questions []Question) ([]Decision, error) {
	const atOnce = 8
	out := make([]Decision, len(questions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i := range questions {
		group.Go(func() error {
			if ctx.Err() != nil {
				return fmt.Errorf("ask the cluster: %w", context.Cause(ctx))
			}
			d, err := c.ask(ctx, &questions[i])
			out[i] = d
			return err
		})
		if c.opts.Progress != nil {
			c.opts.Progress("asking who may do what", i, len(questions))
		}
	}
	return out, group.Wait()
}

func (c *Client) ask(ctx context.Context, q *Question) (Decision, error) {
	review := authorizationv1.SubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview"},
		Spec:     authorizationv1.SubjectAccessReviewSpec{User: q.User, Groups: q.Groups},
	}
	if q.Path != "" {
		review.Spec.NonResourceAttributes = &authorizationv1.NonResourceAttributes{Path: q.Path, Verb: q.Verb}
	} else {
		review.Spec.ResourceAttributes = &authorizationv1.ResourceAttributes{
			Namespace: q.Namespace, Verb: q.Verb, Group: q.Group, Resource: q.Resource, Subresource: q.Subresource, Name: q.Name,
		}
	}
	body, err := json.Marshal(review)
	if err != nil {
		return Decision{}, fmt.Errorf("ask the cluster: %w", err)
	}
	answer, failed := c.get(ctx, request{path: "/apis/authorization.k8s.io/v1/subjectaccessreviews", body: body, attempts: 3})
	if failed != nil {
		if failed.why == forbidden {
			return Decision{}, fmt.Errorf("%w: %s", ErrMayNotAsk, failed.text)
		}
		return Decision{Unclear: failed.Error()}, nil
	}
	var got authorizationv1.SubjectAccessReview
	if err := json.Unmarshal(answer, &got); err != nil {
		return Decision{Unclear: "the answer is not understood: " + err.Error()}, nil //nolint:nilerr // it is an answer without sense
	}
	d := Decision{Allowed: got.Status.Allowed, Reason: got.Status.Reason}
	if !d.Allowed && !got.Status.Denied && got.Status.EvaluationError != "" {
		d.Unclear = "the server could not tell: " + got.Status.EvaluationError
	}
	return d, nil
}
