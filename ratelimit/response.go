package ratelimit

import (
	"strconv"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// headerRetry tells a refused client how many seconds to wait.
const headerRetry = "retry-after"

// few is how many descriptors a response holds without further allocations.
const few = 2

// answer is a response and its parts in one piece of memory.
type answer struct {
	response rlsv3.RateLimitResponse
	statuses [few]rlsv3.RateLimitResponse_DescriptorStatus
	resets   [few]durationpb.Duration
	list     [few]*rlsv3.RateLimitResponse_DescriptorStatus
}

// respond makes the response from how each charge fared.
func respond(ok bool, limits []*limit, results []limiter.Result) *rlsv3.RateLimitResponse {
	a := &answer{}
	statuses, resets, list := a.statuses[:], a.resets[:], a.list[:0]
	if len(limits) > few {
		statuses = make([]rlsv3.RateLimitResponse_DescriptorStatus, len(limits))
		resets = make([]durationpb.Duration, len(limits))
		list = make([]*rlsv3.RateLimitResponse_DescriptorStatus, 0, len(limits))
	}
	var retry time.Duration
	evidence := limits[0].evidence
	for i, l := range limits {
		r, s := &results[i], &statuses[i]
		s.Code = rlsv3.RateLimitResponse_OK
		if !r.OK {
			s.Code = rlsv3.RateLimitResponse_OVER_LIMIT
			retry = max(retry, r.Retry)
			if evidence == limits[0].evidence {
				evidence = l.reached
			}
		}
		s.CurrentLimit = l.answer
		s.LimitRemaining = uint32(r.Remaining) //nolint:gosec // At most the limit, which fits since Compile.
		resets[i].Seconds = seconds(r.Reset)
		s.DurationUntilReset = &resets[i]
		list = append(list, s)
	}
	a.response.Statuses = list
	a.response.DynamicMetadata = evidence
	a.response.OverallCode = rlsv3.RateLimitResponse_OK
	if !ok {
		a.response.OverallCode = rlsv3.RateLimitResponse_OVER_LIMIT
		a.response.ResponseHeadersToAdd = []*corev3.HeaderValue{
			{Key: headerRetry, Value: strconv.FormatInt(seconds(retry), 10)},
		}
	}
	return &a.response
}

// seconds rounds up to whole seconds: Envoy cuts off fractions for x-ratelimit-reset, and a client must not be told to come too early.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}

// answerLimit says a window in Envoy's words: a number of requests, and a number of the largest unit that gives the window
// exactly, or of seconds, rounded up.
func answerLimit(name string, w limiter.Window) *rlsv3.RateLimitResponse_RateLimit {
	l := &rlsv3.RateLimitResponse_RateLimit{Name: name, RequestsPerUnit: uint32(w.Limit)} //nolint:gosec // Fits since Compile.
	units := []struct {
		unit   rlsv3.RateLimitResponse_RateLimit_Unit
		length time.Duration
	}{
		{rlsv3.RateLimitResponse_RateLimit_DAY, 24 * time.Hour},
		{rlsv3.RateLimitResponse_RateLimit_HOUR, time.Hour},
		{rlsv3.RateLimitResponse_RateLimit_MINUTE, time.Minute},
		{rlsv3.RateLimitResponse_RateLimit_SECOND, time.Second},
	}
	for _, u := range units {
		if w.Per%u.length != 0 && u.length > time.Second {
			continue
		}
		l.Unit = u.unit
		if n := (w.Per + u.length - 1) / u.length; n > 1 {
			l.UnitMultiplier = wrapperspb.UInt32(uint32(n)) //nolint:gosec // At most a year of seconds.
		}
		break
	}
	return l
}
