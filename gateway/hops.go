package gateway

import "fmt"

// Hop is one call that Envoy makes to Gatehouse before it forwards a request.
type Hop struct {
	Service string `json:"service"` // "authorization" or "limits".
	Why     string `json:"why"`
}

// CallsAuthorization reports whether requests of the route wait for an ext_authz call. Tokens alone do not need one: Envoy
// verifies them itself.
func (r *Route) CallsAuthorization() bool { return r.Action == ActionForward && len(r.Authorize) > 0 }

// CallsLimits reports whether requests of the route wait for a rate limit call.
func (r *Route) CallsLimits() bool { return r.Action == ActionForward && len(r.Limits) > 0 }

// Hops returns the calls to Gatehouse that a request of the route waits for, in their order.
func (r *Route) Hops() []Hop {
	var hops []Hop
	if r.CallsAuthorization() {
		hops = append(hops, Hop{Service: "authorization", Why: r.whyAuthorization()})
	}
	if r.CallsLimits() {
		hops = append(hops, Hop{Service: "limits", Why: "limit " + names(r.Limits, func(l Limit) string { return l.Name })})
	}
	return hops
}

// whyAuthorization names the policies that are asked, the Gateway's apart: they alone may be why a route waits for the call.
func (r *Route) whyAuthorization() string {
	name := func(p AppliedPolicy) string { return p.Policy.Name }
	var own, platform []AppliedPolicy
	for _, p := range r.Authorize {
		if p.Platform {
			platform = append(platform, p)
		} else {
			own = append(own, p)
		}
	}
	switch {
	case len(platform) == 0:
		return "policy " + names(own, name)
	case len(own) == 0:
		return "the Gateway's policy " + names(platform, name)
	}
	return "policy " + names(own, name) + ", and the Gateway's policy " + names(platform, name)
}

func names[T any](list []T, name func(T) string) string {
	text := name(list[0])
	if len(list) > 1 {
		text = fmt.Sprintf("%s and %d more", text, len(list)-1)
	}
	return text
}
