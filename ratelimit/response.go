package ratelimit

import (
	"maps"
	"time"
	"unsafe"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// few is how many descriptors a response holds without further allocations.
const few = 4

// answer is a response and some of its parts in one piece of memory.
type answer struct {
	response rlsv3.RateLimitResponse
	standing corev3.HeaderValue
	told     [3]*corev3.HeaderValue
	text     [48]byte // The value of standing, where it is that short.
}

// answerOne and answerFew are answers with their statuses.
type (
	answerOne struct {
		answer
		status rlsv3.RateLimitResponse_DescriptorStatus
		reset  durationpb.Duration
		list   [1]*rlsv3.RateLimitResponse_DescriptorStatus
	}
	answerFew struct {
		answer
		statuses [few]rlsv3.RateLimitResponse_DescriptorStatus
		resets   [few]durationpb.Duration
		list     [few]*rlsv3.RateLimitResponse_DescriptorStatus
	}
)

// respond makes the response from how each limit fared. Of the message's parts, raw_body stays empty, as Envoy writes the problem document, and
// quota, as Envoy 1.40 does not know it.
func (w *work) respond(admitted bool) *rlsv3.RateLimitResponse {
	switch n := len(w.asked); {
	case n == 1:
		a := &answerOne{}
		w.asked[0].fill(&a.status, &a.reset)
		a.list[0] = &a.status
		return a.finish(w, a.list[:], admitted)
	case n <= few:
		a := &answerFew{}
		for i := range w.asked {
			w.asked[i].fill(&a.statuses[i], &a.resets[i])
			a.list[i] = &a.statuses[i]
		}
		return a.finish(w, a.list[:n], admitted)
	default:
		list := make([]*rlsv3.RateLimitResponse_DescriptorStatus, n)
		for i := range w.asked {
			list[i] = &rlsv3.RateLimitResponse_DescriptorStatus{}
			w.asked[i].fill(list[i], &durationpb.Duration{})
		}
		return (&answer{}).finish(w, list, admitted)
	}
}

// fill says how a limit stands.
func (a *asked) fill(s *rlsv3.RateLimitResponse_DescriptorStatus, reset *durationpb.Duration) {
	s.Code = rlsv3.RateLimitResponse_OK
	if a.refuses() {
		s.Code = rlsv3.RateLimitResponse_OVER_LIMIT
	}
	if a.told() {
		s.CurrentLimit = a.windows[a.window].answer
		s.LimitRemaining = narrow(a.result.Remaining)
		reset.Seconds = seconds(a.result.Reset)
		s.DurationUntilReset = reset
	}
}

// finish fills in the rest.
func (a *answer) finish(w *work, statuses []*rlsv3.RateLimitResponse_DescriptorStatus, admitted bool) *rlsv3.RateLimitResponse {
	r := &a.response
	r.Statuses, r.DynamicMetadata, r.OverallCode = statuses, w.evidence(), rlsv3.RateLimitResponse_OK
	told := a.told[:0]
	if w.asked[0].route.draft {
		if policy := w.policyHeader(); policy != nil {
			// The text is written once, and lives as long as the answer.
			text := w.appendStanding(a.text[:0])
			a.standing.Key, a.standing.Value = headerStanding, unsafe.String(unsafe.SliceData(text), len(text)) //nolint:gosec // See above.
			told = append(told, policy, &a.standing)
		}
	}
	switch {
	case !admitted:
		r.OverallCode = rlsv3.RateLimitResponse_OVER_LIMIT
		told = append(told, &corev3.HeaderValue{Key: headerRetry, Value: w.retry()})
	case w.unasked():
		r.RequestHeadersToAdd = []*corev3.HeaderValue{{Key: envoy.HeaderLimits, Value: envoy.LimitsUnasked}}
	}
	if len(told) > 0 {
		r.ResponseHeadersToAdd = told
	}
	return r
}

// evidence returns what the access log is told: that the limits were asked, which is the first that is reached, and which would have
// been in shadow mode. Nothing where one could not be asked: the request is counted as let through then.
func (w *work) evidence() *structpb.Struct {
	var reached, over *asked
	for i := range w.asked {
		switch a := &w.asked[i]; {
		case a.away && a.mode != gateway.Shadow:
			return nil
		case reached == nil && a.refuses():
			reached = a
		case over == nil && a.over():
			over = a
		}
	}
	told := w.asked[0].route.evidence
	switch {
	case reached != nil && over != nil:
		return evidenceOf(envoy.MetadataRateLimitRules, told.GetFields()[envoy.MetadataRateLimitRules].GetStringValue(),
			envoy.MetadataRateLimitLimit, reached.name, envoy.MetadataRateLimitShadow, over.name)
	case reached != nil:
		return reached.reached
	case over != nil:
		told = over.shadow
	}
	return w.withBuckets(told)
}

// withBuckets adds to what the access log is told what Envoy is to tell of limits that may cost more when the stream ends.
func (w *work) withBuckets(plain *structpb.Struct) *structpb.Struct {
	var buckets map[string]*structpb.Value
	for i := range w.asked {
		if a := &w.asked[i]; a.late && !a.done && !a.away {
			if buckets == nil {
				buckets = map[string]*structpb.Value{}
			}
			buckets[a.name] = structpb.NewStringValue(w.bucket(a))
		}
	}
	if buckets == nil {
		return plain
	}
	more := &structpb.Struct{Fields: maps.Clone(plain.GetFields())}
	more.Fields[envoy.MetadataBuckets] = structpb.NewStructValue(&structpb.Struct{Fields: buckets})
	return more
}

// unasked reports whether the request goes on without one of its limits.
func (w *work) unasked() bool {
	for i := range w.asked {
		if a := &w.asked[i]; a.away && a.mode != gateway.Shadow {
			return true
		}
	}
	return false
}

// unitOf returns a length as a number of the largest unit that gives it exactly, or of seconds, rounded up; nil for 1.
func unitOf(length time.Duration) (rlsv3.RateLimitResponse_RateLimit_Unit, *wrapperspb.UInt32Value) {
	unit, whole := rlsv3.RateLimitResponse_RateLimit_SECOND, time.Second
	for _, u := range []struct {
		unit   rlsv3.RateLimitResponse_RateLimit_Unit
		length time.Duration
	}{
		{rlsv3.RateLimitResponse_RateLimit_DAY, day},
		{rlsv3.RateLimitResponse_RateLimit_HOUR, time.Hour},
		{rlsv3.RateLimitResponse_RateLimit_MINUTE, time.Minute},
	} {
		if length%u.length == 0 {
			unit, whole = u.unit, u.length
			break
		}
	}
	if n := (length + whole - 1) / whole; n > 1 {
		return unit, wrapperspb.UInt32(uint32(n)) //nolint:gosec // At most a year of seconds.
	}
	return unit, nil
}
