package config

import (
	"fmt"

	"github.com/gatehouse/gatehouse/gateway"
)

// rolloutFields are the same on every Gateway that has them.
type rolloutFields struct {
	Waves    []waveFields `yaml:"waves" jsonschema:"minItems=1" doc:"Which Envoys get a change first, wave by wave; each wave holds those before it, and all Envoys come last. Where not said: 1 %, 25 %, then all in a fleet of more than three, all at once otherwise."`
	Soak     duration     `yaml:"soak" jsonschema:"default=30s" doc:"How long no gate may break, once a wave has acknowledged."`
	Patience duration     `yaml:"patience" jsonschema:"default=10m" doc:"How long a wave may wait for requests or acknowledgements before the rollout pauses."`
	Gates    gateFields   `yaml:"gates" doc:"What stops a rollout and puts its Envoys back."`
}

type waveFields struct {
	Nodes   []name            `yaml:"nodes" order:"none" jsonschema:"minItems=1" doc:"Envoys by their node id."`
	Labels  map[string]string `yaml:"labels" doc:"Envoys that have all of these labels."`
	Percent *percent          `yaml:"percent" doc:"So many of the known Envoys, rounded up, at least one."`
}

type gateFields struct {
	Requests int      `yaml:"requests" jsonschema:"minimum=1,maximum=1000000,default=100" doc:"How many requests must have come to judge by, on the Envoys of the wave and on those they are held against."`
	Errors   *percent `yaml:"errors" jsonschema:"default=1%" doc:"By how many points the share of 5xx answers may be above the others'."`
	Denials  *percent `yaml:"denials" jsonschema:"default=5%" doc:"By how many points the share of requests that authentication or authorization denies may be above the others'."`
	Latency  int      `yaml:"latency" jsonschema:"minimum=2,maximum=1000,default=2" doc:"How many times as long as the others' the 99th percentile of the latency may be."`
}

// rollout returns what was written, nil for nothing.
func (d *rolloutFields) rollout(o *object) *gateway.Rollout {
	if d == nil {
		return nil
	}
	out := &gateway.Rollout{
		Soak: d.Soak.or(0), Patience: d.Patience.or(0), Requests: d.Gates.Requests, Latency: float64(d.Gates.Latency),
		Errors: d.Gates.Errors.margin(), Denials: d.Gates.Denials.margin(),
	}
	for i, w := range d.Waves {
		set := 0
		for _, is := range []bool{len(w.Nodes) > 0, len(w.Labels) > 0, w.Percent != nil} {
			if is {
				set++
			}
		}
		if set != 1 {
			o.fault(gateway.CodeConflict, fmt.Sprintf("rollout.waves[%d]", i), "a wave has nodes, labels or percent: write one of them")
		}
		out.Waves = append(out.Waves, gateway.Wave{Nodes: texts(w.Nodes), Labels: w.Labels, Percent: w.Percent.or(0)})
	}
	return out
}

// or returns the percentage, or another where none is written.
func (v *percent) or(otherwise float64) float64 {
	if v == nil {
		return otherwise
	}
	return float64(*v)
}

// noMargin is what 0% stands for, as 0 stands for what is not said: so little that any growth is more.
const noMargin = 1e-9

// margin returns by how many points something may grow, 0 where that is not said.
func (v *percent) margin() float64 {
	if v == nil {
		return 0
	}
	return max(float64(*v), noMargin)
}
