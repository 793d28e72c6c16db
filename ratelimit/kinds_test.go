package ratelimit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/ratelimit"
)

// draft makes clients be told by the current draft.
func draft(docs *gateway.Documents) *gateway.Documents {
	docs.Gateways[0].LimitHeaders = gateway.LimitHeadersDraft
	return docs
}

// toldBy returns what an answer adds to the response.
func toldBy(r *rlsv3.RateLimitResponse) map[string]string {
	told := map[string]string{}
	for _, h := range r.GetResponseHeadersToAdd() {
		told[h.GetKey()] = h.GetValue()
	}
	return told
}

// countOf returns what was counted for a limit.
func (r *running) countOf(t testing.TB, name string) ratelimit.LimitCount {
	t.Helper()
	for _, c := range r.Counts().Limits {
		if c.Limit == name {
			return c
		}
	}
	t.Fatalf("nothing is counted for %s", name)
	return ratelimit.LimitCount{}
}

// TestSeveralWindows holds all windows of a limit, and tells of the tightest.
func TestSeveralWindows(t *testing.T) {
	t.Parallel()
	l := gateway.Limit{Name: "each", Key: []string{"token.sub"}, Windows: []gateway.Window{
		{Limit: 2, Per: time.Second}, {Limit: 3, Per: time.Minute}, {Limit: 100, Arithmetic: gateway.Quota, Every: gateway.Monthly},
	}}
	r := start(t, draft(payments([]gateway.Limit{l}, nil)))
	alice := r.descriptor(t, "get", "each", "token.sub", "alice")
	r.spend(t, 1, alice)
	const policy = `"each/1s";q=2;w=1, "each/60s";q=3;w=60, "each/month";q=100`
	want := map[string]string{"ratelimit-policy": policy, "ratelimit": `"each/1s";r=0;t=1`}
	if diff := cmp.Diff(want, toldBy(r.ask(t, alice))); diff != "" {
		t.Errorf("the second within a second (-want +got):\n%s", diff)
	}
	refused := r.ask(t, alice)
	want["retry-after"] = "1"
	if diff := cmp.Diff(want, toldBy(refused)); diff != "" || refused.GetOverallCode() != over {
		t.Errorf("the third (-want +got):\n%s", diff)
	}
	if s := refused.GetStatuses(); len(s) != 1 || s[0].GetCurrentLimit().GetRequestsPerUnit() != 2 || s[0].GetDurationUntilReset().GetSeconds() != 1 {
		t.Errorf("the third: %v", s)
	}
	r.clock.Advance(time.Second)
	r.spend(t, 1, alice)
	refused = r.ask(t, alice)
	want["ratelimit"], want["retry-after"] = `"each/60s";r=0;t=59`, "59"
	if diff := cmp.Diff(want, toldBy(refused)); diff != "" {
		t.Errorf("the fourth within a minute (-want +got):\n%s", diff)
	}
	if s := refused.GetStatuses()[0].GetCurrentLimit(); s.GetRequestsPerUnit() != 3 || s.GetUnit() != rlsv3.RateLimitResponse_RateLimit_MINUTE {
		t.Errorf("the fourth: %v", s)
	}
	if got := r.countOf(t, "each"); got.Spent != 3 || got.Refused != 2 {
		t.Errorf("counted %+v", got)
	}
}

// TestShadow counts what a limit in shadow mode would have refused, refuses nothing, and tells no client.
func TestShadow(t *testing.T) {
	t.Parallel()
	shadow := gateway.Limit{Name: "tried", Windows: []gateway.Window{{Limit: 2, Per: time.Minute}}, Mode: gateway.Shadow}
	r := start(t, draft(payments([]gateway.Limit{perCustomer(), shadow}, nil)))
	both := []*ratelimitcommonv3.RateLimitDescriptor{r.descriptor(t, "get", "tried"), r.descriptor(t, "get", "per-customer", "token.sub", "alice")}
	if got := r.spend(t, 9, both...); got != 5 {
		t.Errorf("%d admitted, want 5", got)
	}
	answer := r.ask(t, both...)
	fields := answer.GetDynamicMetadata().GetFields()
	if fields[envoy.MetadataRateLimitShadow].GetStringValue() != "tried" || fields[envoy.MetadataRateLimitLimit].GetStringValue() != "per-customer" {
		t.Errorf("the access log learns %v", fields)
	}
	if told := toldBy(answer); told["ratelimit-policy"] != `"per-customer";q=5;w=60` || told["ratelimit"] != `"per-customer";r=0;t=60` {
		t.Errorf("a client learns %v", told)
	}
	if s := answer.GetStatuses()[0]; s.GetCode() != ok || s.GetCurrentLimit() != nil {
		t.Errorf("its status: %v", s)
	}
	if got := r.countOf(t, "tried"); got.Spent != 2 || got.Over != 8 || got.Refused != 0 {
		t.Errorf("counted %+v", got)
	}
	alone := r.ask(t, both[0])
	if alone.GetOverallCode() != ok || len(alone.GetResponseHeadersToAdd()) != 0 || alone.GetDynamicMetadata().GetFields()[envoy.MetadataRateLimitRules] == nil {
		t.Errorf("a limit in shadow mode alone: %v", alone)
	}
}

// TestCosts spends what limits take for one request: their number for each hit, the number that Envoy found, or that a text says.
func TestCosts(t *testing.T) {
	t.Parallel()
	limit := func(name string, cost gateway.Cost) gateway.Limit {
		return gateway.Limit{Name: name, Windows: []gateway.Window{{Limit: 1000, Per: time.Minute}}, Cost: cost}
	}
	r := start(t, payments([]gateway.Limit{
		limit("three", gateway.Cost{Number: 3}), limit("header", gateway.Cost{From: "header.x-cost"}),
		limit("size", gateway.Cost{From: "body.size", Per: 100}),
	}, nil))
	hits := func(n uint64, d *ratelimitcommonv3.RateLimitDescriptor) *ratelimitcommonv3.RateLimitDescriptor {
		d.HitsAddend = wrapperspb.UInt64(n)
		return d
	}
	of := func(limit string, more ...string) *ratelimitcommonv3.RateLimitDescriptor {
		return r.descriptor(t, "get", limit, more...)
	}
	for i, c := range []struct {
		asks *ratelimitcommonv3.RateLimitDescriptor
		want uint64
	}{
		{of("three"), 3},
		{hits(4, of("three")), 12},
		{hits(0, of("three")), 0},
		{hits(7, of("header", envoy.DescriptorCost, "2")), 14},
		{of("header"), 1},
		{of("header", envoy.DescriptorCost, "12"), 12},
		{of("header", envoy.DescriptorCost, " 2.1 "), 3},
		{of("header", envoy.DescriptorCost, "0"), 0},
		{of("header", envoy.DescriptorCost, "-5"), 1},
		{of("header", envoy.DescriptorWhen, "1", envoy.DescriptorWhen, "1", envoy.DescriptorCost, "2e1"), 20},
		{of("header", envoy.DescriptorCost, "0x10"), 1},
		{of("header", envoy.DescriptorCost, "NaN"), 1},
		{of("header", envoy.DescriptorCost, ""), 1},
		{of("header", envoy.DescriptorCost, "."), 1},
		{of("size"), 0},
		{of("size", envoy.DescriptorCost, "250"), 3},
		{of("size", envoy.DescriptorCost, "200"), 2},
		{of("size", envoy.DescriptorCost, "101"), 2},
	} {
		name := c.asks.GetEntries()[1].GetValue()
		before := r.countOf(t, name).Spent
		if answer := r.ask(t, c.asks); answer.GetOverallCode() != ok {
			t.Fatalf("case %d: %v", i, answer)
		}
		if got := r.countOf(t, name).Spent - before; got != c.want {
			t.Errorf("case %d: spent %d, want %d", i, got, c.want)
		}
	}
	if answer := r.ask(t, of("header", envoy.DescriptorCost, strings.Repeat("9", 400))); answer.GetOverallCode() != over {
		t.Errorf("a cost of 400 digits: %v", answer)
	}
	if got := r.countOf(t, "header").Unpriced; got != 6 {
		t.Errorf("%d requests whose cost is no number, want 6", got)
	}
	if got := strings.Count(r.logs.String(), "is no number"); got != 1 || strings.Contains(r.logs.String(), "0x10") {
		t.Errorf("reported %d times, want once and without the value: %s", got, r.logs)
	}
}

// TestRefund gives back what was spent, and no more.
func TestRefund(t *testing.T) {
	t.Parallel()
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	alice := r.descriptor(t, "get", "per-customer", "token.sub", "alice")
	r.spend(t, 5, alice)
	back := r.descriptor(t, "get", "per-customer", "token.sub", "alice")
	back.HitsAddend, back.IsNegativeHits = wrapperspb.UInt64(2), true
	if got := r.ask(t, back); got.GetOverallCode() != ok || got.GetStatuses()[0].GetLimitRemaining() != 2 {
		t.Errorf("2 given back: %v", got)
	}
	back.HitsAddend = wrapperspb.UInt64(1 << 63)
	if got := r.ask(t, back).GetStatuses()[0].GetLimitRemaining(); got != 5 {
		t.Errorf("%d remain after all and more was given back, want 5", got)
	}
	if got := r.spend(t, 10, alice); got != 5 {
		t.Errorf("%d admitted, want 5", got)
	}
}

// TestOverride leaves a limit as its rules say, whatever override comes with a descriptor.
func TestOverride(t *testing.T) {
	t.Parallel()
	r := start(t, payments([]gateway.Limit{perCustomer()}, nil))
	alice := r.descriptor(t, "get", "per-customer", "token.sub", "alice")
	alice.Limit = &ratelimitcommonv3.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: 1000}
	if got := r.spend(t, 10, alice); got != 5 {
		t.Errorf("%d admitted, want 5", got)
	}
}

// TestResponseCosts spends 1 when a request comes and the rest when its stream ends, whatever remains; a request that a limit refused
// spends nothing at its end.
func TestResponseCosts(t *testing.T) {
	t.Parallel()
	l := gateway.Limit{
		Name: "bytes", Key: []string{"token.sub"}, Windows: []gateway.Window{{Limit: 10, Per: time.Minute}},
		Cost: gateway.Cost{From: "response.size", Per: 100},
	}
	r := start(t, payments([]gateway.Limit{l}, nil))
	comes := r.descriptor(t, "get", "bytes", "token.sub", "alice")
	bucket := bucketIn(r.ask(t, comes), "bytes")
	ends := func(more ...string) *rlsv3.RateLimitResponse {
		return r.ask(t, r.descriptor(t, "get", "bytes", append([]string{envoy.DescriptorBucket, bucket}, more...)...))
	}
	remain := func(want uint32, a *rlsv3.RateLimitResponse) {
		t.Helper()
		if got := a.GetStatuses()[0].GetLimitRemaining(); a.GetOverallCode() != ok || got != want {
			t.Errorf("%d remain of %v, want %d", got, a, want)
		}
	}
	if a := ends(envoy.DescriptorWhen, "1", envoy.DescriptorCost, "350"); a.GetOverallCode() != ok || len(a.GetResponseHeadersToAdd()) > 0 {
		t.Errorf("the end of a stream: %v", a)
	}
	remain(5, r.ask(t, comes))
	ends(envoy.DescriptorCost, "0") // Nothing was sent: 1 comes back.
	remain(5, r.ask(t, comes))
	ends() // Nobody says: 1, which was spent before.
	remain(4, r.ask(t, comes))
	if got := bucketIn(r.ask(t, r.descriptor(t, "get", "bytes", "token.sub", "bob")), "bytes"); got == bucket || got == "" {
		t.Errorf("bob's bucket is %q, alice's %q", got, bucket)
	}
	if a := ends(envoy.DescriptorCost, "2000"); a.GetOverallCode() != ok {
		t.Errorf("the end of a stream that sent more than remains: %v", a)
	}
	refused := r.ask(t, comes)
	if refused.GetOverallCode() != over || bucketIn(refused, "bytes") != "" {
		t.Errorf("after that: %v", refused)
	}
	r.spendWithout(t, "bytes", parts("token.sub", "alice"), bucket)
	if got := r.countOf(t, "bytes"); got.Spent != 1+3+1+1+1+1+19+1 || got.Refunded != 1 || got.Refused != 2 {
		t.Errorf("counted %+v", got)
	}
	for _, wrong := range []string{"", "x", bucket[1:], bucket + bucket} {
		if _, err := r.ShouldRateLimit(t.Context(), request(r.descriptor(t, "get", "bytes", envoy.DescriptorBucket, wrong))); err == nil {
			t.Errorf("the bucket %q is known", wrong)
		}
	}
}

// spendWithout holds that a request that is counted without a wire is refused by the same bucket.
func (r *running) spendWithout(t testing.TB, limit string, by facts, bucket string) {
	t.Helper()
	spent, err := r.Spend(t.Context(), ratelimit.Spending{Rules: rulesOf(t, r.rev, "get"), Cost: 1, Request: by})
	if err != nil || !spent.Refused || spent.Buckets != nil {
		t.Errorf("without a wire: %+v, %v", spent, err)
	}
	r.clock.Advance(time.Hour)
	spent, err = r.Spend(t.Context(), ratelimit.Spending{Rules: rulesOf(t, r.rev, "get"), Cost: 1, Request: by})
	if err != nil || spent.Refused || spent.Buckets[limit] != bucket {
		t.Errorf("without a wire, an hour later: %+v, %v; want the bucket %s", spent, err, bucket)
	}
}

// bucketIn returns what an answer says is to be told when the stream ends.
func bucketIn(a *rlsv3.RateLimitResponse, limit string) string {
	return a.GetDynamicMetadata().GetFields()[envoy.MetadataBuckets].GetStructValue().GetFields()[limit].GetStringValue()
}

// TestBodies spends what a body has when the stream ends, where its size was not known before.
func TestBodies(t *testing.T) {
	t.Parallel()
	l := gateway.Limit{Name: "body", Windows: []gateway.Window{{Limit: 1000, Per: time.Minute}}, Cost: gateway.Cost{From: "body.size"}}
	r := start(t, payments([]gateway.Limit{l}, nil))
	known := r.ask(t, r.descriptor(t, "get", "body", envoy.DescriptorCost, "100"))
	unknown := r.ask(t, r.descriptor(t, "get", "body"))
	if a, b := known.GetStatuses()[0].GetLimitRemaining(), unknown.GetStatuses()[0].GetLimitRemaining(); a != 900 || b != 900 {
		t.Errorf("%d and %d remain, want 900", a, b)
	}
	r.ask(t, r.descriptor(t, "get", "body", envoy.DescriptorBucket, bucketIn(unknown, "body"), envoy.DescriptorWhen, "1", envoy.DescriptorCost, "250"))
	if got := r.countOf(t, "body"); got.Spent != 350 || got.Unpriced != 0 {
		t.Errorf("counted %+v", got)
	}
}

// TestKeyParts counts by a parameter of the path however it is spelt, and by the consumer of each issuer, in both ways.
func TestKeyParts(t *testing.T) {
	t.Parallel()
	l := gateway.Limit{Name: "each", Key: []string{"path.id", "consumer", "query.page"}, Windows: []gateway.Window{{Limit: 100, Per: time.Minute}}}
	r := start(t, payments(nil, &[]gateway.Limit{l}))
	for i, c := range []struct {
		entries []string
		same    facts
	}{
		{
			[]string{envoy.DescriptorTarget, "/payments/a%20b?x=1", envoy.DescriptorIssuer, "https://idp.bank.test", "consumer", "alice", "query.page", "2"},
			parts("path.id", "a b", "consumer", "https://idp.bank.test alice", "query.page", "2"),
		},
		{[]string{"consumer", "key-7"}, parts("consumer", "key-7")},
		{[]string{envoy.DescriptorIssuer, "https://idp.bank.test"}, parts()},
		{[]string{envoy.DescriptorTarget, "/elsewhere"}, parts()},
	} {
		spent, err := r.Spend(t.Context(), ratelimit.Spending{Rules: rulesOf(t, r.rev, "get"), Cost: 1, Request: c.same})
		if err != nil {
			t.Fatal(err)
		}
		left := r.ask(t, r.descriptor(t, "get", "each", c.entries...)).GetStatuses()[0].GetLimitRemaining()
		if want := fmt.Sprint(left + 1); spent.Remaining != want {
			t.Errorf("case %d: %s remain after one way and %d after the other", i, spent.Remaining, left)
		}
	}
}

// TestDraftNames escapes names as RFC 9651 says.
func TestDraftNames(t *testing.T) {
	t.Parallel()
	l := perCustomer()
	l.Name = `a "quoted" \ name – wide`
	l.Cost = gateway.Cost{From: "body.size"}
	l.Windows = []gateway.Window{{Limit: 5, Per: 90 * time.Second, Arithmetic: gateway.Paced, Burst: 7}}
	r := start(t, draft(payments([]gateway.Limit{l}, nil)))
	told := toldBy(r.ask(t, r.descriptor(t, "get", l.Name, envoy.DescriptorCost, "1", "token.sub", "alice")))
	const name = `"a \"quoted\" \\ name ? wide"`
	if want := name + `;q=5;qu="content-bytes";w=90;gatehouse-burst=7`; told["ratelimit-policy"] != want {
		t.Errorf("the policy is %s, want %s", told["ratelimit-policy"], want)
	}
	if got := told["ratelimit"]; !strings.HasPrefix(got, name+";r=6;t=") {
		t.Errorf("it stands at %s", got)
	}
}

// TestHeaderStyles tells clients in the way that the Gateway asks for.
func TestHeaderStyles(t *testing.T) {
	t.Parallel()
	for style, want := range map[gateway.LimitHeaders]string{
		gateway.LimitHeadersDraft: "policy", gateway.LimitHeadersOlder: "limit", gateway.LimitHeadersBoth: "policy limit", gateway.LimitHeadersNone: "",
	} {
		docs := payments([]gateway.Limit{perCustomer()}, nil)
		docs.Gateways[0].LimitHeaders = style
		r := start(t, docs)
		spent := r.direct(t, 0, 6, "get", "token.sub", "alice")
		var got []string
		if spent.Policy != "" && spent.Standing != "" {
			got = append(got, "policy")
		}
		if spent.Limit != "" && spent.Remaining != "" && spent.Reset != "" {
			got = append(got, "limit")
		}
		if strings.Join(got, " ") != want || spent.RetryAfter == "" {
			t.Errorf("%q: %+v", style, spent)
		}
		told := toldBy(r.ask(t, r.descriptor(t, "get", "per-customer", "token.sub", "alice")))
		if (told["ratelimit"] != "") != strings.Contains(want, "policy") || told["x-ratelimit-limit"] != "" {
			t.Errorf("%q: %v", style, told)
		}
	}
}

// TestSharedLimit counts the requests of all who name a Limit document together, and tells them apart from a limit of the same name.
func TestSharedLimit(t *testing.T) {
	t.Parallel()
	docs := payments(nil, nil)
	l := perCustomer()
	other := *docs.APIs[0]
	other.Name, other.Expose = "accounts", []gateway.Exposure{{Gateway: "edge", Base: "/accounts"}}
	docs.APIs = append(docs.APIs, &other)
	rev := assemble(t, docs, "first")
	for i, route := range rev.Routes {
		if route.Action != gateway.ActionForward {
			continue
		}
		shared, own := l, l
		shared.Scope, own.Scope, own.Name = "limit/per-customer", route.API, "own"
		route.Limits, route.Rules = []gateway.Limit{shared, own}, fmt.Sprint("rules", i)
	}
	r := start(t, payments(nil, nil))
	r.rev = rev
	r.Use(compile(t, rev, nil))
	left := map[string]int{}
	for _, route := range rev.Routes {
		if len(route.Limits) == 0 {
			continue
		}
		for _, name := range []string{"per-customer", "own"} {
			d := entries(envoy.DescriptorRules, route.Rules, envoy.DescriptorLimit, name, "token.sub", "alice")
			left[name] += r.spend(t, 5, d)
		}
	}
	if left["per-customer"] != 5 || left["own"] != 10 {
		t.Errorf("admitted %v, want 5 of the shared limit, and 5 of each API's own", left)
	}
	if got := r.countOf(t, "per-customer"); got.API != "-" || got.Spent != 5 {
		t.Errorf("counted %+v", got)
	}
}
