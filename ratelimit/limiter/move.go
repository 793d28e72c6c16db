package limiter

import (
	"errors"
	"math"
	"time"
)

// Spending is what a State remembers of a moment.
type Spending struct {
	Age  time.Duration // How long ago it was, at least 0.
	Cost int64         // Above 0.
}

// Spendings appends what a State remembers, oldest first, to a list. It is what Restore takes.
func (s *State) Spendings(to []Spending, now time.Duration) []Spending {
	for _, e := range s.log {
		to = append(to, Spending{Age: max(now-e.at, 0), Cost: e.cost})
	}
	return to
}

// Restore returns a State that remembers some spendings, of which the ages count from now. Where they are told some time
// after they were read, they count for that much longer: a request may be refused early by it, and is never admitted late. The
// error is about spendings that no State can remember.
func Restore(spendings []Spending, now time.Duration) (State, error) {
	if len(spendings) > Entries {
		return State{}, errors.New("more moments than a state remembers")
	}
	var s State
	last := time.Duration(math.MaxInt64)
	for _, spending := range spendings {
		if spending.Age < 0 || spending.Age > last || spending.Cost <= 0 || spending.Cost > math.MaxInt64-s.spent {
			return State{}, errors.New("spendings out of order, or without a cost")
		}
		last = spending.Age
		s.spent += spending.Cost
		s.log = append(s.log, entry{at: now - spending.Age, cost: spending.Cost})
	}
	return s, nil
}
