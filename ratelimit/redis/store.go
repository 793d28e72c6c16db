package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

const (
	// DefaultTimeout is how long a call waits where Options say nothing.
	DefaultTimeout = 50 * time.Millisecond
	// remembered is how long a call is known by its id, as in ratelimit.Service.
	remembered = 10 * time.Second
	// keep is how much longer than needed a key stays: the server expires keys by another reading of its clock.
	keep = time.Second
	// maxUnderWay bounds how many calls wait at a time: 20,000 a second that all wait for the whole default timeout.
	maxUnderWay = 1000
)

// ErrAway tells that the server does not answer, and that nothing was asked of it.
var ErrAway = errors.New("the server of the limits does not answer")

// Options of a Store.
type Options struct {
	Address Address
	Timeout time.Duration // Of one call; 0: DefaultTimeout.
	Log     *slog.Logger  // Told when the server goes and when it is back; nil: nobody is told.
}

// Store is a ratelimit.Store in Redis. Close ends it.
type Store struct {
	options Options
	script  *script
	client  atomic.Pointer[rueidis.Client] // nil until the first connection.
	breaker breaker
	gather  gatherer
	keep    time.Duration
	clock   func() int64 // The time for the script, in microseconds; 0: it reads the server's own.
	began   time.Time    // What the store's own time counts from.
	free    sync.Pool    // Of calls.
	borders borders

	refusals  refusals
	unsure    callSet // Of which it is not known whether they have spent.
	leases    leases
	fromLease callSet // Which have spent here from limits with a lease.

	cancel context.CancelFunc // nil until Start.
	done   chan struct{}

	failed, refused, batches, calls, refusedHere, spentHere, returned atomic.Uint64
}

// New returns a Store; until Start its server is away.
func New(o Options) *Store { return newStore(o, keep, func() int64 { return 0 }) }

func newStore(o Options, keep time.Duration, clock func() int64) *Store {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		options: o, script: newScript(), keep: keep, clock: clock, began: realTime(), done: make(chan struct{}),
	}
	s.free.New = func() any { return &call{done: make(chan struct{}, 1)} }
	s.breaker.opened.Store(true) // Until it is connected.
	return s
}

// realTime is what deadlines are in, and what passes while the server says nothing. Tests move the script's time.
func realTime() time.Time { return time.Now() } //nolint:forbidigo // As above.

// now is the store's own time, which never runs backwards.
func (s *Store) now() time.Duration { return realTime().Sub(s.began) }

// passing is the time by which is told how long ago the server said something.
func (s *Store) passing() time.Duration {
	if at := s.clock(); at != 0 {
		return time.Duration(at) * time.Microsecond
	}
	return s.now()
}

// wall is the time since the epoch by which the script is told of calendars.
func (s *Store) wall() time.Duration {
	if at := s.clock(); at != 0 {
		return time.Duration(at) * time.Microsecond
	}
	return time.Duration(realTime().UnixNano())
}

// Start connects in the background, and again whenever the server is back: a server that is away is no error. It is called
// once.
func (s *Store) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.startSenders()
	go func() {
		defer close(s.done)
		var leases sync.WaitGroup
		leases.Go(func() { s.keepLeases(ctx) })
		s.watch(ctx)
		leases.Wait()
	}()
}

// Close gives back what was borrowed and ends the store. Calls under way fail.
func (s *Store) Close() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	<-s.done
	s.breaker.opened.Store(true)
	s.stopSenders()
	s.hangUp()
}

// Spend spends all charges or none. An error is about the server. It comes within Options.Timeout and by the deadline of ctx; that
// ctx is cancelled is not looked at.
func (s *Store) Spend(ctx context.Context, charges []ratelimit.Charge, results []limiter.Result) (bool, error) {
	var few [4]hash
	a := asked{hashes: few[:0], charges: charges, results: results}
	ok, _, err := s.spend(ctx, &a)
	return ok, err
}

// SpendOnce is Spend for a call of which all who share the store know that it has spent: it spends once within 10 s, and then
// only looks.
func (s *Store) SpendOnce(ctx context.Context, id ratelimit.CallID, charges []ratelimit.Charge, results []limiter.Result) (ok, again bool, err error) {
	var few [4]hash
	a := asked{hashes: few[:0], once: true, id: id, charges: charges, results: results}
	return s.spend(ctx, &a)
}

// Counts are what a Store did. The numbers only grow.
type Counts struct {
	Up          bool   // The server answers.
	Failed      uint64 // Calls that failed, or waited for too long.
	Refused     uint64 // Calls that were not made, as the server was known to be away or too many waited.
	Breaks      uint64 // Times that it went away.
	Calls       uint64 // Calls that went to the server.
	Batches     uint64 // Runs of the script, each for all calls that came meanwhile.
	RefusedHere uint64 // Calls that were refused without asking, as the server was known to refuse them.
	SpentHere   uint64 // Calls that were admitted without asking, from what was borrowed.
	Returned    uint64 // What was borrowed, not spent, and given back.
	Leases      uint64 // Of how many buckets something is borrowed now.
}

// Counts returns what was counted until now.
func (s *Store) Counts() Counts {
	return Counts{
		Up: !s.breaker.isOpen(), Failed: s.failed.Load(), Refused: s.refused.Load(), Breaks: s.breaker.breaks.Load(),
		Calls: s.calls.Load(), Batches: s.batches.Load(), RefusedHere: s.refusedHere.Load(),
		SpentHere: s.spentHere.Load(), Returned: s.returned.Load(), Leases: uint64(max(s.leases.held.Load(), 0)), //nolint:gosec // At least 0.
	}
}

// Reset forgets what was spent from some buckets.
func (s *Store) Reset(ctx context.Context, keys [][]byte) error {
	client := s.client.Load()
	if client == nil || s.breaker.isOpen() {
		return ErrAway
	}
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	for _, key := range keys {
		h := hashOf(key)
		err := (*client).Do(ctx, (*client).B().Del().Key(bucketKey(s.options.Address.namespace, h)).Build()).Error()
		s.leases.forget(h)
		s.refusals.forget(h, true) // Also where it is not known whether it did.
		if err != nil {
			return fmt.Errorf("ask the server of the limits: %w", err)
		}
	}
	return nil
}
