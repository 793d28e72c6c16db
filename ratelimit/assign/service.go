package assign

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	rlqsv3 "github.com/envoyproxy/go-control-plane/envoy/service/rate_limit_quota/v3"
	"google.golang.org/grpc"

	"github.com/gatehouse/gatehouse/ratelimit/share"
)

const (
	// Life is how long an Envoy keeps an assignment that is not renewed: four of its reports. It is known only a report later that
	// an assignment has arrived, and one report may meet a daemon that is being restarted.
	Life = 20 * time.Second
	// reportInterval is how often Envoys report, whatever they are told (rate_limit_quota in Envoy 1.40); a little less, as no two
	// clocks agree.
	reportInterval = 4500 * time.Millisecond
	// margin is how long an assignment may be on its way, which is a second, and how long a renewal may stand in no book.
	margin    = time.Second + unwritten
	unwritten = 2 * time.Second

	gather     = 50 * time.Millisecond // Reports that come within it are worked off together.
	maxEvents  = 1024                  // Messages that wait for that.
	maxStreams = 10_000
	maxBuckets = 2_000 // Of one message.
	silence    = 30 * time.Second
)

// Options of a Service.
type Options struct {
	Log *slog.Logger
	Now func() time.Time
	// Book keeps what is assigned.
	Book Book
	// Shared tells that other replicas divide by the same Book: while it cannot be used, nothing is assigned and nothing renewed.
	// Otherwise this process goes on by what it knows.
	Shared bool
	// Caller tells which fleet a stream's Envoy is of, where its connection proves one. nil: none does.
	Caller func(context.Context) (fleet string, known bool, err error)
}

// Service answers envoy.service.rate_limit_quota.v3.RateLimitQuotaService. Its methods are safe for concurrent use.
type Service struct {
	rlqsv3.UnimplementedRateLimitQuotaServiceServer
	options Options
	owner   string // This process.
	events  chan event
	table   atomic.Pointer[Table]
	streams atomic.Int64
	counts  counts
	refused atomic.Uint64 // Streams.
	unknown atomic.Uint64 // Buckets reported that no limit of the fleet has.
	away    atomic.Uint64 // Times that the book could not be used.
	tell    atomic.Pointer[[]Count]

	mu      sync.Mutex
	cancel  context.CancelFunc
	done    chan struct{}
	closing context.Context // Ends when streams are to end.
	close   context.CancelFunc
}

// New returns a Service that knows no limits yet and divides nothing before Start.
func New(o Options) *Service {
	s := &Service{options: o, owner: rand.Text(), events: make(chan event, maxEvents)}
	s.closing, s.close = context.WithCancel(context.Background())
	s.table.Store(&Table{})
	s.counts.all = map[label]*counter{}
	return s
}

// Register makes a gRPC server answer streams of reports by this Service.
func (s *Service) Register(r grpc.ServiceRegistrar) { rlqsv3.RegisterRateLimitQuotaServiceServer(r, s) }

// Use divides by Tables from now on, the newest last: those before it are of revisions that some Envoys still run. A limit that
// has another number in a newer one has it for all Envoys at once, as all together enforce it.
func (s *Service) Use(tables ...*Table) {
	all := &Table{limits: map[bucket]*limit{}}
	for _, t := range tables {
		maps.Copy(all.limits, t.limits)
	}
	s.table.Store(all)
}

// Start lets the service divide until Stop.
func (s *Service) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan struct{})
	w := &worker{service: s, last: map[held]*stream{}}
	go func() {
		defer close(s.done)
		w.run(ctx)
	}()
}

// Stop ends what Start began, and all streams. Envoys keep what they have, and open others where somebody answers.
func (s *Service) Stop() {
	s.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel != nil {
		s.cancel()
		<-s.done
		s.cancel = nil
	}
}

func settings() share.Settings {
	return share.Settings{Life: Life, Interval: reportInterval, Margin: margin}
}
