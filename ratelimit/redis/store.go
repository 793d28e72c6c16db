package redis

import (
	"context"
	_ "embed"
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

//go:embed spend.lua
var spendScript string

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
	script  *rueidis.Lua
	client  atomic.Pointer[rueidis.Client] // nil until the first connection.
	breaker breaker
	gather  gatherer
	keep    time.Duration
	clock   func() int64 // The time for the script, in microseconds; 0: it reads the server's own.
	began   time.Time    // What the store's own time counts from.
	free    sync.Pool    // Of calls.
	borders borders

	refusals refusals
	unsure   unsure

	cancel context.CancelFunc // nil until Start.
	done   chan struct{}

	failed, refused, batches, calls, refusedHere atomic.Uint64
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
		options: o, script: rueidis.NewLuaScript(spendScript), keep: keep, clock: clock, began: time.Now(), done: make(chan struct{}),
	}
	s.free.New = func() any { return &call{done: make(chan struct{}, 1)} }
	s.breaker.opened.Store(true) // Until it is connected.
	return s
}

// now is the store's own time, which never runs backwards.
func (s *Store) now() time.Duration { return time.Since(s.began) }

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
	return time.Duration(time.Now().UnixNano())
}

// Start connects in the background, and again whenever the server is back: a server that is away is no error. It is called
// once.
func (s *Store) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.startSenders()
	go func() {
		defer close(s.done)
		s.watch(ctx)
	}()
}

// Close ends the store. Calls under way fail.
func (s *Store) Close() {
	if s.cancel == nil {
		return
	}
	s.cancel()
	<-s.done
	s.breaker.opened.Store(true)
	s.stopSenders()
	if c := s.client.Swap(nil); c != nil {
		(*c).Close()
	}
}

// Spend spends all charges or none. An error is about the server. It comes within Options.Timeout and by the deadline of ctx; that
// ctx is cancelled is not looked at.
func (s *Store) Spend(ctx context.Context, charges []ratelimit.Charge, results []limiter.Result) (bool, error) {
	ok, _, err := s.spend(ctx, &asked{charges: charges, results: results})
	return ok, err
}

// SpendOnce is Spend for a call of which all who share the store know that it has spent: it spends once within 10 s, and then
// only looks.
func (s *Store) SpendOnce(ctx context.Context, id ratelimit.CallID, charges []ratelimit.Charge, results []limiter.Result) (ok, again bool, err error) {
	return s.spend(ctx, &asked{once: true, id: id, charges: charges, results: results})
}

// asked is one call as the store sees it.
type asked struct {
	once    bool
	id      ratelimit.CallID
	charges []ratelimit.Charge
	hashes  []hash
	results []limiter.Result
	borrow  []int64 // What may be spent beyond each cost; nil: nothing. Filled with what was.
}

func (s *Store) spend(ctx context.Context, a *asked) (ok, again bool, err error) {
	if len(a.charges) > chargesMost {
		return false, false, fmt.Errorf("%d charges in one call, at most %d are allowed", len(a.charges), chargesMost)
	}
	var few [4]hash
	a.hashes = few[:0]
	gives := false
	for i := range a.charges {
		a.hashes = append(a.hashes, hashOf(a.charges[i].Key))
		gives = gives || a.charges[i].Cost < 0
	}
	at := s.passing()
	refused, changes := s.refusals.refuse(a.charges, a.hashes, a.results, at)
	if refused && !(a.once && s.unsure.has(a.id)) {
		s.refusedHere.Add(1)
		return false, false, nil
	}
	ok, again, err = s.remote(ctx, a)
	if gives { // Also where it is not known whether it did.
		for i := range a.charges {
			if a.charges[i].Cost < 0 {
				s.refusals.forget(a.hashes[i], true)
			}
		}
	}
	if a.once && (err != nil || s.passing()-at > slow) {
		s.unsure.add(a.id, at)
	}
	if err == nil && !again {
		s.refusals.learn(a.charges, a.hashes, a.results, !ok, at, changes)
	}
	return ok, again, err
}

// remote asks the server.
func (s *Store) remote(ctx context.Context, a *asked) (ok, again bool, err error) {
	if s.breaker.isOpen() {
		s.refused.Add(1)
		return false, false, ErrAway
	}
	c, _ := s.free.Get().(*call)
	c.tell(s.options.Address.namespace, a, &s.borders, s.wall())
	c.results, c.more, c.deadline = a.results, a.borrow, s.deadline(ctx)
	if err := s.ask(c); err != nil {
		return false, false, err // The call is not used again: a sender may still hold it.
	}
	ok, again = c.ok, c.again
	c.reset()
	s.free.Put(c)
	return ok, again, nil
}

// deadline is until when a call may wait.
func (s *Store) deadline(ctx context.Context) time.Duration {
	most := s.now() + s.options.Timeout
	if until, ok := ctx.Deadline(); ok {
		most = min(most, until.Sub(s.began))
	}
	return most
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
}

// Counts returns what was counted until now.
func (s *Store) Counts() Counts {
	return Counts{
		Up: !s.breaker.isOpen(), Failed: s.failed.Load(), Refused: s.refused.Load(), Breaks: s.breaker.breaks.Load(),
		Calls: s.calls.Load(), Batches: s.batches.Load(), RefusedHere: s.refusedHere.Load(),
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
		s.refusals.forget(h, true) // Also where it is not known whether it did.
		if err != nil {
			return fmt.Errorf("ask the server of the limits: %w", err)
		}
	}
	return nil
}
