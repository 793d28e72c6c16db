package cache

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Settings are a Server's bounds and surroundings. A zero field takes the default named beside it.
type Settings struct {
	Log *slog.Logger     // nowhere
	Now func() time.Time // time.Now; for what Nodes shows and how long it is kept
	// Shared says that the gRPC server was made with ServerOption.
	Shared bool

	// Changed is told the fleet whenever one of its nodes connected, disconnected, acknowledged all that it should have, or
	// refused something: that Fleet may answer otherwise now. It is called from many goroutines and must return at once.
	Changed func(fleet string) // nobody

	// Identity tells from a stream's context which node of which fleet its connection proves to be, by its certificate; false
	// if the connection proves nothing, and the node's own word is believed.
	Identity func(ctx context.Context) (fleet, node string, ok bool) // proves nothing

	Barrier     time.Duration // 2 s; how long routes wait for all clusters to be acknowledged, and with it warm
	Patience    time.Duration // 15 s; how long a route that serves waits to be moved to a cluster that is not warm, and removals for the acknowledgement of routes
	Grace       time.Duration // 5 s; how long what no route uses any more stays, for the requests that are under way
	MaxAge      time.Duration // 30 min, more or less a tenth; how long a stream lasts, so that nodes spread over servers; below 0: for ever
	SendTimeout time.Duration // 10 s; a node that does not read a response within it is disconnected
	Hello       time.Duration // 10 s; within it a new stream must say who it is
	Nodes       int           // 10,000; how many nodes are known at a time, with those kept after they disconnected
	Keep        time.Duration // 1 h; how long a disconnected node stays known
	Names       int           // 100,000; how many resource names a node may ask for, by type
}

// withDefaults fills what is not set.
func (s Settings) withDefaults() Settings {
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Changed == nil {
		s.Changed = func(string) {}
	}
	if s.Identity == nil {
		s.Identity = func(context.Context) (string, string, bool) { return "", "", false }
	}
	for _, d := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&s.Barrier, 2 * time.Second},
		{&s.Patience, 15 * time.Second},
		{&s.Grace, 5 * time.Second},
		{&s.SendTimeout, 10 * time.Second},
		{&s.Hello, 10 * time.Second},
		{&s.Keep, time.Hour},
	} {
		if *d.field <= 0 {
			*d.field = d.fallback
		}
	}
	if s.MaxAge == 0 {
		s.MaxAge = 30 * time.Minute
	}
	if s.Nodes <= 0 {
		s.Nodes = 10_000
	}
	if s.Names <= 0 {
		s.Names = 100_000
	}
	return s
}

// Server serves snapshots to Envoys over delta ADS, and knows what each has accepted. It is safe for use by many
// goroutines. It implements discoveryv3.AggregatedDiscoveryServiceServer.
type Server struct {
	settings Settings
	plans    atomic.Pointer[map[string]Plan] // by fleet; the map is never changed
	using    sync.Mutex                      // one Use at a time
	nodes    *registry
	book     *book
	counters counters

	streams  sync.WaitGroup // handlers and their goroutines
	stop     chan struct{}  // closed by Stop
	mu       sync.Mutex     // orders streams.Add against Stop
	stopping bool           // by mu
}

// New returns a Server that has no snapshot yet: nodes that connect wait.
func New(settings Settings) *Server {
	settings = settings.withDefaults()
	s := &Server{settings: settings, nodes: newRegistry(settings.Nodes, settings.Keep), book: newBook(), stop: make(chan struct{})}
	s.plans.Store(&map[string]Plan{})
	return s
}

// Register makes a gRPC server answer ADS by this Server.
func (s *Server) Register(r grpc.ServiceRegistrar) {
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(r, s)
}

// Stop ends all streams with code Unavailable, so that nodes look for another server, and refuses new ones. It returns when
// they have ended, or with the context's error.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.stop)
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.streams.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// enter counts a stream in; false after Stop.
func (s *Server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.streams.Add(1)
	return true
}

// StreamAggregatedResources refuses the state-of-the-world protocol, in which every change would send everything.
func (s *Server) StreamAggregatedResources(discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	return status.Error(codes.FailedPrecondition,
		"gatehouse serves delta xDS only: set api_type: DELTA_GRPC in ads_config of the bootstrap (gatehouse bootstrap writes one)")
}

// DeltaAggregatedResources serves one Envoy until it leaves, stops reading, or the server stops.
func (s *Server) DeltaAggregatedResources(rpc discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	if !s.enter() {
		return status.Error(codes.Unavailable, errStopping.Error())
	}
	defer s.streams.Done()
	ctx, cancel := context.WithCancelCause(rpc.Context())
	defer cancel(nil)
	session, err := s.meet(ctx, cancel, rpc)
	if err != nil {
		s.settings.Log.WarnContext(ctx, "stream refused", "address", addressOf(ctx), "error", err)
		return asStatus(err)
	}
	err = session.run(ctx)
	s.leave(ctx, session, err)
	return asStatus(err)
}

var (
	errStopping = errors.New("gatehouse is stopping")
	errSlow     = errors.New("node did not read a response in time")
	errSilent   = errors.New("stream did not say who it is in time")
	errFull     = errors.New("too many nodes are connected, or too many streams of this one")
	errNode     = errors.New("node is not identified")
	errForeign  = errors.New("node is not who its certificate says")
	errAged     = errors.New("stream has lasted long enough: connect again, to any server")
)

// asStatus turns the end of a stream into what Envoy is told.
func asStatus(err error) error {
	var code codes.Code
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case errors.Is(err, errStopping), errors.Is(err, errAged):
		code = codes.Unavailable
	case errors.Is(err, errSlow), errors.Is(err, errSilent):
		code = codes.DeadlineExceeded
	case errors.Is(err, errFull), errors.Is(err, errTooMuch):
		code = codes.ResourceExhausted
	case errors.Is(err, errNode):
		code = codes.InvalidArgument
	case errors.Is(err, errForeign):
		code = codes.PermissionDenied
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	default:
		return err
	}
	return status.Error(code, err.Error())
}
