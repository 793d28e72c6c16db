package translate

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// corsPolicy returns which pages may call a route. A preflight from any other goes on as every request does.
func corsPolicy(c *gateway.CORS) *corsv3.CorsPolicy {
	out := &corsv3.CorsPolicy{
		AllowMethods: strings.Join(c.Methods, ", "), AllowHeaders: strings.Join(c.Headers, ", "), ExposeHeaders: strings.Join(c.Expose, ", "),
	}
	if c.MaxAge > 0 {
		out.MaxAge = strconv.Itoa(int(c.MaxAge.Seconds()))
	}
	if c.Credentials {
		out.AllowCredentials = wrapperspb.Bool(true)
	}
	if c.PrivateNetwork {
		out.AllowPrivateNetworkAccess = wrapperspb.Bool(true)
	}
	for _, origin := range c.Origins {
		out.AllowOriginStringMatch = append(out.AllowOriginStringMatch, originMatcher(origin))
	}
	for _, pattern := range c.Patterns {
		out.AllowOriginStringMatch = append(out.AllowOriginStringMatch, expression(pattern))
	}
	return out
}

// varyByOrigin makes a route tell caches that its answers differ by the page that asks, as Envoy's filter does not.
func varyByOrigin(out *routev3.Route, r *gateway.Route) {
	if c := r.Shaping.CORS; c == nil || slices.Contains(c.Origins, gateway.AnyOrigin) {
		return
	}
	out.ResponseHeadersToAdd = append(out.ResponseHeadersToAdd, &corev3.HeaderValueOption{
		Header: &corev3.HeaderValue{Key: "vary", Value: "Origin"}, AppendAction: corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD,
	})
}

func originMatcher(origin string) *matcherv3.StringMatcher {
	if before, after, found := strings.Cut(origin, "*."); found {
		return expression(regexp.QuoteMeta(before) + gateway.OriginLabels + regexp.QuoteMeta("."+after))
	}
	return literally(origin) // AnyOrigin too: Envoy takes it for all.
}
