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
		hops = append(hops, Hop{Service: "authorization", Why: "policy " + names(r.Authorize, func(p AppliedPolicy) string { return p.Policy.Name })})
	}
	if r.CallsLimits() {
		hops = append(hops, Hop{Service: "limits", Why: "limit " + names(r.Limits, func(l Limit) string { return l.Name })})
	}
	return hops
}

func names[T any](list []T, name func(T) string) string {
	text := name(list[0])
	if len(list) > 1 {
		text = fmt.Sprintf("%s and %d more", text, len(list)-1)
	}
	return text
}
