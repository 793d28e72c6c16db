package rollout

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Observe takes a rollout as far as an observation allows. It does nothing where none is under way.
func (s State) Observe(o Observation) (State, []Event) {
	if !s.Active() {
		return s, nil
	}
	s = s.clone()
	s.note(&o)
	stop, trial := s.refusal(&o)
	breach, short := s.traffic(&o)
	if stop = cmp.Or(stop, breach); stop != nil {
		return s, []Event{s.end(o.Now, Refused, stop)}
	}
	if s.Rollout.Phase == Paused {
		return s, nil
	}
	waiting := cmp.Or(trial, s.wait(&o, short))
	if waiting == nil {
		return s, []Event{s.pass(&o)}
	}
	return s, s.hold(&o, waiting)
}

// note notes which members have acknowledged.
func (s *State) note(o *Observation) {
	r := s.Rollout
	for name, m := range r.Members {
		n, _ := o.node(name)
		if n.Connected && n.Acknowledged == r.To.Revision && m.Acknowledged.IsZero() {
			m.Acknowledged = o.Now
			r.Members[name] = m
		}
	}
}

// pass goes on to the next wave, or ends the rollout after the last.
func (s *State) pass(o *Observation) Event {
	if s.Rollout.everyone() {
		return s.end(o.Now, Live, nil)
	}
	return s.enter(s.Rollout.Wave+1, o)
}

// wait returns what keeps the wave from passing, nil for nothing. short is what traffic says about it.
func (s *State) wait(o *Observation, short *Reason) *Reason {
	r := s.Rollout
	if reason := s.settle(o); reason != nil {
		r.unsettle()
		return reason
	}
	if r.Settled.IsZero() {
		r.Settled = o.Now
	}
	if left := r.Strategy.Soak - o.Now.Sub(r.Settled); left > 0 {
		return because(CodeSoak, "%s of %s watched", (r.Strategy.Soak - left).Round(time.Second), r.Strategy.Soak)
	}
	if r.AtOnce || r.Waived {
		return nil
	}
	return short
}

// settle returns what is missing until all connected members have acknowledged. Members that are disconnected hold up
// nothing, as long as one is there.
func (s *State) settle(o *Observation) *Reason {
	var behind []string
	there := 0
	for name, m := range s.Rollout.Members {
		n, _ := o.node(name)
		switch {
		case !n.Connected, m.Refused:
		case m.Acknowledged.IsZero(): // Who comes back after it acknowledged need not do so again.
			behind = append(behind, name)
		default:
			there++
		}
	}
	slices.Sort(behind)
	switch {
	case len(behind) > 0:
		return because(CodeUnanswered, "%s has not acknowledged", names(behind))
	case there == 0:
		return because(CodeDisconnected, "no node of the wave is connected and has acknowledged")
	}
	return nil
}

// hold waits on, as long as there is patience.
func (s *State) hold(o *Observation, waiting *Reason) []Event {
	r := s.Rollout
	r.Waiting = waiting
	waited := o.Now.Sub(r.Waited)
	switch waiting.Code {
	case CodeSoak:
	case CodeDisconnected:
		// Nobody is there to be judged. Another node takes their place, once that is sure; without any the wave waits on.
		if waited >= r.Strategy.Absence && s.try(o, "") {
			r.Waited = o.Now
		}
	default:
		if waited >= r.Strategy.Patience {
			return []Event{s.pause(because(waiting.Code, "%s after %s", waiting.Text, r.Strategy.Patience))}
		}
	}
	return nil
}

// traffic holds what the access log says of the wave against the nodes that have not got the version, or, where they are
// too few or too idle, against the same nodes before. It returns which gate is broken, or what is missing to judge.
func (s *State) traffic(o *Observation) (breach, short *Reason) {
	r := s.Rollout
	var own, others []Span
	for name, m := range r.Members {
		if !m.Acknowledged.IsZero() && (!r.everyone() || m.Wave == r.Wave) {
			own = append(own, Span{Node: name, From: m.Acknowledged.Add(r.Strategy.Lag)})
		}
	}
	if len(own) == 0 {
		return nil, s.fresh()
	}
	from := slices.MinFunc(own, func(a, b Span) int { return a.From.Compare(b.From) }).From
	for _, n := range o.Nodes {
		if _, is := r.Members[n.Name]; !is && !r.everyone() {
			others = append(others, Span{Node: n.Name, From: from})
		}
	}
	gates := r.Strategy.Gates
	figures, baseline, whose := o.figures(s.Fleet, own), r.Before, "to the same nodes before"
	if b := o.figures(s.Fleet, others).baseline(); gates.enough(b.Requests) || len(others) > 0 && !gates.enough(r.Before.Requests) {
		baseline, whose = b, "to the nodes that have not got it"
	}
	switch {
	case !gates.enough(figures.Requests):
		short = because(CodeRequests, "the wave had %d of %d requests", figures.Requests, gates.Requests)
	case !gates.enough(baseline.Requests):
		short = because(CodeRequests, "there are %d of %d requests %s to compare with", baseline.Requests, gates.Requests, whose)
	}
	return gates.judge(figures, baseline, whose), short
}

// fresh returns what is missing where no node of the wave is to be judged: nothing where the last wave has no new nodes.
func (s *State) fresh() *Reason {
	r := s.Rollout
	for _, m := range r.Members {
		if m.Wave == r.Wave {
			return because(CodeRequests, "the wave had 0 of %d requests", r.Strategy.Gates.Requests)
		}
	}
	return nil
}

// names lists a few names.
func names(list []string) string {
	const few = 3
	if len(list) <= few {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:few], ", "), len(list)-few)
}
