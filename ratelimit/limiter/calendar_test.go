package limiter_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/limiter/naive"
)

// zones are UTC, ones with and without daylight saving, one that shifts by half an hour (Lord Howe), ones whose clocks are
// put forward at midnight (Beirut, Havana, Asuncion) and put back over it (Havana, St. John's until 2011), one that had no
// 30 December 2011 (Apia), and one far in the east.
func zones() []string {
	return []string{
		"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Asia/Beirut", "America/Havana",
		"America/Asuncion", "America/St_Johns", "Pacific/Apia", "Pacific/Kiritimati", "America/Sao_Paulo", "Africa/Cairo",
	}
}

func inZone(t fataler, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return z
}

func drawCalendar(t *rapid.T) *limiter.Calendar {
	c := &limiter.Calendar{
		Every: rapid.SampledFrom([]limiter.Period{limiter.Day, limiter.Week, limiter.Month}).Draw(t, "every"),
		Zone:  inZone(t, rapid.SampledFrom(zones()).Draw(t, "zone")),
	}
	switch c.Every {
	case limiter.Week:
		c.Anchor = rapid.IntRange(0, 7).Draw(t, "anchor")
	case limiter.Month:
		c.Anchor = rapid.OneOf(rapid.IntRange(0, 31), rapid.IntRange(28, 31)).Draw(t, "anchor")
	}
	return c
}

// since returns a time as the limiter counts.
func since(t time.Time) time.Duration { return time.Duration(t.UnixNano()) }

func TestCalendarBorders(t *testing.T) {
	date := func(zone, text string) time.Time {
		at, err := time.ParseInLocation("2006-01-02 15:04:05", text, inZone(t, zone))
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	tests := map[string]struct {
		every      limiter.Period
		anchor     int
		zone       string
		at         string
		start, end string // In UTC.
	}{
		"a day of 23 hours":                  {limiter.Day, 0, "Europe/Berlin", "2027-03-28 12:00:00", "2027-03-27 23:00:00", "2027-03-28 22:00:00"},
		"a day of 25 hours":                  {limiter.Day, 0, "Europe/Berlin", "2027-10-31 12:00:00", "2027-10-30 22:00:00", "2027-10-31 23:00:00"},
		"a day of 23 hours in New York":      {limiter.Day, 0, "America/New_York", "2027-03-14 00:00:00", "2027-03-14 05:00:00", "2027-03-15 04:00:00"},
		"a day of 24 and a half hours":       {limiter.Day, 0, "Australia/Lord_Howe", "2027-04-04 12:00:00", "2027-04-03 13:00:00", "2027-04-04 13:30:00"},
		"a day of 23 and a half hours":       {limiter.Day, 0, "Australia/Lord_Howe", "2027-10-03 12:00:00", "2027-10-02 13:30:00", "2027-10-03 13:00:00"},
		"a day that begins at one":           {limiter.Day, 0, "Asia/Beirut", "2022-03-27 12:00:00", "2022-03-26 22:00:00", "2022-03-27 21:00:00"},
		"a day whose first hour comes twice": {limiter.Day, 0, "America/Havana", "2027-11-07 12:00:00", "2027-11-07 04:00:00", "2027-11-08 05:00:00"},
		"midnight comes twice":               {limiter.Day, 0, "America/St_Johns", "2010-11-07 12:00:00", "2010-11-07 02:30:00", "2010-11-08 03:30:00"},
		"a day that was none":                {limiter.Day, 0, "Pacific/Apia", "2011-12-29 12:00:00", "2011-12-29 10:00:00", "2011-12-30 10:00:00"},
		"a week from Monday on":              {limiter.Week, 0, "UTC", "2026-11-29 23:59:59", "2026-11-23 00:00:00", "2026-11-30 00:00:00"},
		"a week from Sunday on":              {limiter.Week, 7, "UTC", "2026-11-29 00:00:00", "2026-11-29 00:00:00", "2026-12-06 00:00:00"},
		"a week with a change":               {limiter.Week, 1, "Europe/Berlin", "2027-03-28 23:00:00", "2027-03-21 23:00:00", "2027-03-28 22:00:00"},
		"a month":                            {limiter.Month, 0, "UTC", "2026-12-31 23:59:59", "2026-12-01 00:00:00", "2027-01-01 00:00:00"},
		"February from the 31st of January":  {limiter.Month, 31, "UTC", "2027-02-10 00:00:00", "2027-01-31 00:00:00", "2027-02-28 00:00:00"},
		"the 28th is the 31st of February":   {limiter.Month, 31, "UTC", "2027-02-28 00:00:00", "2027-02-28 00:00:00", "2027-03-31 00:00:00"},
		"a leap year":                        {limiter.Month, 30, "UTC", "2028-02-29 00:00:00", "2028-02-29 00:00:00", "2028-03-30 00:00:00"},
		"before a leap day":                  {limiter.Month, 30, "UTC", "2028-02-28 23:59:59", "2028-01-30 00:00:00", "2028-02-29 00:00:00"},
		"anchor 15 across a year":            {limiter.Month, 15, "Europe/Berlin", "2027-01-15 00:00:00", "2027-01-14 23:00:00", "2027-02-14 23:00:00"},
		"the day before anchor 15":           {limiter.Month, 15, "Europe/Berlin", "2027-01-14 23:59:59", "2026-12-14 23:00:00", "2027-01-14 23:00:00"},
		"a month of 31 days and an hour":     {limiter.Month, 1, "Europe/Berlin", "2027-10-31 12:00:00", "2027-09-30 22:00:00", "2027-10-31 23:00:00"},
	}
	for name, test := range tests {
		c := limiter.Calendar{Every: test.every, Anchor: test.anchor, Zone: inZone(t, test.zone)}
		start, end := c.Period(since(date(test.zone, test.at)))
		show := func(at time.Duration) string { return time.Unix(0, int64(at)).UTC().Format(time.DateTime) }
		if diff := cmp.Diff([]string{test.start, test.end}, []string{show(start), show(end)}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestCalendarAgreesWithClocks holds periods against what a clock in the zone shows, minute by minute around their borders.
func TestCalendarAgreesWithClocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t)
		at := time.Duration(rapid.Int64Range(0, 80*365*24*3600).Draw(t, "at")) * time.Second
		start, end := c.Period(at)
		if at < start || at >= end {
			t.Fatalf("%v is not in its period from %v to %v", at, start, end)
		}
		for _, other := range []time.Duration{start, end - 1} {
			if s, e := (&limiter.Calendar{Every: c.Every, Anchor: c.Anchor, Zone: c.Zone}).Period(other); s != start || e != end {
				t.Fatalf("the period of %v is %v to %v, want %v to %v", other, s, e, start, end)
			}
		}
		for _, border := range []time.Duration{start, end} {
			before, on := shown(c, border-1), shown(c, border)
			for day := before.AddDate(0, 0, 1); ; day = day.AddDate(0, 0, 1) {
				if naive.Begins(c, day) {
					break
				}
				if !day.Before(on) {
					t.Fatalf("at %v no period begins: the day before was %v, then it is %v", border, before, on)
				}
			}
			for back := time.Minute; back < 26*time.Hour; back += time.Minute { // No earlier moment shows this day.
				if !shown(c, border-back).Before(on) {
					t.Fatalf("%v shows the day of %v already", border-back, border)
				}
			}
		}
		for day := shown(c, start).AddDate(0, 0, 1); day.Before(shown(c, end-1)); day = day.AddDate(0, 0, 1) {
			if naive.Begins(c, day) && shown(c, end-1).After(day) {
				t.Fatalf("the period from %v to %v holds %v, on which one begins", start, end, day)
			}
		}
	})
}

// shown returns the day that a clock in the zone shows.
func shown(c *limiter.Calendar, at time.Duration) time.Time {
	y, m, d := time.Unix(0, int64(at)).In(c.Zone).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

func TestBordersAreThoseOfPeriods(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t)
		at := time.Duration(rapid.Int64Range(1, 80*365).Draw(t, "day")) * 24 * time.Hour
		n := rapid.IntRange(0, 5).Draw(t, "n")
		borders := c.Borders(at, n)
		if len(borders) != 2*n+2 {
			t.Fatalf("%d borders for %d periods before and after", len(borders), n)
		}
		if start, end := c.Period(at); borders[n] != start || borders[n+1] != end {
			t.Fatalf("the period is %v to %v, borders %v", start, end, borders)
		}
		for i := 1; i < len(borders); i++ {
			if borders[i] == borders[i-1] { // A day that was none.
				continue
			}
			if start, end := c.Period(borders[i-1]); start != borders[i-1] || end != borders[i] {
				t.Fatalf("border %d: %v to %v is no period, that is %v to %v", i, borders[i-1], borders[i], start, end)
			}
		}
	})
}

// TestCalendarAtTheEndOfTime asks for times beyond what nanoseconds can count.
func TestCalendarAtTheEndOfTime(t *testing.T) {
	for every := limiter.Day; every <= limiter.Month; every++ {
		for _, at := range []time.Duration{1<<63 - 1, -1 << 63, 0, -1} {
			c := limiter.Calendar{Every: every, Anchor: 5}
			if start, end := c.Period(at); start > at || end < at {
				t.Errorf("period %d of %v: from %v to %v", every, at, start, end)
			}
			c.Borders(at, 2)
		}
	}
}

func BenchmarkCalendar(b *testing.B) {
	c := limiter.Calendar{Every: limiter.Month, Zone: inZone(b, "Europe/Berlin")}
	w := limiter.Window{Kind: limiter.Quota, Limit: 1 << 40, Calendar: &c}
	b.Run("spend", func(b *testing.B) {
		var s limiter.State
		now := begin
		for b.Loop() {
			now += time.Microsecond
			if w.Peek(&s, now, 1).OK {
				w.Spend(&s, now, 1)
			}
		}
	})
	b.Run("another month each time", func(b *testing.B) {
		i := time.Duration(0)
		for b.Loop() {
			i++
			c.Period(begin + i%100*40*24*time.Hour)
		}
	})
}
