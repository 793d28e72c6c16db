package redis

import (
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	// bordersAround is how many beginnings of a calendar's periods the script is told before the one that holds now by this process'
	// clock: its own clock may stand on the other side of a border.
	bordersAround = 2
	// calendarsMost is of how many calendars the borders are kept. More come only where documents change all the time.
	calendarsMost = 4096
)

// borders keeps what the script is told of calendars, as to compute it takes longer than all the rest. The zero value is ready.
type borders struct {
	mu    sync.RWMutex
	known map[*limiter.Calendar]period
}

// period is what holds for as long as a period lasts.
type period struct {
	start, end time.Duration
	told       []byte // As the script reads it.
}

// appendTo appends the beginnings of six periods around now, as the script reads them.
func (b *borders) appendTo(to []byte, c *limiter.Calendar, now time.Duration) []byte {
	b.mu.RLock()
	p, ok := b.known[c]
	b.mu.RUnlock()
	if !ok || now < p.start || now >= p.end {
		p = period{}
		p.start, p.end = c.Period(now)
		for _, border := range c.Borders(now, bordersAround) {
			p.told = appendNumber(p.told, int64(border/time.Microsecond))
		}
		b.mu.Lock()
		if b.known == nil || len(b.known) >= calendarsMost {
			b.known = map[*limiter.Calendar]period{}
		}
		b.known[c] = p
		b.mu.Unlock()
	}
	return append(to, p.told...)
}
