package translate

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// shape sets what a route asks of the filters by which traffic is shaped. What a route answers by itself has its part in those
// before the guard alone.
func shape(r *gateway.Route, set func(filter string, config proto.Message)) {
	s := &r.Shaping
	if s.Compression != nil {
		set(envoy.FilterCompress, compressing(s.Compression))
	}
	if s.CORS != nil {
		set(envoy.FilterCORS, corsPolicy(s.CORS))
	}
	if s.GRPCWeb != nil {
		set(envoy.FilterGRPCWeb, switchedOn())
	}
	if s.Addresses != nil {
		set(envoy.FilterAddresses, addressRules(s.Addresses))
	}
	if !r.HidesAll() {
		set(envoy.FilterHide, &routev3.FilterConfig{Disabled: true})
	}
	if r.Action != gateway.ActionForward {
		return
	}
	if len(r.LocalLimits()) > 0 {
		set(envoy.FilterLocalLimit, switchedOn())
	}
	if s.MaxBody != nil {
		set(envoy.FilterMaxBody, boundedBody(*s.MaxBody))
	}
	if s.Faults != nil {
		set(envoy.FilterFaults, injecting(s.Faults))
	}
	if s.Query != nil {
		set(envoy.FilterQuery, changingQuery(s.Query, r))
	}
	if s.Body != nil {
		set(envoy.FilterBody, changingBody(s.Body, r))
	}
	if s.Transcoding != nil {
		set(envoy.FilterTranscode, transcoding(s.Transcoding, r.Base))
	}
}

// switchedOn switches a filter on that takes no settings of a route: an empty one is none.
func switchedOn() *routev3.FilterConfig { return &routev3.FilterConfig{Config: &anypb.Any{}} }

// hiding returns the filter that takes away the headers by which upstreams tell what they are made of, but for those that the
// Gateway keeps.
func hiding(g *gateway.Gateway) *headermutationv3.HeaderMutation {
	out := &headermutationv3.Mutations{}
	for _, name := range gateway.HiddenHeaders() {
		if !slices.Contains(g.Headers.Response.Keep, name) {
			out.ResponseMutations = append(out.ResponseMutations, &mutationv3.HeaderMutation{Action: &mutationv3.HeaderMutation_Remove{Remove: name}})
		}
	}
	return &headermutationv3.HeaderMutation{Mutations: out}
}

// hideHeaders makes a route take away itself what is to be hidden of it, where it lets some of it pass and so does without the
// filter.
func hideHeaders(out *routev3.Route, r *gateway.Route) {
	if r.HidesAll() {
		return
	}
	shown := r.Headers.Response.Shown()
	for _, name := range gateway.HiddenHeaders() {
		if !slices.Contains(shown, name) && !slices.Contains(out.ResponseHeadersToRemove, name) {
			out.ResponseHeadersToRemove = append(slices.Clip(out.ResponseHeadersToRemove), name)
		}
	}
}
