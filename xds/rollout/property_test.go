package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/xds/rollout"
)

// TestAnyOrder lets anything happen in any order. Whatever it is: nodes have Base or what rolls out; a wave never loses a
// node while its rollout goes on; Base changes only to what was live; and a state that was stored in between does the same.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := fleet(t, rapid.IntRange(1, 8).Draw(rt, "nodes"))
		entry := int64(1)
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			before := w.state
			happen(rt, w, &entry)
			after := w.state
			if ended := after.Base != before.Base; ended && (after.Rollout.Phase != rollout.Live || after.Rollout.To != after.Base) {
				rt.Fatalf("base changed from %v to %v by %+v", before.Base, after.Base, after.Rollout)
			}
			if before.Active() && after.Active() && before.Rollout.To == after.Rollout.To {
				for name := range before.Rollout.Members {
					if _, is := after.Rollout.Members[name]; !is {
						rt.Fatalf("%s lost %v", name, after.Rollout.To)
					}
				}
			}
			allowed := after.Versions()
			if len(allowed) > 2 {
				rt.Fatalf("nodes may have %v", allowed)
			}
			if a := after.Assignment(); after.Active() {
				for _, v := range a.Nodes {
					if v != after.Rollout.To {
						rt.Fatalf("a node is to have %v", v)
					}
				}
			} else if len(a.Nodes) > 0 || a.Default != after.Base {
				rt.Fatalf("without a rollout nodes are to have %v", a)
			}
		}
	})
}

// happen does one thing.
func happen(rt *rapid.T, w *world, entry *int64) {
	node := &w.nodes[rapid.IntRange(0, len(w.nodes)-1).Draw(rt, "node")]
	switch rapid.IntRange(0, 9).Draw(rt, "what") {
	case 0:
		*entry++
		w.begin(rollout.Version{Entry: *entry, Revision: fmt.Sprint("v", *entry)})
	case 1:
		node.Connected = !node.Connected
		node.Acknowledged = ""
	case 2:
		w.deaf[node.Name] = !w.deaf[node.Name]
	case 3:
		if s, events, err := w.state.Pause(w.now, "ada"); err == nil {
			w.take(s, events)
		}
	case 4:
		if s, events, err := w.state.Resume(w.now); err == nil {
			w.take(s, events)
		}
	case 5:
		if s, events, err := w.state.Abort(w.now, "ada"); err == nil {
			w.take(s, events)
		}
	case 6:
		w.take(w.state.Restarted(w.now), nil)
	case 7:
		w.refusals = append(w.refusals[:0], rollout.Refusal{Resource: "x", Nodes: []string{node.Name}})
	case 8:
		w.refusals = nil
	default:
		w.after(time.Duration(rapid.IntRange(1, 40).Draw(rt, "seconds")) * time.Second)
	}
	s, _ := w.state.Observe(w.observation())
	again, _ := w.state.Observe(w.observation())
	if diff := cmp.Diff(s, again); diff != "" {
		rt.Fatalf("the same observation led to two states:\n%s", diff)
	}
}
