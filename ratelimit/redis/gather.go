package redis

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

const (
	// senders is how many batches are under way at a time at most. While one is, calls that come are gathered for the next one, so
	// that a batch has more calls the more come, and one call alone waits for nobody.
	senders = 4
	// patient is for how long calls that come are gathered so: behind a batch that takes longer they are sent at once, so that a server
	// that is far away is not waited for twice.
	patient = 300 * time.Microsecond
	// batchMost is how many calls one batch has: the server does nothing else meanwhile.
	batchMost = 128
	// sweepEvery is how often calls are looked through for those whose time is up, while there are any.
	sweepEvery = time.Millisecond
)

var errLate = errors.New("no answer in time")

// gatherer brings calls to the server, those that come at about the same time in one run of the script. Its zero value has no
// senders.
type gatherer struct {
	mu       sync.Mutex
	queue    []*call // Waiting for a sender.
	underWay int
	latest   time.Duration // When the latest batch was sent.
	sent     [][]*call     // Under way, one batch for each sender.
	ready    *sync.Cond    // Told of each call in the queue.
	stopped  bool
	sweeper  *time.Timer // Runs while there is any call.
	sweeping bool
	running  sync.WaitGroup
}

// start starts the senders.
func (s *Store) startSenders() {
	g := &s.gather
	g.ready = sync.NewCond(&g.mu)
	g.sent = make([][]*call, senders)
	g.sweeper = time.AfterFunc(time.Hour, s.sweep)
	for i := range senders {
		g.running.Go(func() { s.send(i) })
	}
}

// stopSenders ends them. Calls that wait fail.
func (s *Store) stopSenders() {
	g := &s.gather
	g.mu.Lock()
	g.stopped = true
	for _, c := range g.queue {
		c.finish(abandoned, ErrAway)
	}
	g.queue = nil
	for _, batch := range g.sent {
		for _, c := range batch {
			c.finish(abandoned, ErrAway)
		}
	}
	g.ready.Broadcast()
	g.mu.Unlock()
	g.sweeper.Stop()
	g.running.Wait()
}

// finish ends a call that waits, as it was answered or is given up, and says whether it did.
func (c *call) finish(as uint32, err error) bool {
	if !c.state.CompareAndSwap(waiting, as) {
		return false
	}
	if err != nil {
		c.err = err
	}
	c.done <- struct{}{}
	return true
}

// ask brings a call to the server and waits for the answer. What it returns is c.err.
func (s *Store) ask(c *call) error {
	g := &s.gather
	now := s.now()
	g.mu.Lock()
	if g.stopped || g.ready == nil || len(g.queue) >= maxUnderWay {
		g.mu.Unlock()
		c.state.Store(answered) // By nobody.
		c.err = fmt.Errorf("%w: too many calls wait already", ErrAway)
		return c.err
	}
	g.queue = append(g.queue, c)
	if !g.sweeping {
		g.sweeping = true
		g.sweeper.Reset(sweepEvery)
	}
	send := g.underWay == 0 || g.underWay < senders && now-g.latest > patient
	g.mu.Unlock()
	if send {
		g.ready.Signal()
	}
	<-c.done
	return c.err
}

// next returns the calls of the next batch, in the list of the one before, which is nil at first; none when the senders end.
func (s *Store) next(sender int, batch []*call) []*call {
	g := &s.gather
	g.mu.Lock()
	defer g.mu.Unlock()
	if batch != nil { // Not the first.
		g.underWay--
	}
	for yielded := false; !g.stopped; yielded = true {
		for len(g.queue) == 0 && !g.stopped {
			g.ready.Wait()
		}
		if yielded && len(g.queue) > 0 {
			break
		}
		// Who is about to call goes first: requests come several at a time, as the connection of an Envoy is read.
		g.mu.Unlock()
		runtime.Gosched()
		g.mu.Lock()
	}
	if g.stopped {
		return nil
	}
	n := min(len(g.queue), batchMost)
	batch = append(batch[:0], g.queue[:n]...)
	left := copy(g.queue, g.queue[n:])
	clear(g.queue[left:])
	g.queue = g.queue[:left]
	g.sent[sender] = batch
	g.underWay++
	g.latest = s.now()
	return batch
}

// landed takes a batch out of the sweeper's sight. Only then are its calls told: whoever is told uses the call again.
func (s *Store) landed(sender int) {
	g := &s.gather
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent[sender] = nil
}

// send brings batches to the server, until there is no more to do.
func (s *Store) send(sender int) {
	b := batch{args: make([]string, 1)}
	for {
		b.calls = s.next(sender, b.calls)
		if b.calls == nil {
			return
		}
		b.fill(s.clock(), s.keep)
		s.batches.Add(1)
		s.calls.Add(uint64(len(b.calls)))
		client := s.client.Load()
		if client == nil {
			s.landed(sender)
			b.fail(ErrAway)
			continue
		}
		// No deadline: who waits is told by the sweeper, and an end of the connection would be that of all of them.
		answer, err := s.script.run(context.Background(), *client, b.keys, b.args).ToString()
		s.landed(sender)
		if err == nil {
			err = b.read(answer)
		}
		if err != nil {
			b.fail(fmt.Errorf("ask the server of the limits: %w", err))
			s.sawFailure(err, len(b.calls))
			continue
		}
		s.breaker.succeeded()
	}
}

// batch is some calls on their way together.
type batch struct {
	calls  []*call
	counts []int // How many charges each has, as a call that is given up may not be looked at.
	keys   []string
	args   []string
	packed []byte
}

// fill writes what the script is told.
func (b *batch) fill(clock int64, keep time.Duration) {
	b.keys, b.counts = b.keys[:0], b.counts[:0]
	b.packed = appendNumber(b.packed[:0], clock)
	b.packed = appendNumber(b.packed, keep.Milliseconds())
	b.packed = appendNumber(b.packed, remembered.Milliseconds())
	for _, c := range b.calls {
		b.keys = c.appendKeys(b.keys)
		b.packed = append(b.packed, c.args...)
		b.counts = append(b.counts, int(c.args[1]))
	}
	b.args[0] = rueidis.BinaryString(b.packed)
}

// read gives each call its part of the answer.
func (b *batch) read(answer string) (err error) {
	for i, c := range b.calls {
		// Once it is claimed, the sweeper leaves it alone, and its caller waits until it is told.
		if c.state.CompareAndSwap(waiting, answered) {
			answer, err = c.read(answer)
			if err != nil {
				c.err = err
			}
			c.done <- struct{}{}
		} else {
			answer, err = c.skip(answer, b.counts[i])
		}
		if err != nil {
			b.calls = b.calls[i+1:] // Those that were answered may be on their way again.
			return err
		}
	}
	return nil
}

func (b *batch) fail(err error) {
	for _, c := range b.calls {
		c.finish(answered, err)
	}
}

// sweep gives up calls whose time is up: a little early rather than late.
func (s *Store) sweep() {
	g := &s.gather
	g.mu.Lock()
	late := s.now() + sweepEvery
	any := len(g.queue) > 0
	kept := g.queue[:0]
	failed := 0
	for _, c := range g.queue {
		if c.deadline <= late {
			c.finish(abandoned, errLate)
			failed++
			continue
		}
		kept = append(kept, c)
	}
	clear(g.queue[len(kept):])
	g.queue = kept
	for _, batch := range g.sent {
		for _, c := range batch {
			any = true
			if c.deadline <= late && c.finish(abandoned, errLate) {
				failed++
			}
		}
	}
	g.sweeping = any && !g.stopped
	if g.sweeping {
		g.sweeper.Reset(sweepEvery)
	}
	g.mu.Unlock()
	if failed > 0 {
		s.failed.Add(uint64(failed)) //nolint:gosec // Above 0.
		s.breaker.failed()           // Once, however many waited.
	}
}

// sawFailure counts a batch that failed. Where the server answers that it takes nothing now, no call is made until it does.
func (s *Store) sawFailure(err error, calls int) {
	s.failed.Add(uint64(calls)) //nolint:gosec // At least 1.
	if said, ok := rueidis.IsRedisErr(err); ok {
		word, _, _ := strings.Cut(said.Error(), " ")
		switch word {
		case "OOM", "READONLY", "LOADING", "MISCONF", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "NOAUTH", "NOPERM":
			s.breaker.open()
			return
		}
	}
	s.breaker.failed()
}
