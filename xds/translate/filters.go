package translate

import (
	"time"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	ratelimitconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/ratelimit/v3"
	rbacconfigv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	customv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/custom_response/v3"
	extauthzv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ext_authz/v3"
	quotav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rate_limit_quota/v3"
	ratelimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/ratelimit/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	statev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// httpFilters returns the filters of every listener, in their one order. All but the guard and the router are off until a
// route switches them on; the guard stands after all authentication and denies until a route allows.
func httpFilters(g *gateway.Gateway) []*hcmv3.HttpFilter {
	return []*hcmv3.HttpFilter{
		off(envoy.FilterPages, &customv3.CustomResponse{}),
		off(envoy.FilterPagesKeep, keep()),
		discovered(envoy.FilterJWT, emptyJWT()),
		off(envoy.FilterCeilingCheck, noCeiling()),
		off(envoy.FilterAuthzClosed, extAuthz(g, gateway.Closed)),
		off(envoy.FilterAuthzOpen, extAuthz(g, gateway.Open)),
		off(envoy.FilterPolicy, &rbacv3.RBAC{}),
		on(envoy.FilterGuard, guard()),
		off(envoy.FilterCeiling, noCeiling()),
		off(envoy.FilterQuotaMark, &statev3.Config{}),
		discovered(envoy.FilterQuota, &quotav3.RateLimitQuotaFilterConfig{}),
		off(envoy.FilterRateLimitClosed, rateLimit(g, gateway.Closed)),
		off(envoy.FilterRateLimitOpen, rateLimit(g, gateway.Open)),
		off(envoy.FilterCost, noCosts()),
		on(envoy.FilterRouter, &routerv3.Router{}),
	}
}

func on(name string, config proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{Name: name, ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: packed(config)}}
}

// discovered returns a filter that is off, whose configuration of the type of example comes by ECDS.
func discovered(name string, example proto.Message) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{
		Name:     name,
		Disabled: true,
		ConfigType: &hcmv3.HttpFilter_ConfigDiscovery{ConfigDiscovery: &corev3.ExtensionConfigSource{
			ConfigSource: adsSource(initialFetchTimeout),
			TypeUrls:     []string{packed(example).TypeUrl},
		}},
	}
}

func off(name string, config proto.Message) *hcmv3.HttpFilter {
	f := on(name, config)
	f.Disabled = true
	return f
}

// extAuthz returns the filter that asks Gatehouse's authorization service. Envoy knows no failure mode per route, so there
// is one instance for each mode.
func extAuthz(g *gateway.Gateway, mode gateway.FailureMode) *extauthzv3.ExtAuthz {
	return &extauthzv3.ExtAuthz{
		Services:                  &extauthzv3.ExtAuthz_GrpcService{GrpcService: checks(g, g.Timeouts.Authorization)},
		TransportApiVersion:       corev3.ApiVersion_V3,
		FailureModeAllow:          mode == gateway.Open,
		FailureModeAllowHeaderAdd: mode == gateway.Open,
		// "Gatehouse is away" is not "forbidden": 503, never Envoy's default 403.
		StatusOnError:             &typev3.HttpStatus{Code: typev3.StatusCode_ServiceUnavailable},
		MetadataContextNamespaces: []string{envoy.MetadataJWT},
		IncludePeerCertificate:    true,
		ValidateMutations:         true,
		DecoderHeaderMutationRules: &mutationv3.HeaderMutationRules{
			DisallowSystem: wrapperspb.Bool(true),
			// What tells the upstream who calls is the service's to say: no policy's answer gets so far.
			DisallowExpression: &matcherv3.RegexMatcher{Regex: "(?i)(host|" + envoy.HeaderPrefix + otherThan(toldNames()) + ")"},
		},
		StatPrefix: string(mode),
	}
}

// checks returns how the authorization service is asked. A replica that cannot ask for limits that must be asked says so:
// another one may. The peer's address goes with every Check; where the Gateway trusts others about the client's, that too.
func checks(g *gateway.Gateway, timeout time.Duration) *corev3.GrpcService {
	s := unary(envoy.ClusterAuthz, timeout, "unavailable")
	if g.Trust.Hops > 0 || len(g.Trust.Proxies) > 0 {
		s.InitialMetadata = []*corev3.HeaderValue{{Key: envoy.HeaderClient, Value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"}}
	}
	return s
}

// rateLimit returns the filter that asks Gatehouse's rate limit service, once for each failure mode.
func rateLimit(g *gateway.Gateway, mode gateway.FailureMode) *ratelimitv3.RateLimit {
	timeout, told := g.Timeouts.Limits, ratelimitv3.RateLimit_OFF
	if g.LimitHeaders == gateway.LimitHeadersOlder || g.LimitHeaders == gateway.LimitHeadersBoth {
		told = ratelimitv3.RateLimit_DRAFT_VERSION_03 // The others come with each answer.
	}
	// A replica that is cut off from the store of limits, or does not know the rules yet, says so: another one may answer.
	limits := unary(envoy.ClusterRateLimit, timeout, "unavailable")
	limits.InitialMetadata = []*corev3.HeaderValue{{Key: envoy.HeaderCall, Value: "%UNIQUE_ID%"}}
	return &ratelimitv3.RateLimit{
		Domain:                  envoy.RateLimitDomain,
		Timeout:                 durationpb.New(timeout),
		FailureModeDeny:         mode == gateway.Closed,
		StatusOnError:           &typev3.HttpStatus{Code: typev3.StatusCode_ServiceUnavailable},
		EnableXRatelimitHeaders: told,
		RateLimitService: &ratelimitconfigv3.RateLimitServiceConfig{
			GrpcService:         limits,
			TransportApiVersion: corev3.ApiVersion_V3,
		},
		// gRPC callers get RESOURCE_EXHAUSTED, as their libraries expect.
		RateLimitedAsResourceExhausted: true,
		StatPrefix:                     string(mode),
	}
}

// guard returns the filter that denies every request whose route has not said otherwise: an allow list without entries.
func guard() *rbacv3.RBAC {
	return &rbacv3.RBAC{Rules: &rbacconfigv3.RBAC{Action: rbacconfigv3.RBAC_ALLOW}}
}
