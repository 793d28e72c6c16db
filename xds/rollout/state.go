package rollout

import (
	"maps"
	"slices"
	"time"
)

// Version is one history entry, as a rollout sees it.
type Version struct {
	Entry    int64  `json:"entry"`    // Number of the history entry (REV).
	Revision string `json:"revision"` // Label of its snapshots: what a node acknowledges.
}

// None reports whether there is no version.
func (v Version) None() bool { return v == Version{} }

// State is all that is to be known about the rollouts of one fleet. It is a value: steps return a new one. It is stored as
// JSON.
type State struct {
	Fleet string `json:"fleet"`
	// Base finished last. Every node has it that no wave has reached. None before the first configuration.
	Base Version `json:"base"`
	// Rollout is the present rollout, or the one that ended last; nil when there was none.
	Rollout *Rollout `json:"rollout,omitempty"`
}

// Phase says in one word where a rollout stands.
type Phase string

// The phases of a rollout. All but the first two are its end.
const (
	Rolling    Phase = "rolling"    // A wave has it, and is watched.
	Paused     Phase = "paused"     // No further wave begins; those that have it keep it, and their gates are watched.
	Live       Phase = "live"       // All nodes have it.
	Refused    Phase = "refused"    // A gate broke; all nodes have Base again.
	Aborted    Phase = "aborted"    // Somebody aborted it; all nodes have Base again.
	Superseded Phase = "superseded" // A newer version came before it was live.
)

// Rollout is the way of one version through a fleet.
type Rollout struct {
	From     Version  `json:"from"`
	To       Version  `json:"to"`
	Phase    Phase    `json:"phase"`
	Strategy Strategy `json:"strategy"` // As it was at the beginning, with all waves written out.
	AtOnce   bool     `json:"at_once"`  // One wave has all nodes: traffic is judged where there is any, and not waited for.

	Wave    int               `json:"wave"`    // The present wave, from 0.
	Members map[string]Member `json:"members"` // Nodes that have To.
	Began   time.Time         `json:"began"`
	Ended   time.Time         `json:"ended,omitzero"`

	WaveBegan time.Time `json:"wave_began"`
	Settled   time.Time `json:"settled,omitzero"` // Since when all connected members have acknowledged.
	Waited    time.Time `json:"waited"`           // From when Strategy.Patience and Strategy.Absence count.
	Waived    bool      `json:"waived,omitempty"` // Somebody resumed it in spite of too few requests.
	Before    Baseline  `json:"before"`           // The figures of the wave's nodes before they got To.

	Reason  *Reason `json:"reason,omitempty"`  // Why it is paused, or ended other than live.
	Waiting *Reason `json:"waiting,omitempty"` // What the present wave waits for.
}

// Member is a node that has the version which rolls out.
type Member struct {
	Wave         int       `json:"wave"`
	Tried        bool      `json:"tried,omitempty"`         // Added because the wave's only node refused, or was away.
	Acknowledged time.Time `json:"acknowledged,omitzero"`   // When it first was seen to have acknowledged.
	Refused      bool      `json:"refused_local,omitempty"` // It refuses what others of its Envoy version have acknowledged.
}

// Active reports whether a rollout is under way: rolling or paused.
func (s State) Active() bool {
	return s.Rollout != nil && (s.Rollout.Phase == Rolling || s.Rollout.Phase == Paused)
}

// unsettle makes the soak begin anew.
func (r *Rollout) unsettle() { r.Settled = time.Time{} }

// everyone reports whether the present wave takes in all nodes, also those that come.
func (r *Rollout) everyone() bool { return r.Wave >= len(r.Strategy.Waves)-1 }

// Assignment is which version each node of a fleet is to have.
type Assignment struct {
	Fleet   string
	Default Version            // Of all nodes that Nodes does not name.
	Nodes   map[string]Version // By name.
}

// Assignment returns which version each node is to have. It depends on nothing but the state.
func (s State) Assignment() Assignment {
	a := Assignment{Fleet: s.Fleet, Default: s.Base}
	switch {
	case !s.Active():
	case s.Rollout.everyone():
		a.Default = s.Rollout.To
	default:
		a.Nodes = make(map[string]Version, len(s.Rollout.Members))
		for name := range s.Rollout.Members {
			a.Nodes[name] = s.Rollout.To
		}
	}
	return a
}

// Versions returns the versions that nodes may have by this state: those that must not be forgotten.
func (s State) Versions() []Version {
	out := []Version{s.Base}
	if s.Active() {
		out = append(out, s.Rollout.To)
	}
	return out
}

// clone returns a state whose rollout can be changed.
func (s State) clone() State {
	if s.Rollout == nil {
		return s
	}
	r := *s.Rollout
	r.Members = maps.Clone(r.Members)
	r.Strategy.Waves = slices.Clone(r.Strategy.Waves)
	s.Rollout = &r
	return s
}

// end ends the rollout.
func (s *State) end(now time.Time, phase Phase, reason *Reason) Event {
	r := s.Rollout
	r.Phase, r.Reason, r.Waiting, r.Ended = phase, reason, nil, now
	if phase == Live {
		s.Base = r.To
	}
	return Event{Fleet: s.Fleet, Version: r.To, Wave: r.Wave, Phase: phase, Reason: reason}
}

// Event is something that happened to a rollout, for logs and the history.
type Event struct {
	Fleet   string
	Version Version
	Wave    int     // From 0.
	Phase   Phase   // Of the rollout, after it.
	Reason  *Reason // nil where the phase says all.
}
