package posture

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/gateway"
)

// used returns the names of all that is referred to.
func (r *review) used() map[gateway.Ref]bool {
	used := map[gateway.Ref]bool{}
	note := func(kind gateway.Kind, name string) { used[gateway.Ref{Kind: kind, Name: name}] = true }
	for _, route := range r.Revision.Routes {
		for _, i := range slices.Concat(route.Issuers(gateway.ByJWT), route.Issuers(gateway.ByIntrospection)) {
			note(gateway.KindIssuer, i.Name)
		}
		for _, p := range route.Authorize {
			note(gateway.KindPolicy, p.Policy.Name)
		}
	}
	for _, p := range r.Revision.Policies {
		note(gateway.KindBundle, p.Bundle)
		for _, name := range p.Imports {
			note(gateway.KindPolicy, name)
		}
	}
	for _, api := range r.Revision.APIs {
		for _, name := range api.LimitDocuments() {
			note(gateway.KindLimit, name)
		}
		for _, d := range api.To {
			note(gateway.KindUpstream, d.Upstream)
		}
		for _, m := range api.Mirror {
			note(gateway.KindUpstream, m.Upstream)
		}
		for _, op := range api.Operations {
			for _, m := range op.Mirror {
				note(gateway.KindUpstream, m.Upstream)
			}
			for _, d := range op.To {
				note(gateway.KindUpstream, d.Upstream)
			}
		}
	}
	for _, g := range r.Revision.Gateways {
		for _, z := range slices.Concat(g.Authorize.Before, g.Authorize.After) {
			note(gateway.KindPolicy, z.Policy)
		}
		for _, l := range g.Listeners {
			if l.TLS != nil {
				for _, name := range l.TLS.Certificates {
					note(gateway.KindCertificate, name)
				}
			}
		}
	}
	return used
}

// unused records the objects of a kind that nothing refers to.
func (r *review) unused(kind gateway.Kind, what string) {
	used := r.used()
	for t := range r.things {
		if t.ref.Kind == kind && !used[t.ref] {
			r.find(t.ref, t.team, t.origin, "", "nothing %s %s", what, t.ref)
		}
	}
}

func unusedUpstreams(r *review)    { r.unused(gateway.KindUpstream, "forwards to") }
func unusedPolicies(r *review)     { r.unused(gateway.KindPolicy, "applies") }
func unusedIssuers(r *review)      { r.unused(gateway.KindIssuer, "takes tokens of") }
func unusedBundles(r *review)      { r.unused(gateway.KindBundle, "looks into") }
func unusedLimits(r *review)       { r.unused(gateway.KindLimit, "names") }
func unusedCertificates(r *review) { r.unused(gateway.KindCertificate, "shows") }

func weightless(r *review) {
	for _, api := range r.Revision.APIs {
		check := func(list []gateway.Destination, field string) {
			for i, d := range list {
				if d.Weight == 0 {
					r.api(api, fmt.Sprintf("%s[%d]", field, i), "%s gives no requests to %s", api.Ref(), d.Upstream)
				}
			}
		}
		check(api.To, "to")
		for _, op := range api.Operations {
			check(op.To, op.Field+".to")
		}
	}
}

func unusedGrants(r *review) {
	for _, g := range r.Revision.Gateways {
		for i, grant := range g.Allow {
			uses := slices.ContainsFunc(r.Revision.APIs, func(api *gateway.API) bool {
				return api.Team == grant.Team && slices.ContainsFunc(api.Expose, func(e gateway.Exposure) bool { return e.Gateway == g.Name })
			})
			if !uses {
				r.gateway(g, fmt.Sprintf("allow[%d]", i), "team %s has nothing on Gateway %s", grant.Team, g.Name)
			}
		}
	}
}

// overlappingOperations holds the templates of each API against one another. Precedence decides well where one is stricter
// throughout; it is by chance where each is stricter somewhere.
func overlappingOperations(r *review) {
	for _, api := range r.Revision.APIs {
		for i := range api.Operations {
			for k := range i {
				a, b := api.Operations[k], api.Operations[i]
				if methodsMeet(a.Match.Methods, b.Match.Methods) && cross(a.Match.Path, b.Match.Path) && !a.Match.Conditional() && !b.Match.Conditional() {
					r.api(api, b.Field, "%s (%s) and %s (%s) match some requests alike", a.ID, a.Match.Path, b.ID, b.Match.Path)
					break
				}
			}
		}
	}
}

func methodsMeet(a, b []string) bool {
	return len(a) == 0 || len(b) == 0 || slices.ContainsFunc(a, func(m string) bool { return slices.Contains(b, m) })
}

// cross reports whether two templates of the same length meet, each being literal where the other has a parameter.
func cross(a, b gateway.Path) bool {
	if a.Regex != "" || b.Regex != "" || a.Prefix || b.Prefix || len(a.Segments) != len(b.Segments) {
		return false
	}
	aStricter, bStricter := false, false
	for i := range a.Segments {
		x, y := a.Segments[i], b.Segments[i]
		switch {
		case x.Name == "" && y.Name == "":
			if x != y {
				return false
			}
		case x.Name == "":
			aStricter = true
		case y.Name == "":
			bStricter = true
		}
	}
	return aStricter && bStricter
}

// home is where an API is exposed.
type home struct {
	base   string
	hosts  []string
	object gateway.Ref
}

// shadowedBases finds operations whose parameters can stand where another API has its base.
func shadowedBases(r *review) {
	below := r.homes()
	for route, api := range r.forwarding {
		if !slices.ContainsFunc(route.Match.Path.Segments, func(s gateway.Segment) bool { return s.Name != "" }) {
			continue
		}
		for _, h := range below[route.Gateway.Name+route.Base] {
			if h.object != route.Object && hostsMeet(h.hosts, route.Hosts) && begins(route.Match.Path, h.base) {
				r.api(api, r.said(api, route, "path", func(*gateway.Operation) bool { return true }), "%s (%s) matches below %s, where %s is",
					route.Name, route.Match.Path, h.base, h.object)
				break
			}
		}
	}
}

// homes returns where APIs are exposed, by Gateway and each base that lies above.
func (r *review) homes() map[string][]home {
	below := map[string][]home{}
	seen := map[string]bool{}
	for _, route := range r.Revision.Routes {
		key := route.Gateway.Name + route.Base + " " + route.Object.String()
		if seen[key] {
			continue
		}
		seen[key] = true
		for above := route.Base; above != ""; {
			above = above[:strings.LastIndexByte(above, '/')]
			below[route.Gateway.Name+above] = append(below[route.Gateway.Name+above], home{route.Base, route.Hosts, route.Object})
		}
	}
	return below
}

func hostsMeet(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool {
		return slices.ContainsFunc(b, func(y string) bool { _, ok := gateway.HostIntersect(x, y); return ok })
	})
}

// begins reports whether the first segments of a template can be those of a base, one of them by a parameter.
func begins(p gateway.Path, base string) bool {
	segments := strings.Split(strings.TrimPrefix(base, "/"), "/")
	if len(p.Segments) < len(segments) {
		return false
	}
	parameters := false
	for i, text := range segments {
		s := p.Segments[i]
		switch {
		case s.Name == "" && s.Before != text:
			return false
		case s.Name != "" && (!strings.HasPrefix(text, s.Before) || !strings.HasSuffix(text, s.After)):
			return false
		}
		parameters = parameters || s.Name != ""
	}
	return parameters
}
