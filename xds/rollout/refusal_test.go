package rollout_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/xds/rollout"
)

// refuse makes nodes refuse a resource of the version that rolls out.
func (w *world) refuse(nodes ...string) {
	w.refusals = []rollout.Refusal{{Resource: "listener edge/http", Text: "no", Origin: "edge.yaml:3", Nodes: nodes}}
}

// TestRefusedByAll is refused by the first node, then by the one that is tried after it: nobody else gets it.
func TestRefusedByAll(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	w.begin(v2())
	first := w.having(v2())
	w.refuse(first...)
	w.after(time.Second)
	tried := w.having(v2())
	if len(tried) != 2 || !strings.Contains(w.state.Rollout.Waiting.String(), "trial: "+first[0]+" refuses listener edge/http") {
		t.Fatalf("%v have it, waiting for %s", tried, w.state.Rollout.Waiting)
	}
	w.refuse(tried...)
	w.after(2 * time.Second)
	if got := w.having(v1()); len(got) != 5 {
		t.Errorf("%v were put back", got)
	}
	slices.Sort(tried)
	last := w.events[len(w.events)-1]
	if !strings.HasPrefix(last, "2 refused refusal: ") || !strings.HasSuffix(last, " refused listener edge/http (edge.yaml:3): no") {
		t.Errorf("the last event is %s", last)
	}
}

// TestRefusedByOneNode that is at fault itself: the others go on without it.
func TestRefusedByOneNode(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	w.begin(v2())
	w.refuse(w.having(v2())...)
	w.after(5 * time.Minute)
	if w.state.Active() || w.state.Base != v2() {
		t.Errorf("the rollout is %+v", w.state.Rollout)
	}
	if m := w.state.Rollout.Members[w.refusals[0].Nodes[0]]; !m.Refused {
		t.Errorf("the node that refuses alone is %+v", m)
	}
}

// TestRefusedByTheOnlyNode counts at once: in a fleet of one, and where no other runs this Envoy version.
func TestRefusedByTheOnlyNode(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 5} {
		w := fleet(t, count)
		w.begin(v2())
		only := w.having(v2())[0]
		w.node(only).Envoy = "1.39.0"
		w.refuse(only)
		w.after(time.Second)
		if w.state.Active() || w.state.Base != v1() {
			t.Errorf("%d nodes: the rollout is %+v", count, w.state.Rollout)
		}
	}
}

// TestRefusedByAnotherEnvoyVersion is not excused by nodes of the first version that accept it.
func TestRefusedByAnotherEnvoyVersion(t *testing.T) {
	t.Parallel()
	w := fleet(t, 6)
	w.node("edge-5").Envoy, w.node("edge-6").Envoy = "1.39.0", "1.39.0"
	w.beginWith(v2(), rollout.Strategy{Waves: []rollout.Wave{{Nodes: []string{"edge-1", "edge-2"}}}})
	w.refuse("edge-5", "edge-6")
	w.after(40 * time.Second)
	if w.state.Active() || w.state.Base != v1() {
		t.Errorf("the rollout is %+v", w.state.Rollout)
	}
}

// TestAcceptedElsewhere excuses the resource where a node of the version had acknowledged it, whatever else it lacks.
func TestAcceptedElsewhere(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	w.begin(v2())
	w.refuse("edge-1", "edge-2")
	w.refusals[0].Accepted = []string{"1.40.0"}
	w.after(5 * time.Minute)
	if w.state.Active() || w.state.Base != v2() {
		t.Errorf("the rollout is %+v", w.state.Rollout)
	}
}
