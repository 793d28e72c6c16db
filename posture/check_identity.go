package posture

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/gatehouse/gatehouse/gateway"
)

// authenticates returns the field in which a route says who may call.
func (r *review) authenticates(api *gateway.API, route *gateway.Route) string {
	return r.said(api, route, "authenticate", func(op *gateway.Operation) bool { return op.Authenticate != nil })
}

// asks reports whether some way into a route has a proof of which test holds.
func asks(route *gateway.Route, test func(gateway.ResolvedProof) bool) bool {
	return slices.ContainsFunc(route.Ways, func(w gateway.Way) bool { return slices.ContainsFunc(w, test) })
}

// nameless reports whether somebody who proves nothing may call a route.
func nameless(route *gateway.Route) bool {
	return route.Public || slices.ContainsFunc(route.Ways, func(w gateway.Way) bool {
		return !slices.ContainsFunc(w, func(p gateway.ResolvedProof) bool { return p.Kind != gateway.ByNobody })
	})
}

// enforces reports whether a policy may refuse requests of a route.
func enforces(route *gateway.Route) bool {
	return slices.ContainsFunc(route.Authorize, func(p gateway.AppliedPolicy) bool { return p.Mode == gateway.Enforce })
}

func onlyWatched(r *review) {
	for route, api := range r.forwarding {
		watched := slices.ContainsFunc(route.Authorize, func(p gateway.AppliedPolicy) bool { return p.Mode == gateway.Shadow })
		if watched && !enforces(route) {
			field := r.said(api, route, "authorize", func(op *gateway.Operation) bool { return op.Authorize != nil })
			r.api(api, field, "no policy of %s refuses anything", calls(route, field))
		}
	}
}

func keyInQuery(r *review) {
	for route, api := range r.forwarding {
		if asks(route, func(p gateway.ResolvedProof) bool { return p.Key != nil && p.Key.Query != "" }) {
			field := r.authenticates(api, route)
			r.api(api, field, "%s takes API keys in the query", calls(route, field))
		}
	}
}

func namelessWrites(r *review) {
	for route, api := range r.forwarding {
		if !route.Public && nameless(route) && writes(route) && !enforces(route) && len(route.Require) == 0 {
			field := r.authenticates(api, route)
			r.api(api, field, "whoever shows nothing may write by %s", calls(route, field))
		}
	}
}

// writes reports whether a route takes requests by which something changes (RFC 9110, section 9.2.1).
func writes(route *gateway.Route) bool {
	return len(route.Match.Methods) == 0 || slices.ContainsFunc(route.Match.Methods, func(m string) bool {
		return m != http.MethodGet && m != http.MethodHead && m != http.MethodOptions && m != http.MethodTrace
	})
}

// inClear reports whether what is fetched by a URL can be changed on the way: it is plain HTTP to another host.
func inClear(url string) bool { return gateway.CheckSafeURL(url, false) != nil }

func keysInClear(r *review) {
	for _, i := range r.Revision.Issuers {
		if i.KeyURL == nil {
			continue
		}
		url := i.KeyURL.URL
		if url == "" {
			url = i.Issuer
		}
		if inClear(url) {
			r.issuer(i, "jwks.insecure", "the keys of %s are fetched from %s", i.Name, url)
		}
	}
}

func bundlesInClear(r *review) {
	for _, b := range r.Revision.Bundles {
		if b.URL != "" && inClear(b.URL) && (b.Verify == nil || b.Token != "") {
			r.bundle(b, "insecure", "the policies of %s are fetched from %s", b.Name, b.URL)
		}
	}
}

// unreadCertificates finds listeners that ask clients for certificates that no route of their Gateway looks at. One that requires
// them refuses clients without, which may be all that is wanted.
func unreadCertificates(r *review) {
	reading := map[*gateway.Gateway]bool{}
	for route := range r.forwarding {
		if asks(route, func(p gateway.ResolvedProof) bool { return p.Kind == gateway.ByCertificate || p.Bound }) {
			reading[route.Gateway] = true
		}
	}
	for _, g := range r.Revision.Gateways {
		for i, l := range g.Listeners {
			if l.TLS != nil && l.TLS.Clients != nil && !l.TLS.Clients.Required && !reading[g] {
				r.gateway(g, fmt.Sprintf("listeners[%d].tls.clients", i), "listener %s asks clients for certificates that no route looks at", l.Name)
			}
		}
	}
}
