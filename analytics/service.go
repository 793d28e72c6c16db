package analytics

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	"google.golang.org/grpc"
)

// Options of a Service.
type Options struct {
	Log *slog.Logger     // nil: nothing is logged.
	Now func() time.Time // The clock, by which the idlest rollups are found; nil: time.Now.
	// MaxSeries bounds the rollups; 0: 20,000. One takes 1.6 KB after 100 requests of one API (32 MB for 20,000), and at
	// most 20 KB when its latencies are spread evenly from 10 us to 24 h.
	MaxSeries int
	// Step is in which steps the last minutes of each node are kept; 0: 10 s.
	Step time.Duration
	// Recent is how long they are kept; 0: 10 min. With both as they are by default a busy node takes 125 KB.
	Recent time.Duration
	// RecentNodes bounds of how many nodes; 0: 1,000. Beyond it the one that said nothing for longest is forgotten.
	RecentNodes int
	// Linger is how long a stream still takes what was on its way when Stop was called; 0: 100 ms.
	Linger time.Duration
	// Records gets each batch's records, in the order of their stream, after they were counted; nil: nobody does. It is
	// called by many streams at once, holds up its stream while it runs, and must not keep the slice.
	Records func([]Record)
	// Caller tells which node a stream comes from where its connection proves it; then nothing that the stream says of itself
	// counts. nil: no connection does.
	Caller func(context.Context) (fleet, node string, known bool)
}

// Service receives the access logs of the Envoys (gRPC envoy.service.accesslog.v3.AccessLogService) and answers queries
// about them. Its methods may be called by many at once.
type Service struct {
	alsv3.UnimplementedAccessLogServiceServer

	log      *slog.Logger
	now      func() time.Time
	linger   time.Duration
	records  func([]Record)
	caller   func(context.Context) (fleet, node string, known bool)
	table    atomic.Pointer[Table]
	rollups  *rollups
	hours    *hours
	recent   *recent
	counters *counters

	received, ignored, unrouted, failed atomic.Uint64
	streams                             atomic.Uint64 // Streams opened so far.
	open                                atomic.Int64

	mu      sync.Mutex // Guards stopped and additions to running.
	stopped bool
	peersMu sync.Mutex
	peers   map[string]*recent // What other processes counted, by their names; by peersMu.

	stopping chan struct{}
	running  sync.WaitGroup
}

// New returns a Service that knows no names yet. It fails only for a MaxSeries below 16, which folding cannot reach.
func New(o Options) (*Service, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Caller == nil {
		o.Caller = func(context.Context) (string, string, bool) { return "", "", false }
	}
	if o.MaxSeries == 0 {
		o.MaxSeries = 20_000
	}
	if o.Linger == 0 {
		o.Linger = 100 * time.Millisecond
	}
	if o.MaxSeries < 2*classes {
		return nil, fmt.Errorf("keep at most %d rollups: at least %d are needed", o.MaxSeries, 2*classes)
	}
	r, err := newRollups(o.MaxSeries)
	if err != nil {
		return nil, err
	}
	last, err := newRecent(cmp.Or(o.Step, 10*time.Second), cmp.Or(o.Recent, 10*time.Minute), cmp.Or(o.RecentNodes, 1000))
	if err != nil {
		return nil, fmt.Errorf("make the bins of latency sketches: %w", err)
	}
	s := &Service{
		log: o.Log, now: o.Now, linger: o.Linger, records: o.Records, caller: o.Caller,
		rollups: r, hours: newHours(), recent: last, peers: map[string]*recent{}, counters: newCounters(), stopping: make(chan struct{}),
	}
	s.table.Store(&Table{})
	return s, nil
}

// Use makes a table the one by which later entries are counted. It cannot fail. A nil table knows no names.
func (s *Service) Use(t *Table) {
	if t == nil {
		t = &Table{}
	}
	s.table.Store(t)
}

// Figures adds up what nodes of a fleet reported in the last minutes, span by span, in whole steps (Options.Step) that began
// within a span. Records count when they arrive, up to Envoy's flush interval after the request. What is older than
// Options.Recent, or from before this process, is not known. What other processes counted (Learn) is added.
func (s *Service) Figures(fleet string, spans []Span) Figures {
	return s.figures(fleet, spans)
}

// Stop ends all streams: each takes what arrives within Options.Linger, counts it, and ends with status OK. New streams are
// refused with UNAVAILABLE. It returns when all have ended, or the context's error. To be called before the gRPC server's
// GracefulStop, which waits for streams that no Envoy would end by itself.
func (s *Service) Stop(ctx context.Context) error {
	s.mu.Lock()
	if !s.stopped {
		s.stopped = true
		close(s.stopping)
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d access log streams to end: %w", s.open.Load(), ctx.Err())
	}
}

// enter counts a stream in, unless the service is stopping.
func (s *Service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return false
	}
	s.running.Add(1)
	s.open.Add(1)
	return true
}

func (s *Service) leave() {
	s.open.Add(-1)
	s.running.Done()
}

// Register makes a gRPC server hand access logs to this Service. The server must have the Codec of internal/wire.
func (s *Service) Register(r grpc.ServiceRegistrar) { alsv3.RegisterAccessLogServiceServer(r, s) }
