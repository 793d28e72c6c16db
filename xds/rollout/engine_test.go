package rollout_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/xds/rollout"
)

// patience bounds every wait in these tests.
const patience = 20 * time.Second

// place is what an engine works with: obedient nodes that live in memory, and a store that can be made to fail.
type place struct {
	mu        sync.Mutex
	nodes     map[string][]rollout.Node
	delivered map[string]rollout.Assignment
	stored    map[string][]byte
	failing   error
	told      chan rollout.Event
}

func newPlace(nodes ...string) *place {
	p := &place{
		nodes: map[string][]rollout.Node{}, delivered: map[string]rollout.Assignment{}, stored: map[string][]byte{},
		told: make(chan rollout.Event, 100),
	}
	for _, name := range nodes {
		p.nodes["edge"] = append(p.nodes["edge"], rollout.Node{Name: name, Envoy: "1.40.0", Connected: true})
	}
	return p
}

func (p *place) engine() *rollout.Engine {
	return rollout.New(rollout.Surroundings{
		Fleets: p, Store: p, Deliver: p.deliver, Tick: time.Millisecond,
		Tell: func(events []rollout.Event) {
			for _, e := range events {
				p.told <- e
			}
		},
	})
}

func (p *place) Observe(fleet string, _ rollout.Version) ([]rollout.Node, []rollout.Refusal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.nodes[fleet]), nil
}

// deliver makes all nodes acknowledge at once.
func (p *place) deliver(all []rollout.Assignment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range all {
		p.delivered[a.Fleet] = a
		for i := range p.nodes[a.Fleet] {
			node := &p.nodes[a.Fleet][i]
			v, own := a.Nodes[node.Name]
			if !own {
				v = a.Default
			}
			node.Acknowledged = v.Revision
		}
	}
}

func (p *place) Save(_ context.Context, states []rollout.State) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failing != nil {
		return p.failing
	}
	for _, s := range states {
		text, err := json.Marshal(s)
		if err != nil {
			return err
		}
		p.stored[s.Fleet] = text
	}
	return nil
}

func (p *place) States(context.Context) ([]rollout.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []rollout.State
	for text := range maps.Values(p.stored) {
		var s rollout.State
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func (p *place) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failing = err
}

func (p *place) assignment() rollout.Assignment {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delivered["edge"]
}

// run runs an engine until the returned function is called.
func run(t *testing.T, e *rollout.Engine) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		e.Run(ctx)
		close(done)
	}()
	return func() {
		cancel()
		<-done
	}
}

// next waits for the next event.
func (p *place) next(t *testing.T) rollout.Event {
	t.Helper()
	select {
	case e := <-p.told:
		return e
	case <-time.After(patience):
		t.Fatal("nothing happened")
		return rollout.Event{}
	}
}

func change(v rollout.Version, waves ...rollout.Wave) map[string]rollout.Change {
	return map[string]rollout.Change{"edge": {To: v, Strategy: rollout.Strategy{
		Waves: waves, Soak: time.Millisecond, Patience: 10 * time.Millisecond, Lag: time.Millisecond,
	}}}
}

// TestEngineRestarts begins a rollout, which pauses for want of requests, in one engine, and resumes it in another.
func TestEngineRestarts(t *testing.T) {
	t.Parallel()
	p := newPlace("a", "b")
	first := p.engine()
	if err := first.Begin(t.Context(), change(v1())); err != nil {
		t.Fatal(err)
	}
	stop := run(t, first)
	if err := first.Begin(t.Context(), change(v2(), rollout.Wave{Nodes: []string{"a"}})); err != nil {
		t.Fatal(err)
	}
	var phases []rollout.Phase
	for range 3 {
		phases = append(phases, p.next(t).Phase)
	}
	if diff := cmp.Diff([]rollout.Phase{rollout.Live, rollout.Rolling, rollout.Paused}, phases); diff != "" {
		t.Fatalf("-want +got:\n%s", diff)
	}
	stop()
	p.delivered = map[string]rollout.Assignment{}

	second := p.engine()
	if err := second.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.Deliver()
	want := rollout.Assignment{Fleet: "edge", Default: v1(), Nodes: map[string]rollout.Version{"a": v2()}}
	if diff := cmp.Diff(want, p.assignment()); diff != "" {
		t.Errorf("after a restart -want +got:\n%s", diff)
	}
	defer run(t, second)()
	if err := second.Pause(t.Context(), "edge", "ada"); !errors.Is(err, rollout.ErrPaused) {
		t.Errorf("pause of what is paused: %v", err)
	}
	if err := second.Resume(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{0, 1} {
		if e := p.next(t); e.Phase != rollout.Rolling || e.Wave != want {
			t.Errorf("after resuming %+v", e)
		}
	}
	if got := p.assignment(); got.Default != v2() || len(got.Nodes) != 0 {
		t.Errorf("in the last wave %+v", got)
	}
	if err := second.Abort(t.Context(), "edge", "ada"); err != nil {
		t.Fatal(err)
	}
	if got := p.assignment(); got.Default != v1() {
		t.Errorf("after the abort %+v", got)
	}
}

// TestEngineDeliversOnlyWhatIsStored keeps everything as it was while the store fails, but for putting nodes back.
func TestEngineDeliversOnlyWhatIsStored(t *testing.T) {
	t.Parallel()
	p := newPlace("a", "b")
	e := p.engine()
	if err := e.Begin(t.Context(), change(v1())); err != nil {
		t.Fatal(err)
	}
	full := errors.New("the disk is full")
	p.fail(full)
	if err := e.Begin(t.Context(), change(v2())); !errors.Is(err, full) {
		t.Errorf("begin with a full disk: %v", err)
	}
	if got := p.assignment(); got.Default != v1() {
		t.Errorf("delivered %+v", got)
	}
	p.fail(nil)
	if err := e.Begin(t.Context(), change(v2(), rollout.Wave{Nodes: []string{"a"}})); err != nil {
		t.Fatal(err)
	}
	p.fail(full)
	if err := e.Abort(t.Context(), "", "ada"); err != nil {
		t.Errorf("abort with a full disk: %v", err)
	}
	if got := p.assignment(); got.Default != v1() || len(got.Nodes) > 0 {
		t.Errorf("after the abort %+v", got)
	}
	p.fail(nil)
	stop := run(t, e)
	deadline := time.Now().Add(patience)
	for {
		states, err := p.States(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if states[0].Rollout.Phase == rollout.Aborted {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the abort is not stored: %+v", states)
		}
	}
	stop()
}

// TestEngineLetsFleetsGo forgets a fleet that no configuration names: its nodes get nothing from then on.
func TestEngineLetsFleetsGo(t *testing.T) {
	t.Parallel()
	p := newPlace("a")
	e := p.engine()
	for _, changes := range []map[string]rollout.Change{change(v1()), change(v2()), {}} {
		if err := e.Begin(t.Context(), changes); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.assignment(); !got.Default.None() || len(got.Nodes) > 0 {
		t.Errorf("delivered %+v", got)
	}
	if err := e.Pause(t.Context(), "edge", "ada"); !errors.Is(err, rollout.ErrNone) {
		t.Errorf("pause: %v", err)
	}
}

// TestFollow takes up what another process has stored, and puts nothing into effect that is founded on what is not so any more.
func TestFollow(t *testing.T) {
	t.Parallel()
	p := newPlace("edge-1")
	e := p.engine()
	first, second := rollout.Version{Entry: 1, Revision: "one"}, rollout.Version{Entry: 2, Revision: "two"}
	begin := func(v rollout.Version) error {
		return e.Begin(t.Context(), map[string]rollout.Change{"edge": {To: v}})
	}
	if err := begin(first); err != nil {
		t.Fatal(err)
	}
	// A step back is not put into effect either, as it is where the store merely fails.
	if err := begin(second); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	p.failing = rollout.ErrChanged
	p.mu.Unlock()
	if err := e.Abort(t.Context(), "edge", "tina"); !errors.Is(err, rollout.ErrChanged) || !e.States()[0].Active() {
		t.Errorf("abort: %v, %+v", err, e.States()[0])
	}
	state := rollout.State{Fleet: "edge", Base: second}
	if err := e.Follow(t.Context(), func(context.Context) ([]rollout.State, error) { return []rollout.State{state}, nil }); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := p.delivered["edge"].Default; got != second || e.States()[0].Base != second {
		t.Errorf("%+v is delivered, and %+v known", got, e.States()[0])
	}
}
