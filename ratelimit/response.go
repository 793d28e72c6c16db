package ratelimit

import (
	"maps"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// few is how many descriptors a response holds without further allocations.
const few = 2

// answer is a response and its parts in one piece of memory.
type answer struct {
	response rlsv3.RateLimitResponse
	statuses [few]rlsv3.RateLimitResponse_DescriptorStatus
	resets   [few]durationpb.Duration
	list     [few]*rlsv3.RateLimitResponse_DescriptorStatus
	headers  [3]corev3.HeaderValue
	told     [3]*corev3.HeaderValue
}

// respond makes the response from how each limit fared. Of the message's parts, raw_body stays empty, as Envoy writes the problem document, and
// quota, as Envoy 1.40 does not know it.
func (w *work) respond(admitted bool) *rlsv3.RateLimitResponse {
	a := &answer{}
	statuses, resets, list := a.statuses[:], a.resets[:], a.list[:0]
	if n := len(w.asked); n > few {
		statuses = make([]rlsv3.RateLimitResponse_DescriptorStatus, n)
		resets = make([]durationpb.Duration, n)
		list = make([]*rlsv3.RateLimitResponse_DescriptorStatus, 0, n)
	}
	for i := range w.asked {
		asked, s := &w.asked[i], &statuses[i]
		s.Code = rlsv3.RateLimitResponse_OK
		if asked.refuses() {
			s.Code = rlsv3.RateLimitResponse_OVER_LIMIT
		}
		if asked.told() {
			s.CurrentLimit = asked.windows[asked.window].answer
			s.LimitRemaining = narrow(asked.result.Remaining)
			resets[i].Seconds = seconds(asked.result.Reset)
			s.DurationUntilReset = &resets[i]
		}
		list = append(list, s)
	}
	a.response.Statuses = list
	a.response.DynamicMetadata = w.evidence()
	a.response.OverallCode = rlsv3.RateLimitResponse_OK
	a.response.ResponseHeadersToAdd = a.head(w, admitted)
	if !admitted {
		a.response.OverallCode = rlsv3.RateLimitResponse_OVER_LIMIT
	} else if w.unasked() {
		a.response.RequestHeadersToAdd = []*corev3.HeaderValue{{Key: envoy.HeaderLimits, Value: envoy.LimitsUnasked}}
	}
	return &a.response
}

// head returns what the client is told in headers.
func (a *answer) head(w *work, admitted bool) []*corev3.HeaderValue {
	told := a.told[:0]
	add := func(name, value string) {
		if value != "" {
			h := &a.headers[len(told)]
			h.Key, h.Value = name, value
			told = append(told, h)
		}
	}
	if w.asked[0].route.draft {
		add(headerPolicy, w.policies())
		add(headerStanding, w.standing())
	}
	if !admitted {
		add(headerRetry, w.retry())
	}
	if len(told) == 0 {
		return nil
	}
	return told
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
