package gateway

import (
	"slices"
)

// Substitution tells what Quarantine put in the place of a faulty API.
type Substitution struct {
	Object Ref    `json:"object"`
	With   string `json:"with"` // "last good version", "503" or "nothing".
	Faults Faults `json:"faults"`
}

// Quarantine replaces each API that has faults by its version in the live revision (nil: there is none), with everything
// that version refers to, or by a 503 on its hosts and base, or, where these cannot be read, by nothing. It touches neither
// argument. Faults of what is shared come back as the second result: with any of them the new documents cannot be used. The
// returned documents must be assembled and compiled again, whole.
func Quarantine(docs *Documents, live *Revision, faults Faults) (*Documents, Faults, []Substitution) {
	byAPI := map[Ref]Faults{}
	var shared Faults
	unused := map[Ref]bool{}
	for _, f := range faults {
		owners := owners(docs, f.Object)
		switch {
		case f.Object.Kind == KindAPI || f.Object.Kind == KindRoute:
			byAPI[f.Object] = append(byAPI[f.Object], f)
		case (f.Object.Kind == KindPolicy || f.Object.Kind == KindUpstream || f.Object.Kind == KindLimit) && len(owners) == 1 && !docs.platformPolicy(f.Object) && !docs.imported(f.Object):
			byAPI[owners[0]] = append(byAPI[owners[0]], f)
			unused[f.Object] = true
		default:
			shared = append(shared, f)
		}
	}
	if len(shared) > 0 || len(byAPI) == 0 {
		return docs, shared, nil
	}
	out := *docs
	out.APIs = nil
	out.Policies = slices.DeleteFunc(slices.Clone(docs.Policies), func(p *Policy) bool { return unused[Ref{Kind: KindPolicy, Name: p.Name}] })
	out.Limits = slices.DeleteFunc(slices.Clone(docs.Limits), func(l *SharedLimit) bool { return unused[Ref{Kind: KindLimit, Name: l.Name}] })
	out.Upstreams = slices.DeleteFunc(slices.Clone(docs.Upstreams), func(u *Upstream) bool { return unused[Ref{Kind: KindUpstream, Name: u.Name}] })
	var done []Substitution
	for _, api := range docs.APIs {
		found := byAPI[api.Ref()]
		if len(found) == 0 {
			out.APIs = append(out.APIs, api)
			continue
		}
		instead, with := substitute(api, docs, live)
		if instead != nil {
			out.APIs = append(out.APIs, instead)
		}
		done = append(done, Substitution{Object: api.Ref(), With: with, Faults: found.Sort()})
	}
	return &out, nil, done
}

// substitute returns what stands in for a faulty API, and its name.
func substitute(api *API, docs *Documents, live *Revision) (*API, string) {
	if live != nil {
		for _, old := range live.APIs {
			if old.Ref() != api.Ref() || old.Down {
				continue
			}
			if expose := docs.grantedOf(old); len(expose) > 0 {
				held := *old
				held.Held, held.Expose = uses(old, live), expose
				return &held, "last good version"
			}
		}
	}
	expose := docs.grantedOf(api)
	if len(expose) == 0 {
		return nil, "nothing"
	}
	return &API{
		Kind: api.Kind, Name: api.Name, Version: api.Version, Team: api.Team, Labels: api.Labels,
		Expose: expose, Origin: api.Origin, Claimed: api.Claimed, Down: true,
	}, "503"
}

// grantedOf returns the exposures of an API without those that its Gateway does not grant to the team: what stands in for a
// faulty API must not keep, or take, the hosts of others. A Gateway that is not there is a fault of its own.
func (d *Documents) grantedOf(api *API) []Exposure {
	return slices.DeleteFunc(slices.Clone(api.Expose), func(e Exposure) bool {
		at := slices.IndexFunc(d.Gateways, func(g *Gateway) bool { return g.Name == e.Gateway })
		if at < 0 {
			return false
		}
		_, _, refused := d.Gateways[at].refused(api, e)
		return refused
	})
}

// uses returns what an API of a revision refers to: what it held already, or what its routes resolved to.
func uses(api *API, rev *Revision) *Documents {
	if api.Held != nil {
		return api.Held
	}
	held := &Documents{}
	for _, r := range rev.Routes {
		if r.Object != api.Ref() {
			continue
		}
		for _, u := range r.Upstreams() {
			held.Upstreams = appendNew(held.Upstreams, u)
		}
		for _, i := range slices.Concat(r.Issuers(ByJWT), r.Issuers(ByIntrospection)) {
			held.Issuers = appendNew(held.Issuers, i)
		}
		for _, l := range rev.Limits {
			if slices.ContainsFunc(r.Limits, func(own Limit) bool { return own.Scope == l.Scope() }) {
				held.Limits = appendNew(held.Limits, l)
			}
		}
		for _, p := range r.Authorize {
			if !p.Platform { // The Gateway's are those of the Gateway there is now.
				held.Policies = appendNew(held.Policies, p.Policy)
			}
		}
	}
	return held
}

func appendNew[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

// platformPolicy reports whether an object is a Policy that a Gateway applies, and so concerns every API.
func (d *Documents) platformPolicy(object Ref) bool {
	return object.Kind == KindPolicy && slices.ContainsFunc(d.Gateways, func(g *Gateway) bool {
		return slices.ContainsFunc(g.Authorize.all(), func(z Authorization) bool { return z.Policy == object.Name })
	})
}

// imported reports whether an object is a Policy that another imports, and so concerns whoever applies that one.
func (d *Documents) imported(object Ref) bool {
	return object.Kind == KindPolicy && slices.ContainsFunc(d.Policies, func(p *Policy) bool { return slices.Contains(p.Imports, object.Name) })
}

// owners returns the APIs that refer to a Policy, a Limit or an Upstream by name.
func owners(docs *Documents, object Ref) []Ref {
	var refs []Ref
	for _, api := range docs.APIs {
		if (object.Kind == KindPolicy && api.names(object.Name, Operation.policyNames, api.Authorize)) ||
			(object.Kind == KindLimit && api.namesLimit(object.Name)) ||
			(object.Kind == KindUpstream && api.namesUpstream(object.Name)) {
			refs = append(refs, api.Ref())
		}
	}
	return refs
}

func (api *API) names(policy string, of func(Operation) []Authorization, own []Authorization) bool {
	is := func(z Authorization) bool { return z.Policy == policy }
	return slices.ContainsFunc(own, is) ||
		slices.ContainsFunc(api.Operations, func(op Operation) bool { return slices.ContainsFunc(of(op), is) })
}

func (op Operation) policyNames() []Authorization {
	if op.Authorize == nil {
		return nil
	}
	return *op.Authorize
}

func (api *API) namesUpstream(name string) bool {
	is := func(d Destination) bool { return d.Upstream == name }
	return slices.ContainsFunc(api.To, is) ||
		slices.ContainsFunc(api.Operations, func(op Operation) bool { return slices.ContainsFunc(op.To, is) })
}
