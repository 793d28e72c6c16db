package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

func hourly(hour time.Time, api, class string, requests int64) store.Hourly {
	return store.Hourly{
		Hour: hour, API: api, Version: "v1", Operation: "get", Class: class, Requests: requests, Local: 1,
		BytesIn: requests * 10, BytesOut: requests * 100, Timed: requests, Latency: time.Duration(requests) * time.Millisecond,
	}
}

// usageCounts writes what two processes counted, one of them several times: nothing is counted twice.
func usageCounts(t *testing.T, s Subject) {
	ctx := t.Context()
	hour := s.Clock.Now().Truncate(time.Hour)
	done(t, s.Usage.Put(ctx, "a/1", []store.Hourly{hourly(hour, "pay", "2xx", 5)}))
	done(t, s.Usage.Put(ctx, "a/1", []store.Hourly{hourly(hour, "pay", "2xx", 7), hourly(hour, "pay", "4xx", 1)}))
	done(t, s.Usage.Put(ctx, "a/1", []store.Hourly{hourly(hour, "pay", "2xx", 5)})) // An earlier write that comes late.
	done(t, s.Usage.Put(ctx, "b/1", []store.Hourly{hourly(hour.Add(20*time.Minute), "pay", "2xx", 3), hourly(hour.Add(time.Hour), "pay", "2xx", 2)}))
	is(t, "of nobody", s.Usage.Put(ctx, "", nil), store.ErrInvalid)
	both := hourly(hour, "pay", "2xx", 10)
	both.Local = 2
	want := []store.Hourly{both, hourly(hour, "pay", "4xx", 1), hourly(hour.Add(time.Hour), "pay", "2xx", 2)}
	equal(t, "usage", must(s.Usage.List(ctx, store.UsageQuery{}))(t), want)
	equal(t, "of an hour", must(s.Usage.List(ctx, store.UsageQuery{Since: hour.Add(time.Hour)}))(t), want[2:])
	equal(t, "until it", must(s.Usage.List(ctx, store.UsageQuery{Until: hour.Add(time.Hour)}))(t), want[:2])
	equal(t, "of another API", len(must(s.Usage.List(ctx, store.UsageQuery{API: "orders"}))(t)), 0)
	var parts []store.Hourly
	for query := (store.UsageQuery{Limit: 1}); ; query.After = &parts[len(parts)-1] {
		part := must(s.Usage.List(ctx, query))(t)
		if len(part) == 0 {
			break
		}
		parts = append(parts, part...)
	}
	equal(t, "in parts", parts, want)
	total := must(s.Usage.List(ctx, store.UsageQuery{Total: true}))(t)
	equal(t, "totals", len(total), 2)
	equal(t, "total", []any{total[0].Hour, total[0].Requests, total[0].Latency}, []any{time.Time{}, int64(12), 12 * time.Millisecond})
}

func usageSums(t *testing.T, s Subject) {
	ctx := t.Context()
	hour := s.Clock.Now().Truncate(time.Hour)
	for i, process := range []string{"a/1", "b/1", "c/1"} {
		for h := range 3 {
			done(t, s.Usage.Put(ctx, process, []store.Hourly{hourly(hour.Add(time.Duration(h)*time.Hour), "pay", "2xx", int64(i+1))}))
		}
	}
	before := must(s.Usage.List(ctx, store.UsageQuery{}))(t)
	equal(t, "removed", must(s.Usage.Sum(ctx, hour.Add(2*time.Hour), time.Time{}))(t), 6)
	equal(t, "usage", must(s.Usage.List(ctx, store.UsageQuery{}))(t), before)
	equal(t, "removed again", must(s.Usage.Sum(ctx, hour.Add(2*time.Hour), time.Time{}))(t), 0)
	is(t, "what comes too late", s.Usage.Put(ctx, "d/1", []store.Hourly{hourly(hour, "pay", "2xx", 9)}), store.ErrConflict)
	equal(t, "usage after it", must(s.Usage.List(ctx, store.UsageQuery{}))(t), before)
	done(t, s.Usage.Put(ctx, "a/1", []store.Hourly{hourly(hour.Add(2*time.Hour), "pay", "2xx", 4)}))
	must(s.Usage.Sum(ctx, hour.Add(2*time.Hour), hour.Add(time.Hour)))(t)
	equal(t, "hours", len(must(s.Usage.List(ctx, store.UsageQuery{}))(t)), 2)
}
