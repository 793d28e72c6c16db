package gateway

import (
	"fmt"
	"slices"
	"strings"
)

// limits returns the limits of a route, with what they are counted by checked against what its requests have.
func (a *assembler) limits(api *API, r *Route, limits []Limit, scope, field string) []Limit {
	var out []Limit
	seen := map[string]bool{}
	for i, l := range limits {
		place := fmt.Sprintf("%s[%d]", field, i)
		l.Scope = scope
		if l.Of != "" {
			var ok bool
			if l, ok = a.sharedLimit(api, l, place); !ok {
				continue
			}
		}
		if seen[l.Name] {
			a.apiFault(api, CodeDuplicateLimit, place+".name", "the limit %q is written twice: give each its own name", l.Name)
			continue
		}
		seen[l.Name] = true
		c := limitCheck{a, api, r, &l, place}
		c.key()
		c.when()
		c.cost()
		out = append(out, l)
	}
	return out
}

// limitCheck holds one limit against the route that has it.
type limitCheck struct {
	*assembler
	api   *API
	route *Route
	limit *Limit
	place string
}

func (c *limitCheck) fault(code Code, field, format string, args ...any) {
	c.apiFault(c.api, code, c.place+"."+field, "the limit %q %s", c.limit.Name, fmt.Sprintf(format, args...))
}

// key finds parts of the key that requests of the route do not have.
func (c *limitCheck) key() {
	for _, part := range c.limit.Key {
		switch name := strings.TrimPrefix(part, KeyPath); {
		case strings.HasPrefix(part, KeyToken) && !c.route.TakesToken():
			c.fault(CodeLimitKey, "key", "counts by %s, but %s takes callers without a token: authenticate them, or count by client.address", part, c.route.Name)
		case part == KeyConsumer && len(c.route.Ways) == 0:
			c.fault(CodeLimitKey, "key", "counts by consumer, but %s asks nobody who they are: authenticate callers, or count by client.address", c.route.Name)
		case part == KeyApplication && !c.takes(ByJWT, ByIntrospection, ByKey):
			c.fault(CodeLimitKey, "key", "counts by application, but %s takes no tokens or API keys, which would tell it: count by consumer or client.address", c.route.Name)
		case part == KeyPlan && !c.takes(ByKey):
			c.fault(CodeLimitKey, "key", "counts by plan, but %s takes no API keys, which would tell it: count by something else", c.route.Name)
		case name != part && !slices.ContainsFunc(c.route.Match.Path.Segments, func(s Segment) bool { return s.Name == name }):
			c.fault(CodeLimitKey, "key", "counts by %s, but the path %s of %s has no parameter {%s}: write it into the path, or count by something else",
				part, c.route.Match.Path, c.route.Name, name)
		}
	}
}

// takes reports whether a way of the route has a proof of one of these kinds.
func (c *limitCheck) takes(kinds ...ProofKind) bool {
	return slices.ContainsFunc(c.route.Ways, func(w Way) bool {
		return slices.ContainsFunc(w, func(p ResolvedProof) bool { return slices.Contains(kinds, p.Kind) })
	})
}

// when finds conditions that hold for no request of the route.
func (c *limitCheck) when() {
	w := c.limit.When
	if w == nil {
		return
	}
	if len(w.Claims) > 0 && !c.takes(ByJWT, ByIntrospection) {
		c.fault(CodeLimitKey, "when", "asks for claims, but %s takes no tokens: authenticate callers, or ask for something else", c.route.Name)
	}
	if len(w.Plans) > 0 && !c.takes(ByKey) {
		c.fault(CodeLimitKey, "when", "asks for plans, but %s takes no API keys, which would tell them: ask for something else", c.route.Name)
	}
}

// cost finds a cost that nobody could tell.
func (c *limitCheck) cost() {
	from := c.limit.Cost.From
	if strings.HasPrefix(from, CostClaim) && !c.takes(ByJWT, ByIntrospection) {
		c.fault(CodeCost, "cost", "costs what a claim says, but %s takes no tokens: authenticate callers, or take the cost from elsewhere", c.route.Name)
	}
}

// checkCosts finds costs in response headers that a route changes before it could read them.
func (a *assembler) checkCosts(api *API, r *Route) {
	changes := r.Headers.Response
	for _, l := range r.Limits {
		name, ok := strings.CutPrefix(l.Cost.From, CostResponseHeader)
		is := func(h Header) bool { return h.Name == name }
		if ok && (slices.Contains(changes.Remove, name) || slices.ContainsFunc(changes.Set, is) || slices.ContainsFunc(changes.Add, is)) {
			a.apiFault(api, CodeCost, "limits", "the limit %q costs what the response header %s says, but %s changes that header: leave it as the upstream sends it",
				l.Name, name, r.Name)
		}
	}
}
