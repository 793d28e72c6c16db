// Package introspect asks issuers about tokens that say nothing by themselves (RFC 7662), and remembers what they said.
//
// In: an Endpoint, made from an Issuer's document, and the token that a request shows. Out: an Answer, from memory or from the
// issuer, or an error that says that nobody knows now. Calls about one token at one time are one call; an issuer that fails is
// left alone for a while; what is remembered is bounded in number and in bytes, and forgotten in time.
package introspect

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	// rememberedBytes bounds what is remembered of all issuers, by the bytes of their answers.
	rememberedBytes = 64 << 20
	// entryBytes is what an answer costs beside its bytes.
	entryBytes = 256
	// backwards is how far the clock may go back before what was remembered is doubted.
	backwards = 5 * time.Second
	// logEvery and logBurst bound the log of failing calls.
	logEvery = time.Second
	logBurst = 5
)

// ErrAway says that the issuer could not be asked, or gave no answer that can be read. It is not about the token.
var ErrAway = errors.New("the issuer gives no answer")

// Options are the settings of a Client. Logger and Secret must be set.
type Options struct {
	Logger *slog.Logger
	Secret func(reference string) (string, error) // Resolves "env:NAME" and "file:PATH"; asked before each call.
	Now    func() time.Time                       // nil: time.Now.
}

// Client asks issuers. It is safe for any number of goroutines.
type Client struct {
	secret  func(string) (string, error)
	now     func() time.Time
	logger  *slog.Logger
	logged  *rate.Limiter
	answers *otter.Cache[[sha256.Size]byte, remembered]
	calls   singleflight.Group
	issuers issuers
	counted struct{ remembered, answered, failed, refused atomic.Uint64 }

	base   context.Context // Of the calls, which outlive the requests that made them necessary.
	cancel context.CancelFunc
	closed sync.Mutex // Guards the adding to running against Close.
	active sync.WaitGroup
}

// Counts are what a Client has done since it was made. Every number only grows.
type Counts struct {
	Remembered uint64 // Answers from memory.
	Answered   uint64 // Calls to issuers that brought an answer.
	Failed     uint64 // Calls that brought no answer.
	Refused    uint64 // Questions not put to an issuer, as it failed before or has too many open.
}

// Answer is what an issuer said of a token.
type Answer struct {
	Active bool             // It is good: active, within its time, of this issuer and for this audience.
	Claims *structpb.Struct // All members of the answer, not to be changed; nil where Active is false.
}

// remembered is an answer and when it counts.
type remembered struct {
	answer      Answer
	from, until time.Time
	weight      uint32
}

// New returns a Client, which has asked nobody yet.
func New(o Options) (*Client, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	answers, err := otter.New(&otter.Options[[sha256.Size]byte, remembered]{
		MaximumWeight: rememberedBytes,
		Weigher:       func(_ [sha256.Size]byte, r remembered) uint32 { return r.weight },
	})
	if err != nil {
		return nil, err
	}
	c := &Client{secret: o.Secret, now: o.Now, logger: o.Logger, logged: rate.NewLimiter(rate.Every(logEvery), logBurst), answers: answers}
	c.issuers.byID = map[string]*issuer{}
	c.base, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the calls that are under way and waits for them. Who asks after that learns that the issuer is away.
func (c *Client) Close() {
	c.closed.Lock()
	c.cancel()
	c.closed.Unlock()
	c.active.Wait()
	c.issuers.close()
}

// Counts returns what was counted up to now.
func (c *Client) Counts() Counts {
	return Counts{
		Remembered: c.counted.remembered.Load(), Answered: c.counted.answered.Load(),
		Failed: c.counted.failed.Load(), Refused: c.counted.refused.Load(),
	}
}

// Recall returns what is remembered of a token; ok is false where that is nothing.
func (c *Client) Recall(of *Endpoint, token string) (a Answer, ok bool) {
	return c.recall(of.key(token))
}

func (c *Client) recall(key [sha256.Size]byte) (Answer, bool) {
	r, ok := c.answers.GetIfPresent(key)
	now := c.now()
	if !ok || !now.Before(r.until) || now.Before(r.from.Add(-backwards)) {
		return Answer{}, false
	}
	c.counted.remembered.Add(1)
	return r.answer, true
}

// Ask returns what is remembered of a token, or what its issuer says of it. The error is ErrAway where nobody knows, or that of
// ctx, which bounds the wait alone: the call goes on within its own time, and what it brings is remembered.
func (c *Client) Ask(ctx context.Context, of *Endpoint, token string) (Answer, error) {
	key := of.key(token)
	if a, ok := c.recall(key); ok {
		return a, nil
	}
	from := c.issuers.get(of, c.now())
	result := c.calls.DoChan(string(key[:]), func() (any, error) {
		if !c.begin() {
			return Answer{}, ErrAway
		}
		defer c.active.Done()
		return c.ask(from, key, token)
	})
	select {
	case r := <-result:
		a, _ := r.Val.(Answer)
		return a, r.Err
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// begin reports whether a call may begin, and counts it among those that Close waits for.
func (c *Client) begin() bool {
	c.closed.Lock()
	defer c.closed.Unlock()
	if c.base.Err() != nil {
		return false
	}
	c.active.Add(1)
	return true
}

// ask puts a question to an issuer and remembers its answer.
func (c *Client) ask(from *issuer, key [sha256.Size]byte, token string) (Answer, error) {
	if a, ok := c.recall(key); ok { // Another call has brought it meanwhile.
		return a, nil
	}
	if !from.enter(c.now()) {
		c.counted.refused.Add(1)
		return Answer{}, ErrAway
	}
	claims, size, err := c.call(from, token)
	now := c.now()
	if err != nil {
		c.counted.failed.Add(1)
		c.tell(from, from.leave(now, false), err)
		return Answer{}, ErrAway
	}
	c.counted.answered.Add(1)
	c.tell(from, from.leave(now, true), nil)
	a, until := from.endpoint.judge(claims, now)
	c.answers.Set(key, remembered{answer: a, from: now, until: until, weight: uint32(size + entryBytes)})
	return a, nil
}

// tell logs a failure, at most a few times a second, and that an issuer is left alone or answers again.
func (c *Client) tell(from *issuer, turned bool, err error) {
	switch {
	case err == nil && turned:
		c.logger.Info("introspection works again", "issuer", from.endpoint.Issuer)
	case turned:
		c.logger.Error("introspection fails, the issuer is left alone for a while", "issuer", from.endpoint.Issuer, "error", err)
	case err != nil && c.logged.AllowN(c.now(), 1):
		c.logger.Warn("introspection failed", "issuer", from.endpoint.Issuer, "error", err)
	}
}
