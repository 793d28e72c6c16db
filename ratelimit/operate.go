package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// What operators are told where they name what is not there.
var (
	ErrUnknownLimit = errors.New("there is no such limit")
	ErrUnknownPart  = errors.New("the key of the limit has no such part")
)

// LimitID names a limit of the revision in use.
type LimitID struct {
	Scope string // As in gateway.Limit.
	Name  string
}

// KnownLimit is a limit of the revision in use, as operators see it.
type KnownLimit struct {
	LimitID
	Key     []string // The parts of its key, in order.
	Windows []gateway.Window
	Mode    gateway.Mode
	Count   LimitCount
}

// Standing is how one bucket stands: one window of a limit, for one value of its key.
type Standing struct {
	Window    gateway.Window
	Remaining int64         // What could be spent now.
	Spent     int64         // What counts now, as far as the limit is not exceeded; below 0: granted and not spent yet.
	Reset     time.Duration // Until more remains; 0 where nothing is spent.
}

// Limits returns the limits of the revision in use that this service counts, in order of scope and name.
func (s *Service) Limits() []KnownLimit {
	var known []KnownLimit
	for id, l := range s.named() {
		known = append(known, KnownLimit{LimitID: id, Key: l.parts, Windows: l.written, Mode: l.mode, Count: l.counter.count()})
	}
	slices.SortFunc(known, func(a, b KnownLimit) int { return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Name, b.Name)) })
	return known
}

// Show looks how a limit stands for one value of its key, window by window, and spends nothing. values are by the names of the
// key's parts as in documents; a part that is not there means the requests that have none.
func (s *Service) Show(ctx context.Context, id LimitID, values map[string]string) ([]Standing, error) {
	return s.operate(ctx, id, values, Charge{})
}

// Grant lets one value of a limit's key spend n more, in each of its windows, until that window has passed. n is above 0.
func (s *Service) Grant(ctx context.Context, id LimitID, values map[string]string, n int64) ([]Standing, error) {
	if n < 1 {
		return nil, fmt.Errorf("grant %d: what is granted is above 0", n)
	}
	return s.operate(ctx, id, values, Charge{Cost: -n, Grant: true})
}

// Reset forgets what one value of a limit's key has spent, in each of its windows.
func (s *Service) Reset(ctx context.Context, id LimitID, values map[string]string) error {
	charges, _, err := s.bucketsOf(id, values, Charge{})
	if err != nil {
		return err
	}
	keys := make([][]byte, len(charges))
	for i := range charges {
		keys[i] = charges[i].Key
	}
	if err := s.store.Reset(ctx, keys); err != nil {
		return fmt.Errorf("reset limit %s: %w", id.Name, err)
	}
	return nil
}

func (s *Service) operate(ctx context.Context, id LimitID, values map[string]string, as Charge) ([]Standing, error) {
	charges, l, err := s.bucketsOf(id, values, as)
	if err != nil {
		return nil, err
	}
	results := make([]limiter.Result, len(charges))
	if _, err := s.store.Spend(ctx, charges, results); err != nil {
		return nil, fmt.Errorf("ask for limit %s: %w", id.Name, err)
	}
	standings := make([]Standing, len(results))
	for i, r := range results {
		standings[i] = Standing{Window: l.written[i], Remaining: r.Remaining, Spent: l.windows[i].most - r.Remaining, Reset: r.Reset}
	}
	return standings, nil
}

// bucketsOf returns a charge for each window of a limit.
func (s *Service) bucketsOf(id LimitID, values map[string]string, as Charge) ([]Charge, *limit, error) {
	l := s.named()[id]
	if l == nil {
		return nil, nil, fmt.Errorf("limit %q of %q: %w", id.Name, id.Scope, ErrUnknownLimit)
	}
	for part := range values {
		if !slices.Contains(l.parts, part) {
			return nil, nil, fmt.Errorf("limit %q, part %q: %w", id.Name, part, ErrUnknownPart)
		}
	}
	w := &work{}
	w.begin(l)
	for _, part := range l.parts {
		if value, ok := values[part]; ok {
			w.keys = appendValue(w.keys, value)
		} else {
			w.keys = appendAbsent(w.keys)
		}
	}
	w.seal(l)
	w.charge(as.Cost)
	for i := range w.charges {
		c := &w.charges[i]
		c.Grant, c.Shadow, c.Always, c.Lease = as.Grant, false, false, 0
	}
	return w.charges, l, nil
}

// named returns the limits of the revision in use, by scope and name.
func (s *Service) named() map[LimitID]*limit {
	if live := *s.tables.Load(); len(live) > 0 {
		return live[0].limits
	}
	return nil
}
