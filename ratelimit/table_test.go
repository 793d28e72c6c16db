package ratelimit_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

func TestChangedLimitKeepsWhatWasSpent(t *testing.T) {
	change := func(edit func(*gateway.Limit)) int {
		r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
		r.spend(t, 4, r.descriptor(t, "get", "per-customer", "token.sub", "alice"))
		l := perCustomer()
		edit(&l)
		r.use(t, payments([]gateway.Limit{l}, nil), "second")
		return r.spend(t, 20, r.descriptor(t, "get", l.Name, l.Key[0], "alice"))
	}
	tests := map[string]struct {
		edit func(*gateway.Limit)
		want int
	}{
		"raised":         {func(l *gateway.Limit) { l.Windows[0].Limit = 10 }, 6},
		"lowered":        {func(l *gateway.Limit) { l.Windows[0].Limit = 3 }, 0},
		"another window": {func(l *gateway.Limit) { l.Windows[0].Per = time.Hour }, 5},
		"another name":   {func(l *gateway.Limit) { l.Name = "renamed" }, 5},
		"another key":    {func(l *gateway.Limit) { l.Key = []string{"header.x-customer"} }, 5},
	}
	for name, test := range tests {
		if got := change(test.edit); got != test.want {
			t.Errorf("%s: %d more admitted after 4 of 5, want %d", name, got, test.want)
		}
	}
}

func TestRulesOfTheLastRevisionsAreAnswered(t *testing.T) {
	limited := func(n int) *gateway.Documents {
		l := perCustomer()
		l.Windows[0].Limit = int64(n)
		return payments([]gateway.Limit{l}, nil)
	}
	r := start(t, limited(1))
	first := r.descriptor(t, "get", "per-customer", "token.sub", "alice")
	for i := 2; i <= 50; i++ {
		r.use(t, limited(i), fmt.Sprint("revision ", i))
		r.use(t, limited(i), fmt.Sprint("revision ", i)) // The same again takes no room.
	}
	if got := r.ask(t, first).GetStatuses()[0].GetCurrentLimit().GetRequestsPerUnit(); got != 1 {
		t.Errorf("rules of 49 revisions ago limit to %d, want 1", got)
	}
	if got := r.ask(t, r.descriptor(t, "get", "per-customer")).GetStatuses()[0].GetCurrentLimit().GetRequestsPerUnit(); got != 50 {
		t.Errorf("the newest rules limit to %d, want 50", got)
	}
	r.use(t, limited(51), "revision 51")
	if _, err := r.ShouldRateLimit(t.Context(), request(first)); status.Code(err) != codes.Unavailable {
		t.Errorf("rules of 50 revisions ago: %v, want UNAVAILABLE", err)
	}
}

func TestRevisionCompiledAgainKeepsItsOlderRules(t *testing.T) {
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	before := r.descriptor(t, "get", "per-customer", "token.sub", "alice")
	r.use(t, payments([]gateway.Limit{{Name: "all", Windows: []gateway.Window{{Limit: 1, Per: time.Minute}}}}, nil), "first")
	if got := r.spend(t, 10, before); got != 5 {
		t.Errorf("%d admitted under the rules before, want 5", got)
	}
}

func TestServiceWithoutTable(t *testing.T) {
	rev := assemble(t, payments([]gateway.Limit{perCustomer()}, nil), "first")
	s := ratelimit.New(nil, nil, storetest.NewClock().Now)
	_, err := s.ShouldRateLimit(t.Context(), request(entries("rules", rulesOf(t, rev, "get"), "limit", "per-customer")))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("before any revision: %v, want UNAVAILABLE", err)
	}
	if got := s.Counts(); len(got.Limits) != 0 || got.Unknown != 1 {
		t.Errorf("counts %+v", got)
	}
}

func TestCompileFaults(t *testing.T) {
	with := func(edit func(*gateway.Limit)) []gateway.Limit {
		l := perCustomer()
		edit(&l)
		return []gateway.Limit{l}
	}
	many := make([]gateway.Limit, 65)
	for i := range many {
		many[i] = gateway.Limit{Name: fmt.Sprint("limit", i), Windows: []gateway.Window{{Limit: 1, Per: time.Minute}}}
	}
	tests := map[string]struct {
		limits []gateway.Limit
		says   string
	}{
		"nothing allowed": {with(func(l *gateway.Limit) { l.Windows[0].Limit = 0 }), "allows 0: write a number from 1"},
		"negative":        {with(func(l *gateway.Limit) { l.Windows[0].Limit = -1 }), "allows -1"},
		"beyond counting": {with(func(l *gateway.Limit) { l.Windows[0].Limit = 1<<48 + 1 }), "allows 281474976710657"},
		"no window":       {with(func(l *gateway.Limit) { l.Windows[0].Per = 0 }), "counts per 0s: write a duration from 1s to 8784h"},
		"endless window":  {with(func(l *gateway.Limit) { l.Windows[0].Per = math.MaxInt64 }), "write a duration"},
		"endless key":     {with(func(l *gateway.Limit) { l.Key = make([]string, 17) }), "has 17 parts"},
		"many limits":     {many, "65 limits on one operation"},
	}
	for name, test := range tests {
		rev := assemble(t, payments(test.limits, nil), "first")
		_, faults := ratelimit.Compile(rev, nil)
		if len(faults) != 1 || !strings.Contains(faults[0].Message, test.says) {
			t.Errorf("%s: %v, want one fault for all operations, with %q", name, gateway.Faults(faults), test.says)
			continue
		}
		want := gateway.Fault{
			Code: gateway.CodeBadValue, Place: gateway.Place{File: "payments.yaml", Line: 3, Column: 1}, Field: "limits",
			Object: gateway.Ref{Kind: gateway.KindAPI, Name: "payments", Version: "v1"}, Team: "payments", Message: faults[0].Message,
		}
		if faults[0] != want {
			t.Errorf("%s: %+v, want %+v", name, faults[0], want)
		}
	}
}

func TestUnits(t *testing.T) {
	const (
		second = rlsv3.RateLimitResponse_RateLimit_SECOND
		minute = rlsv3.RateLimitResponse_RateLimit_MINUTE
		hour   = rlsv3.RateLimitResponse_RateLimit_HOUR
		day    = rlsv3.RateLimitResponse_RateLimit_DAY
	)
	tests := map[time.Duration]struct {
		unit       rlsv3.RateLimitResponse_RateLimit_Unit
		multiplier uint32
	}{
		time.Second:             {second, 0},
		1500 * time.Millisecond: {second, 2},
		10 * time.Second:        {second, 10},
		time.Minute:             {minute, 0},
		90 * time.Second:        {second, 90},
		10 * time.Minute:        {minute, 10},
		time.Hour:               {hour, 0},
		24 * time.Hour:          {day, 0},
		7 * 24 * time.Hour:      {day, 7},
	}
	for per, want := range tests {
		r := start(t, payments([]gateway.Limit{{Name: "l", Windows: []gateway.Window{{Limit: 1, Per: per}}}}, nil))
		got := r.ask(t, r.descriptor(t, "get", "l")).GetStatuses()[0].GetCurrentLimit()
		if got.GetUnit() != want.unit || got.GetUnitMultiplier().GetValue() != want.multiplier {
			t.Errorf("%v: %v", per, got)
		}
	}
}
