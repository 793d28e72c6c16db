package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestOneRolloutForAFleet lets one Gateway of a fleet say how changes move, and no second one.
func TestOneRolloutForAFleet(t *testing.T) {
	docs := func(fleets ...string) *gateway.Documents {
		out := &gateway.Documents{}
		for i, fleet := range fleets {
			out.Gateways = append(out.Gateways, &gateway.Gateway{
				Name: string(rune('a' + i)), Fleet: fleet, Rollout: &gateway.Rollout{Soak: time.Duration(i+1) * time.Minute},
			})
		}
		out.Gateways = append(out.Gateways, &gateway.Gateway{Name: "z", Fleet: fleets[0]})
		return out
	}
	rev, faults := gateway.Assemble(docs("edge", "branch"), nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if r := rev.RolloutOf("branch"); r == nil || r.Soak != 2*time.Minute || rev.RolloutOf("none") != nil {
		t.Errorf("branch rolls out by %+v", r)
	}
	_, faults = gateway.Assemble(docs("edge", "edge"), nil)
	if len(faults) != 1 || faults[0].Code != gateway.CodeConflict || faults[0].Object.Name != "b" || !strings.Contains(faults[0].Message, "Gateway a") {
		t.Errorf("two that say it: %v", faults)
	}
}
