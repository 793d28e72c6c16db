package assign

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	rlqsv3 "github.com/envoyproxy/go-control-plane/envoy/service/rate_limit_quota/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/ratelimit/share"
)

// event is a message of a stream, or its end.
type event struct {
	from   *stream
	usages []usage // nil: the stream has ended.
	at     time.Time
}

// usage is what became of the requests of one bucket.
type usage struct {
	bucket          bucket
	allowed, denied int64
	held            bool // The bucket was there for a while already.
}

// stream is one Envoy's stream of reports. holders is the worker's alone.
type stream struct {
	fleet, node string
	holders     map[bucket]int64

	mu   sync.Mutex
	out  map[bucket]letter
	wake chan struct{}
}

// letter is what is to be told of one bucket.
type letter struct {
	share.Assignment
	abandon bool
	at      time.Time
}

// StreamRateLimitQuotas takes an Envoy's reports, and gives and renews its assignments.
func (s *Service) StreamRateLimitQuotas(g rlqsv3.RateLimitQuotaService_StreamRateLimitQuotasServer) error {
	st, err := s.open(g.Context())
	if err != nil {
		s.refused.Add(1)
		return err
	}
	defer s.streams.Add(-1)
	read := make(chan error, 1)
	heard := make(chan struct{}, 1)
	go func() { read <- s.read(g, st, heard) }() // It ends with the stream, which ends when this function returns.
	defer s.ended(st)
	quiet := time.NewTimer(silence)
	defer quiet.Stop()
	for {
		select {
		case err := <-read:
			return err
		case <-heard:
			quiet.Reset(silence)
		case <-s.closing.Done():
			return status.Error(codes.Unavailable, "the server is ending")
		case <-quiet.C:
			return status.Error(codes.DeadlineExceeded, "no report came for a while")
		case <-st.wake:
			if answer := st.answer(s.options.Now()); answer != nil {
				if err := g.Send(answer); err != nil {
					return err
				}
			}
		}
	}
}

// open finds out who opens a stream.
func (s *Service) open(ctx context.Context) (*stream, error) {
	said := metadata.ValueFromIncomingContext(ctx, envoy.HeaderNode)
	if len(said) != 1 {
		return nil, status.Error(codes.InvalidArgument, "the stream does not say of which node it is")
	}
	fleet, node, ok := strings.Cut(said[0], "/")
	if !ok || fleet == "" || node == "" || len(said[0]) > 512 {
		return nil, status.Errorf(codes.InvalidArgument, "%.100q is not FLEET/NODE", said[0])
	}
	if s.options.Caller != nil {
		proven, known, err := s.options.Caller(ctx)
		if err != nil || known && proven != fleet {
			return nil, status.Error(codes.PermissionDenied, "the stream contradicts its connection")
		}
	}
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		return nil, status.Error(codes.ResourceExhausted, "too many streams")
	}
	return &stream{fleet: fleet, node: said[0], holders: map[bucket]int64{}, out: map[bucket]letter{}, wake: make(chan struct{}, 1)}, nil
}

// read takes in reports until the stream ends.
func (s *Service) read(g rlqsv3.RateLimitQuotaService_StreamRateLimitQuotasServer, st *stream, heard chan<- struct{}) error {
	for {
		m, err := g.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case heard <- struct{}{}:
		default:
		}
		if len(m.GetBucketQuotaUsages()) > maxBuckets {
			return status.Errorf(codes.ResourceExhausted, "more than %d buckets", maxBuckets)
		}
		select {
		case s.events <- event{st, s.usages(m), s.options.Now()}:
		case <-g.Context().Done():
			return g.Context().Err()
		}
	}
}

// usages reads a message. What is not of our making is left out.
func (s *Service) usages(m *rlqsv3.RateLimitQuotaUsageReports) []usage {
	out := []usage{}
	for _, u := range m.GetBucketQuotaUsages() {
		id := u.GetBucketId().GetBucket()
		b := bucket{id[envoy.BucketScope], id[envoy.BucketLimit]}
		if b.limit == "" || len(id) != 2 {
			s.unknown.Add(1)
			continue
		}
		out = append(out, usage{
			bucket: b, allowed: clamp(u.GetNumRequestsAllowed()), denied: clamp(u.GetNumRequestsDenied()),
			held: u.GetTimeElapsed().GetSeconds() > 0,
		})
	}
	return out
}

func clamp(n uint64) int64 { return int64(min(n, share.MaxRate)) } //nolint:gosec // At most MaxRate.

// ended tells the worker that a stream is over. Should it be too busy to hear, the holders are found silent later.
func (s *Service) ended(st *stream) {
	select {
	case s.events <- event{from: st, at: s.options.Now()}:
	default:
	}
}

// post puts what is to be told where the stream finds it.
func (st *stream) post(b bucket, l letter) {
	st.mu.Lock()
	st.out[b] = l
	st.mu.Unlock()
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// answer returns all that is to be told, nil where it is nothing. What has waited for long is not said any more: it would come
// too late to be counted on.
func (st *stream) answer(now time.Time) *rlqsv3.RateLimitQuotaResponse {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := &rlqsv3.RateLimitQuotaResponse{}
	for b, l := range st.out {
		delete(st.out, b)
		if now.Sub(l.at) < (margin-unwritten)/2 {
			out.BucketAction = append(out.BucketAction, action(b, l))
		}
	}
	if len(out.GetBucketAction()) == 0 {
		return nil
	}
	return out
}

// action says in Envoy's words what a bucket is given. Its fill interval is always the same: Envoy takes whole seconds of it alone,
// and does not notice where these alone have changed.
func action(b bucket, l letter) *rlqsv3.RateLimitQuotaResponse_BucketAction {
	out := &rlqsv3.RateLimitQuotaResponse_BucketAction{
		BucketId: &rlqsv3.BucketId{Bucket: map[string]string{envoy.BucketScope: b.scope, envoy.BucketLimit: b.limit}},
	}
	if l.abandon {
		out.BucketAction = &rlqsv3.RateLimitQuotaResponse_BucketAction_AbandonAction_{
			AbandonAction: &rlqsv3.RateLimitQuotaResponse_BucketAction_AbandonAction{},
		}
		return out
	}
	strategy := &typev3.RateLimitStrategy{Strategy: &typev3.RateLimitStrategy_BlanketRule_{BlanketRule: typev3.RateLimitStrategy_DENY_ALL}}
	if l.Burst > 0 {
		strategy.Strategy = &typev3.RateLimitStrategy_TokenBucket{TokenBucket: &typev3.TokenBucket{
			MaxTokens: uint32(l.Burst), TokensPerFill: wrapperspb.UInt32(uint32(max(1, l.Rate))), FillInterval: durationpb.New(share.Unit), //nolint:gosec // Bounded by the Limit.
		}}
	}
	out.BucketAction = &rlqsv3.RateLimitQuotaResponse_BucketAction_QuotaAssignmentAction_{
		QuotaAssignmentAction: &rlqsv3.RateLimitQuotaResponse_BucketAction_QuotaAssignmentAction{
			AssignmentTimeToLive: durationpb.New(Life), RateLimitStrategy: strategy,
		},
	}
	return out
}
