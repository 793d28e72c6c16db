package gateway

import (
	"fmt"
	"slices"
)

// checkWays reports proofs that nobody could show together: two tokens in the one header that there is for tokens.
func (a *assembler) checkWays(api *API, r *Route, field string) {
	for _, way := range r.Ways {
		tokens := 0
		for _, p := range way {
			if p.Kind == ByJWT || p.Kind == ByIntrospection {
				tokens++
			}
		}
		if tokens > 1 {
			a.apiFault(api, CodeUnprovable, field, "%s asks for %d tokens at once, and a request carries one: write them below any", r.Name, tokens)
		}
	}
}

// checkRequirements reports requirements about the claims of a token where some callers need none.
func (a *assembler) checkRequirements(api *API, r *Route, op *Operation) {
	for i, q := range r.Require {
		if len(q.Claims) > 0 && !r.TakesToken() {
			field := fmt.Sprintf("require[%d]", i)
			if i >= len(api.Require) {
				field = fmt.Sprintf("%s.require[%d]", op.Field, i-len(api.Require))
			}
			a.apiFault(api, CodeUnprovable, field+".claims",
				"the requirement %s asks for claims, but %s takes callers without a token: authenticate them by jwt, or ask for addresses or headers", q.Name, r.Name)
		}
	}
}

// checkCertificates reports routes that ask for client certificates on a Gateway where none is verified.
func (a *assembler) checkCertificates(api *API, g *Gateway, operations []Route, place string) {
	if slices.ContainsFunc(g.Listeners, func(l Listener) bool { return l.TLS != nil && l.TLS.Clients != nil }) {
		return
	}
	for i := range operations {
		asks := func(p ResolvedProof) bool { return p.Kind == ByCertificate || p.Bound }
		if slices.ContainsFunc(operations[i].Ways, func(w Way) bool { return slices.ContainsFunc(w, asks) }) {
			a.apiFault(api, CodeUnprovable, place+".gateway",
				"%s asks for client certificates, and no listener of Gateway %s does: write tls: {clients: {ca: ...}} there", operations[i].Name, g.Name)
			return
		}
	}
}
