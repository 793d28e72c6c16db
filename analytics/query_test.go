package analytics_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/analytics"
)

// TestQuery sees totals by dimensions, selected and ordered.
func TestQuery(t *testing.T) {
	t.Parallel()
	s := newService(t, analytics.Options{}, route("get", "r1"), route("post", "r2"))
	denied := entry("post", "r2", 403, time.Millisecond)
	denied.Response.ResponseCodeDetails = "ext_authz_denied"
	s.Feed("edge", "edge-1", batch(
		entry("get", "r1", 200, time.Millisecond), entry("get", "r1", 200, time.Millisecond), denied,
		&datav3.HTTPAccessLogEntry{},
	))
	s.Feed("edge", "edge-2", batch(
		entry("get", "r1", 503, time.Millisecond), entry("nosuch", "r9", 200, time.Millisecond),
	))
	type dimensions = []analytics.Dimension
	type where = map[analytics.Dimension]string
	sums := func(requests, local uint64) analytics.Sums {
		return analytics.Sums{Requests: requests, Local: local, BytesIn: 10 * requests, BytesOut: 100 * requests}
	}
	cases := map[string]struct {
		query analytics.Query
		want  []analytics.Total
	}{
		"everything": {analytics.Query{}, []analytics.Total{
			{Sums: analytics.Sums{Requests: 6, Local: 1, BytesIn: 50, BytesOut: 500}},
		}},
		"by operation": {
			analytics.Query{By: dimensions{analytics.ByOperation}, Where: where{analytics.ByAPI: "payments"}},
			[]analytics.Total{
				{Key: analytics.Key{Operation: "get"}, Sums: sums(3, 0)},
				{Key: analytics.Key{Operation: "other"}, Sums: sums(1, 0)},
				{Key: analytics.Key{Operation: "post"}, Sums: sums(1, 1)},
			},
		},
		"errors by node": {
			analytics.Query{By: dimensions{analytics.ByNode, analytics.ByRules}, Where: where{analytics.ByClass: "5xx"}},
			[]analytics.Total{{Key: analytics.Key{Node: "edge-2", Rules: "r1"}, Sums: sums(1, 0)}},
		},
		"without route": {
			analytics.Query{
				By:    dimensions{analytics.ByFleet, analytics.ByAPI, analytics.ByVersion, analytics.ByOperation, analytics.ByRules, analytics.ByClass},
				Where: where{analytics.ByAPI: analytics.None},
			},
			[]analytics.Total{{
				Key:  analytics.Key{Fleet: "edge", API: "none", Version: "none", Operation: "none", Rules: "none", Class: "none"},
				Sums: analytics.Sums{Requests: 1},
			}},
		},
		"nothing": {analytics.Query{Where: where{analytics.ByNode: "edge-9"}}, []analytics.Total{}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := s.Query(c.query)
			if err != nil {
				t.Fatalf("query: %v", err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("totals (-want +got):\n%s", diff)
			}
		})
	}
}

// TestQueryRefuses sees that a query that makes no sense is told so.
func TestQueryRefuses(t *testing.T) {
	t.Parallel()
	s := newService(t, analytics.Options{})
	for _, q := range []analytics.Query{
		{By: []analytics.Dimension{"consumer"}},
		{Where: map[analytics.Dimension]string{"consumer": "alice"}},
		{Quantiles: []float64{1.1}},
		{Quantiles: []float64{math.NaN()}},
	} {
		if _, err := s.Query(q); !errors.Is(err, analytics.ErrQuery) {
			t.Errorf("query %+v: error %v, want ErrQuery", q, err)
		}
	}
}

// TestQuantiles sees that quantiles merged from many rollups are within 1 % of the exact ones.
func TestQuantiles(t *testing.T) {
	t.Parallel()
	quantiles := []float64{0, 0.5, 0.9, 0.99, 1}
	rapid.Check(t, func(rt *rapid.T) {
		micros := rapid.SliceOfN(rapid.Int64Range(10, 60_000_000), 1, 300).Draw(rt, "latencies in us")
		s := newService(t, analytics.Options{}, route("get", "r1"))
		for i, us := range micros {
			latency := time.Duration(us) * time.Microsecond
			s.Feed("edge", fmt.Sprintf("edge-%d", i%5), batch(entry("get", "r1", uint32(200+i%3), latency)))
		}
		slices.Sort(micros)
		got := total(t, s, analytics.Query{Quantiles: quantiles}).Latencies
		for i, q := range quantiles {
			exact := float64(micros[int(q*float64(len(micros)-1))])
			if value := float64(got[i]) / 1e3; math.Abs(value-exact) > 0.0101*exact {
				rt.Errorf("quantile %v of %d latencies: %v us, exactly %v us", q, len(micros), value, exact)
			}
		}
	})
}

// TestLatencyIsCutOff sees that latencies without end take a bounded part of a sketch.
func TestLatencyIsCutOff(t *testing.T) {
	t.Parallel()
	s := newService(t, analytics.Options{}, route("get", "r1"))
	s.Feed("edge", "edge-1", batch(entry("get", "r1", 200, 1), entry("get", "r1", 200, 1000*time.Hour)))
	got := total(t, s, analytics.Query{Quantiles: []float64{0, 1}}).Latencies
	if got[0] < 9*time.Microsecond || got[0] > 11*time.Microsecond || got[1] < 23*time.Hour || got[1] > 25*time.Hour {
		t.Errorf("latencies %v, want about 10 us and 24 h", got)
	}
}
