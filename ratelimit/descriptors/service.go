package descriptors

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// Options of a Service.
type Options struct {
	Store ratelimit.Store
	Log   *slog.Logger
	Now   func() time.Time // Tells how much of a window is left where the store does not.

	Shadow   bool     // Every call is let through; the descriptors tell which limits were reached.
	Quota    bool     // Every limit is in quota mode.
	Metadata bool     // Answers bring what was asked, and which quotas were reached, as dynamic metadata.
	Headers  *Headers // nil: answers bring no headers.
	Near     float64  // From which part of a limit on hits count as near; 0: 0.8.
}

// Headers are names of response headers that tell how the limit stands of which least remains.
type Headers struct{ Limit, Remaining, Reset string }

// modes are those of the whole service.
type modes struct{ shadow, quota bool }

// Service answers envoy.service.ratelimit.v3.RateLimitService by a Config. Its methods are safe for concurrent use.
type Service struct {
	options  Options
	config   atomic.Pointer[Config]
	counters *counters
	works    sync.Pool

	calls, invalid, strange, away, failed, shadow atomic.Uint64
}

// New returns a Service without rules: until Use it answers UNAVAILABLE.
func New(o Options) *Service {
	if o.Near <= 0 {
		o.Near = 0.8
	}
	s := &Service{options: o, counters: newCounters()}
	s.works.New = func() any { return &work{} }
	return s
}

// Use answers by a Config from now on. What was spent stays spent, and what was counted stays counted for rules that stay. No other Service may use
// the Config.
func (s *Service) Use(c *Config) {
	s.counters.use(c.limits)
	s.config.Store(c)
}

// Config returns what Use was given last; nil: nothing yet.
func (s *Service) Config() *Config { return s.config.Load() }

// Counts returns what was counted until now, series in the order of their names.
func (s *Service) Counts() Counts {
	return Counts{
		Calls: s.calls.Load(), Invalid: s.invalid.Load(), Strange: s.strange.Load(), Away: s.away.Load(), Failed: s.failed.Load(),
		Shadow: s.shadow.Load(), Series: s.counters.counts(),
	}
}

// Register makes a gRPC server answer rate limit calls by this Service.
func (s *Service) Register(r grpc.ServiceRegistrar) { rlsv3.RegisterRateLimitServiceServer(r, s) }

// ShouldRateLimit spends what the descriptors of a request ask for. The limits that may refuse it are spent all or none; those in shadow and
// quota mode where it is let through; refunds, and descriptors with hits_addend of their own, in any case. A request without sense
// is INVALID_ARGUMENT; a store that is away and a defect of ours are UNAVAILABLE. Both leave the decision to Envoy's failure mode.
func (s *Service) ShouldRateLimit(ctx context.Context, req *rlsv3.RateLimitRequest) (resp *rlsv3.RateLimitResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.failed.Add(1)
			s.options.Log.ErrorContext(ctx, "rate limit call failed", "panic", p, "stack", string(debug.Stack()))
			resp, err = nil, status.Error(codes.Unavailable, "internal error")
		}
	}()
	s.calls.Add(1)
	w, _ := s.works.Get().(*work)
	resp, err = s.answer(ctx, req, w)
	s.works.Put(w.emptied()) // Not after a panic: who knows who holds on to it.
	return resp, err
}

func (s *Service) answer(ctx context.Context, req *rlsv3.RateLimitRequest, w *work) (*rlsv3.RateLimitResponse, error) {
	config := s.config.Load()
	if config == nil {
		s.invalid.Add(1)
		return nil, status.Error(codes.Unavailable, "no limits are loaded")
	}
	global := modes{shadow: s.options.Shadow, quota: s.options.Quota}
	if err := w.read(config, s.counters, global, req); err != nil {
		s.invalid.Add(1)
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if w.strange {
		s.strange.Add(1)
	}
	if len(w.charges) > 0 {
		w.results = append(w.results, make([]limiter.Result, len(w.charges))...)
		if _, err := s.options.Store.Spend(ctx, w.charges, w.results); err != nil {
			s.away.Add(1)
			return nil, status.Error(codes.Unavailable, fmt.Sprintf("the store of limits is away: %v", err))
		}
	}
	return s.respond(req, w), nil
}
