package ratelimit_test

import (
	"log/slog"
	"testing"
	"time"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

// FuzzDescriptors sends whatever can arrive: as it is, and behind a valid beginning. Nothing may panic, every answer is whole
// or UNAVAILABLE, and memory stays within its bound.
func FuzzDescriptors(f *testing.F) {
	const buckets = 64
	limits := []gateway.Limit{perCustomer(), {Name: "pair", Key: []string{"header.x-a", "client.address"}, Windows: []gateway.Window{{Limit: 3, Per: time.Second}}}}
	rev := assemble(f, payments(limits, nil), "first")
	clock := storetest.NewClock()
	store := memory.New(memory.Options{Clock: clock.Now, Buckets: buckets})
	service := ratelimit.New(store, slog.New(slog.DiscardHandler), clock.Now)
	service.Use(compile(f, rev, nil))
	rules := rulesOf(f, rev, "get")

	seed := func(d ...*ratelimitcommonv3.RateLimitDescriptor) {
		data, err := proto.Marshal(request(d...))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, uint32(1))
	}
	seed()
	seed(entries())
	seed(entries("token.sub", "alice"), entries("header.x-a", "", envoy.DescriptorAddress, "192.0.2.1"))
	seed(entries(envoy.DescriptorRules, rules, envoy.DescriptorLimit, "pair", envoy.DescriptorAddress, "x", "header.x-a", "y"))

	f.Fuzz(func(t *testing.T, data []byte, step uint32) {
		req := &rlsv3.RateLimitRequest{}
		if proto.Unmarshal(data, req) != nil {
			return
		}
		clock.Advance(time.Duration(step))
		ask(t, service, req)
		for i, d := range req.GetDescriptors() {
			valid := entries(envoy.DescriptorRules, rules, envoy.DescriptorLimit, limits[i%2].Name)
			d.Entries = append(valid.GetEntries(), d.GetEntries()...)
		}
		req.Domain = envoy.RateLimitDomain
		ask(t, service, req)
		if got := store.Buckets(); got > buckets {
			t.Fatalf("%d buckets, at most %d were allowed", got, buckets)
		}
	})
}

func ask(t *testing.T, service *ratelimit.Service, req *rlsv3.RateLimitRequest) {
	t.Helper()
	resp, err := service.ShouldRateLimit(t.Context(), req)
	if failed := service.Counts().Failed; failed > 0 {
		t.Fatalf("panicked: %v", err)
	}
	if err != nil {
		if status.Code(err) != codes.Unavailable {
			t.Fatalf("answered %v", err)
		}
		return
	}
	if len(resp.GetStatuses()) != len(req.GetDescriptors()) {
		t.Fatalf("%d statuses for %d descriptors", len(resp.GetStatuses()), len(req.GetDescriptors()))
	}
	worst := rlsv3.RateLimitResponse_OK
	for _, s := range resp.GetStatuses() {
		worst = max(worst, s.GetCode())
	}
	if refused := len(resp.GetResponseHeadersToAdd()) > 0; worst != resp.GetOverallCode() || refused != (worst == over) {
		t.Fatalf("the parts do not fit together: %v", resp)
	}
	if _, err := proto.Marshal(resp); err != nil {
		t.Fatalf("cannot be sent: %v", err)
	}
}
