package ratelimit_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestCaller answers an Envoy whose connection proves its fleet for that fleet's routes alone.
func TestCaller(t *testing.T) {
	t.Parallel()
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	d := r.descriptor(t, "list", "per-customer", "token.sub", "alice")
	var (
		fleet string
		known bool
		wrong error
	)
	r.Ask(func(context.Context) (string, bool, error) { return fleet, known, wrong })
	for _, step := range []struct {
		fleet     string
		known     bool
		wrong     error
		code      codes.Code
		strangers uint64
	}{
		{"", false, nil, codes.OK, 0},
		{"edge", true, nil, codes.OK, 0},
		{"vault", true, nil, codes.Unavailable, 1},
		{"edge", true, errors.New("it says to be another"), codes.PermissionDenied, 2},
	} {
		fleet, known, wrong = step.fleet, step.known, step.wrong
		_, err := r.ShouldRateLimit(t.Context(), request(d))
		if status.Code(err) != step.code {
			t.Errorf("as %q, %v: %v, want %s", step.fleet, step.wrong, err, step.code)
		}
		if n := r.Counts().Strangers; n != step.strangers {
			t.Errorf("as %q, %v: %d strangers counted, want %d", step.fleet, step.wrong, n, step.strangers)
		}
	}
	known, wrong = false, nil
	if left := r.spend(t, 5, d); left != 3 {
		t.Errorf("%d of 5 admitted after two that counted, want 3: who is refused spends nothing", left)
	}
}
