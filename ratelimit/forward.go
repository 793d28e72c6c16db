package ratelimit

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/ratelimit/limiter"
)

// forward asks the process that keeps the buckets now, as Envoy would, and returns what it tells.
func (w *work) forward(ctx context.Context, next rlsv3.RateLimitServiceClient, request *Spending) (Spent, error) {
	req := &rlsv3.RateLimitRequest{Domain: envoy.RateLimitDomain}
	for i := range w.asked {
		req.Descriptors = append(req.Descriptors, w.asked[i].descriptor(w, request))
	}
	if request.Call != 0 {
		id := callNumber(request.Call)
		ctx = metadata.AppendToOutgoingContext(ctx, envoy.HeaderCall, hex.EncodeToString(id[:]))
	}
	response, err := next.ShouldRateLimit(ctx, req)
	if err != nil {
		return Spent{}, err
	}
	if len(response.GetStatuses()) != len(w.asked) {
		return Spent{}, fmt.Errorf("%d limits were asked for, %d answered", len(w.asked), len(response.GetStatuses()))
	}
	for i, status := range response.GetStatuses() {
		w.asked[i].take(status)
	}
	for _, h := range response.GetRequestHeadersToAdd() {
		w.asked[0].away = w.asked[0].away || h.GetKey() == envoy.HeaderLimits
	}
	spent := w.spent(response.GetOverallCode() == rlsv3.RateLimitResponse_OK)
	spent.Shadow = response.GetDynamicMetadata().GetFields()[envoy.MetadataRateLimitShadow].GetStringValue()
	for _, h := range response.GetResponseHeadersToAdd() {
		switch h.GetKey() {
		case headerRetry:
			spent.RetryAfter = h.GetValue()
		case headerPolicy:
			spent.Policy = h.GetValue()
		case headerStanding:
			spent.Standing = h.GetValue()
		}
	}
	return spent, nil
}

// descriptor returns what the successor is to know of a limit that counts a request.
func (a *asked) descriptor(w *work, request *Spending) *ratelimitcommonv3.RateLimitDescriptor {
	d := &ratelimitcommonv3.RateLimitDescriptor{HitsAddend: wrapperspb.UInt64(request.Cost), Entries: []*ratelimitcommonv3.RateLimitDescriptor_Entry{
		{Key: envoy.DescriptorRules, Value: request.Rules}, {Key: envoy.DescriptorLimit, Value: a.name},
	}}
	if a.limitCost.From != "" { // What it costs is known here.
		amount := strconv.FormatInt(times(a.cost, max(a.limitCost.Per, 1)), 10)
		d.HitsAddend = nil
		d.Entries = append(d.Entries, &ratelimitcommonv3.RateLimitDescriptor_Entry{Key: envoy.DescriptorCost, Value: amount})
	}
	values := w.charges[a.first].Key[len(a.windows[0].prefix):]
	d.Entries = append(d.Entries, &ratelimitcommonv3.RateLimitDescriptor_Entry{
		Key: envoy.DescriptorValues, Value: base64.StdEncoding.EncodeToString(values),
	})
	return d
}

// take takes over how another process says that the limit stands.
func (a *asked) take(status *rlsv3.RateLimitResponse_DescriptorStatus) {
	for i := range a.windows {
		if proto.Equal(status.GetCurrentLimit(), a.windows[i].answer) {
			a.window = i
		}
	}
	a.result = limiter.Result{
		OK: status.GetCode() == rlsv3.RateLimitResponse_OK, Remaining: int64(status.GetLimitRemaining()),
		Reset: status.GetDurationUntilReset().AsDuration(),
	}
}
