package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
)

// remote is a store that several processes could share. While it is away, calls wait until nobody waits for them.
type remote struct {
	*memory.Store
	away  atomic.Bool
	until atomic.Pointer[time.Time] // Until when the last call was to wait.
}

func (r *remote) Spend(ctx context.Context, charges []ratelimit.Charge, results []limiter.Result) (bool, error) {
	deadline, bounded := ctx.Deadline()
	if !bounded {
		return false, errors.New("a call that may wait for ever")
	}
	r.until.Store(&deadline)
	if r.away.Load() {
		<-ctx.Done()
		return false, ctx.Err()
	}
	return r.Store.Spend(ctx, charges, results)
}

func (r *remote) SpendOnce(ctx context.Context, _ ratelimit.CallID, charges []ratelimit.Charge, results []limiter.Result) (ok, again bool, err error) {
	ok, err = r.Spend(ctx, charges, results)
	return ok, false, err
}

// startRemote starts a service over a store that is away, with three replicas alive.
func startRemote(t *testing.T, docs *gateway.Documents) (*running, *remote) {
	t.Helper()
	r := start(t, docs)
	store := &remote{Store: memory.New(memory.Options{Clock: r.clock.Now})}
	store.away.Store(true)
	r.Service = ratelimit.New(store, slog.New(slog.NewTextHandler(r.logs, nil)), r.clock.Now)
	r.CountLocally(memory.New(memory.Options{Clock: r.clock.Now}), func() int { return 3 })
	r.Use(r.table)
	return r, store
}

// away returns a limit of 9 a minute that does as it says while its store is away.
func away(name string, does gateway.StoreAway) gateway.Limit {
	return gateway.Limit{Name: name, Windows: []gateway.Window{{Limit: 9, Per: time.Minute}}, StoreAway: does}
}

// TestStoreAwayByLimit does what each limit says while its store is away, and counts rightly once it is back.
func TestStoreAwayByLimit(t *testing.T) {
	t.Parallel()
	shadow := away("shadow", gateway.StoreClosed)
	shadow.Mode = gateway.Shadow
	r, store := startRemote(t, draft(payments([]gateway.Limit{
		away("open", gateway.StoreOpen), away("closed", gateway.StoreClosed), away("local", gateway.StoreLocal), away("as-ever", ""), shadow,
	}, nil)))
	of := func(names ...string) (asked []*ratelimitcommonv3.RateLimitDescriptor) {
		for _, name := range names {
			asked = append(asked, r.descriptor(t, "get", name))
		}
		return asked
	}
	for i, c := range []struct {
		limits   []string
		code     codes.Code
		admitted int // Of five.
	}{
		{[]string{"open"}, codes.OK, 5},
		{[]string{"closed"}, codes.Unavailable, 0},
		{[]string{"as-ever"}, codes.Unavailable, 0},
		{[]string{"shadow"}, codes.OK, 5},
		{[]string{"open", "closed"}, codes.Unavailable, 0},
		{[]string{"local", "closed"}, codes.Unavailable, 0},
		{[]string{"open", "local"}, codes.OK, 3}, // A third of 9.
		{[]string{"local"}, codes.OK, 0},
		{[]string{"local", "as-ever"}, codes.OK, 0}, // It refuses, whatever the other would do.
	} {
		admitted := 0
		for range 5 {
			answer, err := r.ShouldRateLimit(t.Context(), request(of(c.limits...)...))
			if status.Code(err) != c.code {
				t.Errorf("case %d: %v, want %s", i, err, c.code)
			}
			if err == nil && answer.GetOverallCode() == ok {
				admitted++
			}
		}
		if admitted != c.admitted {
			t.Errorf("case %d: %d admitted, want %d", i, admitted, c.admitted)
		}
	}
	if n := r.countOf(t, "open").Through; n != 8 {
		t.Errorf("%d requests were counted as let through, want 8", n)
	}
	if n := r.countOf(t, "local"); n.Through != 0 || n.Spent != 3 || n.Refused != 12 {
		t.Errorf("the local limit counted %+v", n)
	}
	store.away.Store(false)
	if got := r.spend(t, 20, of("open", "local")...); got != 9 {
		t.Errorf("%d admitted once the store is back, want 9", got)
	}
}

// TestLetThroughIsTold leaves out the evidence, by whose lack the access log counts, and tells the upstream; who is refused locally is
// told so as ever.
func TestLetThroughIsTold(t *testing.T) {
	t.Parallel()
	r, store := startRemote(t, draft(payments([]gateway.Limit{away("open", gateway.StoreOpen), away("local", gateway.StoreLocal)}, nil)))
	answer := r.ask(t, r.descriptor(t, "get", "open"), r.descriptor(t, "get", "local"))
	if answer.GetDynamicMetadata() != nil || len(answer.GetRequestHeadersToAdd()) != 1 || answer.GetRequestHeadersToAdd()[0].GetKey() != envoy.HeaderLimits {
		t.Errorf("let through: %v", answer)
	}
	if told := toldBy(answer); told["ratelimit-policy"] != `"local";q=9;w=60` || told["ratelimit"] != `"local";r=2;t=60` {
		t.Errorf("a client learns %v", told)
	}
	answer = r.ask(t, r.descriptor(t, "get", "local"))
	if answer.GetDynamicMetadata() == nil || len(answer.GetRequestHeadersToAdd()) != 0 {
		t.Errorf("counted locally: %v", answer)
	}
	spent := r.direct(t, 0, 1, "get")
	if !spent.Unasked || spent.Refused || spent.Standing != `"local";r=0;t=60` {
		t.Errorf("without a wire: %+v", spent)
	}
	if spent = r.direct(t, 0, 1, "get"); spent.Unasked || !spent.Refused || spent.Reached != "local" {
		t.Errorf("without a wire, beyond the local limit: %+v", spent)
	}
	store.away.Store(false)
	if spent = r.direct(t, 0, 1, "get"); spent.Unasked || spent.Refused {
		t.Errorf("once the store is back: %+v", spent)
	}
}

// TestLocalOnce spends once for all attempts of a call while the store is away.
func TestLocalOnce(t *testing.T) {
	t.Parallel()
	r, _ := startRemote(t, draft(payments([]gateway.Limit{away("local", gateway.StoreLocal)}, nil)))
	for range 3 {
		if got := r.direct(t, 7, 1, "get").Standing; got != `"local";r=2;t=60` {
			t.Errorf("an attempt: %s", got)
		}
	}
	if got := r.countOf(t, "local").Spent; got != 1 {
		t.Errorf("counted %d, want 1", got)
	}
}

// TestClosedIsTold tells who spends without a wire that a limit is closed.
func TestClosedIsTold(t *testing.T) {
	t.Parallel()
	for does, closed := range map[gateway.StoreAway]bool{gateway.StoreClosed: true, "": false} {
		r, _ := startRemote(t, payments([]gateway.Limit{away("limit", does)}, nil))
		spent, err := r.Spend(t.Context(), ratelimit.Spending{Rules: rulesOf(t, r.rev, "get"), Cost: 1, Request: parts()})
		if err == nil || spent.Closed != closed {
			t.Errorf("%q: %+v, %v", does, spent, err)
		}
	}
}

// TestPatience waits for a shared store for 20 ms, or as the least patient of the limits says.
func TestPatience(t *testing.T) {
	t.Parallel()
	slow, slower := away("slow", gateway.StoreOpen), away("slower", gateway.StoreOpen)
	slow.StoreTimeout, slower.StoreTimeout = time.Hour, 2*time.Hour
	r, store := startRemote(t, payments([]gateway.Limit{slow, slower, away("usual", gateway.StoreOpen)}, nil))
	store.away.Store(false)
	waits := func(what string, want time.Duration, asked ...*ratelimitcommonv3.RateLimitDescriptor) {
		t.Helper()
		before := time.Now() //nolint:forbidigo // Deadlines are of the real time.
		if _, err := r.ShouldRateLimit(t.Context(), request(asked...)); err != nil {
			t.Fatal(err)
		}
		after := time.Now() //nolint:forbidigo // As above.
		if until := *store.until.Load(); until.Before(before.Add(want)) || until.After(after.Add(want)) {
			t.Errorf("%s: waits for %s, want %s", what, until.Sub(before), want)
		}
	}
	for i, c := range []struct {
		limits []string
		most   time.Duration
	}{
		{[]string{"usual"}, ratelimit.DefaultPatience},
		{[]string{"slower"}, 2 * time.Hour},
		{[]string{"slower", "slow"}, time.Hour},
		{[]string{"slow", "usual"}, ratelimit.DefaultPatience},
	} {
		var asked []*ratelimitcommonv3.RateLimitDescriptor
		for _, name := range c.limits {
			asked = append(asked, r.descriptor(t, "get", name))
		}
		waits(fmt.Sprint("case ", i), c.most, asked...)
	}
	r.Wait(time.Minute)
	waits("told to wait a minute", time.Minute, r.descriptor(t, "get", "usual"))
}
