package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// Parts of limits' keys that are not the name of a place in the request with a name behind it.
const (
	KeyAddress     = "client.address"
	KeyConsumer    = "consumer"
	KeyApplication = "application"
	KeyPlan        = "plan"
	KeyToken       = "token."  // Then the claim's path.
	KeyHeader      = "header." // Then the header's name, in lower case.
	KeyQuery       = "query."  // Then the parameter's name.
	KeyPath        = "path."   // Then the name of a parameter of the template.
)

// Places where the number of a cost stands (Cost.From).
const (
	CostHeader         = "header."          // Then the header's name, in lower case.
	CostClaim          = "token."           // Then the claim's path.
	CostBody           = "body.size"        // Of the request.
	CostResponseHeader = "response.header." // Then the header's name, in lower case.
	CostResponse       = "response.size"    // Of the response's body.
)

// Late reports whether the cost may be known only when the stream has ended. What is known before is spent before: of a request's
// body that is what its content-length says, where it has one.
func (c Cost) Late() bool {
	return c.From == CostBody || strings.HasPrefix(c.From, "response.")
}

// CountedLimits returns the limits of the route that Gatehouse counts: all but those that each Envoy counts by itself.
func (r *Route) CountedLimits() []Limit {
	if !slices.ContainsFunc(r.Limits, func(l Limit) bool { return l.Enforce == Distributed }) {
		return r.Limits
	}
	return slices.DeleteFunc(slices.Clone(r.Limits), func(l Limit) bool { return l.Enforce == Distributed })
}

// AlwaysCounts reports whether one of the limits that Gatehouse counts counts every request of the route. Where none does, there are
// requests for which nobody is asked.
func (r *Route) AlwaysCounts() bool {
	return slices.ContainsFunc(r.CountedLimits(), func(l Limit) bool { return l.When == nil })
}

// TellsLate reports whether the route tells of costs when its streams end: by a call that no request waits for.
func (r *Route) TellsLate() bool {
	return r.Action == ActionForward && slices.ContainsFunc(r.CountedLimits(), func(l Limit) bool { return l.Cost.Late() })
}

// Away returns what becomes of a request while the store of the limit cannot be asked, by the limit's own word or the route's.
func (l *Limit) Away(r *Route) StoreAway {
	switch {
	case l.StoreAway != "":
		return l.StoreAway
	case r.WhenAway.Limits == Closed:
		return StoreClosed
	}
	return StoreOpen
}

// LimitsAway returns what becomes of requests while Gatehouse cannot be asked for the limits of the route: the stricter of what the
// route says and what each limit says of its store. Limits in shadow mode refuse nothing, then neither.
func (r *Route) LimitsAway() FailureMode {
	for _, l := range r.CountedLimits() {
		if l.Mode != Shadow && (r.WhenAway.Limits == Closed || l.StoreAway == StoreClosed) {
			return Closed
		}
	}
	return Open
}

// whyLimits says why a Check must spend the limits of the route where Envoy could tell everything else, empty where a rate limit
// call does: Envoy cannot tell what they count by.
func (r *Route) whyLimits() string {
	if counted := r.CountedLimits(); r.Answers() && len(counted) > 0 { // Envoy's filter passes over routes that forward nothing.
		return fmt.Sprintf("limit %s, which Envoy asks for only where it forwards", counted[0].Name)
	}
	for _, l := range r.CountedLimits() {
		for _, part := range l.Key {
			if (part == KeyConsumer || part == KeyApplication) && !r.tokensTell() || part == KeyPlan {
				return fmt.Sprintf("limit %s, whose %s Envoy cannot tell", l.Name, part)
			}
		}
		switch {
		case l.When != nil && len(l.When.Plans) > 0:
			return fmt.Sprintf("limit %s, whose plan Envoy cannot tell", l.Name)
		case l.SpendRefused && slices.ContainsFunc(r.Authorize, func(p AppliedPolicy) bool { return p.Mode == Enforce }):
			return fmt.Sprintf("limit %s, which counts what policies refuse too", l.Name)
		}
	}
	return ""
}

// tokensTell reports whether on every way of the route the first proof, which says who calls, is a token that Envoy verifies.
func (r *Route) tokensTell() bool {
	return len(r.Ways) > 0 && !slices.ContainsFunc(r.Ways, func(w Way) bool { return len(w) == 0 || w[0].Kind != ByJWT })
}
