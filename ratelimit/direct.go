package ratelimit

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// Spending is one request that somebody in this process counts, who has made sure that its rules are those of a route of the
// fleet that asks.
type Spending struct {
	Rules string // The rules hash of its route.
	Call  uint64 // Names the request in all attempts, and no other for some seconds; 0: nothing does.
	Cost  uint64 // 0 only looks.
	// Value returns a part of a limit's key, named as in documents; false where the request has none.
	Value func(part string) (string, bool)
}

// Spent tells how the limits of a request stand, as values of headers that Envoy's rate limit filter writes.
type Spent struct {
	Refused    bool   // A limit is reached, and nothing was spent.
	Reached    string // Its name; empty where none is. That of the first of several.
	Limit      string // x-ratelimit-limit: of the limit of which least remains, and the windows of all.
	Remaining  string // x-ratelimit-remaining, of the same.
	Reset      string // x-ratelimit-reset: seconds, rounded up.
	RetryAfter string // retry-after: seconds, rounded up; empty where not refused.
}

// Spend is ShouldRateLimit without a wire: it spends from every limit of a route, all or nothing, and from the same buckets. An
// error tells that the limits are unknown or could not be asked.
func (s *Service) Spend(ctx context.Context, asked Spending) (spent Spent, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.failed.Add(1)
			s.log.ErrorContext(ctx, "spend failed", "panic", p, "stack", string(debug.Stack()))
			spent, err = Spent{}, errors.New("internal error")
		}
	}()
	w, _ := s.works.Get().(*work)
	spent, err = s.direct(ctx, &asked, w)
	s.works.Put(w.emptied()) // Not after a panic: who knows who holds on to it.
	return spent, err
}

func (s *Service) direct(ctx context.Context, asked *Spending, w *work) (Spent, error) {
	rules, ok := s.tables.Load().find(asked.Rules, asker{})
	if !ok {
		s.unknown.Add(1)
		return Spent{}, fmt.Errorf("rules %.64q are unknown", asked.Rules)
	}
	w.chargeAll(rules, asked)
	w.results = append(w.results, make([]limiter.Result, len(w.charges))...)
	ok, err := s.spend(ctx, w, callNumber(asked.Call), asked.Call != 0)
	if next := s.next.Load(); next != nil && errors.Is(err, ErrMoved) {
		if ok, err = w.forward(ctx, *next, asked); err != nil {
			return Spent{}, fmt.Errorf("ask the process that keeps the buckets now: %w", err)
		}
		return w.spent(ok), nil // It has counted.
	}
	if err != nil {
		s.away.Add(1)
		return Spent{}, fmt.Errorf("the store of limits is away: %w", err)
	}
	w.count(ok)
	return w.spent(ok), nil
}

// chargeAll makes a charge for each limit of a route.
func (w *work) chargeAll(rules rules, asked *Spending) {
	cost := int64(min(asked.Cost, math.MaxInt64)) //nolint:gosec // Cannot overflow after min.
	for _, l := range rules {
		start := len(w.keys)
		w.keys = append(w.keys, l.prefix...)
		for _, part := range l.parts {
			if value, ok := asked.Value(part); ok {
				w.keys = appendValue(w.keys, value)
			} else {
				w.keys = appendAbsent(w.keys)
			}
		}
		w.limits = append(w.limits, l)
		w.charges = append(w.charges, Charge{Key: w.keys[start:len(w.keys):len(w.keys)], Window: l.window, Cost: cost})
	}
}

// callNumber returns the name of a call that is known by a number. No UUID looks like it: their seventh byte is not 0.
func callNumber(n uint64) (id CallID) {
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

// forward asks the process that keeps the buckets now, as Envoy would, and fills in results.
func (w *work) forward(ctx context.Context, next rlsv3.RateLimitServiceClient, asked *Spending) (ok bool, err error) {
	req := &rlsv3.RateLimitRequest{Domain: envoy.RateLimitDomain}
	for _, l := range w.limits {
		d := &ratelimitcommonv3.RateLimitDescriptor{HitsAddend: wrapperspb.UInt64(asked.Cost), Entries: []*ratelimitcommonv3.RateLimitDescriptor_Entry{
			{Key: envoy.DescriptorRules, Value: asked.Rules}, {Key: envoy.DescriptorLimit, Value: l.name},
		}}
		for i, part := range l.parts {
			if value, ok := asked.Value(part); ok {
				d.Entries = append(d.Entries, &ratelimitcommonv3.RateLimitDescriptor_Entry{Key: l.entries[i], Value: value})
			}
		}
		req.Descriptors = append(req.Descriptors, d)
	}
	if asked.Call != 0 {
		id := callNumber(asked.Call)
		ctx = metadata.AppendToOutgoingContext(ctx, envoy.HeaderCall, hex.EncodeToString(id[:]))
	}
	response, err := next.ShouldRateLimit(ctx, req)
	if err != nil {
		return false, err
	}
	if len(response.GetStatuses()) != len(w.limits) {
		return false, fmt.Errorf("%d limits were asked for, %d answered", len(w.limits), len(response.GetStatuses()))
	}
	for i, status := range response.GetStatuses() {
		w.results[i] = limiter.Result{
			OK: status.GetCode() == rlsv3.RateLimitResponse_OK, Remaining: int64(status.GetLimitRemaining()),
			Reset: status.GetDurationUntilReset().AsDuration(),
		}
	}
	for _, h := range response.GetResponseHeadersToAdd() {
		if seconds, err := strconv.Atoi(h.GetValue()); err == nil && h.GetKey() == headerRetry {
			for i := range w.results {
				w.results[i].Retry = time.Duration(seconds) * time.Second
			}
		}
	}
	return response.GetOverallCode() == rlsv3.RateLimitResponse_OK, nil
}

// spent says how the charges fared in the words of headers: those of the limit of which least remains, the first of several.
func (w *work) spent(ok bool) Spent {
	least, retry := 0, time.Duration(0)
	for i := range w.results {
		r := &w.results[i]
		if r.Remaining < w.results[least].Remaining {
			least = i
		}
		if !r.OK {
			retry = max(retry, r.Retry)
		}
	}
	s := Spent{
		Refused: !ok, Limit: w.limits[least].told,
		Remaining: strconv.FormatInt(w.results[least].Remaining, 10),
		Reset:     strconv.FormatInt(seconds(w.results[least].Reset), 10),
	}
	if !ok {
		s.Reached = w.limits[max(0, slices.IndexFunc(w.results, func(r limiter.Result) bool { return !r.OK }))].name
		s.RetryAfter = strconv.FormatInt(seconds(retry), 10)
	}
	return s
}

// windowsText lists limits and their windows as Envoy does in x-ratelimit-limit (draft-polli-ratelimit-headers-03): by the unit
// of each without its multiplier.
func windowsText(limits rules) string {
	var b strings.Builder
	for _, l := range limits {
		fmt.Fprintf(&b, `, %d;w=%d;name="%s"`, l.window.Limit, seconds(l.window.Per), l.name)
	}
	return b.String()
}
