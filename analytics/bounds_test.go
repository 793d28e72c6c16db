package analytics_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/analytics"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// TestFold sees that the rollups stay below their bound, that folding keeps every total, and that the idlest go first.
func TestFold(t *testing.T) {
	t.Parallel()
	const limit, nodes, rules = 200, 30, 10
	now := arrival()
	var routes []*gateway.Route
	for i := range rules {
		routes = append(routes, route("get", fmt.Sprintf("r%d", i)))
	}
	s := newService(t, analytics.Options{MaxSeries: limit, Now: func() time.Time { return now }}, routes...)
	sent := map[string]uint64{}
	for i := range nodes {
		for j := range rules {
			now = now.Add(time.Second)
			code := uint32(200 + 300*(j%2))
			s.Feed("edge", fmt.Sprintf("edge-%02d", i), batch(entry("get", fmt.Sprintf("r%d", j), code, 20*time.Millisecond)))
			s.Feed("edge", "always", batch(entry("get", "r0", 200, 40*time.Millisecond)))
			sent[fmt.Sprintf("%dxx", code/100)]++
			sent["2xx"]++
			if got := s.Stats().Series; got > limit {
				t.Fatalf("%d rollups, at most %d are allowed", got, limit)
			}
		}
	}
	totals, err := s.Query(analytics.Query{By: []analytics.Dimension{analytics.ByClass}, Quantiles: []float64{0.3, 0.4}})
	if err != nil {
		t.Fatalf("query: %v", err)
	}
	got := map[string]uint64{}
	for _, total := range totals {
		got[total.Class] = total.Requests
	}
	if diff := cmp.Diff(sent, got); diff != "" {
		t.Errorf("requests by class after folding (-want +got):\n%s", diff)
	}
	// Of the answers 2xx one third took 20 ms, two thirds 40 ms.
	if l := totals[0].Latencies; l[0].Round(time.Millisecond) != 20*time.Millisecond || l[1].Round(time.Millisecond) != 40*time.Millisecond {
		t.Errorf("latencies %v after folding, want 20 ms and 40 ms", l)
	}
	where := func(d analytics.Dimension, value string) analytics.Query {
		return analytics.Query{By: []analytics.Dimension{analytics.ByRules}, Where: map[analytics.Dimension]string{d: value}}
	}
	if got := total(t, s, where(analytics.ByNode, "always")); got.Rules != "r0" || got.Requests != nodes*rules {
		t.Errorf("the busy node kept %d requests under rules %q, want all %d under r0", got.Requests, got.Rules, nodes*rules)
	}
	if totals, _ := s.Query(where(analytics.ByNode, "edge-00")); len(totals) != 1 || totals[0].Rules != analytics.Other {
		t.Errorf("the idlest node has %+v, want its rules folded into one", totals)
	}
	if s.Stats().Folded == 0 {
		t.Error("nothing was folded: this test shows nothing")
	}
}

// TestFoldToTheEnd sees that whatever comes, the bound holds.
func TestFoldToTheEnd(t *testing.T) {
	t.Parallel()
	const limit, each = 20, 500
	var routes []*gateway.Route
	for i := range each {
		routes = append(routes, route(fmt.Sprintf("op%d", i), fmt.Sprintf("r%d", i)))
	}
	s := newService(t, analytics.Options{MaxSeries: limit}, routes...)
	for i := range each {
		code := uint32(i%7) * 100
		s.Feed(fmt.Sprintf("fleet-%d", i), "", batch(entry(fmt.Sprintf("op%d", i), fmt.Sprintf("r%d", i), code, time.Millisecond)))
		if got := s.Stats().Series; got > limit {
			t.Fatalf("%d rollups, at most %d are allowed", got, limit)
		}
	}
	if got := total(t, s, analytics.Query{}).Requests; got != each {
		t.Errorf("counted %d requests, %d were sent", got, each)
	}
	if got := len(s.Requests()); got != each {
		t.Errorf("%d counters after folding, want all %d: they are never folded", got, each)
	}
	// An entry that meets the coarsest rollup directly is counted as what it is, not as what was folded into it.
	stranger := entry("nosuch", "", 200, time.Millisecond)
	stranger.CommonProperties.RouteName = envoy.RouteName("nosuch/v1/nosuch", "nosuch")
	s.Feed(analytics.Other, analytics.Other, batch(stranger))
	want := analytics.RequestCount{API: "other", Version: "other", Operation: "other", Class: "2xx", Requests: 1}
	if counts := s.Requests(); !slices.Contains(counts, want) || len(counts) != each+1 {
		t.Errorf("%d counters, want %d and among them %+v", len(counts), each+1, want)
	}
}

// TestNewRefuses sees that a bound that cannot be held is refused.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := analytics.New(analytics.Options{MaxSeries: 3}); err == nil {
		t.Error("3 rollups were accepted")
	}
}

// TestCounterBounds sees that /metrics shows 2,000 operations and 1,000 versions, and the rest together.
func TestCounterBounds(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		api, operation         func(i int) string
		wantOperations, counts int
		wantOther              analytics.RequestCount
		wantLatencies          int
	}{
		"operations": {
			api:            func(int) string { return "payments" },
			operation:      func(i int) string { return fmt.Sprintf("op%04d", i) },
			wantOperations: 2001, counts: 3000, wantLatencies: 1,
			wantOther: analytics.RequestCount{API: "payments", Version: "v1", Operation: "other", Class: "2xx", Requests: 1000},
		},
		"versions": {
			api:            func(i int) string { return fmt.Sprintf("api%04d", i) },
			operation:      func(int) string { return "get" },
			wantOperations: 1001, counts: 1500, wantLatencies: 1001,
			wantOther: analytics.RequestCount{API: "other", Version: "other", Operation: "other", Class: "2xx", Requests: 500},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var routes []*gateway.Route
			var entries []*datav3.HTTPAccessLogEntry
			for i := range c.counts {
				r, e := route(c.operation(i), fmt.Sprintf("r%d", i)), entry(c.operation(i), "", 200, time.Millisecond)
				r.API, e.CommonProperties.RouteName = c.api(i), c.api(i)+"/v1/"+c.operation(i)
				routes, entries = append(routes, r), append(entries, e)
			}
			s := newService(t, analytics.Options{}, routes...)
			s.Feed("edge", "edge-1", batch(entries...))
			counts := s.Requests()
			var sum uint64
			var other analytics.RequestCount
			for _, n := range counts {
				sum += n.Requests
				if n.Operation == analytics.Other {
					other = n
				}
			}
			if len(counts) != c.wantOperations || sum != uint64(c.counts) {
				t.Errorf("%d counters of %d requests, want %d of %d", len(counts), sum, c.wantOperations, c.counts)
			}
			if diff := cmp.Diff(c.wantOther, other); diff != "" {
				t.Errorf("what they share (-want +got):\n%s", diff)
			}
			latencies := s.Latencies()
			if len(latencies) != c.wantLatencies {
				t.Errorf("%d histograms, want %d", len(latencies), c.wantLatencies)
			}
		})
	}
}

// TestHistogram sees latencies in their buckets.
func TestHistogram(t *testing.T) {
	t.Parallel()
	s := newService(t, analytics.Options{}, route("get", "r1"), route("post", "r2"))
	s.Feed("edge", "edge-1", batch(
		entry("get", "r1", 200, time.Millisecond), // the bound itself
		entry("get", "r1", 200, 1001*time.Microsecond),
		entry("post", "r2", 500, 9*time.Second),
		entry("post", "r2", 500, time.Minute),
		entry("post", "r2", 500, 0), // unknown
	))
	want := []analytics.Latency{{
		API: "payments", Version: "v1", Count: 4, Sum: 69.002001,
		Buckets: []uint64{1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3},
	}}
	if diff := cmp.Diff(want, s.Latencies()); diff != "" {
		t.Errorf("histogram (-want +got):\n%s", diff)
	}
	if got := len(analytics.Buckets()); got != len(want[0].Buckets) {
		t.Errorf("%d bounds for %d buckets", got, len(want[0].Buckets))
	}
}

// TestBucketBounds sees that each bound of Buckets is where the histogram has it.
func TestBucketBounds(t *testing.T) {
	t.Parallel()
	for i, bound := range analytics.Buckets() {
		s := newService(t, analytics.Options{}, route("get", "r1"))
		at := time.Duration(bound * float64(time.Second))
		s.Feed("edge", "edge-1", batch(entry("get", "r1", 200, at), entry("get", "r1", 200, at+1)))
		buckets := s.Latencies()[0].Buckets
		if buckets[i] != 1 || i > 0 && buckets[i-1] != 0 {
			t.Errorf("bound %v: buckets %v", bound, buckets)
		}
	}
}

// FuzzEntry sees that no entry makes the service panic or count under a name that does not exist.
func FuzzEntry(f *testing.F) {
	for _, s := range samples(f) {
		text, err := proto.Marshal(s.entry)
		if err != nil {
			f.Fatalf("write %s: %v", s.name, err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e := &datav3.HTTPAccessLogEntry{}
		if proto.Unmarshal(text, e) != nil {
			return
		}
		var records []analytics.Record
		s := newService(t, analytics.Options{Records: func(b []analytics.Record) { records = append(records, b...) }},
			route("get", "r1"), route("limited", "r7", gateway.Limit{Name: "per-customer"}))
		s.Feed("edge", "edge-1", batch(e, e))
		stats := s.Stats()
		if stats.Received != 2 || stats.Ignored+uint64(len(records)) != 2 {
			t.Errorf("received %d, ignored %d, recorded %d", stats.Received, stats.Ignored, len(records))
		}
		for _, r := range records {
			checkBounds(t, &r)
		}
		for _, c := range s.Requests() {
			known := c.API == "payments" && (c.Version == "v1" || c.Version == "other") || c.API == "other" || c.API == "none"
			if !known || c.Requests != 2 {
				t.Errorf("counted under %+v", c)
			}
		}
	})
}

// FuzzMessage sees that what a message holds is found as protobuf's own decoder finds it, and that what it does not take for a
// message does no harm.
func FuzzMessage(f *testing.F) {
	for _, s := range samples(f) {
		wire, err := proto.Marshal(batch(s.entry, s.entry))
		if err != nil {
			f.Fatalf("write %s: %v", s.name, err)
		}
		f.Add(wire)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		s := newService(t, analytics.Options{})
		m := &alsv3.StreamAccessLogsMessage{}
		known := proto.Unmarshal(wire, m) == nil
		if err := s.FeedWire("edge", "edge-1", wire); err != nil {
			if known {
				t.Fatalf("a message that protobuf reads is refused: %v", err)
			}
			return
		}
		want := uint64(max(len(m.GetHttpLogs().GetLogEntry()), len(m.GetTcpLogs().GetLogEntry())))
		if got := s.Stats().Received; known && got < want {
			t.Errorf("%d entries received, want %d", got, want)
		}
	})
}

// checkBounds sees that a record holds nothing that is larger or smaller than promised.
func checkBounds(t *testing.T, r *analytics.Record) {
	t.Helper()
	for _, text := range []string{r.RequestID, r.API, r.Version, r.Operation, r.Rules, r.Method, r.Flags} {
		if len(text) > 128 {
			t.Errorf("a text of %d bytes: %q", len(text), text)
		}
	}
	if len(r.Details) > 256 || r.FirstByte < 0 || r.LastByte < 0 || r.Status < 0 || r.Status > 999 || r.Time.IsZero() {
		t.Errorf("out of bounds: %+v", r)
	}
}
