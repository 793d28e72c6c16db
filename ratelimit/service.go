package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxTables is for how many revisions the service answers: while a rollout goes on or is rolled back, Envoys carry older rules.
const maxTables = 50

// Service answers envoy.service.ratelimit.v3.RateLimitService. Its methods are safe for concurrent use.
type Service struct {
	store    Store
	shared   Rememberer // The same store, where several processes share it: it is asked over a wire.
	local    Store      // What limits are counted by while the store is away, if they say so.
	replicas func() int // How many do the same.
	patience time.Duration
	log      *slog.Logger
	calls    *calls
	top      *top

	using  sync.Mutex // Held by Use.
	tables atomic.Pointer[tables]
	caller Caller
	next   atomic.Pointer[rlsv3.RateLimitServiceClient] // Who keeps the buckets after this process; nil: nobody.

	unknown, strangers, away, failed atomic.Uint64
	works                            sync.Pool
}

// Caller tells for which fleet a call's Envoy may ask, where its connection proves one. The error tells that the call
// contradicts its connection.
type Caller func(context.Context) (fleet string, known bool, err error)

// Ask makes the Service answer an Envoy whose fleet is proven for that fleet's routes alone. It is to be called before the
// first call comes; without it no connection proves anything.
func (s *Service) Ask(caller Caller) { s.caller = caller }

func (s *Service) asker(ctx context.Context) (who asker, err error) {
	if s.caller != nil {
		who.fleet, who.known, err = s.caller(ctx)
	}
	return who, err
}

// New returns a Service that knows no rules yet: until Use it answers UNAVAILABLE. now tells how long calls are remembered, by
// a time that does not run backwards.
func New(store Store, log *slog.Logger, now func() time.Time) *Service {
	s := &Service{store: store, patience: DefaultPatience, log: log, calls: newCalls(now), top: newTop(now)}
	s.shared, _ = store.(Rememberer)
	s.tables.Store(&tables{})
	s.works.New = func() any { return &work{} }
	return s
}

// Use answers by a Table from now on, and goes on answering for the rules of the last 50 revisions.
func (s *Service) Use(t *Table) {
	s.using.Lock()
	defer s.using.Unlock()
	next := tables{t}
	for _, old := range *s.tables.Load() {
		if len(next) < maxTables && !t.replaces(old) {
			next = append(next, old)
		}
	}
	s.tables.Store(&next)
}

// Forward makes the service pass calls on, as they came, once its store says that the buckets have moved: over a connection
// to the service of the process that keeps them now.
func (s *Service) Forward(to grpc.ClientConnInterface) {
	next := rlsv3.NewRateLimitServiceClient(to)
	s.next.Store(&next)
}

// Counts returns what was counted until now, limits in order of their names.
func (s *Service) Counts() Counts {
	c := Counts{Unknown: s.unknown.Load(), Strangers: s.strangers.Load(), Away: s.away.Load(), Failed: s.failed.Load()}
	if live := *s.tables.Load(); len(live) > 0 {
		c.Limits = live[0].counts()
	}
	return c
}

// ShouldRateLimit spends what the request's descriptors ask for, all or nothing. What it does not understand, a store that is
// away and a defect of its own are UNAVAILABLE, so that Envoy's failure mode for the route decides.
func (s *Service) ShouldRateLimit(ctx context.Context, req *rlsv3.RateLimitRequest) (resp *rlsv3.RateLimitResponse, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.failed.Add(1)
			s.log.ErrorContext(ctx, "rate limit call failed", "panic", p, "stack", string(debug.Stack()))
			resp, err = nil, status.Error(codes.Unavailable, "internal error")
		}
	}()
	w, _ := s.works.Get().(*work)
	resp, err = s.answer(ctx, req, w)
	s.works.Put(w.emptied()) // Not after a panic: who knows who holds on to it.
	return resp, err
}

func (s *Service) answer(ctx context.Context, req *rlsv3.RateLimitRequest, w *work) (*rlsv3.RateLimitResponse, error) {
	who, err := s.asker(ctx)
	if err != nil {
		s.strangers.Add(1)
		return nil, status.Error(codes.PermissionDenied, err.Error())
	}
	if err := w.read(*s.tables.Load(), who, req); err != nil {
		s.unknown.Add(1)
		if who.known && w.read(*s.tables.Load(), asker{}, req) == nil {
			s.strangers.Add(1)
		}
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	call, named := callOf(ctx)
	admitted, err := s.settle(ctx, w, call, named)
	if next := s.next.Load(); next != nil && errors.Is(err, ErrMoved) {
		return (*next).ShouldRateLimit(onwards(ctx), req)
	}
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return w.respond(admitted), nil
}

// tables are those of the last revisions, newest first.
type tables []*Table

// asker is who asks: an Envoy of one fleet, where its connection proves that.
type asker struct {
	fleet string
	known bool
}

// find returns the rules of a hash, if they are those of a route of the asker's fleet. The newest table nearly always has them.
func (ts tables) find(hash string, who asker) (*rules, bool) {
	for _, t := range ts {
		if rs, ok := t.rules[hash]; ok && (!who.known || slices.Contains(t.fleets[hash], who.fleet)) {
			return rs, true
		}
	}
	return nil, false
}

// Register makes a gRPC server answer rate limit calls by this Service.
func (s *Service) Register(r grpc.ServiceRegistrar) { rlsv3.RegisterRateLimitServiceServer(r, s) }
