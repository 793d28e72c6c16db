package limiter

import (
	"math"
	"sync/atomic"
	"time"
)

// Calendar tells the periods of a Quota apart, in its time zone, daylight saving included. A period begins with the first
// moment at which a clock in the zone shows the day it begins on, or a later one: 1:00 where the clock is put forward at
// midnight. It must not be copied, and not be changed once it is used; it is safe for concurrent use.
type Calendar struct {
	Every  Period
	Anchor int            // On which day a period begins: 1 to 31 of a month, and its last where it has fewer; 1 (Monday) to 7 of a week; 0: 1.
	Zone   *time.Location // nil: UTC.

	last atomic.Pointer[span] // The period that was asked for last, which nearly always is the next to be asked for.
}

// Period is a period of the calendar.
type Period uint8

// The periods.
const (
	Day Period = iota
	Week
	Month
)

// span is a period of a calendar.
type span struct{ start, end time.Duration }

// Period returns the period that holds a moment: from start up to end.
func (c *Calendar) Period(at time.Duration) (start, end time.Duration) {
	if s := c.last.Load(); s != nil && s.start <= at && at < s.end {
		return s.start, s.end
	}
	// The day by the zone's clock may lie one off where the clock was put back over midnight: look around it.
	t := time.Unix(0, int64(at)).In(c.zone())
	day := date(t.Year(), t.Month(), t.Day())
	begin := c.begin(day.AddDate(0, 0, 1))
	for c.border(begin) > at {
		begin = c.step(begin, -1)
	}
	for {
		next := c.step(begin, 1)
		if s := (span{c.border(begin), c.border(next)}); at < s.end || s.end == math.MaxInt64 {
			c.last.Store(&s)
			return s.start, s.end
		}
		begin = next
	}
}

// Borders returns when periods begin, in order: n before the one that holds a moment, that one, and n+1 after it, so that
// who reads another clock, which differs by less than n periods, finds where its period begins and ends.
func (c *Calendar) Borders(at time.Duration, n int) []time.Duration {
	start, _ := c.Period(at)
	t := time.Unix(0, int64(start)).In(c.zone())
	begin := c.step(c.begin(date(t.Year(), t.Month(), t.Day())), -n)
	borders := make([]time.Duration, 0, 2*n+2)
	for range 2*n + 2 {
		borders = append(borders, c.border(begin))
		begin = c.step(begin, 1)
	}
	return borders
}

func (c *Calendar) zone() *time.Location {
	if c.Zone == nil {
		return time.UTC
	}
	return c.Zone
}

// date returns a day of the calendar, as midnight in UTC whatever the zone: days are counted there, where all have 24 hours.
func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// begin returns the day on which the period begins that holds a day.
func (c *Calendar) begin(day time.Time) time.Time {
	switch anchor := max(c.Anchor, 1); c.Every {
	case Week:
		return day.AddDate(0, 0, -(int(day.Weekday())+7-anchor)%7)
	case Month:
		if begin := monthly(day.Year(), day.Month(), anchor); !begin.After(day) {
			return begin
		}
		return monthly(day.Year(), day.Month()-1, anchor)
	default:
		return day
	}
}

// step returns the day on which another period begins, n after the one that begins on a day.
func (c *Calendar) step(begin time.Time, n int) time.Time {
	switch c.Every {
	case Week:
		return begin.AddDate(0, 0, 7*n)
	case Month:
		return monthly(begin.Year(), begin.Month()+time.Month(n), max(c.Anchor, 1))
	default:
		return begin.AddDate(0, 0, n)
	}
}

// monthly returns a day of a month, its last where it has fewer days.
func monthly(year int, month time.Month, day int) time.Time {
	return date(year, month, min(day, date(year, month+1, 0).Day()))
}

// border returns the first moment at which a clock in the zone shows a day or a later one. It asks for each stretch between two
// changes of the clock: time.Date promises nothing about midnights that do not exist, or exist twice.
func (c *Calendar) border(day time.Time) time.Duration {
	const farthest = 26 * time.Hour // No zone is as far from UTC.
	at := day.Add(-farthest).In(c.zone())
	for {
		_, offset := at.Zone()
		_, end := at.ZoneBounds()
		midnight := day.Add(-time.Duration(offset) * time.Second)
		switch {
		case midnight.Before(at): // The clock was put forward over midnight.
			return nanoseconds(at)
		case end.IsZero() || midnight.Before(end):
			return nanoseconds(midnight)
		}
		at = end
	}
}

// nanoseconds returns a moment as the limiter counts, which ends in 2262.
func nanoseconds(t time.Time) time.Duration {
	switch s := t.Unix(); {
	case s >= math.MaxInt64/int64(time.Second):
		return math.MaxInt64
	case s <= math.MinInt64/int64(time.Second):
		return math.MinInt64
	}
	return time.Duration(t.UnixNano())
}
