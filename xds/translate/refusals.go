package translate

import (
	"slices"
	"strings"

	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"

	exprv1 "google.golang.org/genproto/googleapis/api/expr/v1alpha1"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// refusals are what a route refuses by conditions that Envoy judges itself: by the name by which a refusal is known
// (envoy.Refused...), the conditions any one of which refuses. Envoy looks at them in the order of their names, and the first is
// the one that it tells; names in brackets come before all that documents can give. Every condition is written as the absence of
// what must hold, so that what a filter before did not leave behind, for whatever reason, is a refusal.
type refusals map[string][]condition

// condition holds where both of its halves do.
type condition struct {
	matched   *rbacconfigv3.Principal
	expressed *exprv1.Expr // nil: holds.
}

// when refuses where a condition holds.
func (r refusals) when(name string, holds *rbacconfigv3.Principal) {
	r[name] = append(r[name], condition{matched: holds})
}

// unless refuses where a condition does not hold.
func (r refusals) unless(name string, holds *rbacconfigv3.Principal) { r.when(name, not(holds)) }

// refusalsOf returns what a route refuses: callers who do not prove who they are or what they may do, where the token filter does
// not say so itself, and what its requirements ask for. Where there is nothing of it, the route needs no filter for it.
func refusalsOf(r *gateway.Route) refusals {
	out := refusals{}
	if r.Action != gateway.ActionForward {
		return out
	}
	if !r.Public {
		out.addIdentity(r)
	}
	for i := range r.Require {
		out.unless(r.Require[i].Name, meets(&r.Require[i]))
	}
	out.addPolicies(r, gateway.Enforce)
	return out
}

// policies returns the refusals in Envoy's words, each known by its name. A rule has one expression at most, so a refusal with
// several becomes several rules (envoy.FurtherRefusal).
func (r refusals) policies() *rbacconfigv3.RBAC {
	out := &rbacconfigv3.RBAC{Action: rbacconfigv3.RBAC_DENY, Policies: map[string]*rbacconfigv3.Policy{}}
	for name, conditions := range r {
		for i, rule := range rules(conditions) {
			out.Policies[envoy.FurtherRefusal(name, i+1)] = rule
		}
	}
	return out
}

// names returns the names by which a refusal is known.
func (r refusals) names(name string) []string {
	var all []string
	for i := range rules(r[name]) {
		all = append(all, envoy.FurtherRefusal(name, i+1))
	}
	return all
}

// rules returns the rules any of which holds where one of some conditions does: one for all that have no expression, and one for
// each other.
func rules(conditions []condition) []*rbacconfigv3.Policy {
	var plain []*rbacconfigv3.Principal
	var out []*rbacconfigv3.Policy
	rule := func(expressed *exprv1.Expr, any ...*rbacconfigv3.Principal) {
		out = append(out, &rbacconfigv3.Policy{
			Permissions: []*rbacconfigv3.Permission{{Rule: &rbacconfigv3.Permission_Any{Any: true}}}, Principals: any, Condition: expressed,
		})
	}
	for _, c := range conditions {
		if c.expressed == nil {
			plain = append(plain, c.matched)
		}
	}
	if len(plain) > 0 {
		rule(nil, plain...)
	}
	for _, c := range conditions {
		if c.expressed != nil {
			rule(c.expressed, c.matched)
		}
	}
	return out
}

// judge returns the override of the filter that finds out what a route refuses. It writes down what it finds, and the guard, which
// comes next, refuses: so the answer can tell why.
func (r refusals) judge() *rbacv3.RBACPerRoute {
	return &rbacv3.RBACPerRoute{Rbac: &rbacv3.RBAC{ShadowRules: r.policies(), ShadowRulesStatPrefix: envoy.PrefixPolicy}}
}

// addIdentity refuses who proves none of the ways of a route. What a way asks for beyond who calls, scopes and claims, is a
// refusal of its own: the caller is known then, and told what is missing. Proofs that Envoy cannot judge are the authorization
// service's; of ways with such a proof the rest is held here all the same.
func (r refusals) addIdentity(route *gateway.Route) {
	ways := nativeWays(route)
	known := make([]*rbacconfigv3.Principal, len(ways))
	full := make([]*rbacconfigv3.Principal, len(ways))
	var judged []*rbacconfigv3.Principal
	for i, way := range ways {
		known[i], full[i] = way.known(), allOf(append([]*rbacconfigv3.Principal{way.known()}, way.asked()...))
		if route.Ways[i].Calls() == "" {
			judged = append(judged, full[i])
		}
	}
	if !slices.ContainsFunc(ways, nativeWay.anybody) && !onlyTokens(ways) {
		r.unless(refusedCaller(route), anyOf(known))
	}
	if route.IdentityCalls() != "" && route.CheckAway() == gateway.Open {
		r.unless(envoy.RefusedDecision, anyOf(append(judged, decided(route))))
	}
	if !route.TakesToken() && len(route.Issuers(gateway.ByJWT)) > 0 { // Policies and the upstream are told of it, whoever calls.
		r.when(envoy.RefusedToken, allOf([]*rbacconfigv3.Principal{claim(present(), "iss"), not(soleToken())}))
	}
	r.addLacking(ways, known, full)
}

// addLacking refuses who is known by a way and lacks what it asks for besides, unless another way is complete.
func (r refusals) addLacking(ways []nativeWay, known, full []*rbacconfigv3.Principal) {
	for i, way := range ways {
		lacking := func(name string, holds *rbacconfigv3.Principal) {
			if len(ways) == 1 {
				r.unless(name, holds)
				return
			}
			others := slices.Delete(slices.Clone(full), i, i+1)
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
}

// onlyTokens reports whether ways are tokens alone, on which the token filter insists, and of which nothing is asked that it does
// not look at.
func onlyTokens(ways []nativeWay) bool {
	return !slices.ContainsFunc(ways, func(w nativeWay) bool {
		return slices.ContainsFunc(w, func(p gateway.ResolvedProof) bool {
			return p.Kind != gateway.ByJWT || len(p.Issuer.Algorithms)+len(p.Issuer.Types) > 0
		})
	})
}

// refusedCaller returns the name of the refusal of who proves nothing: where a token would do, its answer asks for one.
func refusedCaller(r *gateway.Route) string {
	if len(r.Issuers(gateway.ByJWT))+len(r.Issuers(gateway.ByIntrospection)) > 0 {
		return envoy.RefusedIdentity
	}
	return envoy.RefusedCertificate
}
