package descriptors_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
)

// serving returns a Service over memory with rules, and its clock.
func serving(t testing.TB, rules string, set ...func(*descriptors.Options)) (*descriptors.Service, *clock) {
	t.Helper()
	c := newClock()
	o := descriptors.Options{Store: memory.New(memory.Options{Clock: c.Now, Buckets: 1 << 14}), Log: slog.New(slog.DiscardHandler), Now: c.Now}
	for _, change := range set {
		change(&o)
	}
	s := descriptors.New(o)
	s.Use(loadRules(t, rules))
	return s, c
}

func loadRules(t testing.TB, rules string) *descriptors.Config {
	t.Helper()
	config, faults := descriptors.Load([]descriptors.File{fileOf("limits.yaml", "domain: bank\ndescriptors: "+rules+"\n")}, descriptors.LoadOptions{})
	if faults != nil {
		t.Fatal(faults)
	}
	return config
}

func descriptor(pairs ...string) *ratelimitcommonv3.RateLimitDescriptor {
	d := &ratelimitcommonv3.RateLimitDescriptor{}
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Entries = append(d.Entries, &ratelimitcommonv3.RateLimitDescriptor_Entry{Key: pairs[i], Value: pairs[i+1]})
	}
	return d
}

func asked(all ...*ratelimitcommonv3.RateLimitDescriptor) *rlsv3.RateLimitRequest {
	return &rlsv3.RateLimitRequest{Domain: "bank", Descriptors: all}
}

// answered asks, and says how each descriptor stands.
func answered(t testing.TB, s *descriptors.Service, all ...*ratelimitcommonv3.RateLimitDescriptor) string {
	t.Helper()
	resp, err := s.ShouldRateLimit(t.Context(), asked(all...))
	if err != nil {
		t.Fatal(err)
	}
	return resp.GetOverallCode().String() + ": " + told(resp)
}

// TestEditKeepsWhatWasSpent uses other rules: buckets and counters go on.
func TestEditKeepsWhatWasSpent(t *testing.T) {
	t.Parallel()
	s, _ := serving(t, `[{key: user, rate_limit: {unit: day, requests_per_unit: 3}}]`)
	answered(t, s, descriptor("user", "a"))
	s.Use(loadRules(t, `[{key: other}, {key: user, rate_limit: {unit: day, requests_per_unit: 10}}]`))
	if got := answered(t, s, descriptor("user", "a")); got != "OK: OK 8" {
		t.Errorf("after the edit answered %s", got)
	}
	want := []descriptors.SeriesCount{{Series: []string{"bank", "user"}, Total: 2, Within: 2}}
	if diff := cmp.Diff(want, s.Counts().Series); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	s.Use(loadRules(t, `[{key: other}]`))
	if got := len(s.Counts().Series); got != 0 {
		t.Errorf("%d series are counted of rules that are gone", got)
	}
}

// TestCounters counts hits as they fare: within, near, over, in shadow; and those of a cost that goes past the limit in parts.
func TestCounters(t *testing.T) {
	t.Parallel()
	s, _ := serving(t, `[{key: user, rate_limit: {unit: day, requests_per_unit: 10}}, {key: quiet, shadow_mode: true, rate_limit: {unit: day, requests_per_unit: 1}},
  {key: bytes, rate_limit: {unit: day, requests_per_unit: 10}}]`)
	for range 12 {
		answered(t, s, descriptor("user", "a"))
	}
	for range 3 {
		answered(t, s, descriptor("quiet", "a"))
	}
	own := descriptor("bytes", "a")
	own.HitsAddend = wrapperspb.UInt64(14)
	answered(t, s, own)
	own.IsNegativeHits = true
	if got := answered(t, s, own); got != "OK: OK 10" {
		t.Errorf("a refund answered %s", got)
	}
	want := []descriptors.SeriesCount{
		{Series: []string{"bank", "bytes"}, Total: 28, Near: 2, Over: 4},
		{Series: []string{"bank", "quiet"}, Total: 3, Within: 1, Near: 1, Over: 2, Shadow: 2},
		{Series: []string{"bank", "user"}, Total: 12, Within: 10, Near: 2, Over: 2},
	}
	if diff := cmp.Diff(want, s.Counts().Series); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// TestModes lets everything pass in shadow mode and in quota mode, and tells of it.
func TestModes(t *testing.T) {
	t.Parallel()
	const none = `[{key: user, rate_limit: {unit: day, requests_per_unit: 0}}]`
	s, _ := serving(t, none, func(o *descriptors.Options) { o.Shadow = true })
	if got := answered(t, s, descriptor("user", "a")); got != "OK: OVER_LIMIT 0" || s.Counts().Shadow != 1 {
		t.Errorf("in shadow answered %s, counted %+v", got, s.Counts())
	}
	s, _ = serving(t, none, func(o *descriptors.Options) { o.Quota, o.Metadata = true, true })
	resp, err := s.ShouldRateLimit(t.Context(), asked(descriptor("none", ""), descriptor("user", "a")))
	if err != nil || resp.GetOverallCode() != rlsv3.RateLimitResponse_OK {
		t.Fatalf("as a quota answered %v, %v", resp, err)
	}
	if v := resp.GetDynamicMetadata().GetFields()["quotaModeViolations"].GetListValue().GetValues(); len(v) != 1 || v[0].GetNumberValue() != 1 {
		t.Errorf("violations are %v", v)
	}
}

// away is a store that cannot be asked, or falls over.
type away struct{ fall bool }

func (a away) Spend(context.Context, []ratelimit.Charge, []limiter.Result) (bool, error) {
	if a.fall {
		panic("fallen over")
	}
	return false, errors.New("nobody answers")
}

func (away) Reset(context.Context, [][]byte) error { return nil }

// TestErrors answers what cannot be decided with errors, by which Envoy's failure mode decides, and counts them.
func TestErrors(t *testing.T) {
	t.Parallel()
	const rules = `[{key: user, rate_limit: {unit: day, requests_per_unit: 1}}]`
	many := asked()
	for range 257 {
		many.Descriptors = append(many.Descriptors, descriptor("user", "a"))
	}
	s, _ := serving(t, rules)
	for _, req := range []*rlsv3.RateLimitRequest{{}, {Domain: "bank"}, {Descriptors: many.GetDescriptors()}, many, nil} {
		if _, err := s.ShouldRateLimit(t.Context(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("answered %v", err)
		}
	}
	if c := s.Counts(); c.Invalid != 5 || c.Calls != 5 {
		t.Errorf("counted %+v", c)
	}
	if got := answered(t, s, &ratelimitcommonv3.RateLimitDescriptor{}, descriptor("", "")); got != "OK: OK 0 no reset,OK 0 no reset" {
		t.Errorf("without entries answered %s", got)
	}
	for _, fall := range []bool{false, true} {
		s, _ = serving(t, rules, func(o *descriptors.Options) { o.Store = away{fall} })
		if _, err := s.ShouldRateLimit(t.Context(), asked(descriptor("user", "a"))); status.Code(err) != codes.Unavailable {
			t.Errorf("without a store answered %v", err)
		}
		if _, err := s.ShouldRateLimit(t.Context(), asked(descriptor("other", "a"))); err != nil {
			t.Errorf("what nothing limits needs no store: %v", err)
		}
		if c := s.Counts(); (c.Failed == 1) != fall || (c.Away == 1) == fall {
			t.Errorf("counted %+v", c)
		}
	}
	if _, err := descriptors.New(descriptors.Options{}).ShouldRateLimit(t.Context(), asked(descriptor("user", "a"))); status.Code(err) != codes.Unavailable {
		t.Errorf("without rules answered %v", err)
	}
}

// TestMemoryIsBounded asks with 100,000 keys, each with a metric of its own and a limit that it brings itself: what is held stays small.
func TestMemoryIsBounded(t *testing.T) {
	s, _ := serving(t, `[{key: user, detailed_metric: true, rate_limit: {unit: day, requests_per_unit: 3}}]`)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 100_000 {
		plain, own := descriptor("user", fmt.Sprintf("%032d", i)), descriptor("user", fmt.Sprintf("override-%032d", i))
		own.Limit = &ratelimitcommonv3.RateLimitDescriptor_RateLimitOverride{RequestsPerUnit: uint32(i), Unit: typev3.RateLimitUnit_HOUR}
		if _, err := s.ShouldRateLimit(t.Context(), asked(plain, own)); err != nil {
			t.Fatal(err)
		}
	}
	grown := int64(heap()) - int64(before) //nolint:gosec // Far below.
	t.Logf("%d KiB more", grown/1024)
	if grown > 16<<20 {
		t.Errorf("200,000 keys hold %d bytes", grown)
	}
	counts := s.Counts().Series
	if len(counts) > 2_002 {
		t.Errorf("%d series", len(counts))
	}
	total := uint64(0)
	for _, c := range counts {
		total += c.Total
	}
	if total != 200_000 {
		t.Errorf("%d hits are counted in all series", total)
	}
	runtime.KeepAlive(s)
}

// TestConcurrentUse asks while rules change: never more than the limit.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	const rules = `[{key: user, value_to_metric: true, rate_limit: {unit: year, requests_per_unit: 100}}]`
	s, _ := serving(t, rules)
	configs := make([]*descriptors.Config, 50)
	for i := range configs {
		configs[i] = loadRules(t, rules)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	for range 4 {
		wg.Go(func() {
			for range 100 {
				resp, err := s.ShouldRateLimit(t.Context(), asked(descriptor("user", "a")))
				if err == nil && resp.GetOverallCode() == rlsv3.RateLimitResponse_OK {
					mu.Lock()
					passed++
					mu.Unlock()
				}
			}
		})
	}
	wg.Go(func() {
		for _, c := range configs {
			s.Use(c)
		}
	})
	wg.Wait()
	if passed != 100 {
		t.Errorf("%d of 100 passed", passed)
	}
}

// BenchmarkAnswer is what one call costs, without gRPC.
func BenchmarkAnswer(b *testing.B) {
	s, c := serving(b, `[{key: user, rate_limit: {unit: second, requests_per_unit: 1000000}, descriptors: [{key: path, value: "/a*", rate_limit: {unit: day, requests_per_unit: 4000000000}}]}]`)
	for name, req := range map[string]*rlsv3.RateLimitRequest{
		"one":  asked(descriptor("user", "alice")),
		"four": asked(descriptor("user", "alice"), descriptor("user", "alice", "path", "/a/1"), descriptor("user", "bob"), descriptor("user", "bob", "path", "/a/2")),
		"none": asked(descriptor("other", "alice")),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.advance(time.Microsecond)
				if _, err := s.ShouldRateLimit(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
