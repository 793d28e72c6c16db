package redis

import (
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
)

const (
	// callsMost bounds how many calls are remembered, twice: 26,000 a second for 10 s. Beyond it they are forgotten sooner.
	callsMost = 1 << 18
	// slow is from when on an answer may have come too late for whoever asked.
	slow = 5 * time.Millisecond
)

// callSet remembers some calls for as long as they may be made once more: those that may have spent although no answer came in
// time, and which are therefore never refused without asking the server; and those that have spent from a lease, of which the
// server knows nothing. The zero value is ready.
type callSet struct {
	mu            sync.Mutex
	began         time.Duration // Of the recent generation.
	recent, older map[ratelimit.CallID]struct{}
}

func (u *callSet) add(id ratelimit.CallID, now time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.recent == nil || now-u.began >= remembered || len(u.recent) >= callsMost {
		u.older, u.recent, u.began = u.recent, map[ratelimit.CallID]struct{}{}, now
	}
	u.recent[id] = struct{}{}
}

func (u *callSet) has(id ratelimit.CallID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, recent := u.recent[id]
	_, older := u.older[id]
	return recent || older
}
