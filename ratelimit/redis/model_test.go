package redis_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

// wholeMicroseconds rounds up, as the script knows no parts of one.
func wholeMicroseconds(d time.Duration) time.Duration {
	return (d + time.Microsecond - 1) / time.Microsecond * time.Microsecond
}

// TestScriptIsTheLimiter holds that the script does what package limiter does, for windows of all kinds, to the microsecond.
func TestScriptIsTheLimiter(t *testing.T) {
	t.Parallel()
	server := needs.Redis(t)
	clock := storetest.NewClock()
	s := redis.Standing(redis.Options{Address: address(t, "unix:"+server.Socket), Timeout: patience}, clock.Now)
	t.Cleanup(s.Close)
	s.Start()
	up(t, s, true)
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	calendars := []*limiter.Calendar{{}, {Every: limiter.Week, Anchor: 3, Zone: zone}, {Every: limiter.Month, Anchor: 31, Zone: zone}}
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		scale := rapid.SampledFrom([]int64{1, 10, 40, 1000, 1 << 30, 1 << 44}).Draw(t, "scale")
		anyWindow := rapid.Custom(func(t *rapid.T) limiter.Window {
			return limiter.Window{
				Limit: rapid.Int64Range(0, 2).Draw(t, "limit") * scale, Burst: rapid.Int64Range(0, 2).Draw(t, "burst") * scale,
			}
		})
		kind := limiter.Kind(rapid.IntRange(0, int(limiter.Quota)).Draw(t, "kind"))
		per := time.Duration(rapid.SampledFrom([]int64{1, 7, 1000, 1_000_003, 2_000_000, 2_800_000_000, 1_000_000_000_000}).Draw(t, "per")) * limiter.Slots * time.Microsecond
		calendar := rapid.SampledFrom(calendars).Draw(t, "calendar")
		windows := rapid.SliceOfN(anyWindow, 1, 3).Draw(t, "windows") // The same limit, edited.
		if kind == limiter.Quota {
			per = 24 * time.Hour
		}
		key, state, results := fmt.Appendf(nil, "%d", run), limiter.State{}, make([]limiter.Result, 1)
		granted := false
		for range rapid.IntRange(1, 80).Draw(t, "calls") {
			clock.Advance(time.Duration(rapid.Int64Range(0, int64(per/time.Microsecond)/rapid.SampledFrom([]int64{1, 3, 50}).Draw(t, "part")).Draw(t, "wait")) * time.Microsecond)
			w := rapid.SampledFrom(windows).Draw(t, "window")
			w.Kind, w.Per = kind, per
			if kind == limiter.Quota {
				w.Calendar, w.Per = calendar, 0
			}
			cost := rapid.Int64Range(-3, 6).Draw(t, "cost")
			if w.Most() > 6 && rapid.Bool().Draw(t, "much") {
				cost *= w.Most() / 4
			}
			grant := cost < 0 && rapid.IntRange(0, 3).Draw(t, "grant") == 0
			granted = granted || grant
			now := time.Duration(clock.Now().UnixNano())
			want := w.Peek(&state, now, cost)
			if want.OK || cost < 0 {
				switch {
				case grant:
					w.Grant(&state, now, -cost)
				case cost < 0:
					w.Refund(&state, now, -cost)
				default:
					w.Spend(&state, now, cost)
				}
				want = w.Peek(&state, now, 0)
				want.OK, want.Retry = true, 0
			}
			want.Reset, want.Retry = wholeMicroseconds(want.Reset), wholeMicroseconds(want.Retry)
			here := s.Counts().RefusedHere
			ok, err := s.Spend(t.Context(), []ratelimit.Charge{{Key: key, Window: w, Cost: cost, Grant: grant}}, results)
			if err != nil {
				t.Fatalf("%+v, cost %d: %v", w, cost, err)
			}
			if s.Counts().RefusedHere > here {
				if results[0].Retry <= want.Retry || granted {
					want.Retry = results[0].Retry // Of a cost below this one.
				}
				if granted {
					want.Remaining = results[0].Remaining // The grant may have ended since.
				}
			}
			if (kind == limiter.Paced || kind == limiter.Tokens) && w.Granted(&state, now) > 0 && want.Retry > 0 {
				want.Retry = results[0].Retry // Whether the grant lasts until then may turn on a part of a microsecond.
			}
			if diff := cmp.Diff(want, results[0]); diff != "" || ok != want.OK {
				t.Fatalf("at %v %+v, cost %d, a grant %v: admitted %v (-want +got):\n%s", clock.Now(), w, cost, grant, ok, diff)
			}
		}
	})
}
