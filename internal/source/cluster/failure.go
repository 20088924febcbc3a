package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// reason says why a request failed.
type reason int

const (
	other reason = iota
	forbidden
	unauthorized
	missing
	gone
	busy
	timedOut
	unreachable
	tooLarge
)

// failure is a request that was not answered.
type failure struct {
	why reason
	// code is the HTTP status, 0 if there was none.
	code int
	text string
	// token continues a list whose first token has expired.
	token string
	// after is how long the server asks to wait.
	after time.Duration
}

// Error says what happened and what would help.
func (f *failure) Error() string {
	switch f.why {
	case forbidden:
		_, who, ok := strings.Cut(f.text, "is forbidden: ")
		if !ok {
			who = f.text
		}
		return "forbidden: " + who + "; redoubt access prints the rights that a scan needs"
	case unauthorized:
		return "the server refuses the credentials: they are wrong or have expired (" + f.text + "); log in again"
	case missing:
		return "the server does not serve it (" + f.text + ")"
	case timedOut:
		return f.text + "; --request-timeout allows more time"
	case unreachable:
		return "the connection failed (" + f.text + "); check address, network and certificates, and scan again"
	case busy:
		return "the server is not ready or too busy (" + f.text + "); scan again later"
	case gone, tooLarge, other:
	}
	if f.code > 0 {
		return fmt.Sprintf("the server answers %d: %s", f.code, f.text)
	}
	return f.text
}

// passing failures may go away by themselves within seconds.
func (f *failure) passing() bool {
	return f.why == busy || f.why == unreachable && !strings.Contains(f.text, "x509:") && !strings.Contains(f.text, "no such host")
}

// fromTransport explains why there was no answer.
func fromTransport(ctx context.Context, err error, limit time.Duration) *failure {
	if ctx.Err() != nil {
		return &failure{why: timedOut, text: "the run was cut off (" + context.Cause(ctx).Error() + ")"}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return &failure{why: timedOut, text: fmt.Sprintf("no answer within %s", limit)}
	}
	text := err.Error()
	// The address is in the text of the caller.
	if inner := errors.Unwrap(err); inner != nil {
		text = inner.Error()
	}
	return &failure{why: unreachable, text: text}
}
