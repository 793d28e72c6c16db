//go:build e2e

package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
)

// churnEvery is how often something is applied, at a replica that is chosen at random.
const churnEvery = 400 * time.Millisecond

// churn applies changes while other things happen, and knows what became of them.
type churn struct {
	w       *several
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu     sync.Mutex       // Held for what follows.
	made   map[int64]string // Messages of the entries that were confirmed.
	asked  map[string]bool  // All messages.
	late   int              // Answered that somebody else came first.
	unable int              // Answered that the store is away.
	lost   int              // Not answered.
}

// change is a source of its own with one API, whose answers tell which change it is.
func change(k int) admin.Proposal {
	text := to(extra("churn", "/churn"), "bank") + fmt.Sprintf("headers: {response: {set: {x-change: \"%d\"}}}\n", k)
	return admin.Proposal{Source: "churn", Files: map[string][]byte{"churn.yaml": []byte(text)}, Message: fmt.Sprintf("change %d", k)}
}

// churning applies changes until it is stopped.
func (w *several) churning() *churn {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	c := &churn{w: w, cancel: cancel, made: map[int64]string{}, asked: map[string]bool{}}
	replicas := slices.Clone(w.replicas)
	c.running.Go(func() {
		tick := time.NewTicker(churnEvery)
		defer tick.Stop()
		for k := 1; ; k++ {
			c.apply(ctx, replicas[rand.IntN(len(replicas))], change(k)) //nolint:gosec // Any will do.
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	w.t.Cleanup(func() {
		cancel()
		c.running.Wait()
	})
	return c
}

// apply applies one change at a replica.
func (c *churn) apply(ctx context.Context, r *replica, p admin.Proposal) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	applied, err := r.client().Apply(ctx, p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked[p.Message] = true
	switch {
	case err == nil && !applied.Made:
		c.w.t.Errorf("at replica %s %s changed nothing", r.name, p.Message)
	case err == nil:
		c.made[applied.Entry] = p.Message
	case errors.Is(err, admin.ErrConflict):
		c.late++
	case errors.Is(err, admin.ErrUnable):
		c.unable++
	case errors.Is(err, admin.ErrRefused), errors.Is(err, context.DeadlineExceeded):
		c.w.t.Errorf("at replica %s %s: %v", r.name, p.Message, err)
	default: // It was killed, or is not there.
		c.lost++
	}
}

// stop ends the changes and holds the history against them: its numbers have no gap, what was confirmed is in it, and nothing is in
// it twice. It returns the newest entry.
func (c *churn) stop() int64 {
	t := c.w.t
	t.Helper()
	c.cancel()
	c.running.Wait()
	var all []admin.Entry
	c.w.eventually("the history is told", func() bool {
		var err error
		all, err = history(t, c.w.replicas[0].client())
		return err == nil
	})
	for _, r := range c.w.replicas[1:] {
		if other, err := history(t, r.client()); err != nil || len(other) != len(all) || other[0].Number != all[0].Number {
			t.Errorf("replica %s tells another history, of %d entries instead of %d: %v", r.name, len(other), len(all), err)
		}
	}
	found, times := map[int64]string{}, map[string]int{}
	for i, e := range all {
		if want := int64(len(all) - i); e.Number != want {
			t.Fatalf("entry %d of %d has number %d", want, len(all), e.Number)
		}
		found[e.Number] = e.Message
		if c.asked[e.Message] {
			times[e.Message]++
		}
	}
	for number, message := range c.made {
		if found[number] != message {
			t.Errorf("entry %d was confirmed as %q, and is %q", number, message, found[number])
		}
	}
	for message, n := range times {
		if n > 1 {
			t.Errorf("%q is %d times in the history", message, n)
		}
	}
	t.Logf("%d changes were asked for: %d confirmed, %d too late, %d answered 503, %d not answered, of which %d took effect; %d entries in one history",
		len(c.asked), len(c.made), c.late, c.unable, c.lost, len(times)-len(c.made), len(all))
	if len(c.made) < len(c.asked)/4 {
		t.Errorf("of %d changes only %d were confirmed", len(c.asked), len(c.made))
	}
	return all[0].Number
}

// history returns all entries, newest first.
func history(t *testing.T, c *admin.Client) ([]admin.Entry, error) {
	t.Helper()
	var all []admin.Entry
	for before := int64(0); ; before = all[len(all)-1].Number {
		page, err := c.History(t.Context(), before, 100)
		if err != nil || len(page) == 0 {
			return all, err
		}
		all = append(all, page...)
		if all[len(all)-1].Number == 1 {
			return all, nil
		}
	}
}
