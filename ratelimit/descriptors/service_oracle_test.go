package descriptors_test

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/wrapperspb"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit/descriptors"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
)

// clock is the time of ours, which only the test moves.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	// A year of 365 days began shortly before: theirs has one bucket for a year and a day that begin together (units-of-buckets), and
	// no sequence lasts until the next.
	c.nanos.Store(time.Date(2026, 12, 20, 10, 0, 7, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time { return time.Unix(0, c.nanos.Load()) }

func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// pair is envoyproxy/ratelimit over a Redis and ours over memory, with the same files and the same time.
type pair struct {
	theirs *oracle
	ours   *descriptors.Service
	clock  *clock
}

// pair loads a file; false where it is refused. stop is its setting that a refused request counts nowhere but where it is refused.
func (o *oracle) pair(t *rapid.T, redis *needs.RedisServer, text string, stop bool) (*pair, bool) {
	ours, ok := o.load(t, []descriptors.File{fileOf("limits.yaml", text)}, false)
	if !ok {
		return nil, false
	}
	p := &pair{theirs: o, clock: newClock()}
	if s := o.ask(t, map[string]any{"Serve": map[string]any{"Redis": redis.Socket, "Stop": stop}}); s.Error != "" {
		t.Fatalf("%s", s.Error)
	}
	p.ours = descriptors.New(descriptors.Options{
		Store: memory.New(memory.Options{Clock: p.clock.Now}), Log: slog.New(slog.DiscardHandler), Now: p.clock.Now, Metadata: true,
		Headers: &descriptors.Headers{Limit: "RateLimit-Limit", Remaining: "RateLimit-Remaining", Reset: "RateLimit-Reset"},
	})
	p.ours.Use(ours)
	return p, true
}

// once leaves out descriptors that count in the same bucket as an earlier one: the answers differ, see docs.
func (p *pair) once(t *rapid.T, all []*ratelimitcommonv3.RateLimitDescriptor) []*ratelimitcommonv3.RateLimitDescriptor {
	seen := map[string]bool{}
	var kept []*ratelimitcommonv3.RateLimitDescriptor
	for _, d := range all {
		_, key, _ := p.theirs.find(t, "bank", d)
		if key == "" || !seen[key] {
			kept = append(kept, d)
		}
		seen[key] = true
	}
	return kept
}

// ask asks both, and compares whatever they answer.
func (p *pair) ask(t *rapid.T, req *rlsv3.RateLimitRequest, text string) (refused bool) {
	p.theirs.ask(t, map[string]any{"At": p.clock.Now().Unix()})
	s := p.theirs.ask(t, map[string]any{"Ask": encoded(t, req)})
	got, err := p.ours.ShouldRateLimit(context.Background(), req)
	if s.Error != "" || err != nil {
		t.Fatalf("%v: envoyproxy/ratelimit answers %q, we answer %v", req, s.Error, err)
	}
	want := &rlsv3.RateLimitResponse{}
	if err := protojson.Unmarshal(s.Says, want); err != nil {
		t.Fatalf("%v", err)
	}
	for i, status := range want.GetStatuses() {
		if status.GetDurationUntilReset() == nil && i < len(got.GetStatuses()) {
			got.GetStatuses()[i].DurationUntilReset = nil // It leaves out that of a quota that is reached.
		}
	}
	blanks := cmp.Transformer("blanks", func(s string) string { return strings.ReplaceAll(s, "  ", " ") }) // It writes one or two, by chance.
	if diff := cmp.Diff(want, got, protocmp.Transform(), blanks); diff != "" {
		t.Fatalf("at %s %v (-theirs +ours):\n%s\nin:\n%s", p.clock.Now().UTC(), req, diff, text)
	}
	return want.GetOverallCode() == rlsv3.RateLimitResponse_OVER_LIMIT
}

func (p *pair) wait(t *rapid.T) {
	p.clock.advance(rapid.SampledFrom([]time.Duration{
		0, 0, 0, 0, 0, 0, time.Second, 10 * time.Second, time.Minute, time.Hour, 25 * time.Hour, 8 * 24 * time.Hour,
	}).Draw(t, "wait"))
}

// TestAnswersAreTheirs draws rules and sequences of requests of which each descriptor says what it costs, as Envoy does where it counts
// what a response costs: whole answers are the same, with advisory limits, overrides, headers and metadata.
func TestAnswersAreTheirs(t *testing.T) {
	o, redis := newOracle(t), needs.Redis(t)
	refused, passed := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := &writer{t: rt}
		p, ok := o.pair(rt, redis, w.file("bank"), false)
		if !ok {
			return
		}
		known := [][]*ratelimitcommonv3.RateLimitDescriptor_Entry{w.entries(), w.entries(), w.entries()}
		for range rapid.IntRange(5, 30).Draw(rt, "requests") {
			p.wait(rt)
			req := &rlsv3.RateLimitRequest{Domain: "bank", HitsAddend: rapid.Uint32Range(0, 2).Draw(rt, "hits of the request")}
			for range rapid.IntRange(1, 4).Draw(rt, "descriptors") {
				d := &ratelimitcommonv3.RateLimitDescriptor{
					Entries:    known[rapid.IntRange(0, 2).Draw(rt, "which")],
					HitsAddend: wrapperspb.UInt64(rapid.SampledFrom([]uint64{0, 0, 1, 1, 1, 2, 3, 1000}).Draw(rt, "hits")),
				}
				if rapid.IntRange(1, 8).Draw(rt, "override") == 8 {
					d.Limit = &ratelimitcommonv3.RateLimitDescriptor_RateLimitOverride{
						RequestsPerUnit: rapid.Uint32Range(0, 5).Draw(rt, "requests of the override"), Unit: typev3.RateLimitUnit_YEAR,
					}
				}
				req.Descriptors = append(req.Descriptors, d)
			}
			if req.Descriptors = p.once(rt, req.GetDescriptors()); p.ask(rt, req, w.text.String()) {
				refused++
			} else {
				passed++
			}
		}
	})
	if refused == 0 || passed == 0 {
		t.Errorf("%d requests were refused and %d let through: the test tries too little", refused, passed)
	}
}

// TestRefusalsAreTheirs draws sequences of plain requests with several descriptors. Theirs is told not to count a refused request where it
// was not refused, which we never do.
func TestRefusalsAreTheirs(t *testing.T) {
	o, redis := newOracle(t), needs.Redis(t)
	refused, passed := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		w := &writer{t: rt, strict: true}
		p, ok := o.pair(rt, redis, w.file("bank"), true)
		if !ok {
			return
		}
		known := [][]*ratelimitcommonv3.RateLimitDescriptor_Entry{w.entries(), w.entries(), w.entries()}
		for range rapid.IntRange(5, 30).Draw(rt, "requests") {
			p.wait(rt)
			req := &rlsv3.RateLimitRequest{Domain: "bank", HitsAddend: rapid.Uint32Range(0, 1).Draw(rt, "hits of the request")}
			for range rapid.IntRange(1, 4).Draw(rt, "descriptors") {
				req.Descriptors = append(req.Descriptors, &ratelimitcommonv3.RateLimitDescriptor{Entries: known[rapid.IntRange(0, 2).Draw(rt, "which")]})
			}
			if req.Descriptors = p.once(rt, req.GetDescriptors()); p.ask(rt, req, w.text.String()) {
				refused++
			} else {
				passed++
			}
		}
	})
	if refused == 0 || passed == 0 {
		t.Errorf("%d requests were refused and %d let through: the test tries too little", refused, passed)
	}
}
