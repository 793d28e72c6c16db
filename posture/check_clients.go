package posture

import (
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

func openToAll(r *review) {
	for route, api := range r.forwarding {
		if route.Public {
			field := r.authenticates(api, route)
			r.api(api, field, "anybody may call %s", calls(route, field))
		}
	}
}

// calls names what a setting is about: all of the API, or one route.
func calls(route *gateway.Route, field string) string {
	if strings.Contains(field, ".") {
		return route.Name
	}
	return route.Object.String()
}

func unlimited(r *review) {
	for route, api := range r.forwarding {
		if nameless(route) && len(route.Limits) == 0 {
			field := r.said(api, route, "limits", func(op *gateway.Operation) bool { return op.Limits != nil })
			r.api(api, field, "anybody may call %s, as often as they like", calls(route, field))
		}
	}
}

func failsOpen(r *review) {
	for route, api := range r.forwarding {
		if route.CallsAuthorization() && route.CheckAway() == gateway.Open {
			r.api(api, "when-away.authorization", "%s passes its policies by while Gatehouse cannot be asked", api.Ref())
		}
	}
}

func withoutAudiences(r *review) {
	for _, i := range r.Revision.Issuers {
		if len(i.Audiences) == 0 {
			r.issuer(i, "audiences", "%s takes tokens for any audience", i.Name)
		}
	}
}

func anyToken(r *review) {
	for route, api := range r.forwarding {
		if route.Public || len(route.Authorize)+len(route.Require) > 0 || !slices.ContainsFunc(route.Ways, takesAny) {
			continue
		}
		field := r.authenticates(api, route)
		r.api(api, field, "%s asks for a token, and for nothing that it must say", calls(route, field))
	}
}

// takesAny reports whether a way takes any token of an issuer, and asks for nothing else.
func takesAny(w gateway.Way) bool {
	return !slices.ContainsFunc(w, func(p gateway.ResolvedProof) bool {
		return p.Kind != gateway.ByJWT || len(p.Scopes)+len(p.Claims) > 0
	})
}

func mints(r *review) {
	for _, i := range r.Revision.Issuers {
		if i.Mint != nil {
			r.issuer(i, "mint", "%s signs tokens for whoever can read its key", i.Name)
		}
	}
}

func allowsByDefault(r *review) {
	if r.Rego == nil {
		return
	}
	for _, p := range r.Revision.Policies {
		if known, ok := r.Rego(p); ok && known.Allows {
			r.policy(p, "", "%s allows a request of which nothing is known", p.Name)
		}
	}
}

func unlistedForward(r *review) {
	for _, api := range r.Revision.APIs {
		if api.Kind == gateway.KindAPI && api.Unlisted == gateway.Forward {
			r.api(api, "unlisted", "%s sends on what it does not list", api.Ref())
		}
	}
}

func forgeableKey(r *review) {
	for route, api := range r.forwarding {
		for _, l := range route.Limits {
			if len(l.Key) > 0 && !slices.ContainsFunc(l.Key, func(key string) bool { return !strings.HasPrefix(key, "header.") }) {
				field := r.said(api, route, "limits", func(op *gateway.Operation) bool { return op.Limits != nil })
				r.api(api, field, "the limit %s of %s counts by %s alone", l.Name, calls(route, field), strings.Join(l.Key, " and "))
			}
		}
	}
}
