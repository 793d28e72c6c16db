package ratelimit_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// attempt makes a call under an id, as Envoy does in each of its attempts.
func (r *running) attempt(t *testing.T, id, customer string) (ok bool, remaining uint32) {
	t.Helper()
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(envoy.HeaderCall, id))
	return r.answered(ctx, t, customer)
}

func (r *running) answered(ctx context.Context, t *testing.T, customer string) (ok bool, remaining uint32) {
	t.Helper()
	resp, err := r.ShouldRateLimit(ctx, request(r.descriptor(t, "get", "per-customer", "token.sub", customer)))
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetOverallCode() == rlsv3.RateLimitResponse_OK, resp.GetStatuses()[0].GetLimitRemaining()
}

func id(n int) string { return fmt.Sprintf("5f9e91cb-1191-4b0e-8700-%012d", n) }

// TestAttempts asks again under the same id, as Envoy does when it got no answer: it spends once.
func TestAttempts(t *testing.T) {
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil)) // Five a minute.
	for n := range 5 {
		for range 3 {
			if ok, remaining := r.attempt(t, id(n), "alice"); !ok || remaining != uint32(4-n) {
				t.Errorf("call %d: %v, %d remain, want %d", n, ok, remaining, 4-n)
			}
		}
	}
	for range 2 { // What was refused has spent nothing, and is decided anew.
		if ok, _ := r.attempt(t, id(5), "alice"); ok {
			t.Error("the sixth call is let through")
		}
	}
	r.clock.Advance(10 * time.Second)
	if ok, remaining := r.attempt(t, id(4), "alice"); !ok || remaining != 0 {
		t.Errorf("ten seconds later: %v, %d remain", ok, remaining)
	}
	if ok, _ := r.answered(t.Context(), t, "alice"); ok {
		t.Error("a call without an id is taken for an attempt")
	}
	for _, not := range []string{"", "5f9e91cb", id(4) + "00", "zzzzzzzz-1191-4b0e-8700-000000000004"} {
		if ok, _ := r.attempt(t, not, "alice"); ok {
			t.Errorf("the id %q is taken for that of an earlier call", not)
		}
	}
	r.clock.Advance(2 * time.Minute)
	if ok, remaining := r.attempt(t, id(4), "alice"); !ok || remaining != 4 {
		t.Errorf("two minutes later: %v, %d remain, want 4: the id is forgotten", ok, remaining)
	}
}

// TestAttemptsMove asks again after the calls have moved to another process.
func TestAttemptsMove(t *testing.T) {
	before := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	after := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	before.attempt(t, id(1), "alice")
	before.clock.Advance(11 * time.Second)
	before.attempt(t, id(2), "alice")
	before.clock.Advance(time.Second)
	list := before.ExportCalls()
	if err := after.ImportCalls(list); err != nil {
		t.Fatal(err)
	}
	if _, remaining := after.attempt(t, id(2), "alice"); remaining != 5 {
		t.Errorf("an attempt of a call that another process answered spends: %d remain", remaining)
	}
	if _, remaining := after.attempt(t, id(3), "alice"); remaining != 4 {
		t.Errorf("a new call spends nothing: %d remain", remaining)
	}
	if err := after.ImportCalls(list[:len(list)-1]); err == nil {
		t.Error("a list that ends within an id is taken")
	}
}

// TestCallsAreBounded remembers no more than it may.
func TestCallsAreBounded(t *testing.T) {
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	list := make([]byte, 0, 700_000*16)
	for n := range uint64(700_000) {
		list = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(list, n), n)
	}
	if err := r.ImportCalls(list); err != nil {
		t.Fatal(err)
	}
	if n := len(r.ExportCalls()) / 16; n < 1<<18 || n > 2<<18 {
		t.Errorf("%d calls are remembered", n)
	}
}
