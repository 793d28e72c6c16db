package rollout

import (
	"errors"
	"time"
)

// Errors of what somebody asked for.
var (
	ErrNone   = errors.New("no rollout is under way")
	ErrPaused = errors.New("the rollout is paused already")
	ErrGoing  = errors.New("the rollout is not paused")
)

// Change is a version that somebody wants a fleet to have.
type Change struct {
	To Version
	// Same tells whether the fleet gets the same of it as of another version, to the byte: then there is nothing to roll out.
	Same func(Version) bool
	// Strategy is how it moves.
	Strategy Strategy
}

func (c *Change) same(v Version) bool { return v == c.To || c.Same != nil && c.Same(v) }

// Begin starts the rollout of a version. The first version of a fleet, one that changes nothing for it, and one for which
// there is no node yet are live at once. A rollout under way is superseded; where the new version differs from its version
// in nothing, it goes on under the new entry's number.
func (s State) Begin(c Change, o Observation) (State, []Event) {
	s = s.clone()
	var events []Event
	if s.Active() {
		if c.same(s.Rollout.To) {
			s.Rollout.To = c.To
			return s, nil
		}
		events = append(events, s.end(o.Now, Superseded, because(CodeSuperseded, "entry %d came before it was live", c.To.Entry)))
	}
	strategy := c.Strategy.withDefaults(len(o.Nodes))
	from := s.Base
	s.Rollout = &Rollout{
		From: from, To: c.To, Phase: Rolling, Strategy: strategy, AtOnce: len(strategy.Waves) == 1,
		Members: map[string]Member{}, Began: o.Now,
	}
	if from.None() || len(o.Nodes) == 0 || c.same(from) {
		s.Rollout.Wave = len(strategy.Waves) - 1
		s.Rollout.WaveBegan, s.Rollout.Waited = o.Now, o.Now
		return s, append(events, s.end(o.Now, Live, nil))
	}
	return s, append(events, s.enter(0, &o))
}

// Pause holds a rollout: no further wave begins. The gates of those that have it are still watched.
func (s State) Pause(now time.Time, who string) (State, []Event, error) {
	switch {
	case !s.Active():
		return s, nil, ErrNone
	case s.Rollout.Phase == Paused:
		return s, nil, ErrPaused
	}
	s = s.clone()
	return s, []Event{s.pause(because(CodeOperator, "paused by %s", who))}, nil
}

func (s *State) pause(reason *Reason) Event {
	r := s.Rollout
	r.Phase, r.Reason, r.Waiting = Paused, reason, nil
	return Event{Fleet: s.Fleet, Version: r.To, Wave: r.Wave, Phase: Paused, Reason: reason}
}

// Resume lets a paused rollout go on, and gives its wave the whole patience again. One that was paused for too few requests
// goes on without waiting for more of them in this wave.
func (s State) Resume(now time.Time) (State, []Event, error) {
	switch {
	case !s.Active():
		return s, nil, ErrNone
	case s.Rollout.Phase != Paused:
		return s, nil, ErrGoing
	}
	s = s.clone()
	r := s.Rollout
	r.Waived = r.Reason != nil && r.Reason.Code == CodeRequests
	r.Phase, r.Reason, r.Waited = Rolling, nil, now
	return s, []Event{{Fleet: s.Fleet, Version: r.To, Wave: r.Wave, Phase: Rolling}}, nil
}

// Abort ends a rollout and puts its nodes back.
func (s State) Abort(now time.Time, who string) (State, []Event, error) {
	if !s.Active() {
		return s, nil, ErrNone
	}
	s = s.clone()
	return s, []Event{s.end(now, Aborted, because(CodeOperator, "aborted by %s", who))}, nil
}

// Restarted tells a state that it was away for a time: nobody watched meanwhile, and the figures are gone, so that the
// present wave soaks anew.
func (s State) Restarted(now time.Time) State {
	if !s.Active() {
		return s
	}
	s = s.clone()
	r := s.Rollout
	r.unsettle()
	r.Waited = now
	for name, m := range r.Members {
		m.Acknowledged = time.Time{}
		r.Members[name] = m
	}
	return s
}

// leave ends the part of a fleet that no configuration names any more. Its nodes keep what they have, and new ones wait.
func (s State) leave(now time.Time) (State, []Event) {
	if s.Base.None() {
		return s, nil
	}
	s = s.clone()
	var events []Event
	if s.Active() {
		events = append(events, s.end(now, Superseded, because(CodeSuperseded, "the fleet is in no configuration any more")))
	}
	s.Base = Version{}
	return s, events
}
