package analytics_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// answered returns an entry with a status and Envoy's details of it.
func answered(status uint32, details string, latency time.Duration) *datav3.HTTPAccessLogEntry {
	e := entry("get", "r1", status, latency)
	e.Response.ResponseCode = wrapperspb.UInt32(status)
	e.Response.ResponseCodeDetails = details
	return e
}

// TestDenials tells what authorization denied from what others did.
func TestDenials(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status          uint32
		details         string
		errors, denials uint64
	}{
		{200, "via_upstream", 0, 0},
		{403, "via_upstream", 0, 0},
		{401, "via_upstream", 0, 0},
		{403, "ext_authz_denied", 0, 1},
		{404, "ext_authz_denied", 0, 1},
		{503, "ext_authz_denied", 1, 0},
		{503, "ext_authz_error", 1, 0},
		{401, "jwt_authn_access_denied{Jwt_is_missing}", 0, 1},
		{403, "rbac_access_denied_matched_policy[none]", 0, 1},
		{429, "request_rate_limited", 0, 0},
		{404, "route_not_found", 0, 0},
		{503, "via_upstream", 1, 0},
		{503, "no_healthy_upstream", 1, 0},
	} {
		now := time.Unix(1_000_000, 0)
		s := newService(t, analytics.Options{Now: func() time.Time { return now }})
		s.Feed("edge", "edge-1", batch(answered(tt.status, tt.details, time.Millisecond)))
		f := s.Figures("edge", []analytics.Span{{Node: "edge-1"}})
		if f.Requests != 1 || f.Errors != tt.errors || f.Denials != tt.denials {
			t.Errorf("%d %s: %+v", tt.status, tt.details, f)
		}
	}
}

// TestLimitsOfChecks tells a limit that a Check found reached from a denial, and a request that it let through without asking the
// limits from one that it counted.
func TestLimitsOfChecks(t *testing.T) {
	t.Parallel()
	spends := route("get", "r1", gateway.Limit{Name: "each"})
	spends.Authorize = []gateway.AppliedPolicy{{Policy: &gateway.Policy{Name: "owners"}}}
	for _, tt := range []struct {
		status           uint32
		details, limits  string
		denials, through uint64
	}{
		{200, "via_upstream", envoy.LimitsCounted, 0, 0},
		{200, "via_upstream", envoy.LimitsUnasked, 0, 1},
		{200, "via_upstream", "", 0, 1},
		{429, "ext_authz_denied", envoy.LimitsRefused, 0, 0},
		{429, "ext_authz_denied", "", 1, 0},
		{403, "ext_authz_denied", "", 1, 0},
	} {
		s := newService(t, analytics.Options{}, spends)
		e := answered(tt.status, tt.details, time.Millisecond)
		e.CommonProperties.RouteName = envoy.RouteName("payments/v1/get", "r1")
		e.CommonProperties.Metadata = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{envoy.MetadataAuthz: {
			Fields: map[string]*structpb.Value{envoy.MetadataAuthzLimits: structpb.NewStringValue(tt.limits)},
		}}}
		s.Feed("edge", "edge-1", batch(e))
		through := uint64(0)
		for _, l := range s.LetThrough() {
			through += l.Limits
		}
		if f := s.Figures("edge", []analytics.Span{{Node: "edge-1"}}); f.Denials != tt.denials || through != tt.through {
			t.Errorf("%d %s, limits %q: %+v, %d let through", tt.status, tt.details, tt.limits, f, through)
		}
	}
}

// TestFiguresOfSpans counts by fleet, node and time, and forgets what is old.
func TestFiguresOfSpans(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_000_000, 0)
	now := start
	s := newService(t, analytics.Options{Now: func() time.Time { return now }, Step: time.Second, Recent: time.Minute})
	for i := range 90 {
		now = start.Add(time.Duration(i) * time.Second)
		s.Feed("edge", "edge-1", batch(entry("get", "r1", 200, time.Millisecond)))
		s.Feed("edge", "edge-2", batch(entry("get", "r1", 500, time.Millisecond), entry("get", "r1", 200, time.Millisecond)))
		s.Feed("other", "edge-1", batch(entry("get", "r1", 500, time.Millisecond)))
	}
	at := func(second float64) time.Time { return start.Add(time.Duration(second * float64(time.Second))) }
	type counts struct{ Requests, Errors uint64 }
	for name, tt := range map[string]struct {
		spans []analytics.Span
		want  counts
	}{
		"all that is kept":    {[]analytics.Span{{Node: "edge-1"}}, counts{60, 0}},
		"since":               {[]analytics.Span{{Node: "edge-1", From: at(80)}}, counts{10, 0}},
		"since within a step": {[]analytics.Span{{Node: "edge-1", From: at(79.5)}}, counts{10, 0}},
		"until":               {[]analytics.Span{{Node: "edge-2", From: at(40), To: at(50)}}, counts{20, 10}},
		"too old":             {[]analytics.Span{{Node: "edge-2", From: at(0), To: at(30)}}, counts{0, 0}},
		"two nodes":           {[]analytics.Span{{Node: "edge-1", From: at(80)}, {Node: "edge-2", From: at(85)}}, counts{20, 5}},
		"unknown node":        {[]analytics.Span{{Node: "edge-3"}}, counts{0, 0}},
	} {
		f := s.Figures("edge", tt.spans)
		if diff := cmp.Diff(tt.want, counts{f.Requests, f.Errors}); diff != "" {
			t.Errorf("%s -want +got:\n%s", name, diff)
		}
	}
	now = now.Add(time.Hour)
	if f := s.Figures("edge", []analytics.Span{{Node: "edge-1"}}); f.Requests != 0 || f.Latency.Count() != 0 || f.Latency.Quantile(0.5) != 0 {
		t.Errorf("after an hour %+v", f)
	}
}

// TestFiguresOfLatency holds quantiles and counts against what was fed, within the 5 % that are stated.
func TestFiguresOfLatency(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	s := newService(t, analytics.Options{Now: func() time.Time { return now }})
	for i := range 200 {
		if i == 100 {
			now = now.Add(10 * time.Second)
		}
		s.Feed("edge", fmt.Sprint("edge-", i%2), batch(entry("get", "r1", 200, time.Duration(i+1)*time.Millisecond)))
	}
	l := s.Figures("edge", []analytics.Span{{Node: "edge-0"}, {Node: "edge-1"}}).Latency
	if got := l.Quantile(0.99); got < 188*time.Millisecond || got > 208*time.Millisecond {
		t.Errorf("p99 is %s", got)
	}
	if got := l.Above(100 * time.Millisecond); got < 95 || got > 105 || l.Count() != 200 {
		t.Errorf("%d of %d took more than 100 ms", got, l.Count())
	}
}

// TestNodesAreBounded keeps the nodes that speak.
func TestNodesAreBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	s := newService(t, analytics.Options{Now: func() time.Time { return now }, RecentNodes: 10})
	for i := range 100 {
		now = now.Add(10 * time.Second)
		s.Feed("edge", fmt.Sprint("gone-", i), batch(entry("get", "r1", 200, time.Millisecond)))
		s.Feed("edge", "stays", batch(entry("get", "r1", 200, time.Millisecond)))
	}
	known := 0
	for i := range 100 {
		known += int(s.Figures("edge", []analytics.Span{{Node: fmt.Sprint("gone-", i)}}).Requests) //nolint:gosec // Few.
	}
	if f := s.Figures("edge", []analytics.Span{{Node: "stays"}}); known != 9 || f.Requests != 60 {
		t.Errorf("%d others are known, %d requests of the one that stays", known, f.Requests)
	}
}

// TestRecentMemory holds what Options.Recent says of a busy node's memory.
func TestRecentMemory(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := newService(t, analytics.Options{Now: func() time.Time { return now }})
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const nodes = 10
	before := heap()
	for range 60 {
		now = now.Add(10 * time.Second)
		for node := range nodes {
			for i := range 200 {
				s.Feed("edge", fmt.Sprint("edge-", node), batch(entry("get", "r1", 200, time.Duration(1+i*i)*50*time.Microsecond)))
			}
		}
	}
	took := (heap() - before) / nodes
	t.Logf("%d bytes for each node", took)
	if took > 150_000 {
		t.Errorf("a busy node takes %d bytes", took)
	}
	runtime.KeepAlive(s)
}
