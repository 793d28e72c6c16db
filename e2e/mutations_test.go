//go:build e2e

package e2e_test

import (
	"maps"
	"slices"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds/translate"
)

// misspelling is what a misspelt name ends in.
const misspelling = "x"

// mutation is one mistake in one security setting of a case's listener.
type mutation struct {
	name string
	// edit makes the mistake in a message, and reports whether this was the message.
	edit func(proto.Message) bool
	// concerns reports whether a request of the route is worth trying.
	concerns func(*gateway.Route) bool
	// evidence says that without this setting not even a caller who proves all that is asked gets through.
	evidence bool
	// alone says that of a route which Envoy decides without the token filter nothing else stands behind this setting.
	alone bool
	// mayRefuse says that Envoy itself may refuse to start with it: a requirement must name a provider that is there.
	mayRefuse bool
}

// apply returns a listener with the mistake in it.
func (m *mutation) apply(t *testing.T, l *listenerv3.Listener) *listenerv3.Listener {
	t.Helper()
	out, hits := proto.CloneOf(l), 0
	rewrite(t, out, func(message proto.Message) {
		if m.edit(message) {
			hits++
		}
	})
	if hits == 0 {
		t.Fatalf("%s changes nothing", m.name)
	}
	return out
}

// mutations returns every mistake that is tried in a case. lax are routes that allow what the case's own do not.
func mutations(c *goldenCase, lax []*gateway.Route) []mutation {
	var all []mutation
	for _, r := range c.revision.Routes {
		if r.Action == gateway.ActionForward {
			all = append(all, routeMutations(r, lax)...)
		}
	}
	all = append(all, filterMutations()...)
	all = append(all, listenerMutations()...)
	return append(all, tokenMutations(c.resources.JWT)...)
}

// routeMutations returns the mistakes in what one route says to the filters.
func routeMutations(r *gateway.Route, lax []*gateway.Route) []mutation {
	var all []mutation
	add := func(name string, evidence bool, edit func(keys map[string]*anypb.Any) bool) {
		all = append(all, mutation{
			name: r.Name + ": " + name, evidence: evidence,
			concerns: func(other *gateway.Route) bool { return other == r },
			edit: func(m proto.Message) bool {
				route, ok := m.(*routev3.Route)
				return ok && route.Name == envoy.RouteName(r.Name, r.Rules) && edit(route.TypedPerFilterConfig)
			},
		})
	}
	for _, key := range used(r) {
		add("without "+key, true, func(keys map[string]*anypb.Any) bool {
			delete(keys, key)
			return true
		})
		add("misspelt "+key, true, func(keys map[string]*anypb.Any) bool {
			keys[key+misspelling] = keys[key]
			delete(keys, key)
			return true
		})
	}
	add("the guard off", false, func(keys map[string]*anypb.Any) bool { return replace(keys, envoy.FilterGuard, &rbacv3.RBACPerRoute{}) })
	all[len(all)-1].alone = true
	if slices.Contains(used(r), envoy.FilterPolicy) {
		add("nothing judged", true, func(keys map[string]*anypb.Any) bool {
			return replace(keys, envoy.FilterPolicy, &rbacv3.RBACPerRoute{})
		})
	}
	if r.TakesToken() {
		add("the token filter off", true, func(keys map[string]*anypb.Any) bool {
			return replace(keys, envoy.FilterJWT, &jwtv3.PerRouteConfig{RequirementSpecifier: &jwtv3.PerRouteConfig_Disabled{Disabled: true}})
		})
		add("another requirement", true, func(keys map[string]*anypb.Any) bool {
			return replace(keys, envoy.FilterJWT, &jwtv3.PerRouteConfig{
				RequirementSpecifier: &jwtv3.PerRouteConfig_RequirementName{RequirementName: "none"},
			})
		})
	}
	if !r.CallsAuthorization() {
		return all
	}
	filter := authzFilter(r)
	check := func(extensions map[string]string) func(map[string]*anypb.Any) bool {
		return func(keys map[string]*anypb.Any) bool {
			return replace(keys, filter, &extauthzv3.ExtAuthzPerRoute{Override: &extauthzv3.ExtAuthzPerRoute_CheckSettings{
				CheckSettings: &extauthzv3.CheckSettings{ContextExtensions: extensions},
			}})
		}
	}
	add("no rules", true, check(nil))
	if r.CheckSpends() {
		add("limits not spent", true, check(map[string]string{envoy.KeyRules: r.Rules}))
	}
	add("misspelt rules", true, check(map[string]string{envoy.KeyRules + misspelling: r.Rules}))
	add("unknown rules", true, check(map[string]string{envoy.KeyRules: r.Rules + misspelling}))
	for _, other := range lax {
		if other.Rules != r.Rules {
			add("the rules of "+other.Name, true, check(map[string]string{envoy.KeyRules: other.Rules}))
		}
	}
	add("authorization off", true, func(keys map[string]*anypb.Any) bool {
		return replace(keys, filter, &extauthzv3.ExtAuthzPerRoute{Override: &extauthzv3.ExtAuthzPerRoute_Disabled{Disabled: true}})
	})
	return all
}

// used returns the security filters that a route configures.
func used(r *gateway.Route) []string {
	return slices.DeleteFunc(translate.Filters(r), func(name string) bool {
		return !slices.Contains([]string{envoy.FilterJWT, envoy.FilterAuthzClosed, envoy.FilterAuthzOpen, envoy.FilterPolicy, envoy.FilterGuard}, name)
	})
}

func authzFilter(r *gateway.Route) string {
	if r.CheckAway() == gateway.Open {
		return envoy.FilterAuthzOpen
	}
	return envoy.FilterAuthzClosed
}

// replace puts another configuration under a key that is there.
func replace(keys map[string]*anypb.Any, key string, config proto.Message) bool {
	if keys[key] == nil {
		return false
	}
	packed, err := anypb.New(config)
	if err != nil {
		return false
	}
	keys[key] = packed
	return true
}

// filterMutations returns the mistakes in the listener's list of filters.
func filterMutations() []mutation {
	var all []mutation
	for _, name := range []string{envoy.FilterJWT, envoy.FilterAuthzClosed, envoy.FilterAuthzOpen, envoy.FilterPolicy, envoy.FilterGuard} {
		edit := func(change func(*hcmv3.HttpConnectionManager, int)) func(proto.Message) bool {
			return func(m proto.Message) bool {
				manager, ok := m.(*hcmv3.HttpConnectionManager)
				if !ok {
					return false
				}
				i := slices.IndexFunc(manager.HttpFilters, func(f *hcmv3.HttpFilter) bool { return f.Name == name })
				if i >= 0 {
					change(manager, i)
				}
				return i >= 0
			}
		}
		uses := func(r *gateway.Route) bool { return slices.Contains(used(r), name) }
		all = append(
			all,
			mutation{
				name: "no filter " + name, evidence: name != envoy.FilterGuard, alone: name == envoy.FilterGuard, concerns: uses,
				edit: edit(func(m *hcmv3.HttpConnectionManager, i int) { m.HttpFilters = slices.Delete(m.HttpFilters, i, i+1) }),
			},
			mutation{
				name: "misspelt filter " + name, evidence: true, concerns: uses,
				edit: edit(func(m *hcmv3.HttpConnectionManager, i int) { m.HttpFilters[i].Name += misspelling }),
			},
		)
		if name != envoy.FilterGuard {
			all = append(all, mutation{
				name: "always on: filter " + name, concerns: uses,
				edit: edit(func(m *hcmv3.HttpConnectionManager, i int) { m.HttpFilters[i].Disabled = false }),
			})
		}
	}
	return all
}

// listenerMutations returns the mistakes in what holds for all routes of a listener.
func listenerMutations() []mutation {
	everywhere := func(*gateway.Route) bool { return true }
	asked := func(r *gateway.Route) bool { return r.CallsAuthorization() }
	authz := func(change func(*extauthzv3.ExtAuthz)) func(proto.Message) bool {
		return func(m proto.Message) bool {
			filter, ok := m.(*extauthzv3.ExtAuthz)
			if ok {
				change(filter)
			}
			return ok
		}
	}
	all := []mutation{
		{
			name: "nothing stripped", concerns: everywhere,
			edit: func(m proto.Message) bool {
				manager, ok := m.(*hcmv3.HttpConnectionManager)
				if ok {
					manager.EarlyHeaderMutationExtensions = nil
				}
				return ok
			},
		},
		{
			name: "no token shown to policies", evidence: true,
			concerns: func(r *gateway.Route) bool { return asked(r) && !r.Public },
			edit:     authz(func(f *extauthzv3.ExtAuthz) { f.MetadataContextNamespaces = nil }),
		},
		{
			name: "no word of a failure", concerns: asked,
			edit: authz(func(f *extauthzv3.ExtAuthz) { f.FailureModeAllowHeaderAdd = false }),
		},
		{
			// Who asks nobody gets no answer, which on a route that fails open is as if Gatehouse were away.
			name: "a misspelt authorization service",
			concerns: func(r *gateway.Route) bool {
				return asked(r) && (!r.Public || r.WhenAway.Authorization != gateway.Open)
			},
			edit: authz(func(f *extauthzv3.ExtAuthz) { f.GetGrpcService().GetEnvoyGrpc().ClusterName += misspelling }),
		},
	}
	for i := range 2 {
		all = append(all, mutation{
			name: "one kind of header not stripped", concerns: everywhere,
			edit: func(m proto.Message) bool {
				strip, ok := m.(*earlyv3.HeaderMutation)
				if ok {
					strip.Mutations = slices.Delete(strip.Mutations, i, i+1)
				}
				return ok
			},
		})
	}
	return all
}

// tokenMutations returns the mistakes in the configuration of the token filter.
func tokenMutations(config *jwtv3.JwtAuthentication) []mutation {
	var all []mutation
	add := func(name string, evidence, mayRefuse bool, change func(*jwtv3.JwtAuthentication)) {
		all = append(all, mutation{
			name: name, evidence: evidence, mayRefuse: mayRefuse,
			concerns: (*gateway.Route).TakesToken,
			edit: func(m proto.Message) bool {
				filter, ok := m.(*jwtv3.JwtAuthentication)
				if ok {
					change(filter)
				}
				return ok
			},
		})
	}
	// A case may have several issuers or requirements: who proves the other one's still gets through.
	oneProvider, oneRequirement := len(config.Providers) == 1, len(config.RequirementMap) == 1
	for _, name := range slices.Sorted(maps.Keys(config.RequirementMap)) {
		add("no requirement "+name, oneRequirement, false, func(f *jwtv3.JwtAuthentication) { delete(f.RequirementMap, name) })
		add("misspelt requirement "+name, oneRequirement, false, func(f *jwtv3.JwtAuthentication) {
			f.RequirementMap[name+misspelling] = f.RequirementMap[name]
			delete(f.RequirementMap, name)
		})
	}
	for _, name := range slices.Sorted(maps.Keys(config.Providers)) {
		add("no provider "+name, oneProvider, true, func(f *jwtv3.JwtAuthentication) { delete(f.Providers, name) })
		add("misspelt provider "+name, oneProvider, true, func(f *jwtv3.JwtAuthentication) {
			f.Providers[name+misspelling] = f.Providers[name]
			delete(f.Providers, name)
		})
		add("no claims noted by "+name, oneProvider, false, func(f *jwtv3.JwtAuthentication) { f.Providers[name].PayloadInMetadata = "" })
		add("claims noted under another name by "+name, oneProvider, false, func(f *jwtv3.JwtAuthentication) {
			f.Providers[name].PayloadInMetadata += misspelling
		})
		if config.Providers[name].HeaderInMetadata != "" {
			add("no headers noted by "+name, oneProvider, false, func(f *jwtv3.JwtAuthentication) { f.Providers[name].HeaderInMetadata = "" })
		}
	}
	return all
}
