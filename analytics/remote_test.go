package analytics_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/analytics"
)

// TestStepsTravel has one process tell another what it counted, some of it twice and as JSON, as replicas do: the other adds it
// to its own, each request once, and its latencies are those of all.
func TestStepsTravel(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	clock := func() time.Time { return now }
	there, here := newService(t, analytics.Options{Now: clock}), newService(t, analytics.Options{Now: clock})
	here.Feed("edge", "edge-1", batch(answered(200, "via_upstream", time.Millisecond)))
	tell := func() {
		text, err := json.Marshal(there.Steps(now.Add(-15 * time.Second)))
		if err != nil {
			t.Fatal(err)
		}
		var steps []analytics.Step
		if err := json.Unmarshal(text, &steps); err != nil {
			t.Fatal(err)
		}
		here.Learn("b", steps)
	}
	for range 3 {
		there.Feed("edge", "edge-2", batch(answered(503, "via_upstream", time.Second)))
		there.Feed("edge", "edge-1", batch(answered(403, "ext_authz_denied", time.Second)))
		tell()
	}
	now = now.Add(10 * time.Second)
	there.Feed("edge", "edge-2", batch(answered(200, "via_upstream", time.Second)))
	tell()
	spans := []analytics.Span{{Node: "edge-1"}, {Node: "edge-2"}}
	f := here.Figures("edge", spans)
	if f.Requests != 8 || f.Errors != 3 || f.Denials != 3 || f.Latency.Count() != 8 || f.Latency.Above(500*time.Millisecond) != 7 {
		t.Errorf("%+v, %d latencies, %d of them above 500 ms", f, f.Latency.Count(), f.Latency.Above(500*time.Millisecond))
	}
	if got := len(here.Steps(now.Add(-15 * time.Second))); got != 1 {
		t.Errorf("it tells %d steps, and counted 1 itself", got)
	}
	here.Forget([]string{"c"})
	if f := here.Figures("edge", spans); f.Requests != 1 {
		t.Errorf("after the other process is gone: %+v", f)
	}
}

// TestStepsThatAreRefused has another process tell what nobody can have counted.
func TestStepsThatAreRefused(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_000_000, 0)
	s := newService(t, analytics.Options{Now: func() time.Time { return now }})
	number := now.UnixNano() / int64(10*time.Second)
	for name, step := range map[string]analytics.Step{
		"long ago":     {Fleet: "edge", Node: "n", Number: number - 1000, Requests: 1},
		"not yet":      {Fleet: "edge", Node: "n", Number: number + 1000, Requests: 1},
		"below zero":   {Fleet: "edge", Node: "n", Number: -5, Requests: 1},
		"not a sketch": {Fleet: "edge", Node: "n", Number: number, Requests: 1, Latency: []byte("no sketch")},
	} {
		s.Learn("b", []analytics.Step{step})
		if f := s.Figures("edge", []analytics.Span{{Node: "n"}}); f.Requests != 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
