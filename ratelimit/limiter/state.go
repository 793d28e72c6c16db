package limiter

import (
	"errors"
	"math"
	"slices"
	"time"
)

const (
	mostInt = math.MaxInt64
	never   = time.Duration(math.MinInt64) // Before all times: what Empty returns for a State that is empty.
)

// State is what was spent from one bucket. The zero value is a bucket from which nothing was spent, by a window of any kind; it
// is also how a bucket is reset. It is not safe for concurrent use.
type State struct {
	log   []entry // Of Sliding: oldest first; stamps ascend.
	spent int64   // Of Sliding: the sum of the costs in log. Of Paced and Tokens: what was spent since at. Otherwise: in the period.
	at    time.Duration
	limit int64         // Of Paced and Tokens: by what per what it has drained since at; 0 per 0 where nobody knows.
	per   time.Duration // As limit.
	grant *grant        // nil: there is none, which is nearly always so.
	kind  Kind          // Of the window that has counted. What another has counted is nothing.
}

// entry is what was spent at a moment, or within one slot up to that moment.
type entry struct {
	at   time.Duration
	cost int64
}

// grant is what is left of grants, of which the latest was given at some moment.
type grant struct {
	at   time.Duration
	left int64
}

// Clone returns a copy that shares nothing with s.
func (s *State) Clone() State {
	c := *s
	c.log = slices.Clone(s.log)
	if s.grant != nil {
		g := *s.grant
		c.grant = &g
	}
	return c
}

// Total returns what is remembered as spent, also where it does not count any more: as long as nobody asked since.
func (s *State) Total() int64 { return s.spent }

// Granted says whether something is left of a grant, as far as is known without the time.
func (s *State) Granted() bool { return s.grant != nil }

// Kind returns the kind of the windows that have counted.
func (s *State) Kind() Kind { return s.kind }

// Spending is what a State remembers of a moment.
type Spending struct {
	Age  time.Duration // How long ago it was, at least 0.
	Cost int64         // Not 0. Below 0 it is what is left of a grant.
}

// SpendingsMost is how many Spendings a State has at most.
const SpendingsMost = Entries + 1

// Spendings appends what a State remembers to a list: oldest first, behind them what is left of a grant. It is what Restore
// takes.
func (s *State) Spendings(to []Spending, now time.Duration) []Spending {
	for _, e := range s.log {
		to = append(to, Spending{Age: max(now-e.at, 0), Cost: e.cost})
	}
	switch {
	case s.spent <= 0 || s.kind == Sliding:
	case s.kind.Aligned():
		to = append(to, Spending{Age: max(now-s.at, 0), Cost: s.spent})
	default: // Up to now, rounded up: who restores it may do so for another window.
		if spent := s.counted(now); spent > 0 {
			to = append(to, Spending{Cost: spent})
		}
	}
	if s.grant != nil {
		to = append(to, Spending{Age: max(now-s.grant.at, 0), Cost: -s.grant.left})
	}
	return to
}

// Restore returns a State that remembers some spendings, of which the ages count from now. Where they are told some time
// after they were read, they count for that much longer: a request may be refused early by it, and is never admitted late. The
// error is about spendings that no State of that kind can remember.
func Restore(kind Kind, spendings []Spending, now time.Duration) (State, error) {
	s := State{kind: kind}
	if n := len(spendings); n > 0 && spendings[n-1].Cost < 0 && spendings[n-1].Cost != math.MinInt64 && spendings[n-1].Age >= 0 {
		s.grant = &grant{at: now - spendings[n-1].Age, left: -spendings[n-1].Cost}
		spendings = spendings[:n-1]
	}
	most := 1
	if kind == Sliding {
		most = Entries
	}
	if kind > Quota || len(spendings) > most {
		return State{}, errors.New("more moments than a state remembers")
	}
	last := time.Duration(math.MaxInt64)
	for _, spending := range spendings {
		if spending.Age < 0 || spending.Age > last || spending.Cost <= 0 || spending.Cost > mostInt-s.spent {
			return State{}, errors.New("spendings out of order, or without a cost")
		}
		last = spending.Age
		s.spent += spending.Cost
		s.at = now - spending.Age
		if kind == Sliding {
			s.log = append(s.log, entry{at: s.at, cost: spending.Cost})
		}
	}
	return s, nil
}

// sum adds a duration to a moment. What is beyond all times stays the last of them.
func sum(at, d time.Duration) time.Duration {
	if d > 0 && at > math.MaxInt64-d {
		return math.MaxInt64
	}
	return at + d
}
