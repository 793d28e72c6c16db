package share_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gatehouse/gatehouse/ratelimit/share"
)

// world drives Envoys with steady demand against a division.
type world struct {
	t        *testing.T
	now      time.Time
	division *share.Division
	proxies  []*proxy
	demand   map[*proxy]float64 // A second.
	due      map[*proxy]float64
	meter    meter
}

const step = 10 * time.Millisecond

func newWorld(t *testing.T, l share.Limit) *world {
	t.Helper()
	now := time.Unix(1_800_000_000, 0)
	return &world{
		t: t, now: now, division: share.New(l, settings(), now), demand: map[*proxy]float64{}, due: map[*proxy]float64{}, meter: meter{Limit: l, at: now},
	}
}

func (w *world) join(name string, demand float64, phase time.Duration) *proxy {
	p := &proxy{name: name, next: w.now.Add(5*time.Second + phase)}
	p.holder = w.division.Join(name, owner, false, w.now)
	w.division.Report(p.holder, 0, 1, w.now)
	w.proxies, w.demand[p] = append(w.proxies, p), demand
	w.divide()
	return p
}

func (w *world) divide() {
	for _, h := range w.division.Divide(owner, w.now) {
		w.send(h)
	}
}

func (w *world) send(h *share.Holder) {
	for _, p := range w.proxies {
		if p.holder == h && !p.gone {
			if a, ok := w.division.Renew(h, w.now); ok {
				p.post = append(p.post, letter{a, w.now.Add(step)})
			}
		}
	}
}

func (w *world) run(d time.Duration) {
	w.t.Helper()
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(step) {
		for _, p := range w.proxies {
			if p.gone {
				continue
			}
			for w.due[p] += w.demand[p] * step.Seconds(); w.due[p] >= 1; w.due[p]-- {
				if p.ask(w.now) && w.meter.over(w.now) {
					w.t.Fatalf("more than the limit was let through at %s", w.now)
				}
			}
			if !p.next.After(w.now) {
				w.division.Report(p.holder, p.allowed, p.denied, w.now)
				p.allowed, p.denied, p.next = 0, 0, w.now.Add(5*time.Second)
				w.divide()
				w.send(p.holder)
			}
		}
		if held := w.division.Held(); held.Rate > w.division.Limit.Rate || held.Burst > w.division.Limit.Burst {
			w.t.Fatalf("%+v is held of %+v at %s", held, w.division.Limit, w.now)
		}
	}
}

// has holds that the Envoys are assigned rates, in requests a second, within 2.5 %.
func (w *world) has(when string, want ...float64) {
	w.t.Helper()
	var got []float64
	for _, p := range w.proxies {
		if !p.gone {
			got = append(got, float64(p.holder.Now.Rate)/3600)
		}
	}
	if !cmp.Equal(got, want, cmpopts.EquateApprox(0.025, 0)) {
		w.t.Errorf("%s they are assigned %.1f, want %v", when, got, want)
	}
}

// TestSettles divides 60 a second among three who ask for 100, 10 and 10, one of which goes, and one of which comes.
func TestSettles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, share.Limit{Rate: 60 * 3600, Burst: 60})
	a := w.join("a", 100, 0)
	w.run(time.Second)
	w.join("b", 10, time.Second)
	c := w.join("c", 10, 2*time.Second)
	w.run(14 * time.Second)
	w.has("two reports after the last came,", 40, 10, 10)
	c.gone = true
	w.division.Lose(c.holder, w.now)
	w.run(10 * time.Second)
	w.has("while the one that went may still let requests through,", 40, 10)
	w.run(15 * time.Second)
	w.has("when it can do so no more,", 50, 10)
	d := w.join("d", 20, 0)
	if d.holder.Now.Burst == 0 {
		t.Error("who comes is refused everything at first, though there is a reserve")
	}
	w.run(16 * time.Second)
	w.has("three reports after one came that asks for 20,", 30, 10, 20)
	w.demand[a] = 0
	w.run(11 * time.Second)
	w.demand[d] = 40
	w.run(16 * time.Second)
	if r := d.holder.Now.Rate / 3600; r < 39 {
		t.Errorf("who asks for 40 has %d of what another has given back", r)
	}
}
