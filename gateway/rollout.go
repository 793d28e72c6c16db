package gateway

import (
	"time"
)

// Rollout says how a change moves through a fleet. A zero field stands for the default, which those who roll out know.
type Rollout struct {
	Waves    []Wave        `json:",omitempty"` // In order; all nodes come last, written or not.
	Soak     time.Duration // How long the gates of a wave must hold once its nodes have acknowledged.
	Patience time.Duration // How long a wave may wait for requests or acknowledgements.
	Requests int           // How many requests the gates need.
	Errors   float64       // By how many points of percent the share of 5xx answers may grow.
	Denials  float64       // By how many the share of denials may.
	Latency  float64       // How many times as long the 99th percentile may be.
}

// Wave says which nodes a wave has: by one of its fields, by Percent where the others are empty.
type Wave struct {
	Nodes   []string          `json:",omitempty"` // By name.
	Labels  map[string]string `json:",omitempty"` // Nodes that have all of these.
	Percent float64           `json:",omitempty"` // Of the known nodes, rounded up, at least one.
}

// RolloutOf returns how a change moves through a fleet by this revision; nil where no Gateway of it says.
func (r *Revision) RolloutOf(fleet string) *Rollout {
	for _, g := range r.Gateways {
		if g.Fleet == fleet && g.Rollout != nil {
			return g.Rollout
		}
	}
	return nil
}

// checkRollouts finds two Gateways that say how changes move through one fleet: a change moves in one way.
func (a *assembler) checkRollouts(gateways []*Gateway) {
	first := map[string]*Gateway{}
	for _, g := range gateways {
		if g.Rollout == nil {
			continue
		}
		if other := first[g.Fleet]; other != nil {
			a.fault(CodeConflict, Ref{Kind: KindGateway, Name: g.Name}, g.Origin, "rollout",
				"Gateway %s of the same fleet says how changes roll out already: say it in one of them", other.Name)
			continue
		}
		first[g.Fleet] = g
	}
}
