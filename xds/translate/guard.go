package translate

import (
	"slices"

	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// guardOn returns the guard's override of a route: it allows only on the evidence that the route's own filters leave behind,
// so that a filter that did not run, for whatever reason, is a refusal.
func guardOn(r *gateway.Route) *rbacv3.RBACPerRoute {
	var all []*rbacconfigv3.Principal
	if r.TakesToken() {
		all = append(all, tokenEvidence(r), soleToken())
	}
	if r.CallsAuthorization() {
		all = append(all, decisionEvidence(r))
	}
	if len(refusalsOf(r)) > 0 {
		all = append(all, metadata(envoy.MetadataRBAC, exactly(envoy.PolicyAllowed), envoy.KeyPolicyResult))
	}
	guard := allowOn(r, "public", anybody()) // Where nothing is asked for.
	switch {
	case r.EnvoyTells() && !r.KnownAlike():
		guard = allowByWay(r, all)
	case len(all) > 0:
		guard = allowOn(r, "evidence", allOf(all))
	}
	shadows := refusals{}
	if shadows.addPolicies(r, gateway.Shadow); len(shadows) > 0 {
		guard.Rbac.ShadowRules, guard.Rbac.ShadowRulesStatPrefix = shadows.policies(), envoy.PrefixGuard
	}
	return guard
}

// noGuard returns the guard's override of a route that Envoy answers itself: there is nothing behind it.
func noGuard() *routev3.FilterConfig { return &routev3.FilterConfig{Disabled: true} }

func allowOn(r *gateway.Route, policy string, evidence *rbacconfigv3.Principal) *rbacv3.RBACPerRoute {
	return &rbacv3.RBACPerRoute{Rbac: &rbacv3.RBAC{Rules: &rbacconfigv3.RBAC{
		Action: rbacconfigv3.RBAC_ALLOW,
		Policies: map[string]*rbacconfigv3.Policy{policy: {
			Permissions: []*rbacconfigv3.Permission{plainPath(r)},
			Principals:  []*rbacconfigv3.Principal{evidence},
		}},
	}}}
}

// allowByWay allows as allowOn does, in a rule for each way to prove who calls: its name tells the way that counts.
func allowByWay(r *gateway.Route, evidence []*rbacconfigv3.Principal) *rbacv3.RBACPerRoute {
	guard := allowOn(r, "", nil)
	guard.Rbac.RulesStatPrefix = envoy.PrefixGuard
	guard.Rbac.Rules.Policies = map[string]*rbacconfigv3.Policy{}
	for i, way := range triedNatively(r) {
		proved := allOf(slices.Concat(evidence, []*rbacconfigv3.Principal{way.known()}, way.asked()))
		guard.Rbac.Rules.Policies[envoy.Way(i+1)] = &rbacconfigv3.Policy{
			Permissions: []*rbacconfigv3.Permission{plainPath(r)}, Principals: []*rbacconfigv3.Principal{proved},
		}
	}
	return guard
}

// plainPath holds when no segment of the path is made of dots with a parameter behind them. Envoy walks "..;" where it is spelt
// so, but not where its dots were encoded ("%2e%2e;"), and hands that on decoded: a route was chosen by one path, and an
// upstream that takes parameters off segments would serve another.
//
// Where the new path of a rewrite may hold a part of a segment, no dots follow one another anywhere.
func plainPath(r *gateway.Route) *rbacconfigv3.Permission {
	holds := func(text string) *rbacconfigv3.Permission {
		return &rbacconfigv3.Permission{Rule: &rbacconfigv3.Permission_UrlPath{UrlPath: &matcherv3.PathMatcher{
			Rule: &matcherv3.PathMatcher_Path{Path: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Contains{Contains: text},
			}},
		}}}
	}
	odd := []*rbacconfigv3.Permission{holds("/..;"), holds("/.;")}
	if r.CutsSegments() {
		odd = append(odd, holds(".."))
	}
	return &rbacconfigv3.Permission{Rule: &rbacconfigv3.Permission_NotRule{NotRule: &rbacconfigv3.Permission{
		Rule: &rbacconfigv3.Permission_OrRules{OrRules: &rbacconfigv3.Permission_Set{Rules: odd}},
	}}}
}

// tokenEvidence holds when the token filter verified a token of one of the route's issuers.
func tokenEvidence(r *gateway.Route) *rbacconfigv3.Principal {
	var any []*rbacconfigv3.Principal
	for _, i := range r.Issuers(gateway.ByJWT) {
		any = append(any, tokenOf(i))
	}
	return anyOf(any)
}

// soleToken holds when the Authorization header is one token and nothing else. Envoy's token filter takes the first token that
// it finds anywhere in the header, or in one of several; a policy or an upstream may take another, which nobody verified.
func soleToken() *rbacconfigv3.Principal {
	return header(headerAuthorization, expression(bearer+`[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+`))
}

// decisionEvidence holds when the authorization service allowed under these very rules, or, on a route that fails open, when
// Envoy says that it could not be asked.
func decisionEvidence(r *gateway.Route) *rbacconfigv3.Principal {
	allowed := decided(r)
	if r.CheckSpends() {
		allowed = allOf([]*rbacconfigv3.Principal{allowed, spendEvidence(r)})
	}
	if r.CheckAway() != gateway.Open {
		return allowed
	}
	return anyOf([]*rbacconfigv3.Principal{allowed, header(envoy.HeaderFailureModeAllowed, literally("true"))})
}

func decided(r *gateway.Route) *rbacconfigv3.Principal {
	return metadata(envoy.MetadataAuthz, exactly(r.Rules), envoy.MetadataAuthzRules)
}

// spendEvidence holds when the authorization service counted the request by the route's limits, or, where these fail open, says
// that they could not be asked.
func spendEvidence(r *gateway.Route) *rbacconfigv3.Principal {
	became := func(word string) *rbacconfigv3.Principal {
		return metadata(envoy.MetadataAuthz, exactly(word), envoy.MetadataAuthzLimits)
	}
	if !slices.ContainsFunc(r.CountedLimits(), func(l gateway.Limit) bool { return l.Away(r) != gateway.StoreClosed }) {
		return became(envoy.LimitsCounted)
	}
	return anyOf([]*rbacconfigv3.Principal{became(envoy.LimitsCounted), became(envoy.LimitsUnasked)})
}
