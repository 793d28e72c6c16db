package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

const (
	ok   = rlsv3.RateLimitResponse_OK
	over = rlsv3.RateLimitResponse_OVER_LIMIT
)

func descriptorStatus(code rlsv3.RateLimitResponse_Code, remaining uint32, reset time.Duration) *rlsv3.RateLimitResponse_DescriptorStatus {
	return &rlsv3.RateLimitResponse_DescriptorStatus{
		Code: code, LimitRemaining: remaining, DurationUntilReset: durationpb.New(reset),
		CurrentLimit: &rlsv3.RateLimitResponse_RateLimit{
			Name: "per-customer", RequestsPerUnit: 5, Unit: rlsv3.RateLimitResponse_RateLimit_MINUTE,
		},
	}
}

// withoutEvidence leaves out what TestEvidence looks at.
func withoutEvidence() cmp.Option {
	return protocmp.IgnoreFields(&rlsv3.RateLimitResponse{}, "dynamic_metadata")
}

// TestEvidence asks for the rules hash in every answer, by which the access log tells that the call was answered.
func TestEvidence(t *testing.T) {
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	alice := r.descriptor(t, "get", "per-customer", "token.sub", "alice")
	hash := alice.Entries[0].Value
	for i := range 6 {
		got := r.ask(t, alice).GetDynamicMetadata().GetFields()[envoy.MetadataRateLimitRules].GetStringValue()
		if got != hash {
			t.Errorf("answer %d carries the rules %q, want %q", i+1, got, hash)
		}
	}
}

func TestAnswers(t *testing.T) {
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	alice := r.descriptor(t, "get", "per-customer", "token.sub", "alice")
	r.spend(t, 3, alice)
	r.clock.Advance(1500 * time.Millisecond)
	r.spend(t, 1, alice)
	want := &rlsv3.RateLimitResponse{
		OverallCode: ok, Statuses: []*rlsv3.RateLimitResponse_DescriptorStatus{descriptorStatus(ok, 0, 59*time.Second)},
	}
	if diff := cmp.Diff(want, r.ask(t, alice), protocmp.Transform(), withoutEvidence()); diff != "" {
		t.Errorf("fifth request; 58.5 s are rounded up (-want +got):\n%s", diff)
	}
	want = &rlsv3.RateLimitResponse{
		OverallCode: over, Statuses: []*rlsv3.RateLimitResponse_DescriptorStatus{descriptorStatus(over, 0, 59*time.Second)},
		ResponseHeadersToAdd: []*corev3.HeaderValue{{Key: "retry-after", Value: "59"}},
	}
	if diff := cmp.Diff(want, r.ask(t, alice), protocmp.Transform(), withoutEvidence()); diff != "" {
		t.Errorf("sixth request (-want +got):\n%s", diff)
	}
	r.clock.Advance(time.Minute - 1500*time.Millisecond - 1)
	if got := r.ask(t, alice).GetResponseHeadersToAdd()[0].GetValue(); got != "1" {
		t.Errorf("retry-after %q a nanosecond before the end, want 1", got)
	}
}

func TestSeveralDescriptors(t *testing.T) {
	all := gateway.Limit{Name: "all", Windows: []gateway.Window{{Limit: 100, Per: 10 * time.Minute}}}
	r := start(t, payments([]gateway.Limit{perCustomer(), all}, nil))
	both := []*ratelimitcommonv3.RateLimitDescriptor{
		r.descriptor(t, "get", "per-customer", "token.sub", "alice"), r.descriptor(t, "get", "all"),
	}
	if got := r.spend(t, 10, both...); got != 5 {
		t.Errorf("%d admitted, want 5", got)
	}
	resp := r.ask(t, both...)
	want := &rlsv3.RateLimitResponse{
		OverallCode:          over,
		ResponseHeadersToAdd: []*corev3.HeaderValue{{Key: "retry-after", Value: "60"}},
		Statuses: []*rlsv3.RateLimitResponse_DescriptorStatus{descriptorStatus(over, 0, time.Minute), {
			Code: ok, LimitRemaining: 95, DurationUntilReset: durationpb.New(10 * time.Minute),
			CurrentLimit: &rlsv3.RateLimitResponse_RateLimit{
				Name: "all", RequestsPerUnit: 100, Unit: rlsv3.RateLimitResponse_RateLimit_MINUTE, UnitMultiplier: wrapperspb.UInt32(10),
			},
		}},
	}
	if diff := cmp.Diff(want, resp, protocmp.Transform(), withoutEvidence()); diff != "" {
		t.Errorf("refused requests must not have spent from the other limit (-want +got):\n%s", diff)
	}
	if got := r.Counts().Limits[0]; got.Limit != "all" || got.Spent != 5 || got.Refused != 0 {
		t.Errorf("counted %+v: refused is counted where the refusal came from", got)
	}
	three := append(both, r.descriptor(t, "list", "all")) // More than an answer holds in one piece.
	if got := len(r.ask(t, three...).GetStatuses()); got != 3 {
		t.Errorf("%d statuses for 3 descriptors", got)
	}
}

func TestRetryAfterIsTheLongestWait(t *testing.T) {
	hourly := gateway.Limit{Name: "hourly", Key: []string{"token.sub"}, Windows: []gateway.Window{{Limit: 5, Per: time.Hour}}}
	r := start(t, payments([]gateway.Limit{hourly, perCustomer()}, nil))
	both := []*ratelimitcommonv3.RateLimitDescriptor{
		r.descriptor(t, "get", "hourly", "token.sub", "alice"), r.descriptor(t, "get", "per-customer", "token.sub", "alice"),
	}
	r.spend(t, 5, both...)
	if got := r.ask(t, both...).GetResponseHeadersToAdd()[0].GetValue(); got != "3600" {
		t.Errorf("retry-after %q where one limit is an hour away and the other a minute, want 3600", got)
	}
}

func TestScopes(t *testing.T) {
	own := []gateway.Limit{{Name: "per-customer", Key: []string{"token.sub"}, Windows: []gateway.Window{{Limit: 2, Per: time.Minute}}}}
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	r.spend(t, 3, r.descriptor(t, "get", "per-customer", "token.sub", "alice"))
	if got := r.spend(t, 5, r.descriptor(t, "list", "per-customer", "token.sub", "alice")); got != 2 {
		t.Errorf("the operations of an API share its limit: %d admitted, want 2", got)
	}
	r = start(t, payments([]gateway.Limit{perCustomer()}, &own))
	r.spend(t, 5, r.descriptor(t, "list", "per-customer", "token.sub", "alice"))
	if got := r.spend(t, 5, r.descriptor(t, "get", "per-customer", "token.sub", "alice")); got != 2 {
		t.Errorf("an operation's own limit is its own: %d admitted, want 2", got)
	}
}

func TestKeysDoNotCollide(t *testing.T) {
	key := []string{"header.x-a", "client.address", "header.x-b"}
	r := start(t, payments([]gateway.Limit{{Name: "l", Key: key, Windows: []gateway.Window{{Limit: 1, Per: time.Minute}}}}, nil))
	const a, address, b = "header.x-a", envoy.DescriptorAddress, "header.x-b"
	for _, parts := range [][]string{
		{},
		{a, ""},
		{b, ""},
		{a, "", b, ""},
		{a, "1"},
		{address, "1"},
		{b, "1"},
		{a, "1", b, "1"},
		{a, "11"},
		{a, "1", address, "1", b, "1"},
		{a, "1", address, "11"},
		{a, "11", address, "1"},
		{a, "x\x01y", address, "z"},
		{a, "x", address, "y\x01z"},
		{a, "x\x02y", address, "z"},
		{a, "x", address, "y\x02z"},
		{a, "\x00"},
	} {
		d := r.descriptor(t, "get", "l", parts...)
		if got := r.spend(t, 2, d); got != 1 {
			t.Errorf("%q: %d of 2 admitted, want 1 for each value of the key", parts, got)
		}
	}
}

func TestHits(t *testing.T) {
	tests := map[string]struct {
		request       uint32
		own           *wrapperspb.UInt64Value
		code          rlsv3.RateLimitResponse_Code
		leavesOfFresh uint32
	}{
		"nothing said is 1":                 {0, nil, ok, 4},
		"the request's":                     {3, nil, ok, 2},
		"the descriptor's own":              {3, wrapperspb.UInt64(2), ok, 3},
		"the descriptor's own 0 only looks": {3, wrapperspb.UInt64(0), ok, 5},
		"all":                               {5, nil, ok, 0},
		"more than the limit":               {6, nil, over, 5},
		"the most a request can say":        {math.MaxUint32, nil, over, 5},
		"the most a descriptor can say":     {0, wrapperspb.UInt64(math.MaxUint64), over, 5},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
			d := r.descriptor(t, "get", "per-customer", "token.sub", "alice")
			d.HitsAddend = test.own
			req := request(d)
			req.HitsAddend = test.request
			resp, err := r.ShouldRateLimit(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			got := resp.GetStatuses()[0]
			if got.GetCode() != test.code || got.GetLimitRemaining() != test.leavesOfFresh {
				t.Errorf("%v with %d remaining, want %v with %d", got.GetCode(), got.GetLimitRemaining(), test.code, test.leavesOfFresh)
			}
		})
	}
}

func TestNotUnderstoodIsUnavailable(t *testing.T) {
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	good := r.descriptor(t, "get", "per-customer", "token.sub", "secret-subject")
	rules := rulesOf(t, r.rev, "get")
	foreign := request(good)
	foreign.Domain = "other"
	tests := map[string]struct {
		req  *rlsv3.RateLimitRequest
		says string
	}{
		"foreign domain":    {foreign, `domain "other" is not "gatehouse"`},
		"no domain":         {&rlsv3.RateLimitRequest{Descriptors: request(good).GetDescriptors()}, `domain ""`},
		"no descriptor":     {request(), "0 descriptors"},
		"empty descriptor":  {request(entries()), "does not begin with"},
		"nil descriptor":    {request(nil), "does not begin with"},
		"no rules":          {request(entries("limit", "per-customer", "rules", rules)), "does not begin with"},
		"unknown rules":     {request(entries("rules", "00", "limit", "per-customer")), `rules "00" are unknown`},
		"unknown limit":     {request(entries("rules", rules, "limit", "per-planet")), `no limit "per-planet"`},
		"foreign key":       {request(r.descriptor(t, "get", "per-customer", "token.iss", "secret")), `no "token.iss" in its key`},
		"key twice":         {request(r.descriptor(t, "get", "per-customer", "token.sub", "a", "token.sub", "b")), `no "token.sub"`},
		"second descriptor": {request(good, entries("rules", "00", "limit", "x")), `rules "00" are unknown`},
		"too many":          {request(make([]*ratelimitcommonv3.RateLimitDescriptor, 65)...), "65 descriptors"},
	}
	for name, test := range tests {
		resp, err := r.ShouldRateLimit(t.Context(), test.req)
		if status.Code(err) != codes.Unavailable || resp != nil {
			t.Errorf("%s: answered %v, %v", name, resp, err)
		}
		if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: says %q, want %q and no value of a key", name, err, test.says)
		}
	}
	if got := r.Counts().Unknown; got != uint64(len(tests)) {
		t.Errorf("%d counted, want %d", got, len(tests))
	}
	if got := r.spend(t, 10, good); got != 5 {
		t.Errorf("%d admitted afterwards: what was not understood must not have spent", got)
	}
}

// broken is a store that is away, or worse.
type broken func() error

func (b broken) Spend(context.Context, []ratelimit.Charge, []limiter.Result) (bool, error) {
	return false, b()
}

func (b broken) Reset(context.Context, [][]byte) error { return b() }

func TestStoreAwayAndDefectsAreUnavailable(t *testing.T) {
	rev := assemble(t, payments([]gateway.Limit{perCustomer()}, nil), "first")
	req := request(entries(envoy.DescriptorRules, rulesOf(t, rev, "get"), envoy.DescriptorLimit, "per-customer"))
	var logs strings.Builder
	ask := func(b broken) (ratelimit.Counts, error) {
		s := ratelimit.New(b, slog.New(slog.NewTextHandler(&logs, nil)), storetest.NewClock().Now)
		s.Use(compile(t, rev, nil))
		_, err := s.ShouldRateLimit(t.Context(), req)
		return s.Counts(), err
	}
	counts, err := ask(func() error { return errors.New("no route to it") })
	if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "away: no route to it") || counts.Away != 1 {
		t.Errorf("store away: %v, %+v", err, counts)
	}
	var none map[string]int
	counts, err = ask(func() error { none["defect"]++; return nil })
	if status.Code(err) != codes.Unavailable || counts.Failed != 1 || !strings.Contains(logs.String(), "nil map") {
		t.Errorf("defect: %v, %+v, logged %q", err, counts, logs.String())
	}
}

func TestCounts(t *testing.T) {
	own := []gateway.Limit{{Name: "all", Windows: []gateway.Window{{Limit: 1, Per: time.Minute}}}}
	r := start(t, payments([]gateway.Limit{perCustomer()}, &own))
	r.spend(t, 7, r.descriptor(t, "list", "per-customer", "token.sub", "alice"))
	r.spend(t, 2, r.descriptor(t, "list", "per-customer", "token.sub", "bob"))
	r.spend(t, 2, r.descriptor(t, "get", "all"))
	want := []ratelimit.LimitCount{
		{API: "payments", Version: "v1", Limit: "per-customer", Spent: 7, Refused: 2, Near: 2},
		{API: "payments", Version: "v1", Operation: "get", Limit: "all", Spent: 1, Refused: 1, Near: 1},
	}
	if diff := cmp.Diff(want, r.Counts().Limits); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	r.use(t, payments(nil, nil), "without limits")
	r.use(t, payments([]gateway.Limit{perCustomer()}, &own), "and back")
	if diff := cmp.Diff(want, r.Counts().Limits); diff != "" {
		t.Errorf("counters must go on over revisions (-want +got):\n%s", diff)
	}
}

func TestCountersAreBounded(t *testing.T) {
	limits := make([]gateway.Limit, 0, 60)
	for i := range 60 {
		limits = append(limits, gateway.Limit{Name: fmt.Sprint("limit", i), Windows: []gateway.Window{{Limit: 1, Per: time.Minute}}})
	}
	docs := payments(nil, nil)
	template := docs.APIs[0]
	docs.APIs = nil
	for i := range 50 {
		api := *template
		api.Name, api.Limits = fmt.Sprint("api", i), limits
		api.Expose = []gateway.Exposure{{Gateway: "edge", Base: "/" + api.Name}}
		docs.APIs = append(docs.APIs, &api)
	}
	r := start(t, docs)
	counts := r.Counts().Limits
	if len(counts) != 2_001 || counts[len(counts)-1].API != "other" {
		t.Errorf("%d limits are counted by name, the last is %+v", len(counts)-1, counts[len(counts)-1])
	}
}
