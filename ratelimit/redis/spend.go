package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// asked is one call as the store sees it.
type asked struct {
	once    bool
	id      ratelimit.CallID
	charges []ratelimit.Charge
	hashes  []hash
	results []limiter.Result
	borrow  []int64 // What may be spent beyond each cost, then what was; nil: nothing.
}

func (s *Store) spend(ctx context.Context, a *asked) (ok, again bool, err error) {
	if len(a.charges) > chargesMost {
		return false, false, fmt.Errorf("%d charges in one call, at most %d are allowed", len(a.charges), chargesMost)
	}
	leased := false
	for i := range a.charges {
		a.hashes = append(a.hashes, hashOf(a.charges[i].Key))
		leased = leased || a.charges[i].Lease > 0
	}
	at := s.passing()
	if leased {
		switch {
		case a.once && s.fromLease.has(a.id):
			return s.lookOnly(ctx, a)
		case s.lent(a, at):
			return true, false, nil
		}
	}
	refused, changes := s.refusals.refuse(a.charges, a.hashes, a.results, at)
	if refused && (!a.once || !s.unsure.has(a.id)) {
		s.refusedHere.Add(1)
		return false, false, nil
	}
	if leased {
		a.borrow = s.leases.wants(a.charges, a.hashes, at)
	}
	ok, again, err = s.remote(ctx, a)
	for i := range a.charges {
		if a.charges[i].Cost < 0 { // Also where it is not known whether it was given back.
			s.refusals.forget(a.hashes[i], true)
		}
	}
	if a.once && (err != nil || s.passing()-at > slow) {
		s.unsure.add(a.id, at)
	}
	if a.borrow != nil {
		s.leases.take(a, at, ok && !again && err == nil)
	}
	if err == nil && !again {
		s.refusals.learn(a.charges, a.hashes, a.results, !ok, at, changes)
		if a.once && leased && ok {
			s.fromLease.add(a.id, at) // Else it would spend from the lease, made once more.
		}
	}
	return ok, again, err
}

// lent spends a call from what was borrowed, where that is enough.
func (s *Store) lent(a *asked, at time.Duration) bool {
	if a.once && s.unsure.has(a.id) || !s.leases.spend(a.charges, a.hashes, a.results, at) {
		return false
	}
	if a.once {
		s.fromLease.add(a.id, at)
	}
	s.spentHere.Add(1)
	return true
}

// lookOnly answers a call that has spent, perhaps from a lease, of which the server knows nothing, and is made once more.
func (s *Store) lookOnly(ctx context.Context, a *asked) (ok, again bool, err error) {
	looks := make([]ratelimit.Charge, len(a.charges))
	for i := range looks {
		looks[i] = a.charges[i]
		looks[i].Cost = 0
	}
	b := asked{charges: looks, hashes: a.hashes, results: a.results}
	ok, _, err = s.remote(ctx, &b)
	return ok, true, err
}

// remote asks the server.
func (s *Store) remote(ctx context.Context, a *asked) (ok, again bool, err error) {
	if s.breaker.isOpen() {
		s.refused.Add(1)
		return false, false, ErrAway
	}
	c, _ := s.free.Get().(*call)
	c.tell(s.options.Address.namespace, a, &s.borders, s.wall())
	c.results, c.deadline = a.results, s.deadline(ctx)
	if a.borrow != nil {
		c.more = a.borrow[len(a.charges):]
	}
	if err := s.ask(c); err != nil {
		return false, false, err // The call is not used again: a sender may still hold it.
	}
	ok, again = c.ok, c.again
	c.reset()
	s.free.Put(c)
	return ok, again, nil
}

// deadline is until when a call may wait.
func (s *Store) deadline(ctx context.Context) time.Duration {
	most := s.now() + s.options.Timeout
	if until, ok := ctx.Deadline(); ok {
		most = min(most, until.Sub(s.began))
	}
	return most
}
