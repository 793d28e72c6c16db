package server

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
)

// replica starts a server over a shared store of limits, with documents of its own that say the same.
func replica(t *testing.T, limits redis.Options) *Server {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bank.yaml"), []byte(decided), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Config: dir, State: needs.SocketDir(t), Limits: &limits})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

// connected waits until a server's store of limits answers, or does not.
func connected(t *testing.T, s *Server, want bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for tick := time.NewTicker(time.Millisecond); s.shared.Counts().Up != want; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("the shared store of limits is up: %v", !want)
		}
	}
}

// TestSharedLimits spends of one limit at two servers; where their store is away, Envoy's failure mode decides.
func TestSharedLimits(t *testing.T) {
	t.Parallel()
	store := needs.Redis(t)
	address, err := redis.ParseAddress("unix:" + store.Socket)
	if err != nil {
		t.Fatal(err)
	}
	limits := redis.Options{Address: address, Timeout: 5 * time.Second} // This machine may be busy.
	replicas := []*Server{replica(t, limits), replica(t, limits)}
	hash := replicas[0].live.Load().revision.Routes[0].Rules
	call := &rlsv3.RateLimitRequest{Domain: envoy.RateLimitDomain, Descriptors: []*ratelimitcommonv3.RateLimitDescriptor{{
		Entries: []*ratelimitcommonv3.RateLimitDescriptor_Entry{
			{Key: envoy.DescriptorRules, Value: hash}, {Key: envoy.DescriptorLimit, Value: "all"},
		},
	}}}
	for i := range 6 {
		connected(t, replicas[i%2], true)
		answer, err := replicas[i%2].ratelimit.ShouldRateLimit(t.Context(), call)
		want := rlsv3.RateLimitResponse_OK
		if i == 5 {
			want = rlsv3.RateLimitResponse_OVER_LIMIT
		}
		if err != nil || answer.GetOverallCode() != want {
			t.Errorf("request %d of 5 allowed ones: %v, %v", i+1, answer.GetOverallCode(), err)
		}
	}
	store.Stop()
	connected(t, replicas[0], false)
	if _, err := replicas[0].ratelimit.ShouldRateLimit(t.Context(), call); status.Code(err) != codes.Unavailable {
		t.Errorf("without a store: %v, want UNAVAILABLE", err)
	}
	if n := replicas[0].ratelimit.Counts().Away; n != 1 {
		t.Errorf("%d calls counted as without a store, want 1", n)
	}
}
