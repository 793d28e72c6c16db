package translate

import (
	"maps"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/gatehouse/gatehouse/gateway"
)

// builder remembers during one translation what many routes share. Without it a route is built once for each host at which it
// answers, and a key set is hashed for each route that accepts its issuer: 5,000 routes then take far longer.
type builder struct {
	clusters              map[*gateway.Upstream]string
	providers             map[*gateway.Issuer]string
	filters               map[string]bool // Every filter that listeners have.
	pairs                 map[string]gateway.KeyPair
	gateway               *gateway.Gateway // That is being translated.
	notFound, misdirected *routev3.Route   // Its answers where no route matches.
	routes                map[*gateway.Route]*routev3.Route
	wires                 map[*routev3.Route][]byte
	observed              *gateway.Observed
}

func newBuilder() *builder {
	b := &builder{
		clusters: map[*gateway.Upstream]string{}, providers: map[*gateway.Issuer]string{},
		filters: map[string]bool{}, notFound: notFound(gateway.Headers{}), misdirected: misdirected(gateway.Headers{}), routes: map[*gateway.Route]*routev3.Route{},
		wires: map[*routev3.Route][]byte{},
	}
	for _, f := range httpFilters(&gateway.Gateway{}) {
		b.filters[f.Name] = true
	}
	return b
}

func memo[K comparable, V any](known map[K]V, key K, build func(K) V) V {
	v, ok := known[key]
	if !ok {
		v = build(key)
		known[key] = v
	}
	return v
}

// route returns the Envoy route of one of ours. It is shared, and never changed.
func (b *builder) route(r *gateway.Route) *routev3.Route { return memo(b.routes, r, b.newRoute) }

// wire returns a route's bytes.
func (b *builder) wire(r *routev3.Route) []byte {
	return memo(b.wires, r, func(r *routev3.Route) []byte { return packed(r).Value })
}

// cluster returns the name of an upstream's cluster.
func (b *builder) cluster(u *gateway.Upstream) string { return memo(b.clusters, u, ClusterName) }

// provider returns the name under which tokens of an issuer are verified.
func (b *builder) provider(i *gateway.Issuer) string {
	return memo(b.providers, i, func(i *gateway.Issuer) string {
		return i.Name + "~" + gateway.ContentHash(i.Settings())[:clusterHash]
	})
}

// accepted returns the distinct provider names of a route's tokens, sorted.
func (b *builder) accepted(r *gateway.Route) []string {
	set := map[string]bool{}
	for _, i := range r.Issuers(gateway.ByJWT) {
		set[b.provider(i)] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// requirement returns the name of what a route asks of the token filter; empty for nothing.
func (b *builder) requirement(r *gateway.Route) string {
	accepted := b.accepted(r)
	if len(accepted) == 0 {
		return ""
	}
	return gateway.ContentHash(accepted)
}
