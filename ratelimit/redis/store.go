package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
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
	slots   chan struct{}
	keep    time.Duration
	clock   func() string // The time for the script; "": it reads the server's own.

	cancel context.CancelFunc // nil until Start.
	done   chan struct{}

	failed, refused atomic.Uint64
}

// New returns a Store; until Start its server is away.
func New(o Options) *Store { return newStore(o, keep, func() string { return "" }) }

func newStore(o Options, keep time.Duration, clock func() string) *Store {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		options: o, script: rueidis.NewLuaScript(spendScript), slots: make(chan struct{}, maxUnderWay), keep: keep, clock: clock,
		done: make(chan struct{}),
	}
	s.breaker.opened.Store(true) // Until it is connected.
	return s
}

// Start connects in the background, and again whenever the server is back: a server that is away is no error. It is called
// once.
func (s *Store) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
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
	if c := s.client.Swap(nil); c != nil {
		(*c).Close()
	}
}

// Spend spends all charges or none. An error is about the server, and comes within Options.Timeout.
func (s *Store) Spend(ctx context.Context, charges []ratelimit.Charge, results []limiter.Result) (bool, error) {
	ok, _, err := s.run(ctx, newBatch(s.options.Address.namespace, s.clock(), s.keep, 0, charges), results)
	return ok, err
}

// SpendOnce is Spend for a call of which all who share the store know that it has spent: it spends once within 10 s, and then
// only looks.
func (s *Store) SpendOnce(ctx context.Context, id ratelimit.CallID, charges []ratelimit.Charge, results []limiter.Result) (ok, again bool, err error) {
	b := newBatch(s.options.Address.namespace, s.clock(), s.keep, remembered, charges)
	return s.run(ctx, b.call(s.options.Address.namespace, id), results)
}

func (s *Store) run(ctx context.Context, b batch, results []limiter.Result) (ok, again bool, err error) {
	client := s.client.Load()
	if client == nil || s.breaker.isOpen() {
		s.refused.Add(1)
		return false, false, ErrAway
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		s.refused.Add(1)
		return false, false, fmt.Errorf("%w: %d calls wait already", ErrAway, maxUnderWay)
	}
	bounded, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	ok, again, err = read(s.script.Exec(bounded, *client, b.keys, b.args), results)
	switch {
	case err == nil:
		s.breaker.succeeded()
	case errors.Is(ctx.Err(), context.Canceled): // Who asked has gone; nothing is known about the server.
	default:
		s.failed.Add(1)
		s.breaker.failed()
		err = fmt.Errorf("ask the server of the limits: %w", err)
	}
	return ok, again, err
}

// Counts are what a Store did. The numbers only grow.
type Counts struct {
	Up      bool   // The server answers.
	Failed  uint64 // Calls that failed, or waited for too long.
	Refused uint64 // Calls that were not made, as the server was known to be away.
	Breaks  uint64 // Times that it went away.
}

// Counts returns what was counted until now.
func (s *Store) Counts() Counts {
	return Counts{Up: !s.breaker.isOpen(), Failed: s.failed.Load(), Refused: s.refused.Load(), Breaks: s.breaker.breaks.Load()}
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
		if err := (*client).Do(ctx, (*client).B().Del().Key(bucketKey(s.options.Address.namespace, key)).Build()).Error(); err != nil {
			return fmt.Errorf("ask the server of the limits: %w", err)
		}
	}
	return nil
}
