// Package naive is what limiter's windows and the stores must agree with: the definitions, computed the slow way, for tests.
//
// In: a limiter.Window, times that do not run backwards, what is spent, given back and granted. Out: how much is spent and what
// remains. It remembers every moment without bound, counts with fractions of any size, and asks the calendar day by day.
package naive

import (
	"math/big"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// Bucket is what was spent from one bucket. Its Window may change its numbers where nothing flows.
type Bucket struct {
	Window  limiter.Window
	moments []moment // Of all but Paced and Tokens, oldest first.

	level   big.Rat // Of Paced and Tokens: what had not drained at a time.
	at      time.Duration
	granted int64
	given   time.Duration // When the latest grant was.
}

type moment struct {
	at   time.Duration
	cost int64
}

// Spent returns what counts now.
func (b *Bucket) Spent(now time.Duration) int64 { return b.SpentWithin(now, 0) }

// SpentWithin returns what would count now if windows were longer by slack, which only Sliding ones can be.
func (b *Bucket) SpentWithin(now, slack time.Duration) (sum int64) {
	if b.flows() {
		b.drain(now)
		up := new(big.Int).Add(b.level.Num(), new(big.Int).Sub(b.level.Denom(), big.NewInt(1)))
		return up.Div(up, b.level.Denom()).Int64()
	}
	for _, m := range b.moments {
		if b.counts(m.at, now, slack) {
			sum += m.cost
		}
	}
	return sum
}

// Remaining returns what may be spent now.
func (b *Bucket) Remaining(now time.Duration) int64 {
	return max(b.most()-b.Spent(now), 0) + b.Granted(now)
}

// Granted returns what is left of grants.
func (b *Bucket) Granted(now time.Duration) int64 {
	if b.granted > 0 && b.counts(b.given, now, 0) {
		return b.granted
	}
	return 0
}

// Spend spends, whether it may be or not.
func (b *Bucket) Spend(now time.Duration, cost int64) {
	if granted := b.Granted(now); granted > 0 {
		from := min(granted, max(cost-max(b.most()-b.Spent(now), 0), 0))
		b.granted -= from
		cost -= from
	}
	if b.flows() {
		b.drain(now)
		b.level.Add(&b.level, new(big.Rat).SetInt64(cost))
		return
	}
	b.moments = append(b.moments, moment{now, cost})
}

// Refund gives back, the oldest first.
func (b *Bucket) Refund(now time.Duration, cost int64) {
	if b.flows() {
		b.drain(now)
		if b.level.Sub(&b.level, new(big.Rat).SetInt64(cost)); b.level.Sign() < 0 {
			b.level.SetInt64(0)
		}
		return
	}
	for i := range b.moments {
		if m := &b.moments[i]; b.counts(m.at, now, 0) {
			back := min(m.cost, cost)
			m.cost -= back
			cost -= back
		}
	}
}

// Grant admits more.
func (b *Bucket) Grant(now time.Duration, cost int64) {
	b.granted = b.Granted(now) + cost
	b.given = now
}

// Clone returns a copy that shares nothing with b.
func (b *Bucket) Clone() *Bucket {
	c := &Bucket{Window: b.Window, moments: slices.Clone(b.moments), at: b.at, granted: b.granted, given: b.given}
	c.level.Set(&b.level)
	return c
}

func (b *Bucket) flows() bool {
	return b.Window.Kind == limiter.Paced || b.Window.Kind == limiter.Tokens
}

func (b *Bucket) most() int64 {
	switch w := b.Window; {
	case w.Limit == 0:
		return 0
	case w.Kind == limiter.Paced:
		return max(w.Burst, 1)
	case w.Kind == limiter.Tokens && w.Burst > 0:
		return w.Burst
	}
	return b.Window.Limit
}

// drain lets Limit flow per Per.
func (b *Bucket) drain(now time.Duration) {
	flown := big.NewRat(int64(b.Window.Per), 1)
	flown.Quo(big.NewRat(b.Window.Limit, 1), flown)
	flown.Mul(flown, big.NewRat(int64(now-b.at), 1))
	if b.level.Sub(&b.level, flown); b.level.Sign() < 0 {
		b.level.SetInt64(0)
	}
	b.at = now
}

// counts says whether what was spent at a moment counts now.
func (b *Bucket) counts(at, now, slack time.Duration) bool {
	switch w := b.Window; w.Kind {
	case limiter.Fixed:
		return big.NewInt(0).Div(big.NewInt(int64(at)), big.NewInt(int64(w.Per))).Cmp(
			big.NewInt(0).Div(big.NewInt(int64(now)), big.NewInt(int64(w.Per)))) == 0
	case limiter.Quota:
		return samePeriod(w.Calendar, at, now)
	default:
		return now-at < w.Per+slack
	}
}

// samePeriod asks for each day after the one of a moment whether a period begins with it.
func samePeriod(c *limiter.Calendar, at, now time.Duration) bool {
	zone := c.Zone
	if zone == nil {
		zone = time.UTC
	}
	shown := func(t time.Duration) time.Time {
		y, m, d := time.Unix(0, int64(t)).In(zone).Date()
		return time.Date(y, m, d, 12, 0, 0, 0, time.UTC)
	}
	last := shown(now)
	for day := shown(at).AddDate(0, 0, 1); !day.After(last); day = day.AddDate(0, 0, 1) {
		if Begins(c, day) {
			return false
		}
	}
	return true
}

// Begins says whether a period begins on a day.
func Begins(c *limiter.Calendar, day time.Time) bool {
	switch anchor := max(c.Anchor, 1); c.Every {
	case limiter.Week:
		return (int(day.Weekday())+6)%7+1 == anchor
	case limiter.Month:
		last := day.AddDate(0, 0, 1).Day() == 1
		return day.Day() == anchor || last && day.Day() < anchor
	default:
		return true
	}
}
