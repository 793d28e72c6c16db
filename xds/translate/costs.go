package translate

import (
	"slices"
	"strings"

	headertometadatav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_to_metadata/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// costHeaders returns the override of the filter that keeps costs in response headers until the stream ends, as the descriptors of
// rate limit calls cannot read these; nil for a route that has none.
func costHeaders(r *gateway.Route) *headertometadatav3.Config {
	var names []string
	for _, l := range r.CountedLimits() {
		if name, ok := strings.CutPrefix(l.Cost.From, gateway.CostResponseHeader); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if r.Action != gateway.ActionForward || names == nil {
		return nil
	}
	out := &headertometadatav3.Config{}
	for _, name := range names {
		out.ResponseRules = append(out.ResponseRules, costHeader(name))
	}
	return out
}

func costHeader(name string) *headertometadatav3.Config_Rule {
	return &headertometadatav3.Config_Rule{
		Header: name,
		OnHeaderPresent: &headertometadatav3.Config_KeyValuePair{
			MetadataNamespace: envoy.MetadataCost, Key: name, Type: headertometadatav3.Config_STRING,
		},
	}
}

// noCosts is the filter without a route: it takes nothing.
func noCosts() *headertometadatav3.Config { return &headertometadatav3.Config{} }
