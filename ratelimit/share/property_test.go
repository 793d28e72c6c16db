package share_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/ratelimit/share"
)

// hostile is a fleet that asks for all it can get, while its Envoys come, go, lose their streams, hear late and report when they
// like, and while whoever divides is restarted.
type hostile struct {
	now      time.Time
	division *share.Division
	proxies  []*proxy
	meter    meter
}

// TestNeverMore holds that a fleet lets no more through than its limit, over any interval, whatever happens.
func TestNeverMore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := share.Limit{
			Rate:  rapid.Int64Range(1, 500_000).Draw(t, "rate"),
			Burst: rapid.Int64Range(1, 100).Draw(t, "burst"),
		}
		now := time.Unix(1_800_000_000, 0)
		w := &hostile{now: now, division: share.New(limit, settings(), now), meter: meter{Limit: limit, at: now}}
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "pause")) * time.Millisecond)
			w.drain(t)
			w.step(t)
			held := w.division.Held()
			if held.Rate > limit.Rate || held.Burst > limit.Burst {
				t.Fatalf("%+v is held of %+v", held, limit)
			}
			w.drain(t)
		}
	})
}

// drain lets every Envoy let through what it may.
func (w *hostile) drain(t *rapid.T) {
	for _, p := range w.proxies {
		for p.ask(w.now) {
			if w.meter.over(w.now) {
				t.Fatalf("more than %+v was let through", w.meter.Limit)
			}
		}
	}
}

func (w *hostile) step(t *rapid.T) {
	if len(w.proxies) == 0 || rapid.IntRange(0, 9).Draw(t, "joins") == 0 {
		p := &proxy{name: fmt.Sprint("node-", len(w.proxies))}
		w.proxies = append(w.proxies, p)
		w.opens(t, p, false)
		return
	}
	p := w.proxies[rapid.IntRange(0, len(w.proxies)-1).Draw(t, "which")]
	switch what := rapid.IntRange(0, 11).Draw(t, "what"); {
	case p.holder == nil:
		w.opens(t, p, true)
	case what == 0: // Its stream ends, and what is under way to it may or may not arrive.
		w.division.Lose(p.holder, w.now)
		p.holder = nil
		if rapid.Bool().Draw(t, "arrives") {
			p.post = nil
		}
	case what == 1:
		w.restart(t)
	case what == 2:
		w.replaces(t, p)
	default:
		w.reports(t, p)
	}
}

// opens opens a stream; its first report says whether there was a bucket before.
func (w *hostile) opens(t *rapid.T, p *proxy, held bool) {
	p.holder = w.division.Join(p.name, owner, held, w.now)
	w.reports(t, p)
}

// replaces ends a process and starts another under the same name.
func (w *hostile) replaces(t *rapid.T, p *proxy) {
	if p.holder != nil {
		w.division.Lose(p.holder, w.now)
	}
	*p = proxy{name: p.name}
	w.opens(t, p, false)
}

func (w *hostile) reports(t *rapid.T, p *proxy) {
	w.division.Report(p.holder, p.allowed, int64(rapid.IntRange(0, 2000).Draw(t, "denied")), w.now)
	p.allowed, p.denied = 0, 0
	for _, h := range w.division.Divide(owner, w.now) {
		w.send(t, h)
	}
	w.send(t, p.holder)
}

func (w *hostile) send(t *rapid.T, h *share.Holder) {
	for _, p := range w.proxies {
		if p.holder != h {
			continue
		}
		a, ok := w.division.Renew(h, w.now)
		if !ok {
			continue
		}
		arrives := w.now.Add(time.Duration(rapid.IntRange(0, 1999).Draw(t, "delay")) * time.Millisecond)
		if n := len(p.post); n > 0 && p.post[n-1].arrives.After(arrives) {
			arrives = p.post[n-1].arrives // In order.
		}
		p.post = append(p.post, letter{a, arrives})
	}
}

// restart ends all streams, and takes the division up as it was kept.
func (w *hostile) restart(t *rapid.T) {
	kept, err := json.Marshal(w.division)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range w.proxies {
		p.holder = nil
		if rapid.Bool().Draw(t, "arrives") {
			p.post = nil
		}
	}
	w.division = &share.Division{}
	if err := json.Unmarshal(kept, w.division); err != nil {
		t.Fatal(err)
	}
	w.division.Resume(settings(), w.now)
}
