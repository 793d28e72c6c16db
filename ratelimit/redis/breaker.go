package redis

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	// failuresMost is after how many failures in a row no call is made any more.
	failuresMost = 8
	// lookEvery is how often the server is looked at while it answers, and lookLimit how long an answer may take.
	lookEvery = time.Second
	lookLimit = time.Second
	// Between two tries of a server that is away.
	retryFirst = 50 * time.Millisecond
	retryMost  = 2 * time.Second
)

// breaker says whether calls are made. It is closed by a look at the server alone, never by a call. The zero value is closed.
type breaker struct {
	failures atomic.Int64 // In a row.
	opened   atomic.Bool
	breaks   atomic.Uint64
	woken    atomic.Pointer[chan struct{}] // Closed when it opens; nil while nobody waits for that.
}

func (b *breaker) isOpen() bool { return b.opened.Load() }

func (b *breaker) succeeded() {
	if b.failures.Load() != 0 {
		b.failures.Store(0)
	}
}

func (b *breaker) failed() {
	if b.failures.Add(1) >= failuresMost {
		b.open()
	}
}

// open lets no call through, and wakes who waits for that.
func (b *breaker) open() {
	if b.opened.Swap(true) {
		return
	}
	b.breaks.Add(1)
	if w := b.woken.Swap(nil); w != nil {
		close(*w)
	}
}

func (b *breaker) close() {
	b.failures.Store(0)
	b.opened.Store(false)
}

// wait returns a channel that is closed when the breaker opens, or is open already.
func (b *breaker) wait() <-chan struct{} {
	c := make(chan struct{})
	b.woken.Store(&c)
	if b.isOpen() {
		if w := b.woken.Swap(nil); w != nil {
			close(*w)
		}
	}
	return c
}

// watch connects, looks after the server, and closes the breaker when it answers, until ctx ends.
func (s *Store) watch(ctx context.Context) {
	tries := 0
	for {
		wait, opens := lookEvery, s.breaker.wait()
		if s.breaker.isOpen() {
			wait, opens = backoff(tries), nil
		}
		if tries > 0 || !s.breaker.isOpen() {
			if !pause(ctx, wait, opens) {
				return
			}
		}
		err := s.look(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if tries == 0 {
				s.options.Log.ErrorContext(ctx, "the server of the limits is away: limits fail as their documents say", "error", err)
			}
			tries++
			s.breaker.open()
			s.hangUp()
		case s.breaker.isOpen():
			s.options.Log.InfoContext(ctx, "the server of the limits answers", "tries", tries)
			tries = 0
			s.breaker.close()
		default:
			tries = 0
		}
	}
}

// pause waits for a while, or until opens is closed; false when ctx has ended.
func pause(ctx context.Context, d time.Duration, opens <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-opens:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

// look connects where nothing is connected, and asks the server whether it answers, as calls will.
func (s *Store) look(ctx context.Context) error {
	client := s.client.Load()
	if client == nil {
		made, err := rueidis.NewClient(s.options.Address.options)
		if err != nil {
			return err
		}
		s.script.renew()
		if err := s.probe(ctx, made, lookLimit); err != nil { // It takes the script in.
			made.Close()
			return err
		}
		client = &made
		s.client.Store(client)
	}
	return s.probe(ctx, *client, s.options.Timeout)
}

// hangUp ends all connections: after a server has gone, none of them is of use, and each would tell so to one more call.
func (s *Store) hangUp() {
	if c := s.client.Swap(nil); c != nil {
		(*c).Close()
	}
}

// probe spends from a bucket that lasts for a millisecond: a server may answer and yet write nothing, or run no scripts.
func (s *Store) probe(ctx context.Context, client rueidis.Client, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var c call
	window := limiter.Window{Limit: 1, Per: time.Microsecond}
	c.tell(s.options.Address.namespace, &asked{charges: []ratelimit.Charge{{Window: window, Cost: 1}}, hashes: make([]hash, 1)}, &s.borders, 0)
	b := batch{calls: []*call{&c}, args: make([]string, 1)}
	b.fill(s.clock(), 0)
	return s.script.run(ctx, client, b.keys, b.args).Error()
}

// backoff returns how long to wait after a number of failures in a row: twice as long each time, half of it left to chance.
func backoff(tries int) time.Duration {
	const doublings = 10
	most := min(retryFirst<<min(tries, doublings), retryMost)
	return most/2 + time.Duration(rand.Int64N(int64(most/2)+1)) //nolint:gosec // Nothing is to be guessed.
}
