package descriptors

import (
	"math"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// few is how many descriptors an answer holds without further allocations.
const few = 2

// answer is a response and its parts in one piece of memory.
type answer struct {
	response rlsv3.RateLimitResponse
	statuses [few]rlsv3.RateLimitResponse_DescriptorStatus
	resets   [few]durationpb.Duration
	list     [few]*rlsv3.RateLimitResponse_DescriptorStatus
}

// respond makes the answer of how the charges fared, and counts it.
func (s *Service) respond(req *rlsv3.RateLimitRequest, w *work) *rlsv3.RateLimitResponse {
	a := &answer{}
	statuses, resets, list := a.statuses[:], a.resets[:], a.list[:0]
	if len(w.items) > few {
		statuses = make([]rlsv3.RateLimitResponse_DescriptorStatus, len(w.items))
		resets = make([]durationpb.Duration, len(w.items))
		list = make([]*rlsv3.RateLimitResponse_DescriptorStatus, 0, len(w.items))
	}
	t := tally{code: rlsv3.RateLimitResponse_OK, least: math.MaxUint32}
	for n := range w.items {
		i, st := &w.items[n], &statuses[n]
		st.Code = rlsv3.RateLimitResponse_OK
		list = append(list, st)
		if i.charge < 0 {
			if i.limit != nil { // Unlimited.
				st.LimitRemaining = math.MaxUint32
			}
			continue
		}
		over := s.fared(w, i, st)
		resets[n].Seconds = s.reset(&w.results[i.charge], i.limit.told.GetUnit())
		st.DurationUntilReset = &resets[n]
		t.add(n, st, over, s.options.Quota || i.limit.quota)
	}
	if t.code == rlsv3.RateLimitResponse_OVER_LIMIT && s.options.Shadow {
		t.code = rlsv3.RateLimitResponse_OK
		s.shadow.Add(1)
	}
	a.response.Statuses, a.response.OverallCode = list, t.code
	if s.options.Headers != nil && t.closest != nil {
		a.response.ResponseHeadersToAdd = s.options.Headers.of(t.closest)
	}
	if s.options.Metadata {
		a.response.DynamicMetadata = metadata(req, t.violations, w.items)
	}
	return &a.response
}

// fared fills in how one descriptor stands, and counts it. It returns whether its limit is reached, and may refuse.
func (s *Service) fared(w *work, i *item, st *rlsv3.RateLimitResponse_DescriptorStatus) (over bool) {
	r := &w.results[i.charge]
	limit, remaining := i.limit.requests, r.Remaining
	over = !r.OK
	spent := limit - remaining
	if w.charges[i.charge].Window.Limit == open {
		spent = open - remaining
		over, remaining = spent > limit, max(limit-spent, 0)
	}
	if i.refund {
		over = false
	} else {
		near := uint64(math.Floor(float64(limit) * s.options.Near))
		before := max(spent-i.cost, 0)
		//nolint:gosec // At least 0.
		i.counter.count(uint64(i.cost), uint64(before), uint64(max(spent, 0)), uint64(limit), near, over, over && i.limit.shadow)
	}
	st.CurrentLimit, st.LimitRemaining = i.limit.told, toUint32(remaining)
	if !over || i.limit.shadow {
		return false
	}
	st.Code = rlsv3.RateLimitResponse_OVER_LIMIT
	return true
}

// reset returns the seconds until the window ends: rounded up, as nobody must be told to come too early.
func (s *Service) reset(r *limiter.Result, u Unit) int64 {
	if r.Reset > 0 {
		return seconds(int64(r.Reset))
	}
	per := int64(length(u))
	return seconds(per - s.options.Now().UnixNano()%per)
}

// tally sums up the descriptors of a request.
type tally struct {
	code       rlsv3.RateLimitResponse_Code
	closest    *rlsv3.RateLimitResponse_DescriptorStatus // To its limit, or the last one that refuses.
	least      uint32
	violations []int // Descriptors whose quota is reached.
}

func (t *tally) add(n int, st *rlsv3.RateLimitResponse_DescriptorStatus, over, quota bool) {
	if st.GetLimitRemaining() < t.least {
		t.closest, t.least = st, st.GetLimitRemaining()
	}
	switch {
	case over && quota:
		st.Code = rlsv3.RateLimitResponse_OK
		t.violations = append(t.violations, n)
	case over:
		t.code, t.closest, t.least = rlsv3.RateLimitResponse_OVER_LIMIT, st, 0
	}
}

// of returns the headers for a descriptor.
func (h *Headers) of(st *rlsv3.RateLimitResponse_DescriptorStatus) []*corev3.HeaderValue {
	number := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	return []*corev3.HeaderValue{
		{Key: h.Limit, Value: number(st.GetCurrentLimit().GetRequestsPerUnit())},
		{Key: h.Remaining, Value: number(st.GetLimitRemaining())},
		{Key: h.Reset, Value: strconv.FormatInt(st.GetDurationUntilReset().GetSeconds(), 10)},
	}
}
