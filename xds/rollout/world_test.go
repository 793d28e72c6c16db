package rollout_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/xds/rollout"
)

func v1() rollout.Version { return rollout.Version{Entry: 1, Revision: "p"} }
func v2() rollout.Version { return rollout.Version{Entry: 2, Revision: "r"} }
func v3() rollout.Version { return rollout.Version{Entry: 3, Revision: "n"} }

// world is a fleet that does as it is told, unless a test says otherwise.
type world struct {
	t        *testing.T
	state    rollout.State
	now      time.Time
	nodes    []rollout.Node
	refusals []rollout.Refusal
	events   []string
	// serve tells how a node answers 100 requests each second under a version: how many with 5xx, how many denied, and how long
	// each takes. nil: there are no requests.
	serve func(node string, v rollout.Version) traffic
	deaf  map[string]bool // Nodes that acknowledge nothing.
	past  []second
}

type traffic struct {
	requests, errors, denials uint64
	latency                   time.Duration
}

// second is what one node did in one second.
type second struct {
	node string
	at   time.Time
	traffic
}

func fleet(t *testing.T, count int) *world {
	t.Helper()
	w := &world{t: t, state: rollout.State{Fleet: "edge"}, now: time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC), deaf: map[string]bool{}}
	for i := range count {
		w.nodes = append(w.nodes, rollout.Node{Name: fmt.Sprintf("edge-%d", i+1), Envoy: "1.40.0", Connected: true})
	}
	w.serve = func(string, rollout.Version) traffic { return traffic{requests: 20, latency: 10 * time.Millisecond} }
	w.begin(v1())
	w.after(10 * time.Second)
	w.events = nil
	return w
}

func (w *world) observation() rollout.Observation {
	return rollout.Observation{Now: w.now, Nodes: slices.Clone(w.nodes), Refusals: w.refusals, Meter: w}
}

// take stores a state as the daemon would, and goes on with what was read back.
func (w *world) take(s rollout.State, events []rollout.Event) {
	w.t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		w.t.Fatal(err)
	}
	var read rollout.State
	if err := json.Unmarshal(text, &read); err != nil {
		w.t.Fatal(err)
	}
	if diff := cmp.Diff(s, read); diff != "" {
		w.t.Fatalf("what is stored is not what is read:\n%s", diff)
	}
	w.state = read
	for _, e := range events {
		line := fmt.Sprintf("%d %s", e.Version.Entry, e.Phase)
		if e.Phase == rollout.Rolling {
			line += fmt.Sprintf(" wave %d", e.Wave+1)
		}
		if e.Reason != nil {
			line += " " + e.Reason.String()
		}
		w.events = append(w.events, line)
	}
}

func (w *world) begin(v rollout.Version) { w.beginWith(v, rollout.Strategy{}) }

func (w *world) beginWith(v rollout.Version, s rollout.Strategy) {
	w.t.Helper()
	w.take(w.state.Begin(rollout.Change{To: v, Strategy: s}, w.observation()))
}

// after lets time pass, second by second.
func (w *world) after(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); {
		a := w.state.Assignment()
		for i := range w.nodes {
			node := &w.nodes[i]
			v := w.version(a, node.Name)
			if !node.Connected {
				continue
			}
			if !w.deaf[node.Name] && !w.refuses(node.Name, v) {
				node.Acknowledged = v.Revision
			}
			if w.serve != nil {
				w.past = append(w.past, second{node.Name, w.now, w.serve(node.Name, v)})
			}
		}
		w.now = w.now.Add(time.Second)
		w.take(w.state.Observe(w.observation()))
	}
}

func (w *world) refuses(node string, v rollout.Version) bool {
	return v == v2() && slices.ContainsFunc(w.refusals, func(f rollout.Refusal) bool { return slices.Contains(f.Nodes, node) })
}

func (w *world) version(a rollout.Assignment, node string) rollout.Version {
	if v, ok := a.Nodes[node]; ok {
		return v
	}
	return a.Default
}

// having returns the nodes that are to have a version.
func (w *world) having(v rollout.Version) []string {
	var out []string
	a := w.state.Assignment()
	for _, node := range w.nodes {
		if w.version(a, node.Name) == v {
			out = append(out, node.Name)
		}
	}
	return out
}

func (w *world) node(name string) *rollout.Node {
	i := slices.IndexFunc(w.nodes, func(n rollout.Node) bool { return n.Name == name })
	return &w.nodes[i]
}

func (w *world) want(events ...string) {
	w.t.Helper()
	if diff := cmp.Diff(events, w.events); diff != "" {
		w.t.Errorf("events -want +got:\n%s", diff)
	}
	w.events = nil
}

// Figures adds up what nodes did.
func (w *world) Figures(_ string, spans []rollout.Span) rollout.Figures {
	var f rollout.Figures
	var latencies sample
	for _, span := range spans {
		for _, s := range w.past {
			if s.node == span.Node && !s.at.Before(span.From) && (span.To.IsZero() || s.at.Before(span.To)) {
				f.Requests, f.Errors, f.Denials = f.Requests+s.requests, f.Errors+s.errors, f.Denials+s.denials
				for range s.requests {
					latencies = append(latencies, s.latency)
				}
			}
		}
	}
	slices.Sort(latencies)
	f.Latency = latencies
	return f
}

// sample is latencies in order.
type sample []time.Duration

func (s sample) Count() uint64 { return uint64(len(s)) }

func (s sample) Quantile(q float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

func (s sample) Above(d time.Duration) uint64 {
	i, _ := slices.BinarySearch(s, d+1)
	return uint64(len(s) - i)
}
