package redis

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	// leaseMost is how long what was borrowed is spent from here. It is no more than a part of the window, and ends with a period.
	leaseMost = time.Second
	leasePart = 10
	// leasesMost is of how many buckets something is borrowed at a time; of others each call is brought to the server.
	leasesMost = 1 << 16
	// giveBackEvery is how often leases are looked through for those whose time is up.
	giveBackEvery = 100 * time.Millisecond
	// giveBackAtOnce is of how many buckets one call gives back.
	giveBackAtOnce = 64
)

// leases are what this replica has borrowed from buckets and spends by itself: it is spent at the server already. The zero value is
// ready.
type leases struct {
	held atomic.Int64 // So that nobody looks while there is none.
	mu   sync.Mutex
	of   map[hash]*lease
}

// lease is what is left of what was borrowed. Times are the store's own.
type lease struct {
	key       []byte
	window    limiter.Window
	borrowing bool // A call is under way that borrows: one at a time, so that never more than Charge.Lease is held.
	left      int64
	remaining int64 // At the server, when it was asked last.
	reset     time.Duration
	asked     time.Duration
	until     time.Duration // Up to when it is spent from. From then on it is given back.
	ends      time.Duration // From when on it is not to be given back any more: what was borrowed counts no longer.
}

// spend spends a call from leases alone, where they have enough for all of its charges.
func (l *leases) spend(charges []ratelimit.Charge, hashes []hash, results []limiter.Result, now time.Duration) bool {
	if l.held.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range charges {
		c := &charges[i]
		if c.Lease <= 0 || c.Cost <= 0 {
			return false
		}
		held, cost := l.of[hashes[i]], c.Cost
		for j := range i {
			if hashes[j] == hashes[i] {
				cost += charges[j].Cost
			}
		}
		if held == nil || held.window != c.Window || now >= held.until || cost > held.left || cost < 0 {
			return false
		}
	}
	for i := range charges {
		l.of[hashes[i]].left -= charges[i].Cost
	}
	for i := range charges {
		results[i] = l.of[hashes[i]].result(now)
	}
	return true
}

func (l *lease) result(now time.Duration) limiter.Result {
	return limiter.Result{OK: true, Remaining: l.remaining + l.left, Reset: max(l.reset-(now-l.asked), 0)}
}

// wants returns how much each charge of a call may borrow, so that what is held comes up to its lease, with as much room behind for
// what it got; nil where none may. Where it is not nil, take is to be called once the server has answered, or has not.
func (l *leases) wants(charges []ratelimit.Charge, hashes []hash, now time.Duration) (borrow []int64) {
	for i := range charges {
		c := &charges[i]
		if c.Lease <= 0 || c.Cost <= 0 {
			continue
		}
		if want := l.want(c, hashes[i], now); want > 0 {
			if borrow == nil {
				borrow = make([]int64, 2*len(charges))
			}
			borrow[i] = want
		}
	}
	return borrow
}

func (l *leases) want(c *ratelimit.Charge, h hash, now time.Duration) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.of[h]
	switch {
	case held == nil && len(l.of) >= leasesMost:
		return 0
	case held == nil:
		if l.of == nil {
			l.of = map[hash]*lease{}
		}
		held = &lease{key: append([]byte(nil), c.Key...), window: c.Window}
		l.of[h] = held
		l.held.Add(1)
	case held.borrowing, now >= held.until && held.left > 0: // It is to be given back first.
		return 0
	case held.window != c.Window: // The limit was edited. What is left counts as spent.
		held.window, held.left = c.Window, 0
	}
	if held.left >= c.Lease {
		return 0
	}
	held.borrowing = true
	return c.Lease - held.left
}

// take takes in what a call borrowed that was made at some time, if the server admitted it. The results tell of what is held here
// too then.
func (l *leases) take(a *asked, at time.Duration, admitted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range a.charges {
		held, r, got := l.of[a.hashes[i]], &a.results[i], a.borrow[len(a.charges)+i]
		if a.borrow[i] == 0 || held == nil || !held.borrowing { // It wanted none, or the bucket was reset meanwhile.
			continue
		}
		held.borrowing = false
		if !admitted {
			continue
		}
		if got > 0 && held.left == 0 {
			held.until, held.ends = terms(held.window, r.Reset, at)
		}
		held.left, held.remaining, held.reset, held.asked = held.left+got, r.Remaining, r.Reset, at
		r.Remaining += held.left
	}
}

// terms returns up to when what was borrowed at some time is spent from, and from when on it does not count any more.
func terms(w limiter.Window, reset, at time.Duration) (until, ends time.Duration) {
	if w.Kind.Aligned() { // Reset is when the period ends: nothing of it is spent in the next, or given back.
		return at + min(leaseMost, reset), at + reset - giveBackEvery
	}
	return at + min(leaseMost, w.Per/leasePart), at + w.Per/2
}

// forget drops what is held of a bucket that was reset.
func (l *leases) forget(h hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.of[h]; ok {
		delete(l.of, h)
		l.held.Add(-1)
	}
}

// due takes out leases whose time is up, or all, and returns what is to be given back: it is held until that is done.
func (l *leases) due(now time.Duration, all bool) (back []ratelimit.Charge) {
	if l.held.Load() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for h, held := range l.of {
		if held.borrowing || !all && now < held.until {
			continue
		}
		delete(l.of, h)
		if held.left <= 0 || now >= held.ends {
			l.held.Add(-1)
			continue
		}
		back = append(back, ratelimit.Charge{Key: held.key, Window: held.window, Cost: -held.left})
	}
	return back
}

// giveBack gives back what is left of leases whose time is up, or of all. What cannot be given back counts as spent until its
// window has passed: a limit refuses early by it.
func (s *Store) giveBack(ctx context.Context, all bool) {
	back := s.leases.due(s.passing(), all)
	for len(back) > 0 {
		n := min(len(back), giveBackAtOnce)
		a := asked{charges: back[:n], results: make([]limiter.Result, n)}
		if _, _, err := s.spend(ctx, &a); err == nil {
			for i := range a.charges {
				s.returned.Add(uint64(-a.charges[i].Cost)) //nolint:gosec // Above 0.
			}
		}
		s.leases.held.Add(int64(-n))
		back = back[n:]
	}
}

// keepLeases gives back what nobody spends, until ctx ends, and then all.
func (s *Store) keepLeases(ctx context.Context) {
	tick := time.NewTicker(giveBackEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.giveBack(ctx, false)
		case <-ctx.Done():
			s.giveBack(context.WithoutCancel(ctx), true)
			return
		}
	}
}
