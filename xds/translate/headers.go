package translate

import (
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// changeHeaders puts changes of headers on a route. Envoy makes those of a request in its router, behind every filter, so that
// nothing that decides about the request sees them; those of the response also on answers of the filters. What Gatehouse itself
// puts on a response comes after them and wins.
func changeHeaders(out *routev3.Route, h gateway.Headers, r *gateway.Route) {
	out.RequestHeadersToAdd = headerOptions(h.Request, r)
	out.RequestHeadersToRemove = append(slices.Clone(h.Request.Remove), maybeEmpty(h.Request.Set)...)
	out.ResponseHeadersToAdd = headerOptions(h.Response, r)
	out.ResponseHeadersToRemove = h.Response.Remove
}

func headerOptions(c gateway.HeaderChanges, r *gateway.Route) []*corev3.HeaderValueOption {
	var out []*corev3.HeaderValueOption
	for _, h := range c.Set {
		out = append(out, setHeader(h.Name, headerFormat(h.Value, r)))
	}
	for _, h := range c.Add {
		out = append(out, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: h.Name, Value: headerFormat(h.Value, r)},
			AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
		})
	}
	return out
}

// maybeEmpty returns the names of those headers that are to be set to what a request need not have. Envoy leaves a header alone
// whose new value is empty; so what the client sent under its name is taken away first, and nobody speaks in Envoy's place.
func maybeEmpty(set []gateway.Header) []string {
	var out []string
	for _, h := range set {
		if !slices.ContainsFunc(h.Value, func(p gateway.HeaderPart) bool { return p.Field == "" }) {
			out = append(out, h.Name)
		}
	}
	return out
}
