package redis

import (
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
)

const (
	// unsureMost bounds how many calls are remembered of which it is not known whether they have spent, twice.
	unsureMost = 1 << 14
	// slow is from when on an answer may have come too late for whoever asked.
	slow = 5 * time.Millisecond
)

// unsure remembers calls that may be made once more although they have spent, as no answer came in time: such a one is never
// refused without asking the server. The zero value is ready.
type unsure struct {
	mu            sync.Mutex
	began         time.Duration // Of the recent generation.
	recent, older map[ratelimit.CallID]struct{}
}

func (u *unsure) add(id ratelimit.CallID, now time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.recent == nil || now-u.began >= remembered || len(u.recent) >= unsureMost {
		u.older, u.recent, u.began = u.recent, map[ratelimit.CallID]struct{}{}, now
	}
	u.recent[id] = struct{}{}
}

func (u *unsure) has(id ratelimit.CallID) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, recent := u.recent[id]
	_, older := u.older[id]
	return recent || older
}
