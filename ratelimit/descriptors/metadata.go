package descriptors

import (
	"fmt"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// metadata says what was asked and which quotas are reached, in the form of envoyproxy/ratelimit.
func metadata(req *rlsv3.RateLimitRequest, violations []int, items []item) *structpb.Struct {
	all := make([]*structpb.Value, 0, len(req.GetDescriptors()))
	for _, d := range req.GetDescriptors() {
		all = append(all, structpb.NewStructValue(described(d)))
	}
	enabled := false
	for n := range items {
		if l := items[n].limit; l != nil && l.quota && items[n].charge >= 0 {
			enabled = true
		}
	}
	fields := map[string]*structpb.Value{
		"domain":           structpb.NewStringValue(req.GetDomain()),
		"descriptors":      structpb.NewListValue(&structpb.ListValue{Values: all}),
		"quotaModeEnabled": structpb.NewBoolValue(enabled),
	}
	if n := req.GetHitsAddend(); n != 0 {
		fields["hitsAddend"] = structpb.NewNumberValue(float64(n))
	}
	if len(violations) > 0 {
		numbers := make([]*structpb.Value, len(violations))
		for i, n := range violations {
			numbers[i] = structpb.NewNumberValue(float64(n))
		}
		fields["quotaModeViolations"] = structpb.NewListValue(&structpb.ListValue{Values: numbers})
	}
	return &structpb.Struct{Fields: fields}
}

func described(d *ratelimitcommonv3.RateLimitDescriptor) *structpb.Struct {
	entries := make([]*structpb.Value, 0, len(d.GetEntries()))
	for _, e := range d.GetEntries() {
		entries = append(entries, structpb.NewStringValue(e.GetKey()+"="+e.GetValue()))
	}
	fields := map[string]*structpb.Value{"entries": structpb.NewListValue(&structpb.ListValue{Values: entries})}
	if l := d.GetLimit(); l != nil {
		text := "unit:" + l.GetUnit().String()
		if n := l.GetRequestsPerUnit(); n > 0 {
			text = fmt.Sprintf("requests_per_unit:%d %s", n, text)
		}
		fields["limit"] = structpb.NewStringValue(text)
	}
	if h := d.GetHitsAddend(); h != nil {
		fields["hitsAddend"] = structpb.NewNumberValue(float64(h.GetValue()))
	}
	return &structpb.Struct{Fields: fields}
}
