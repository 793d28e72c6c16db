package rollout

import (
	"errors"
	"fmt"
	"time"
)

// Strategy says how a version moves through a fleet. The zero value is the default.
type Strategy struct {
	// Waves in order; each holds those before it. Empty: 1, 25 and 100 percent where the fleet has more than three known
	// nodes, all at once otherwise. A last wave of all nodes is added where it is missing.
	Waves []Wave `json:"waves"`
	// Soak is how long all gates of a wave must hold after all of it acknowledged; 0: 30 s.
	Soak time.Duration `json:"soak"`
	// Patience is how long a wave may wait for requests or acknowledgements before the rollout pauses; 0: 10 min.
	Patience time.Duration `json:"patience"`
	// Absence is how long a wave waits for its nodes when none of them is connected, before another is taken; 0: 1 min.
	Absence time.Duration `json:"absence"`
	// Lag is how long after its acknowledgement a node's access log still tells of requests from before; 0: 2 s.
	Lag time.Duration `json:"lag"`
	// Before is how long a time before a wave its nodes are compared with where there is nobody else; 0: 5 min.
	Before time.Duration `json:"before"`
	Gates  Gates         `json:"gates"`
}

// Wave says which nodes a wave has: by one of its fields, by Percent where the others are empty.
type Wave struct {
	Nodes   []string          `json:"nodes,omitempty"`   // By name.
	Labels  map[string]string `json:"labels,omitempty"`  // Nodes that have all of these.
	Percent float64           `json:"percent,omitempty"` // Of the known nodes, rounded up, at least one.
}

// Gates are the limits whose break stops a rollout. A field of 0 takes the default, a negative margin switches its gate off.
type Gates struct {
	Requests int           `json:"requests"` // How many requests the wave's nodes must have had, and those they are held against; 100.
	Errors   float64       `json:"errors"`   // By how much the share of 5xx may grow; 0.01.
	Denials  float64       `json:"denials"`  // By how much the share of denials may grow; 0.05.
	Latency  float64       `json:"latency"`  // How many times as long the 99th percentile may be; 2.
	Floor    time.Duration `json:"floor"`    // A 99th percentile that grew by less is no break; 10 ms.
}

// fewNodes is up to how many known nodes a fleet gets a version at once.
const fewNodes = 3

// all is the last wave.
const all = 100

// Check tells what is wrong with a strategy.
func (s Strategy) Check() error {
	for i, w := range s.Waves {
		switch named := len(w.Nodes) > 0 || len(w.Labels) > 0; {
		case named && w.Percent != 0, len(w.Nodes) > 0 && len(w.Labels) > 0:
			return fmt.Errorf("wave %d: write nodes, labels or percent, one of them", i+1)
		case !(w.Percent >= 0 && w.Percent <= all): // Also what is no number.
			return fmt.Errorf("wave %d: %v percent is not between 0 and 100", i+1, w.Percent)
		}
	}
	for _, d := range []time.Duration{s.Soak, s.Patience, s.Absence, s.Lag, s.Before} {
		if d < 0 {
			return errors.New("a duration is negative")
		}
	}
	return nil
}

// withDefaults writes everything out for a fleet of so many known nodes.
func (s Strategy) withDefaults(known int) Strategy {
	for _, d := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&s.Soak, 30 * time.Second},
		{&s.Patience, 10 * time.Minute},
		{&s.Absence, time.Minute},
		{&s.Lag, 2 * time.Second},
		{&s.Before, 5 * time.Minute},
		{&s.Gates.Floor, 10 * time.Millisecond},
	} {
		if *d.field <= 0 {
			*d.field = d.fallback
		}
	}
	for _, f := range []struct {
		field    *float64
		fallback float64
	}{{&s.Gates.Errors, 0.01}, {&s.Gates.Denials, 0.05}, {&s.Gates.Latency, 2}} {
		if *f.field == 0 {
			*f.field = f.fallback
		}
	}
	if s.Gates.Requests <= 0 {
		s.Gates.Requests = 100
	}
	waves := append([]Wave(nil), s.Waves...)
	if len(waves) == 0 && known > fewNodes {
		waves = []Wave{{Percent: 1}, {Percent: 25}}
	}
	if len(waves) == 0 || waves[len(waves)-1].Percent != all {
		waves = append(waves, Wave{Percent: all})
	}
	s.Waves = waves
	return s
}
