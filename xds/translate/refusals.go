package translate

import (
	"strings"

	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// refusals are what a route refuses: by the name that a refusal is known by (envoy.Refused...), the conditions any one of which
// refuses. Envoy looks at them in the order of their names, and the first is the one that it tells; names in brackets come before
// all that documents can give. Every condition is written as the absence of what must hold, so that what a filter before the
// guard did not leave behind, for whatever reason, is a refusal.
type refusals map[string][]*rbacconfigv3.Principal

// when refuses where a condition holds.
func (r refusals) when(name string, holds *rbacconfigv3.Principal) { r[name] = append(r[name], holds) }

// unless refuses where a condition does not hold.
func (r refusals) unless(name string, holds *rbacconfigv3.Principal) { r.when(name, not(holds)) }

// refusalsOf returns what a route refuses in Envoy: callers who do not prove who they are, what its requirements ask for, and
// what the authorization service did not allow although it should have been asked.
func refusalsOf(r *gateway.Route) refusals {
	out := refusals{}
	if !r.Public {
		out.addIdentity(r)
	}
	if r.CallsAuthorization() {
		out.unless(envoy.RefusedDecision, decisionEvidence(r))
	}
	for i := range r.Require {
		out.unless(r.Require[i].Name, meets(&r.Require[i]))
	}
	return out
}

// guardOn returns the guard's override of a route. The listener's guard denies every request; this lets pass what no refusal
// of the route holds of.
func guardOn(r *gateway.Route) *rbacv3.RBACPerRoute {
	rules := &rbacconfigv3.RBAC{
		Action: rbacconfigv3.RBAC_DENY,
		Policies: map[string]*rbacconfigv3.Policy{envoy.RefusedPath: {
			Permissions: []*rbacconfigv3.Permission{twofoldPath()},
			Principals:  []*rbacconfigv3.Principal{anybody()},
		}},
	}
	for name, conditions := range refusalsOf(r) {
		rules.Policies[name] = &rbacconfigv3.Policy{
			Permissions: []*rbacconfigv3.Permission{{Rule: &rbacconfigv3.Permission_Any{Any: true}}},
			Principals:  conditions,
		}
	}
	return &rbacv3.RBACPerRoute{Rbac: &rbacv3.RBAC{Rules: rules, RulesStatPrefix: envoy.PrefixGuard}}
}

// noGuard returns the guard's override of a route that Envoy answers itself: there is nothing behind it.
func noGuard() *routev3.FilterConfig { return &routev3.FilterConfig{Disabled: true} }

// twofoldPath holds when a segment of the path is made of dots with a parameter behind them. Envoy walks "..;" where it is spelt
// so, but not where its dots were encoded ("%2e%2e;"), and hands that on decoded: a route was chosen by one path, and an
// upstream that takes parameters off segments would serve another.
func twofoldPath() *rbacconfigv3.Permission {
	holds := func(text string) *rbacconfigv3.Permission {
		return &rbacconfigv3.Permission{Rule: &rbacconfigv3.Permission_UrlPath{UrlPath: &matcherv3.PathMatcher{
			Rule: &matcherv3.PathMatcher_Path{Path: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Contains{Contains: text},
			}},
		}}}
	}
	return &rbacconfigv3.Permission{Rule: &rbacconfigv3.Permission_OrRules{OrRules: &rbacconfigv3.Permission_Set{
		Rules: []*rbacconfigv3.Permission{holds("/..;"), holds("/.;")},
	}}}
}

// addIdentity refuses who proves none of the ways of a route. What a way asks for beyond who calls, scopes and claims, is a
// refusal of its own: the caller is known then, and told what is missing. Proofs that Envoy cannot judge are the authorization
// service's; of ways with such a proof the rest is held here all the same.
func (r refusals) addIdentity(route *gateway.Route) {
	ways := nativeWays(route)
	known := make([]*rbacconfigv3.Principal, len(ways))
	full := make([]*rbacconfigv3.Principal, len(ways))
	for i, way := range ways {
		known[i], full[i] = way.known(), allOf(append([]*rbacconfigv3.Principal{way.known()}, way.asked()...))
	}
	r.unless(envoy.RefusedIdentity, anyOf(known))
	for i, way := range ways {
		lacking := func(name string, holds *rbacconfigv3.Principal) {
			if len(ways) == 1 {
				r.unless(name, holds)
				return
			}
			others := append(append([]*rbacconfigv3.Principal{}, full[:i]...), full[i+1:]...)
			r.when(name, allOf([]*rbacconfigv3.Principal{known[i], not(holds), not(anyOf(others))}))
		}
		for _, p := range way {
			if len(p.Scopes) > 0 {
				lacking(envoy.RefusedScope+`"`+strings.Join(p.Scopes, " ")+`"`, allOf(scopes(p)))
			}
			for _, c := range p.Claims {
				lacking(envoy.RefusedClaim+c.Name, claimIs(c))
			}
		}
	}
	switch {
	case route.TakesToken():
		r.unless(envoy.RefusedToken, soleToken())
	case len(route.Issuers(gateway.ByJWT)) > 0:
		r.when(envoy.RefusedToken, allOf([]*rbacconfigv3.Principal{claim(present(), "iss"), not(soleToken())}))
	}
}

// decisionEvidence holds when the authorization service allowed under these very rules, or, on a route that fails open, when
// Envoy says that it could not be asked. Who calls is never left open: a way must hold then that Envoy can judge by itself.
func decisionEvidence(r *gateway.Route) *rbacconfigv3.Principal {
	decided := metadata(envoy.MetadataAuthz, exactly(r.Rules), envoy.MetadataAuthzRules)
	if r.CheckSpends() {
		decided = allOf([]*rbacconfigv3.Principal{decided, spendEvidence(r)})
	}
	if r.CheckAway() != gateway.Open {
		return decided
	}
	away := header(envoy.HeaderFailureModeAllowed, &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "true"}})
	if r.Public || r.IdentityCalls() == "" {
		return anyOf([]*rbacconfigv3.Principal{decided, away})
	}
	var judged []*rbacconfigv3.Principal
	for i, way := range nativeWays(r) {
		if r.Ways[i].Calls() == "" {
			judged = append(judged, allOf(append([]*rbacconfigv3.Principal{way.known()}, way.asked()...)))
		}
	}
	if len(judged) == 0 {
		return decided
	}
	return anyOf([]*rbacconfigv3.Principal{decided, allOf([]*rbacconfigv3.Principal{away, anyOf(judged)})})
}

// spendEvidence holds when the authorization service counted the request by the route's limits, or, where these fail open, says
// that they could not be asked.
func spendEvidence(r *gateway.Route) *rbacconfigv3.Principal {
	became := func(word string) *rbacconfigv3.Principal {
		return metadata(envoy.MetadataAuthz, exactly(word), envoy.MetadataAuthzLimits)
	}
	if r.WhenAway.Limits == gateway.Closed {
		return became(envoy.LimitsCounted)
	}
	return anyOf([]*rbacconfigv3.Principal{became(envoy.LimitsCounted), became(envoy.LimitsUnasked)})
}
