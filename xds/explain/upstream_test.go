package explain

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/gateway"
)

// TestUpstreamsAreTold holds what an explanation says about how requests go to an upstream, beside what is usual.
func TestUpstreamsAreTold(t *testing.T) {
	t.Parallel()
	u := &gateway.Upstream{
		Name: "cards", Balance: gateway.Maglev, Balancing: gateway.Balancing{By: &gateway.HashKey{Source: gateway.HashCookie, Name: "s", TTL: time.Hour}},
		Timeout: time.Second, ConnectTimeout: time.Second, For: "cards/v1", Bulkhead: gateway.Bulkhead{Connections: 1, Requests: 2, Pending: 3},
		TLS:     &gateway.UpstreamTLS{Names: []string{"cards.bank.test"}, Identity: "envoys"},
		Health:  &gateway.Health{Check: gateway.HealthGRPC, Interval: time.Second},
		Retries: &gateway.Retries{Attempts: 2, On: []string{"reset"}, Statuses: []int{503}}, Ejection: &gateway.Ejection{For: time.Minute, Most: 50},
	}
	r := &gateway.Route{Targets: []gateway.Target{{Upstream: u, Weight: 1}}, Waits: gateway.Waits{Idle: time.Minute}, Adaptive: &gateway.Adaptive{Most: 9}}
	want := []string{
		"balance maglev by cookie.s for 1h0m0s", "timeout 1s, connect 1s, idle 1m0s", "TLS, verified as cards.bank.test, shows envoys",
		"health by grpc every 1s", "eject for 1m0s, at most 50% of the endpoints", "bulkhead of its own: 1 connections, 2 requests, 3 pending",
		"retries: 2, on reset, [503]", "adaptive concurrency: at most 9",
	}
	if diff := cmp.Diff(want, settings(r, u)); diff != "" {
		t.Error(diff)
	}
	usual := &gateway.Upstream{Balance: gateway.LeastRequest}
	if got := settings(&gateway.Route{Targets: []gateway.Target{{Upstream: usual}}}, usual); got != nil {
		t.Errorf("of what is usual it tells %v", got)
	}
}
