package translate

import (
	"maps"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/gateway"
)

// learnt is what must be known to take over what is observed without a translation.
type learnt struct {
	upstreams map[string]*gateway.Upstream // By the name of their cluster.
	issuers   map[string]*gateway.Issuer   // By the name of their provider; also of requirements that are kept.
	observed  *gateway.Observed            // What is in the resources now.
}

// Observe returns the same resources with what is observed now. Messages that did not change are the same values; it returns
// the receiver itself where none did.
func (out *Resources) Observe(observed *gateway.Observed) *Resources {
	next := *out
	next.learnt.observed = observed
	changed := false
	for i, old := range out.Endpoints {
		u := out.learnt.upstreams[old.ClusterName]
		list, known := endpointsOf(u, observed)
		had, knew := endpointsOf(u, out.learnt.observed)
		if !u.Observed() || known == knew && slices.Equal(list, had) {
			continue
		}
		if !changed {
			next.Endpoints, changed = slices.Clone(out.Endpoints), true
		}
		next.Endpoints[i] = loadAssignment(old.ClusterName, list, known)
	}
	if jwt := out.rotated(observed); jwt != nil {
		next.JWT, next.extension, changed = jwt, packedExtension(jwt), true
	}
	if !changed {
		return out
	}
	return &next
}

// Awaited reports whether routes that wait for keys have them now, or the other way round: then they have to be translated again.
func (out *Resources) Awaited(routes []*gateway.Route, observed *gateway.Observed) bool {
	return slices.ContainsFunc(routes, func(r *gateway.Route) bool { return r.Awaits(out.learnt.observed) != r.Awaits(observed) })
}

// Changes returns the messages that differ from those of resources that Observe was called on.
func (out *Resources) Changes(before *Resources) []proto.Message {
	var changed []proto.Message
	for i, e := range out.Endpoints {
		if e != before.Endpoints[i] {
			changed = append(changed, e)
		}
	}
	if out.extension != before.extension {
		changed = append(changed, out.extension)
	}
	return changed
}

// rotated returns the token filter's configuration with the keys of now, nil where these are the same.
func (out *Resources) rotated(observed *gateway.Observed) *jwtv3.JwtAuthentication {
	var next *jwtv3.JwtAuthentication
	for name, provider := range out.JWT.Providers {
		fresh := withKeys(provider, out.learnt.issuers[name], observed)
		if fresh == provider {
			continue
		}
		if next == nil {
			next = &jwtv3.JwtAuthentication{RequirementMap: out.JWT.RequirementMap, Providers: maps.Clone(out.JWT.Providers)}
		}
		next.Providers[name] = fresh
	}
	return next
}

// withKeys returns a provider with the keys that its issuer has now: itself where it has them, or where nothing is known.
func withKeys(p *jwtv3.JwtProvider, i *gateway.Issuer, observed *gateway.Observed) *jwtv3.JwtProvider {
	if observed == nil || !i.Watched() || observed.KeySets[i.Name] == nil {
		return p
	}
	text := string(observed.KeySets[i.Name])
	if p.GetLocalJwks().GetInlineString() == text {
		return p
	}
	p = proto.CloneOf(p)
	p.JwksSourceSpecifier = &jwtv3.JwtProvider_LocalJwks{LocalJwks: &corev3.DataSource{
		Specifier: &corev3.DataSource_InlineString{InlineString: text},
	}}
	return p
}

// endpointsOf returns the endpoints of an upstream: those that are observed, where some are, or those that its document had
// when it was loaded. They are known unless they would have to be observed and are not.
func endpointsOf(u *gateway.Upstream, observed *gateway.Observed) (list []gateway.Endpoint, known bool) {
	if observed != nil && u.Observed() {
		if list, ok := observed.Endpoints[u.Name]; ok {
			return list, true
		}
	}
	return u.Endpoints, !u.Observed()
}

// keySetOf returns the key set of an issuer in the same way.
func keySetOf(i *gateway.Issuer, observed *gateway.Observed) []byte {
	if observed != nil && i.Watched() {
		if text := observed.KeySets[i.Name]; text != nil {
			return text
		}
	}
	return i.KeySet
}
