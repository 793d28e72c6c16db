package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
)

// Roles decides who may do what. Where it fails, nothing is allowed.
type Roles interface {
	Decide(ctx context.Context, q Question) (Verdict, error)
}

// Question is whether a caller may do something.
type Question struct {
	Operation string // The operation's id in /openapi.json.
	Method    string
	Path      string
	Query     url.Values
	Caller    Caller

	Source *string // Of a proposal; nil while it is not known.
	Team   *string // That the application belongs to which is changed, or whose keys are; nil while it is not known.
	Owner  string  // The team that what is changed belongs to; empty: no team, or none is asked for.
}

// Verdict is the answer.
type Verdict struct {
	Allow bool
	Need  Role   // The least role that would do; empty: none would.
	Why   string // Of a denial.
}

// questionKey is the key of the question that was asked about a request, in its context.
type questionKey struct{}

// mayPropose asks again about a proposal, once it is known which source it is for. The error is a problem document.
func (o *Options) mayPropose(ctx context.Context, source string) error {
	return o.askAgain(ctx, func(q *Question) { q.Source = &source })
}

// askAgain asks the question about a request once more, with what is known of it by now.
func (o *Options) askAgain(ctx context.Context, add func(*Question)) error {
	q, ok := ctx.Value(questionKey{}).(Question)
	if !ok {
		return huma.Error403Forbidden("nobody has asked whether this is allowed")
	}
	add(&q)
	verdict, err := o.Roles.Decide(ctx, q)
	if err != nil {
		return huma.Error503ServiceUnavailable("whether this is allowed cannot be decided")
	}
	if !verdict.Allow {
		note(ctx).deny()
		return huma.Error403Forbidden(denial(verdict))
	}
	return nil
}

// denial is what a caller is told who may not.
func denial(v Verdict) string {
	if v.Why == "" {
		return "this is not allowed"
	}
	return "this is not allowed: " + v.Why
}

// ask asks whether the caller may do an operation.
func (o *Options) ask(r *http.Request, op operation) (Question, Verdict, error) {
	q := Question{
		Operation: op.id, Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Caller: CallerOf(r.Context()),
	}
	if op.id == "changeEndpoints" && o.Owner != nil {
		q.Owner = o.Owner(op.parameter(r.URL.Path))
	}
	verdict, err := o.Roles.Decide(r.Context(), q)
	if err != nil {
		return q, Verdict{}, fmt.Errorf("decide who may %s: %w", op.id, err)
	}
	return q, verdict, nil
}
