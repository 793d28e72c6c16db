package assign_test

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	rlqsv3 "github.com/envoyproxy/go-control-plane/envoy/service/rate_limit_quota/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit/assign"
)

const patience = 10 * time.Second

// book keeps what is assigned in memory, and can be away.
type book struct {
	mu      sync.Mutex
	state   []byte
	version int64
	away    error
}

func (b *book) Load(context.Context) ([]byte, int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state, b.version, b.away
}

func (b *book) Save(_ context.Context, state []byte, version int64) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away != nil {
		return 0, b.away
	}
	if version != b.version {
		return 0, assign.ErrChanged
	}
	b.state, b.version = state, version+1
	return b.version, nil
}

// fails makes the book unusable, or usable (nil).
func (b *book) fails(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = err
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// revision has one limit of 60 a second, which the fleet edge has.
func revision() *gateway.Revision {
	return &gateway.Revision{ID: "one", Routes: []*gateway.Route{{
		Name: "prices/v1/get", API: "prices", Version: "v1", Operation: "get", Gateway: &gateway.Gateway{Name: "edge", Fleet: "edge"},
		Limits: []gateway.Limit{{
			Name: "all", Scope: "prices/v1", Enforce: gateway.Distributed, Windows: []gateway.Window{{Limit: 60, Per: time.Second}},
		}},
	}}}
}

// replica is a service that answers.
type replica struct {
	*assign.Service
	t    *testing.T
	conn *grpc.ClientConn
}

func start(t *testing.T, b assign.Book, c *clock, shared bool) *replica {
	t.Helper()
	table, faults := assign.Compile(revision())
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	s := assign.New(assign.Options{Log: slog.New(slog.DiscardHandler), Now: c.now, Book: b, Shared: shared})
	s.Use(table)
	s.Start()
	path := filepath.Join(t.TempDir(), "s")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	s.Register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	conn, err := grpc.NewClient("unix:"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		s.Stop()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return &replica{s, t, conn}
}

// proxy is one stream of an Envoy.
type proxy struct {
	t      *testing.T
	stream rlqsv3.RateLimitQuotaService_StreamRateLimitQuotasClient
}

// join opens a stream; says is what it says of which node it is.
func (r *replica) join(says ...string) *proxy {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	r.t.Cleanup(cancel)
	for _, s := range says {
		ctx = metadata.AppendToOutgoingContext(ctx, envoy.HeaderNode, s)
	}
	stream, err := rlqsv3.NewRateLimitQuotaServiceClient(r.conn).StreamRateLimitQuotas(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	return &proxy{r.t, stream}
}

// report reports about a limit; elapsed tells for how long its bucket has been there.
func (p *proxy) report(limit string, elapsed time.Duration, allowed, denied uint64) {
	p.t.Helper()
	if err := p.stream.Send(&rlqsv3.RateLimitQuotaUsageReports{
		Domain: envoy.RateLimitDomain,
		BucketQuotaUsages: []*rlqsv3.RateLimitQuotaUsageReports_BucketQuotaUsage{{
			BucketId:    &rlqsv3.BucketId{Bucket: map[string]string{envoy.BucketScope: "prices/v1", envoy.BucketLimit: limit}},
			TimeElapsed: durationpb.New(elapsed), NumRequestsAllowed: allowed, NumRequestsDenied: denied,
		}},
	}); err != nil {
		p.t.Fatal(err)
	}
}

// hear returns the next thing that it is told.
func (p *proxy) hear() *rlqsv3.RateLimitQuotaResponse_BucketAction {
	p.t.Helper()
	answer, err := p.stream.Recv()
	if err != nil {
		p.t.Fatal(err)
	}
	if len(answer.GetBucketAction()) != 1 {
		p.t.Fatalf("told of %d buckets, want 1", len(answer.GetBucketAction()))
	}
	return answer.GetBucketAction()[0]
}

// assigned returns how many requests an hour it may let through from now on, and how many at once.
func (p *proxy) assigned() (rate, burst uint32) {
	p.t.Helper()
	a := p.hear().GetQuotaAssignmentAction()
	bucket := a.GetRateLimitStrategy().GetTokenBucket()
	if a.GetAssignmentTimeToLive().AsDuration() != assign.Life || bucket != nil && bucket.GetFillInterval().AsDuration() != time.Hour {
		p.t.Errorf("assigned %v", a)
	}
	return bucket.GetTokensPerFill().GetValue(), bucket.GetMaxTokens()
}
