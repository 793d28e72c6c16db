// Package translate says in Envoy's words what a Revision means for one fleet.
//
// In: a gateway.Revision and the name of a fleet. Out: Resources, the clusters, endpoints, listeners, route configurations,
// virtual hosts and filter configurations that each Envoy of the fleet gets, or Faults. Every builder is a pure function
// named for what it returns; names come from identity and settings, never from position, so that equal documents give
// equal bytes whatever order they were written in.
package translate

import (
	"cmp"
	"fmt"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	quotav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rate_limit_quota/v3"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// Resources are what one fleet's Envoys get.
type Resources struct {
	Fleet        string
	Clusters     []*clusterv3.Cluster
	Endpoints    []*endpointv3.ClusterLoadAssignment
	JWT          *jwtv3.JwtAuthentication            // Delivered by ECDS as envoy.ResourceJWT.
	Quota        *quotav3.RateLimitQuotaFilterConfig // Delivered by ECDS as envoy.ResourceQuota.
	Listeners    []*listenerv3.Listener
	Routes       []*routev3.RouteConfiguration // Their virtual hosts come by VHDS.
	VirtualHosts []*routev3.VirtualHost        // Named "ROUTE-CONFIGURATION/HOST".
	Certificates []Certificate                 // What the listeners show, by name. They hold private keys.
	Authorities  []Authorities                 // Who may have issued what clients show, for each listener that asks for it.
	// Origins tells from which document a resource came, by its name.
	Origins map[string]gateway.Place

	requirements map[string]int // For each token requirement, how many translations ago a route last named it; 0: in this one.
	placed       map[string]*placedHost
	learnt       learnt
	extension    *corev3.TypedExtensionConfig // JWT, wrapped once.

	quotas         map[string]*quotav3.RateLimitQuotaBucketSettings // By envoy.QuotaKey.
	quotaAges      map[string]int                                   // As requirements, for those that no route names any more.
	quotaExtension *corev3.TypedExtensionConfig                     // Quota, wrapped once.
}

// Fleets returns the names of all fleets of a revision, sorted.
func Fleets(rev *gateway.Revision) []string {
	var fleets []string
	for _, g := range rev.Gateways {
		fleets = append(fleets, g.Fleet)
	}
	slices.Sort(fleets)
	return slices.Compact(fleets)
}

// Fleet translates a revision for one fleet, with what is observed now (nil: nothing). prev is what the fleet got before (nil:
// nothing): token requirements of routes that are still in use on some Envoy stay in the filter's configuration for the next
// translations.
func Fleet(rev *gateway.Revision, observed *gateway.Observed, fleet string, prev *Resources) (*Resources, gateway.Faults) {
	out := &Resources{
		Fleet: fleet, Origins: map[string]gateway.Place{}, requirements: map[string]int{}, placed: map[string]*placedHost{},
		learnt: learnt{upstreams: map[string]*gateway.Upstream{}, issuers: map[string]*gateway.Issuer{}},
	}
	b := newBuilder()
	b.observed = observed
	if observed != nil {
		b.pairs = observed.Certificates
	}
	out.addCertificates(b, rev)
	var routes []*gateway.Route
	for _, r := range rev.Routes {
		if r.Gateway.Fleet != fleet {
			continue
		}
		routes = append(routes, r)
		if name := b.requirement(r); name != "" {
			out.requirements[name] = 0
		}
	}
	out.addUpstreams(b, rev, routes)
	faults := out.addTokens(b, routes)
	if prev != nil {
		out.keepRequirements(b, prev)
	}
	out.extension = packedExtension(out.JWT)
	out.addQuotas(routes, prev)
	if prev == nil {
		prev = &Resources{}
	}
	for _, g := range rev.Gateways {
		if g.Fleet == fleet {
			faults = append(faults, out.addGateway(b, g, routes, prev.placed)...)
		}
	}
	return out, faults
}

// addUpstreams adds the clusters that the fleet's routes forward to and its spans go to, each once, with their endpoints. Of two upstreams with
// one cluster name, which differ in endpoints only, the one of the revision itself is taken: the other is what a held API
// meant earlier.
func (out *Resources) addUpstreams(b *builder, rev *gateway.Revision, routes []*gateway.Route) {
	current := map[string]*gateway.Upstream{}
	for _, u := range rev.Upstreams {
		current[b.cluster(u)] = u
	}
	used := map[string]*gateway.Upstream{}
	for _, r := range routes {
		for _, own := range r.Upstreams() {
			name := b.cluster(own)
			if u, ok := current[name]; ok {
				used[name] = u
			} else {
				used[name] = own
			}
		}
	}
	for _, g := range rev.Gateways {
		if g.Fleet == out.Fleet && g.Tracing != nil {
			used[b.cluster(g.Tracing.Upstream)] = g.Tracing.Upstream
		}
	}
	out.learnt.upstreams, out.learnt.observed = used, b.observed
	for name, u := range used {
		out.Clusters = append(out.Clusters, cluster(u))
		list, known := endpointsOf(u, b.observed)
		out.Endpoints = append(out.Endpoints, loadAssignment(name, list, known))
		out.Origins[name] = u.Origin.At("")
	}
	slices.SortFunc(out.Clusters, func(a, b *clusterv3.Cluster) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(out.Endpoints, func(a, b *endpointv3.ClusterLoadAssignment) int {
		return cmp.Compare(a.ClusterName, b.ClusterName)
	})
}

// addGateway adds the listeners of a gateway, each with its route configurations and one virtual host for each host. before
// are the virtual hosts of the translation before. A listener with TLS of whose certificates nothing is observed is left out:
// it could answer nobody.
func (out *Resources) addGateway(b *builder, g *gateway.Gateway, routes []*gateway.Route, before map[string]*placedHost) gateway.Faults {
	var faults gateway.Faults
	own := slices.DeleteFunc(slices.Clone(routes), func(r *gateway.Route) bool { return r.Gateway.Name != g.Name })
	known := byPattern(own)
	b.gateway, b.notFound, b.misdirected = g, notFound(g.Headers), misdirected(g.Headers)
	for i := range g.Listeners {
		l := &g.Listeners[i]
		name := ListenerName(g, l)
		out.Origins[name] = g.Origin.At(fmt.Sprintf("listeners[%d]", i))
		switch {
		case l.TLS != nil:
			shown := l.Show(b.pairs)
			if len(shown) == 0 {
				continue
			}
			out.Listeners = append(out.Listeners, listener(g, l, shown))
			if c := l.TLS.Clients; c != nil {
				a := Authorities{Name: authoritiesName(g, l), PEM: c.Authorities}
				out.Authorities, out.Origins[a.Name] = append(out.Authorities, a), out.Origins[name]
			}
			for _, s := range shown {
				chain := chainName(g, l, s.Certificate)
				out.Origins[chain] = out.Origins[name]
				faults = append(faults, out.addRoutes(b, chain, b.hostsOfChain(chain, l, s, known, before))...)
			}
		case l.Redirect != nil:
			out.Listeners = append(out.Listeners, listener(g, l, nil))
			faults = append(faults, out.addRoutes(b, name, b.redirectingHosts(name, g, l, known))...)
		default:
			out.Listeners = append(out.Listeners, listener(g, l, nil))
			faults = append(faults, out.addRoutes(b, name, b.virtualHosts(name, l, known, before))...)
		}
	}
	return faults
}

// addRoutes adds a route configuration and its virtual hosts.
func (out *Resources) addRoutes(b *builder, name string, hosts []*placedHost) gateway.Faults {
	var faults gateway.Faults
	out.Routes = append(out.Routes, routeConfiguration(b.gateway, name))
	for _, vh := range hosts {
		out.VirtualHosts = append(out.VirtualHosts, vh.host)
		out.Origins[vh.host.Name] = vh.origin
		out.placed[vh.host.Name] = vh
		if vh.checked {
			continue
		}
		found := b.checkKeys(vh)
		vh.checked = len(found) == 0
		faults = append(faults, found...)
	}
	return faults
}

// addCertificates adds the certificates that the fleet's listeners name, each once.
func (out *Resources) addCertificates(b *builder, rev *gateway.Revision) {
	used := map[string]bool{}
	for _, g := range rev.Gateways {
		for i := range g.Listeners {
			if l := &g.Listeners[i]; l.TLS != nil && g.Fleet == out.Fleet {
				for _, name := range l.TLS.Certificates {
					used[name] = true
				}
			}
		}
	}
	for _, c := range rev.Certificates {
		if pair, ok := b.pairs[c.Name]; ok && used[c.Name] {
			out.Certificates = append(out.Certificates, Certificate{Name: c.Name, Pair: pair})
			out.Origins[c.Name] = c.Origin.At("")
		}
	}
}

// routeConfiguration returns the route configuration of a listener. Its virtual hosts come one by one, so that a change of
// one route sends one host.
func routeConfiguration(g *gateway.Gateway, name string) *routev3.RouteConfiguration {
	return &routev3.RouteConfiguration{
		Name:                            name,
		IgnorePortInHostMatching:        true,
		MostSpecificHeaderMutationsWins: true,
		MaxDirectResponseBodySizeBytes:  wrapperspb.UInt32(maxBody),
		Vhds:                            &routev3.Vhds{ConfigSource: adsSource(initialFetchTimeout)},
		TypedPerFilterConfig:            withPages(nil, g.Pages),
	}
}

// Extensions returns the filter configurations that are delivered by ECDS.
func (out *Resources) Extensions() []*corev3.TypedExtensionConfig {
	return []*corev3.TypedExtensionConfig{out.extension, out.quotaExtension}
}

func packedExtension(jwt *jwtv3.JwtAuthentication) *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: envoy.ResourceJWT, TypedConfig: packed(jwt)}
}
