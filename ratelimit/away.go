package ratelimit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// DefaultPatience is how long a call waits for a shared store where the limit does not say.
const DefaultPatience = 20 * time.Millisecond

// awayError tells that limits could not be asked.
type awayError struct {
	cause  error
	closed bool // One of them is closed then.
}

// Error says why.
func (e *awayError) Error() string { return fmt.Sprintf("the store of limits is away: %v", e.cause) }

// Unwrap returns why.
func (e *awayError) Unwrap() error { return e.cause }

// Wait makes calls wait for a shared store so long, where a limit does not say for itself. It is to be called before the first call.
func (s *Service) Wait(patience time.Duration) { s.patience = patience }

// CountLocally makes limits that say so be counted in a store of this process while the shared one is away: each by its number divided
// by that of the replicas that are alive, and by 1 at least. It is to be called before the first call; without it such limits let
// requests through.
func (s *Service) CountLocally(store Store, replicas func() int) {
	s.local, s.replicas = store, replicas
}

// settle spends what w holds, tells how each limit fared, and counts it. An error tells that limits could not be asked, and that
// those who ask are to do as their failure mode says; ErrMoved, that another process is to be asked.
func (s *Service) settle(ctx context.Context, w *work, call CallID, named bool) (admitted bool, err error) {
	if len(w.charges) == 0 {
		return true, nil
	}
	for range w.charges {
		w.results = append(w.results, limiter.Result{})
	}
	switch err := s.spend(ctx, w, call, named); {
	case errors.Is(err, ErrMoved):
		return false, err
	case err != nil:
		s.away.Add(1)
		if err := s.alone(ctx, w, call, named, err); err != nil {
			return false, err
		}
	}
	admitted = w.settle()
	w.count(admitted, s.top)
	s.report(ctx, w)
	return admitted, nil
}

// spend asks the store. A call that Envoy makes once more, as it did not get the answer, has spent already: it only looks, and
// its charges cost nothing.
func (s *Service) spend(ctx context.Context, w *work, call CallID, named bool) error {
	if s.shared != nil {
		return s.spendShared(ctx, w, call, named)
	}
	return s.spendHere(ctx, s.store, w, call, named)
}

// spendShared asks a store that is elsewhere, for as long as the least patient of the limits waits.
func (s *Service) spendShared(ctx context.Context, w *work, call CallID, named bool) error {
	patience := w.asked[0].patience(s.patience)
	for i := range w.asked[1:] {
		patience = min(patience, w.asked[1+i].patience(s.patience))
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if !named {
		_, err := s.store.Spend(bounded, w.charges, w.results)
		return err
	}
	_, again, err := s.shared.SpendOnce(bounded, call, w.charges, w.results)
	if again {
		w.free()
	}
	return err
}

// spendHere asks a store in this process, which remembers no calls.
func (s *Service) spendHere(ctx context.Context, store Store, w *work, call CallID, named bool) error {
	again := named && s.calls.spent(call)
	if again {
		w.free()
	}
	ok, err := store.Spend(ctx, w.charges, w.results)
	if ok && err == nil && named && !again {
		s.calls.add(call)
	}
	return err
}

func (l *limit) patience(otherwise time.Duration) time.Duration {
	if l.timeout > 0 {
		return l.timeout
	}
	return otherwise
}

// alone does without the store: what each limit says is to be done then.
func (s *Service) alone(ctx context.Context, w *work, call CallID, named bool, cause error) error {
	undecided, local := false, false
	for i := range w.asked {
		a := &w.asked[i]
		a.away = true
		switch {
		case a.storeAway == gateway.StoreLocal && s.local != nil:
			a.away, local = false, true
		case a.mode == gateway.Shadow || a.done:
		case a.storeAway == gateway.StoreClosed:
			return &awayError{cause, true}
		case a.storeAway == "":
			undecided = true
		}
	}
	if local {
		refused, err := s.spendLocally(ctx, w, call, named)
		if refused || err != nil {
			return err
		}
	}
	if undecided { // Another replica may reach it.
		return &awayError{cause, w.asked[0].route.closed}
	}
	return nil
}

// spendLocally spends what the limits that are counted here meanwhile ask for, all or nothing.
func (s *Service) spendLocally(ctx context.Context, w *work, call CallID, named bool) (refused bool, err error) {
	share := int64(max(s.replicas(), 1))
	var here work
	for i := range w.asked {
		a := &w.asked[i]
		if a.away {
			continue
		}
		own := *a
		own.first = len(here.charges)
		here.asked = append(here.asked, own)
		for _, c := range w.charges[a.first : a.first+len(a.windows)] {
			c.Window.Limit, c.Lease = max(c.Window.Limit/share, 1), 0
			if c.Window.Burst > 0 {
				c.Window.Burst = max(c.Window.Burst/share, 1)
			}
			here.charges = append(here.charges, c)
		}
	}
	here.results = make([]limiter.Result, len(here.charges))
	if err := s.spendHere(ctx, s.local, &here, call, named); err != nil {
		return false, &awayError{cause: err}
	}
	rest := here.asked
	for i := range w.asked {
		if a := &w.asked[i]; !a.away {
			copy(w.results[a.first:], here.results[rest[0].first:][:len(a.windows)])
			a.cost, rest = rest[0].cost, rest[1:]
		}
	}
	return !here.settle(), nil
}

// report tells once for each limit that the cost of a request is no number.
func (s *Service) report(ctx context.Context, w *work) {
	for i := range w.asked {
		a := &w.asked[i]
		if !a.unpriced {
			continue
		}
		a.counter.unpriced.Add(1)
		if !a.counter.reported.Swap(true) {
			s.log.WarnContext(ctx, "the cost of a request is no number, it counts as 1", "api", a.counter.api, "version", a.counter.version,
				"operation", a.counter.operation, "limit", a.name, "cost", a.limitCost.From)
		}
	}
}
