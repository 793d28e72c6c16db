package ratelimit_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

// facts are what limits ask about a request, by name.
type facts map[string]string

func (f facts) Value(part string) (string, bool) {
	value, ok := f[part]
	return value, ok
}

func (f facts) Amount(from string) (string, bool) { return f.Value(from) }

// Holds knows plans alone.
func (f facts) Holds(when *gateway.LimitWhen) bool { return slices.Contains(when.Plans, f["plan"]) }

// parts are facts, names and values in turn.
func parts(texts ...string) facts {
	f := facts{}
	for i := 0; i < len(texts); i += 2 {
		f[texts[i]] = texts[i+1]
	}
	return f
}

// direct spends for a request to an operation.
func (r *running) direct(t testing.TB, call, cost uint64, operation string, key ...string) ratelimit.Spent {
	t.Helper()
	spent, err := r.Spend(t.Context(), ratelimit.Spending{Rules: rulesOf(t, r.rev, operation), Call: call, Cost: cost, Request: parts(key...)})
	if err != nil {
		t.Fatal(err)
	}
	return spent
}

// TestSpendSharesBuckets spends by calls of Envoy's and without a wire from one bucket, and is told the same.
func TestSpendSharesBuckets(t *testing.T) {
	t.Parallel()
	r := start(t, payments([]gateway.Limit{perCustomer(), {Name: "all", Key: []string{"client.address", "header.x-a"}, Windows: []gateway.Window{{Limit: 9, Per: 90 * time.Second}}}}, nil))
	by := []string{"token.sub", "alice", "client.address", "192.0.2.1"}
	want := ratelimit.Spent{Limit: `5, 5;w=60;name="per-customer", 9;w=90;name="all"`, Remaining: "4", Reset: "60"}
	if diff := cmp.Diff(want, r.direct(t, 0, 1, "list", by...)); diff != "" {
		t.Errorf("the first (-want +got):\n%s", diff)
	}
	for i := range 2 {
		each, all := r.descriptor(t, "get", "per-customer", "token.sub", "alice"), r.descriptor(t, "get", "all", "remote_address", "192.0.2.1")
		if got := r.ask(t, each, all).GetStatuses(); got[0].GetLimitRemaining() != uint32(3-i) || got[1].GetLimitRemaining() != uint32(7-i) {
			t.Errorf("a call of Envoy's sees %v", got)
		}
	}
	if got := r.direct(t, 0, 3, "get", by...); !got.Refused || got.Remaining != "2" || got.Reached != "per-customer" || got.RetryAfter == "" {
		t.Errorf("a cost of 3 where 2 remain: %+v", got)
	}
	if got := r.direct(t, 0, 0, "get", by...); got.Refused || got.Remaining != "2" {
		t.Errorf("a look: %+v", got)
	}
	if got := r.direct(t, 0, 2, "get", by...); got.Refused || got.Remaining != "0" {
		t.Errorf("a cost of 2: %+v", got)
	}
	if got := r.direct(t, 0, 1, "get"); got.Refused || got.Remaining != "4" {
		t.Errorf("a request without any part of a key: %+v", got)
	}
	if got := r.Counts().Limits[0]; got.Limit != "all" || got.Spent != 6 {
		t.Errorf("counted: %+v", got)
	}
}

// TestSpendOnce spends once for all attempts of one Check, and for each Check that names no call.
func TestSpendOnce(t *testing.T) {
	t.Parallel()
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	for range 3 {
		if got := r.direct(t, 7, 1, "get"); got.Remaining != "4" {
			t.Errorf("an attempt: %+v", got)
		}
	}
	for i, call := range []uint64{8, 0, 0} {
		if got, want := r.direct(t, call, 1, "get").Remaining, []string{"3", "2", "1"}[i]; got != want {
			t.Errorf("call %d: %s remain, want %s", call, got, want)
		}
	}
}

// TestSpendUnasked returns an error for rules that nobody knows, a store that is away and a defect.
func TestSpendUnasked(t *testing.T) {
	t.Parallel()
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	if _, err := r.Spend(t.Context(), ratelimit.Spending{Rules: "unknown", Cost: 1}); err == nil || r.Counts().Unknown != 1 {
		t.Errorf("unknown rules: %v, %+v", err, r.Counts())
	}
	for _, store := range []broken{func() error { return errors.New("no route to it") }, func() error { panic("a defect") }} {
		s := ratelimit.New(store, slog.New(slog.DiscardHandler), storetest.NewClock().Now)
		s.Use(compile(t, r.rev, nil))
		_, err := s.Spend(t.Context(), ratelimit.Spending{Rules: rulesOf(t, r.rev, "get"), Cost: 1, Request: parts()})
		if c := s.Counts(); err == nil || c.Away+c.Failed != 1 {
			t.Errorf("%v, %+v", err, c)
		}
	}
}

// nextProcess is the service of the process that keeps the buckets, with the wire left out.
type nextProcess struct {
	grpc.ClientConnInterface
	service *ratelimit.Service
}

func (n nextProcess) Invoke(ctx context.Context, _ string, args, reply any, _ ...grpc.CallOption) error {
	sent, _ := metadata.FromOutgoingContext(ctx)
	response, err := n.service.ShouldRateLimit(metadata.NewIncomingContext(ctx, sent), args.(*rlsv3.RateLimitRequest)) //nolint:forcetypeassert // A test.
	if err != nil {
		return err
	}
	*reply.(*rlsv3.RateLimitResponse) = rlsv3.RateLimitResponse{ //nolint:forcetypeassert // A test.
		OverallCode: response.GetOverallCode(), Statuses: response.GetStatuses(), ResponseHeadersToAdd: response.GetResponseHeadersToAdd(),
	}
	return nil
}

// TestSpendMoves asks the process that keeps the buckets once they have moved: from the same buckets, once for each call.
func TestSpendMoves(t *testing.T) {
	t.Parallel()
	documents := payments([]gateway.Limit{perCustomer(), {Name: "all", Key: []string{"client.address", "header.x-a"}, Windows: []gateway.Window{{Limit: 50, Per: time.Minute}}}}, nil)
	after := start(t, documents)
	store := memory.New(memory.Options{Clock: after.clock.Now})
	before := ratelimit.New(store, slog.New(slog.DiscardHandler), after.clock.Now)
	before.Use(compile(t, after.rev, nil))
	before.Forward(nextProcess{service: after.Service})
	spend := func(call uint64) ratelimit.Spent {
		t.Helper()
		spent, err := before.Spend(t.Context(), ratelimit.Spending{
			Rules: rulesOf(t, after.rev, "get"), Call: call, Cost: 1, Request: parts("token.sub", "alice", "client.address", "192.0.2.1"),
		})
		if err != nil {
			t.Fatal(err)
		}
		return spent
	}
	if got := spend(1); got.Remaining != "4" {
		t.Errorf("before: %+v", got)
	}
	store.Seal()
	if err := after.ImportCalls(before.ExportCalls()); err != nil {
		t.Fatal(err)
	}
	if got := spend(1); got.Remaining != "5" {
		t.Errorf("an attempt of a call from before spends: %+v", got)
	}
	for range 2 {
		if got := spend(2); got.Remaining != "4" || got.Reset != "60" || !strings.HasPrefix(got.Limit, "5, 5;w=60") {
			t.Errorf("after: %+v", got)
		}
	}
	want := after.direct(t, 0, 4, "get", "token.sub", "alice", "client.address", "192.0.2.1")
	if got := spend(3); want.Refused || !got.Refused || got.Reached != "per-customer" || got.RetryAfter == "" || got.Remaining != "0" {
		t.Errorf("beyond the limit: %+v after %+v", got, want)
	}
}
