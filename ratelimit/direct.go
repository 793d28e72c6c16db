package ratelimit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strconv"

	"github.com/gatehouse/gatehouse/gateway"
)

// Spending is one request that somebody in this process counts, who has made sure that its rules are those of a route of the
// fleet that asks.
type Spending struct {
	Rules string // The rules hash of its route.
	Call  uint64 // Names the request in all attempts, and no other for some seconds; 0: nothing does.
	// Cost is how many requests it counts as, times what each of its limits takes for one; 0 only looks. What a response costs is not
	// multiplied.
	Cost uint64
	// Denied is a request that was refused already: it spends from those limits alone that say so.
	Denied  bool
	Request Request
}

// Request is what limits ask about a request.
type Request interface {
	// Value returns a part of a limit's key, named as in documents; false where the request has none.
	Value(part string) (string, bool)
	// Amount returns the text of what is to be the number that a cost is, named as in gateway.Cost; false where the request has none.
	Amount(from string) (string, bool)
	// Holds reports whether the request is one that a limit counts.
	Holds(when *gateway.LimitWhen) bool
}

// Spent tells how the limits of a request stand, as values of headers; those are empty that clients are not told. Where Spend
// returns an error, Closed alone counts.
type Spent struct {
	Refused bool   // A limit is reached.
	Reached string // Its name; empty where none is. That of the first of several.
	Shadow  string // That of the first limit in shadow mode that would have refused; empty: none.
	Unasked bool   // A limit could not be asked, and lets requests pass then.
	Closed  bool   // One could not be asked, and refuses them then.
	// Buckets has, by the name of each limit that may cost more when the stream ends, what is to be told of it then
	// (envoy.MetadataBuckets); nil: there is none.
	Buckets map[string]string

	Policy     string // ratelimit-policy.
	Standing   string // ratelimit.
	Limit      string // x-ratelimit-limit: of the limit of which least remains, and the windows of all.
	Remaining  string // x-ratelimit-remaining, of the same.
	Reset      string // x-ratelimit-reset: seconds, rounded up.
	RetryAfter string // retry-after: seconds, rounded up; empty where not refused.
}

// Spend is ShouldRateLimit without a wire: it spends from every limit of a route that counts the request, all or nothing, and from the
// same buckets. An error tells that the limits are unknown or could not be asked.
func (s *Service) Spend(ctx context.Context, asked Spending) (spent Spent, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.failed.Add(1)
			s.log.ErrorContext(ctx, "spend failed", "panic", p, "stack", string(debug.Stack()))
			spent, err = Spent{}, errors.New("internal error")
		}
	}()
	w, _ := s.works.Get().(*work)
	spent, err = s.direct(ctx, &asked, w)
	s.works.Put(w.emptied()) // Not after a panic: who knows who holds on to it.
	return spent, err
}

func (s *Service) direct(ctx context.Context, asked *Spending, w *work) (Spent, error) {
	rules, ok := s.tables.Load().find(asked.Rules, asker{})
	if !ok {
		s.unknown.Add(1)
		return Spent{}, fmt.Errorf("rules %.64q are unknown", asked.Rules)
	}
	w.chargeAll(rules, asked)
	if len(w.asked) == 0 {
		return Spent{}, nil
	}
	admitted, err := s.settle(ctx, w, callNumber(asked.Call), asked.Call != 0)
	if next := s.next.Load(); next != nil && errors.Is(err, ErrMoved) {
		spent, err := w.forward(ctx, *next, asked)
		if err != nil {
			return Spent{}, fmt.Errorf("ask the process that keeps the buckets now: %w", err)
		}
		return spent, nil // It has counted.
	}
	if err != nil {
		var away *awayError
		return Spent{Closed: errors.As(err, &away) && away.closed}, err
	}
	return w.spent(admitted), nil
}

// chargeAll makes the charges of each limit of a route that counts the request.
func (w *work) chargeAll(rules *rules, asked *Spending) {
	factor := int64(min(asked.Cost, math.MaxInt64)) //nolint:gosec // Cannot overflow after min.
	for _, l := range rules.limits {
		if asked.Denied && !l.always || l.when != nil && !asked.Request.Holds(l.when) {
			continue
		}
		w.begin(l)
		for _, part := range l.parts {
			if value, ok := asked.Request.Value(part); ok {
				w.keys = appendValue(w.keys, value)
			} else {
				w.keys = appendAbsent(w.keys)
			}
		}
		w.seal(l)
		var text string
		var there bool
		if l.limitCost.From != "" && !l.deposit {
			text, there = asked.Request.Amount(l.limitCost.From)
		}
		cost, ok := l.price(text, there)
		if w.asked[len(w.asked)-1].unpriced = !ok; !l.deposit {
			cost = times(factor, cost)
		}
		w.charge(cost)
	}
}

// callNumber returns the name of a call that is known by a number. No UUID looks like it: their seventh byte is not 0.
func callNumber(n uint64) (id CallID) {
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

// spent says how the limits fared in the words of headers.
func (w *work) spent(admitted bool) Spent {
	s := Spent{Refused: !admitted, Unasked: admitted && w.unasked()}
	route := w.asked[0].route
	if route.draft {
		s.Policy, s.Standing = w.policies(), w.standing()
	}
	if route.older {
		w.older(&s)
	}
	for i := range w.asked {
		switch a := &w.asked[i]; {
		case s.Reached == "" && a.refuses():
			s.Reached = a.name
		case s.Shadow == "" && a.over():
			s.Shadow = a.name
		}
	}
	if !admitted {
		s.RetryAfter = w.retry()
		return s
	}
	for i := range w.asked {
		if a := &w.asked[i]; a.late && !a.away {
			if s.Buckets == nil {
				s.Buckets = map[string]string{}
			}
			s.Buckets[a.name] = w.bucket(a)
		}
	}
	return s
}

// older fills in the headers as Envoy writes them: those of the limit of which least remains.
func (w *work) older(s *Spent) {
	least, list := w.least()
	if least == nil {
		return
	}
	s.Limit = list
	s.Remaining = strconv.FormatUint(uint64(narrow(least.result.Remaining)), 10)
	s.Reset = strconv.FormatInt(seconds(least.result.Reset), 10)
}
