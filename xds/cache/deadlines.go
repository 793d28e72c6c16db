package cache

import (
	"math/rand/v2"
	"time"
)

// deadlines bound the waits of one stream, with one timer for the next that ends, and the stream itself.
type deadlines struct {
	lengths [waits]time.Duration
	ids     [waits]uint64
	at      [waits]time.Time
	timer   *time.Timer
	age     *time.Timer
	aged    bool // the stream is to end as soon as nothing is on its way
}

// newDeadlines returns deadlines for a stream that waits for nothing yet.
func newDeadlines(s Settings) *deadlines {
	d := &deadlines{timer: time.NewTimer(time.Hour), age: newAge(s.MaxAge)}
	d.lengths = [waits]time.Duration{made: s.Barrier, warmed: s.Patience, routed: s.Patience, graced: s.Grace}
	d.timer.Stop()
	return d
}

// stop ends the timers.
func (d *deadlines) stop() {
	d.timer.Stop()
	d.age.Stop()
}

// set takes the waits that are on now. A wait that was on before keeps its deadline.
func (d *deadlines) set(ids [waits]uint64, now time.Time) {
	if ids == d.ids {
		return
	}
	for w, id := range ids {
		if id != d.ids[w] {
			d.at[w] = now.Add(d.lengths[w])
		}
	}
	d.ids = ids
	d.arm(now)
}

// arm sets the timer to the next deadline.
func (d *deadlines) arm(now time.Time) {
	d.timer.Stop()
	var next time.Time
	for w, id := range d.ids {
		if id != 0 && (next.IsZero() || d.at[w].Before(next)) {
			next = d.at[w]
		}
	}
	if !next.IsZero() {
		d.timer.Reset(next.Sub(now))
	}
}

// over returns the waits whose deadlines have passed, by their ids, and goes on with the others.
func (d *deadlines) over(now time.Time) map[wait]uint64 {
	past := map[wait]uint64{}
	for w, id := range d.ids {
		if id != 0 && !d.at[w].After(now) {
			past[wait(w)] = id
			d.ids[w] = 0
		}
	}
	d.arm(now)
	return past
}

// newAge returns a timer for the age at which a stream is to end: a tenth more or less than said, so that streams that began
// together do not end together. Below 0 it never fires.
func newAge(length time.Duration) *time.Timer {
	if length < 0 {
		stopped := time.NewTimer(time.Hour)
		stopped.Stop()
		return stopped
	}
	return time.NewTimer(length*9/10 + rand.N(length/5+1))
}
