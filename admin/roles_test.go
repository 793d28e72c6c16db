package admin

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// TestProposalsAreAskedAbout asks again once the source of a proposal is known.
func TestProposalsAreAskedAbout(t *testing.T) {
	t.Parallel()
	k := &known{ruling: func(q Question) (Verdict, error) {
		if q.Source == nil || q.Operation != "applyChange" || *q.Source == "broken" {
			return Verdict{Allow: true}, errors.New("undecided")
		}
		return Verdict{Allow: *q.Source == "payments", Why: "the caller's credential is for the source \"payments\" alone"}, nil
	}}
	o := Options{Roles: k}
	n := &notes{}
	ctx := context.WithValue(context.WithValue(t.Context(), questionKey{}, Question{Operation: "applyChange"}), notesKey{}, n)
	for source, want := range map[string]int{"payments": 0, "orders": http.StatusForbidden, "broken": http.StatusServiceUnavailable} {
		err := o.mayPropose(ctx, source)
		if e, ok := errors.AsType[huma.StatusError](err); ok != (want != 0) || ok && e.GetStatus() != want {
			t.Errorf("%s: %v, want %d", source, err, want)
		}
	}
	if !n.denied {
		t.Error("the audit is not told of the denial")
	}
	if err := o.mayPropose(t.Context(), "payments"); err == nil {
		t.Error("allowed though nobody was asked before")
	}
}
