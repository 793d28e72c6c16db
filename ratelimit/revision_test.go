package ratelimit_test

import (
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
	"github.com/gatehouse/gatehouse/ratelimit/storetest"
)

// perCustomer is the limit of most tests: 5 a minute for each subject of a token.
func perCustomer() gateway.Limit {
	return gateway.Limit{Name: "per-customer", Key: []string{"token.sub"}, Windows: []gateway.Window{{Limit: 5, Per: time.Minute}}}
}

// payments returns the documents of an API of two operations; own are the limits of the second where it has its own.
func payments(limits []gateway.Limit, own *[]gateway.Limit) *gateway.Documents {
	operation := func(id, path string, own *[]gateway.Limit) gateway.Operation {
		p, _ := gateway.ParsePath(path)
		return gateway.Operation{ID: id, Match: gateway.Match{Methods: []string{"GET"}, Path: p}, Limits: own, Field: id}
	}
	return &gateway.Documents{
		Gateways: []*gateway.Gateway{{
			Name: "edge", Fleet: "edge", LimitHeaders: gateway.LimitHeadersOlder,
			Listeners: []gateway.Listener{{Name: "http", Address: netip.IPv4Unspecified().String(), Port: 8080, Hosts: []string{"*"}}},
		}},
		Upstreams: []*gateway.Upstream{{Name: "payments"}},
		Issuers:   []*gateway.Issuer{{Name: "bank", Issuer: "https://idp.bank.test"}},
		APIs: []*gateway.API{{
			Kind: gateway.KindAPI, Name: "payments", Version: "v1", Team: "payments", Unlisted: gateway.Refuse,
			Expose:       []gateway.Exposure{{Gateway: "edge", Base: "/payments"}},
			To:           []gateway.Destination{{Upstream: "payments", Weight: 1}},
			Authenticate: &gateway.Authenticate{Any: []gateway.Proof{{JWT: "bank"}}},
			Limits:       limits,
			Operations:   []gateway.Operation{operation("list", "/", nil), operation("get", "/{id}", own)},
			Origin:       gateway.Origin{File: "payments.yaml", Line: 3, Column: 1},
		}},
	}
}

// assemble makes a revision of which each id is another.
func assemble(t testing.TB, docs *gateway.Documents, id string) *gateway.Revision {
	t.Helper()
	rev, faults := gateway.Assemble(docs, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	rev.ID = id
	return rev
}

func compile(t testing.TB, rev *gateway.Revision, prev *ratelimit.Table) *ratelimit.Table {
	t.Helper()
	table, faults := ratelimit.Compile(rev, prev)
	if len(faults) > 0 {
		t.Fatal(gateway.Faults(faults))
	}
	return table
}

// rulesOf returns the rules hash of an operation.
func rulesOf(t testing.TB, rev *gateway.Revision, operation string) string {
	t.Helper()
	for _, r := range rev.Routes {
		if r.Operation == operation {
			return r.Rules
		}
	}
	t.Fatalf("no operation %q", operation)
	return ""
}

// running is a service with the revision in use.
type running struct {
	*ratelimit.Service
	clock *storetest.Clock
	logs  *strings.Builder
	rev   *gateway.Revision
	table *ratelimit.Table
}

func start(t testing.TB, docs *gateway.Documents) *running {
	t.Helper()
	r := &running{clock: storetest.NewClock(), logs: &strings.Builder{}}
	r.Service = ratelimit.New(memory.New(memory.Options{Clock: r.clock.Now}), slog.New(slog.NewTextHandler(r.logs, nil)), r.clock.Now)
	r.use(t, docs, "first")
	return r
}

func (r *running) use(t testing.TB, docs *gateway.Documents, id string) {
	t.Helper()
	r.rev = assemble(t, docs, id)
	r.table = compile(t, r.rev, r.table)
	r.Use(r.table)
}

// entries are keys and values of a descriptor in turn.
func entries(texts ...string) *ratelimitcommonv3.RateLimitDescriptor {
	d := &ratelimitcommonv3.RateLimitDescriptor{}
	for i := 0; i < len(texts); i += 2 {
		d.Entries = append(d.Entries, &ratelimitcommonv3.RateLimitDescriptor_Entry{Key: texts[i], Value: texts[i+1]})
	}
	return d
}

// descriptor is what Envoy sends for a limit of an operation.
func (r *running) descriptor(t testing.TB, operation, limit string, key ...string) *ratelimitcommonv3.RateLimitDescriptor {
	t.Helper()
	return entries(append([]string{envoy.DescriptorRules, rulesOf(t, r.rev, operation), envoy.DescriptorLimit, limit}, key...)...)
}

func request(descriptors ...*ratelimitcommonv3.RateLimitDescriptor) *rlsv3.RateLimitRequest {
	return &rlsv3.RateLimitRequest{Domain: envoy.RateLimitDomain, Descriptors: descriptors}
}

// ask asks and fails the test where the answer is an error.
func (r *running) ask(t testing.TB, descriptors ...*ratelimitcommonv3.RateLimitDescriptor) *rlsv3.RateLimitResponse {
	t.Helper()
	resp, err := r.ShouldRateLimit(t.Context(), request(descriptors...))
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// spend asks n times and returns how often the answer was OK.
func (r *running) spend(t testing.TB, n int, descriptors ...*ratelimitcommonv3.RateLimitDescriptor) (admitted int) {
	t.Helper()
	for range n {
		if r.ask(t, descriptors...).GetOverallCode() == rlsv3.RateLimitResponse_OK {
			admitted++
		}
	}
	return admitted
}
