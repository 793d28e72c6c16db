package join

import (
	"net"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// How often one address may call: a fleet behind one address translation starts at once, so the burst is generous.
const (
	callsEvery  = 200 * time.Millisecond
	callsBurst  = 50
	callersMost = 4096
)

// callers bounds how often each address calls. It remembers a bounded number of addresses; where it must forget one it
// forgets all, which lets each begin anew.
type callers struct {
	now   func() time.Time
	mu    sync.Mutex
	known map[string]*rate.Limiter
}

func newCallers(now func() time.Time) *callers {
	return &callers{now: now, known: map[string]*rate.Limiter{}}
}

// allow tells whether an address may call now.
func (c *callers) allow(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.known[host]
	if l == nil {
		if len(c.known) >= callersMost {
			clear(c.known)
		}
		l = rate.NewLimiter(rate.Every(callsEvery), callsBurst)
		c.known[host] = l
	}
	return l.AllowN(c.now(), 1)
}
