package rollout_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/xds/rollout"
)

// TestFirstIsLiveAtOnce gives a fleet its first version: there is nothing to fall back to.
func TestFirstIsLiveAtOnce(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	if got := w.having(v1()); len(got) != 5 || w.state.Active() {
		t.Errorf("%d nodes have the first version, active: %v", len(got), w.state.Active())
	}
}

// TestGoodVersion goes 1, 2, 5 through five nodes. A node that comes in between gets what finished last.
func TestGoodVersion(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	w.begin(v2())
	first := w.having(v2())
	if len(first) != 1 {
		t.Fatalf("the first wave is %v", first)
	}
	w.after(10 * time.Second)
	w.nodes = append(w.nodes, rollout.Node{Name: "new", Envoy: "1.40.0", Connected: true})
	if got := w.having(v2()); !slices.Equal(got, first) {
		t.Errorf("with a new node the first wave is %v, was %v", got, first)
	}
	w.nodes = w.nodes[:5]
	w.after(25 * time.Second)
	if got := w.having(v2()); len(got) != 2 || !slices.Contains(got, first[0]) {
		t.Errorf("the second wave is %v, the first was %v", got, first)
	}
	w.after(35 * time.Second)
	if got := w.having(v2()); len(got) != 5 {
		t.Errorf("the third wave is %v", got)
	}
	w.after(35 * time.Second)
	w.want("2 rolling wave 1", "2 rolling wave 2", "2 rolling wave 3", "2 live")
	if w.state.Base != v2() || w.state.Rollout.From != v1() {
		t.Errorf("afterwards %+v", w.state)
	}
}

// TestSizes holds the number of nodes of each wave against what is written.
func TestSizes(t *testing.T) {
	t.Parallel()
	for count, want := range map[int][]int{1: {1}, 3: {3}, 4: {1, 1, 4}, 5: {1, 2, 5}, 101: {2, 26, 101}, 300: {3, 75, 300}} {
		w := fleet(t, count)
		w.serve = nil
		w.past = []second{}
		w.beginWith(v2(), rollout.Strategy{Soak: time.Second})
		var got []int
		for w.state.Active() && len(got) < 5 {
			got = append(got, len(w.having(v2())))
			for wave := w.state.Rollout.Wave; w.state.Active() && w.state.Rollout.Wave == wave; {
				w.past = slices.DeleteFunc(w.past, func(second) bool { return true })
				for _, node := range w.nodes {
					w.past = append(w.past, second{node.Name, w.now.Add(time.Hour), traffic{requests: 100}})
				}
				w.state.Rollout.Before = rollout.Baseline{Requests: 1000}
				w.after(time.Second)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d nodes -want +got:\n%s", count, diff)
		}
	}
}

// TestBrokenGates lets a version do harm on the nodes that have it: one wave gets it, and is put back.
func TestBrokenGates(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		harm traffic
		want string
	}{
		"5xx": {
			traffic{requests: 20, errors: 5, latency: 10 * time.Millisecond},
			"2 refused 5xx: 25.0 % of 100 requests to the wave were answered with 5xx, 0.0 % of 400 to the nodes that have not got it",
		},
		"denials": {
			traffic{requests: 20, denials: 20, latency: 10 * time.Millisecond},
			"2 refused denials: 100.0 % of 100 requests to the wave were denied, 0.0 % of 400 to the nodes that have not got it",
		},
		"p99": {
			traffic{requests: 20, latency: 50 * time.Millisecond},
			"2 refused p99: the 99th percentile of 100 requests to the wave is 50ms, that of 400 to the nodes that have not got it is 10ms",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := fleet(t, 5)
			healthy := w.serve
			w.serve = func(node string, v rollout.Version) traffic {
				if v == v2() {
					return tt.harm
				}
				return healthy(node, v)
			}
			w.begin(v2())
			w.after(time.Minute)
			w.want("2 rolling wave 1", tt.want)
			w.nodes = append(w.nodes, rollout.Node{Name: "new", Connected: true})
			if got := w.having(v1()); len(got) != 6 {
				t.Errorf("only %v have the version before", got)
			}
		})
	}
}

// TestHarmInTheLastWave shows only where a version has all nodes: they are held against themselves before.
func TestHarmInTheLastWave(t *testing.T) {
	t.Parallel()
	for _, count := range []int{2, 5} {
		w := fleet(t, count)
		healthy := w.serve
		w.serve = func(node string, v rollout.Version) traffic {
			f := healthy(node, v)
			if v == v2() && len(w.having(v2())) == count {
				f.errors = 10
			}
			return f
		}
		w.begin(v2())
		w.after(5 * time.Minute)
		last := w.events[len(w.events)-1]
		if !strings.Contains(last, "refused 5xx") || !strings.HasSuffix(last, "to the same nodes before") {
			t.Errorf("%d nodes: %s", count, last)
		}
		if got := w.having(v1()); len(got) != count {
			t.Errorf("of %d nodes only %v were put back", count, got)
		}
	}
}

// TestTooFewRequests waits, says so, pauses, and goes on when somebody takes the responsibility.
func TestTooFewRequests(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	w.serve = nil
	w.begin(v2())
	w.after(time.Minute)
	if got := w.state.Rollout.Waiting.String(); got != "requests: the wave had 0 of 100 requests" {
		t.Errorf("it waits for %q", got)
	}
	w.after(10 * time.Minute)
	w.want("2 rolling wave 1", "2 paused requests: the wave had 0 of 100 requests after 10m0s")
	if got := w.having(v2()); len(got) != 1 {
		t.Errorf("while paused %v have it", got)
	}
	s, events, err := w.state.Resume(w.now)
	if err != nil {
		t.Fatal(err)
	}
	w.take(s, events)
	w.after(2 * time.Second)
	w.want("2 rolling wave 1", "2 rolling wave 2")
}

// TestFewNodesNeedNoTraffic gives few nodes a version at once, which is live after the soak.
func TestFewNodesNeedNoTraffic(t *testing.T) {
	t.Parallel()
	w := fleet(t, 3)
	w.serve = nil
	w.begin(v2())
	if got := w.having(v2()); len(got) != 3 {
		t.Errorf("%v have it", got)
	}
	w.after(35 * time.Second)
	w.want("2 rolling wave 1", "2 live")
}

// TestSuperseding lets a newer version come while one rolls out: those beyond the first wave go back.
func TestSuperseding(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	w.begin(v2())
	first := w.having(v2())
	w.after(35 * time.Second)
	if len(w.having(v2())) != 2 {
		t.Fatalf("in the second wave are %v", w.having(v2()))
	}
	w.begin(v3())
	if got := w.having(v3()); !slices.Equal(got, first) || len(w.having(v1())) != 4 || len(w.having(v2())) != 0 {
		t.Errorf("the newer version is on %v, the one before on %v", got, w.having(v2()))
	}
	w.after(3 * time.Minute)
	w.want("2 rolling wave 1", "2 rolling wave 2", "2 superseded superseded: entry 3 came before it was live",
		"3 rolling wave 1", "3 rolling wave 2", "3 rolling wave 3", "3 live")
}

// TestSameIsNoRollout takes over a version that changes nothing: beside the one before, and beside the one that rolls out.
func TestSameIsNoRollout(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	same := func(of rollout.Version) func(rollout.Version) bool {
		return func(v rollout.Version) bool { return v == of }
	}
	w.take(w.state.Begin(rollout.Change{To: v2(), Same: same(v1())}, w.observation()))
	w.want("2 live")
	w.begin(v3())
	other := rollout.Version{Entry: 4, Revision: "o"}
	w.take(w.state.Begin(rollout.Change{To: other, Same: same(v3())}, w.observation()))
	w.want("3 rolling wave 1")
	if got := w.having(other); len(got) != 1 || w.state.Rollout.Wave != 0 {
		t.Errorf("the same under another number is on %v", got)
	}
	w.take(w.state.Begin(rollout.Change{To: rollout.Version{Entry: 5, Revision: "back"}, Same: same(v2())}, w.observation()))
	w.want("4 superseded superseded: entry 5 came before it was live", "5 live")
}

// TestOperator pauses, resumes and aborts.
func TestOperator(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	if _, _, err := w.state.Pause(w.now, "root"); err != rollout.ErrNone { //nolint:errorlint // It is returned as it is.
		t.Errorf("pause of nothing: %v", err)
	}
	w.begin(v2())
	s, events, err := w.state.Pause(w.now, "ada")
	if err != nil {
		t.Fatal(err)
	}
	w.take(s, events)
	w.after(2 * time.Minute)
	if got := w.having(v2()); len(got) != 1 {
		t.Errorf("while paused %v have it", got)
	}
	s, events, err = w.state.Abort(w.now, "ada")
	if err != nil {
		t.Fatal(err)
	}
	w.take(s, events)
	w.want("2 rolling wave 1", "2 paused operator: paused by ada", "2 aborted operator: aborted by ada")
	if got := w.having(v1()); len(got) != 5 {
		t.Errorf("after the abort %v have the version before", got)
	}
}

// TestRestart goes on with the same nodes, and soaks anew.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	w.begin(v2())
	first := w.having(v2())
	w.after(20 * time.Second)
	w.now = w.now.Add(time.Hour)
	w.past = nil
	w.state = w.state.Restarted(w.now)
	w.after(20 * time.Second)
	if got := w.having(v2()); !slices.Equal(got, first) {
		t.Errorf("20 s after a restart %v have it, before %v", got, first)
	}
	w.after(20 * time.Second)
	if got := w.having(v2()); len(got) != 2 {
		t.Errorf("40 s after a restart %v have it", got)
	}
}

// TestNamedWaves takes nodes by name, then by label, then all.
func TestNamedWaves(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	w.node("edge-3").Labels = map[string]string{"tier": "canary"}
	w.node("edge-4").Labels = map[string]string{"tier": "canary", "zone": "a"}
	w.beginWith(v2(), rollout.Strategy{Waves: []rollout.Wave{{Nodes: []string{"edge-5"}}, {Labels: map[string]string{"tier": "canary"}}}})
	var got []string
	for range 3 {
		got = append(got, fmt.Sprint(w.having(v2())))
		w.after(35 * time.Second)
	}
	want := []string{"[edge-5]", "[edge-3 edge-4 edge-5]", "[edge-1 edge-2 edge-3 edge-4 edge-5]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestNodesThatGo do not hold up a wave; a wave whose nodes are all gone takes another.
func TestNodesThatGo(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	w.begin(v2())
	first := w.having(v2())[0]
	w.after(5 * time.Second)
	w.node(first).Connected = false
	w.after(30 * time.Second)
	if got := w.state.Rollout.Waiting.Code; got != rollout.CodeDisconnected {
		t.Errorf("it waits for %s", got)
	}
	w.after(2 * time.Minute)
	if len(w.having(v2())) < 2 {
		t.Errorf("without %s %v have it, waiting for %s", first, w.having(v2()), w.state.Rollout.Waiting)
	}
	w.after(5 * time.Minute)
	if w.state.Active() {
		t.Errorf("with a node gone it is %+v", w.state.Rollout)
	}
}

// TestDeafNode pauses the rollout, as nobody can tell what is wrong with it.
func TestDeafNode(t *testing.T) {
	t.Parallel()
	w := fleet(t, 5)
	w.begin(v2())
	first := w.having(v2())[0]
	w.deaf[first] = true
	w.after(11 * time.Minute)
	w.want("2 rolling wave 1", "2 paused unanswered: "+first+" has not acknowledged after 10m0s")
}
