package gateway

import "fmt"

// Hop is one call that Envoy makes to Gatehouse before it forwards a request.
type Hop struct {
	Service string `json:"service"` // "authorization" or "limits".
	Why     string `json:"why"`
}

// CallsAuthorization reports whether requests of the route wait for an ext_authz call. What Envoy can decide by itself needs
// none: tokens, certificates, requirements, and policies that reduce to comparisons.
func (r *Route) CallsAuthorization() bool {
	return r.Action == ActionForward && r.whyAuthorization() != ""
}

// CallsLimits reports whether requests of the route wait for a rate limit call. Where authorization is called anyway, that call
// spends the limits.
func (r *Route) CallsLimits() bool {
	return r.Action == ActionForward && len(r.CountedLimits()) > 0 && !r.CallsAuthorization()
}

// CheckSpends reports whether the ext_authz call of the route spends its limits.
func (r *Route) CheckSpends() bool { return len(r.CountedLimits()) > 0 && r.CallsAuthorization() }

// CheckAway returns what becomes of requests while the ext_authz call of the route is not answered. Where that call spends the
// limits too, the stricter of both failure modes holds: an unanswered call tells nothing about either.
func (r *Route) CheckAway() FailureMode {
	if r.WhenAway.Authorization != Open || r.CheckSpends() && r.LimitsAway() == Closed {
		return Closed
	}
	return Open
}

// Hops returns the calls to Gatehouse that a request of the route waits for: one at most.
func (r *Route) Hops() []Hop {
	var hops []Hop
	if r.CallsAuthorization() {
		why := r.whyAuthorization()
		if r.CheckSpends() {
			why += "; it spends limit " + names(r.CountedLimits(), func(l Limit) string { return l.Name })
		}
		hops = append(hops, Hop{Service: "authorization", Why: why})
	}
	if r.CallsLimits() {
		hops = append(hops, Hop{Service: "limits", Why: "limit " + names(r.CountedLimits(), func(l Limit) string { return l.Name })})
	}
	return hops
}

// whyAuthorization says why the authorization service is asked, empty where it is not: who calls is known to it alone, or what a
// limit counts by, or it names the policies that are asked, the Gateway's apart, as they alone may be why a route waits for the call.
func (r *Route) whyAuthorization() string {
	if why := r.IdentityCalls(); why != "" {
		return why
	}
	name := func(p AppliedPolicy) string { return p.Policy.Name }
	var own, platform []AppliedPolicy
	for _, p := range r.Authorize {
		switch {
		case p.Mode == Off || p.Native != nil:
			continue
		case p.Platform:
			platform = append(platform, p)
		default:
			own = append(own, p)
		}
	}
	switch {
	case len(own)+len(platform) == 0 && r.Decisions == RecordedFull:
		return "decisions are recorded in full"
	case len(own)+len(platform) == 0:
		return r.whyLimits()
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
