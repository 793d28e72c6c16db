package translate

import (
	"regexp"

	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// openGuard returns the guard's override of a route that everybody may call.
func openGuard() *rbacv3.RBACPerRoute {
	return allowOn("public", &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_Any{Any: true}})
}

// noGuard returns the guard's override of a route that Envoy answers itself: there is nothing behind it.
func noGuard() *routev3.FilterConfig { return &routev3.FilterConfig{Disabled: true} }

// guardOn returns the guard's override of a route: it allows only on the evidence that the route's own filters leave behind,
// so that a filter that did not run, for whatever reason, is a refusal.
func guardOn(r *gateway.Route) *rbacv3.RBACPerRoute {
	if r.Public && !r.CallsAuthorization() {
		return openGuard()
	}
	var all []*rbacconfigv3.Principal
	if !r.Public {
		all = append(all, tokenEvidence(r.Ways), soleToken())
	}
	if r.CallsAuthorization() {
		all = append(all, decisionEvidence(r))
	}
	if len(all) == 1 {
		return allowOn("evidence", all[0])
	}
	return allowOn("evidence", &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_AndIds{
		AndIds: &rbacconfigv3.Principal_Set{Ids: all},
	}})
}

func allowOn(policy string, evidence *rbacconfigv3.Principal) *rbacv3.RBACPerRoute {
	return &rbacv3.RBACPerRoute{Rbac: &rbacv3.RBAC{Rules: &rbacconfigv3.RBAC{
		Action: rbacconfigv3.RBAC_ALLOW,
		Policies: map[string]*rbacconfigv3.Policy{policy: {
			Permissions: []*rbacconfigv3.Permission{plainPath()},
			Principals:  []*rbacconfigv3.Principal{evidence},
		}},
	}}}
}

// plainPath holds when no segment of the path is made of dots with a parameter behind them. Envoy walks "..;" where it is spelt
// so, but not where its dots were encoded ("%2e%2e;"), and hands that on decoded: a route was chosen by one path, and an
// upstream that takes parameters off segments would serve another.
func plainPath() *rbacconfigv3.Permission {
	holds := func(text string) *rbacconfigv3.Permission {
		return &rbacconfigv3.Permission{Rule: &rbacconfigv3.Permission_UrlPath{UrlPath: &matcherv3.PathMatcher{
			Rule: &matcherv3.PathMatcher_Path{Path: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Contains{Contains: text},
			}},
		}}}
	}
	return &rbacconfigv3.Permission{Rule: &rbacconfigv3.Permission_NotRule{NotRule: &rbacconfigv3.Permission{
		Rule: &rbacconfigv3.Permission_OrRules{OrRules: &rbacconfigv3.Permission_Set{
			Rules: []*rbacconfigv3.Permission{holds("/..;"), holds("/.;")},
		}},
	}}}
}

// tokenEvidence holds when the token filter verified a token of one of the issuers, with all scopes asked for.
func tokenEvidence(routeWays []gateway.Way) *rbacconfigv3.Principal {
	var ways []*rbacconfigv3.Principal
	for _, way := range routeWays {
		var all []*rbacconfigv3.Principal
		for _, p := range way {
			all = append(all, claim("iss", exactly(p.Issuer.Issuer)))
			for _, scope := range p.Scopes {
				all = append(all, hasScope(scope))
			}
		}
		ways = append(ways, allOf(all))
	}
	return anyOf(ways)
}

// soleToken holds when the Authorization header is one token and nothing else. Envoy's token filter takes the first token that
// it finds anywhere in the header, or in one of several; a policy or an upstream may take another, which nobody verified.
func soleToken() *rbacconfigv3.Principal {
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_Header{Header: &routev3.HeaderMatcher{
		Name: headerAuthorization,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{
				Regex: bearer + `[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+\.[A-Za-z0-9_=-]+`,
			}},
		}},
	}}}
}

// decisionEvidence holds when the authorization service allowed under these very rules, or, on a route that fails open, when
// Envoy says that it could not be asked.
func decisionEvidence(r *gateway.Route) *rbacconfigv3.Principal {
	decided := metadata(envoy.MetadataAuthz, exactly(r.Rules), envoy.MetadataAuthzRules)
	if r.CheckSpends() {
		decided = allOf([]*rbacconfigv3.Principal{decided, spendEvidence(r)})
	}
	if r.CheckAway() != gateway.Open {
		return decided
	}
	return anyOf([]*rbacconfigv3.Principal{decided, {Identifier: &rbacconfigv3.Principal_Header{Header: &routev3.HeaderMatcher{
		Name: envoy.HeaderFailureModeAllowed,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "true"},
		}},
	}}}})
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

// hasScope holds when a scope is granted: in a space-delimited scope or scp claim (RFC 8693 4.2), or in a list.
func hasScope(scope string) *rbacconfigv3.Principal {
	word := text(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
		SafeRegex: &matcherv3.RegexMatcher{Regex: "(?:.* )?" + regexp.QuoteMeta(scope) + "(?: .*)?"},
	}})
	listed := &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_ListMatch{ListMatch: &matcherv3.ListMatcher{
		MatchPattern: &matcherv3.ListMatcher_OneOf{OneOf: exactly(scope)},
	}}}
	return anyOf([]*rbacconfigv3.Principal{
		claim("scope", word), claim("scope", listed), claim("scp", word), claim("scp", listed),
	})
}

func claim(name string, value *matcherv3.ValueMatcher) *rbacconfigv3.Principal {
	return metadata(envoy.MetadataJWT, value, envoy.MetadataJWTClaims, name)
}

func metadata(namespace string, value *matcherv3.ValueMatcher, path ...string) *rbacconfigv3.Principal {
	m := &matcherv3.MetadataMatcher{Filter: namespace, Value: value}
	for _, key := range path {
		m.Path = append(m.Path, &matcherv3.MetadataMatcher_PathSegment{
			Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: key},
		})
	}
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_SourcedMetadata{
		SourcedMetadata: &rbacconfigv3.SourcedMetadata{MetadataMatcher: m},
	}}
}

func exactly(value string) *matcherv3.ValueMatcher {
	return text(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: value}})
}

func text(m *matcherv3.StringMatcher) *matcherv3.ValueMatcher {
	return &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_StringMatch{StringMatch: m}}
}

func allOf(ids []*rbacconfigv3.Principal) *rbacconfigv3.Principal {
	if len(ids) == 1 {
		return ids[0]
	}
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_AndIds{AndIds: &rbacconfigv3.Principal_Set{Ids: ids}}}
}

func anyOf(ids []*rbacconfigv3.Principal) *rbacconfigv3.Principal {
	if len(ids) == 1 {
		return ids[0]
	}
	return &rbacconfigv3.Principal{Identifier: &rbacconfigv3.Principal_OrIds{OrIds: &rbacconfigv3.Principal_Set{Ids: ids}}}
}
