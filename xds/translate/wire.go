package translate

import (
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	previoushostsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	previousprioritiesv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/priority/previous_priorities/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// initialFetchTimeout bounds how long an Envoy waits for a resource that Gatehouse should have sent beside another.
const initialFetchTimeout = 15 * time.Second

// retryPause is about how long Envoy waits before it tries a call to Gatehouse again.
const retryPause = 5 * time.Millisecond

// selections is how often Envoy looks for a replica that has not been asked, before it takes any.
const selections = 20

// clusterHash is how much of a settings hash goes into a cluster's name.
const clusterHash = 10

// ClusterName returns the name of an upstream's cluster: its own name and a hash of those settings that Envoy cannot change
// in place without losing requests. Endpoints are not among them: they travel by EDS.
func ClusterName(u *gateway.Upstream) string {
	settings := *u
	settings.Endpoints, settings.Discovery = nil, nil
	settings.Timeout, settings.Retries = 0, nil // These belong to the route; only the budget is the cluster's.
	settings.Balancing.By, settings.Balancing.OwnZone = nil, false
	if u.TLS != nil { // Whom it believes comes by SDS; only whether these are its own is the cluster's.
		t := *u.TLS
		t.Authority = nil
		settings.TLS = &t
	}
	own := u.TLS != nil && len(u.TLS.Authority) > 0
	var budget *float64 // A budget of nothing is not the same as none.
	if u.Retries != nil {
		budget = &u.Retries.Budget
	}
	return u.Name + "~" + gateway.ContentHash([]any{settings, budget, own})[:clusterHash]
}

// ListenerName returns the name of a listener and of its route configuration. It holds no slash, as Envoy reads the part of
// a virtual host's resource name before the slash as the route configuration's name.
func ListenerName(g *gateway.Gateway, l *gateway.Listener) string { return g.Name + "~" + l.Name }

// packed wraps a message with its type, with deterministic bytes.
func packed(m proto.Message) *anypb.Any {
	out := &anypb.Any{}
	if err := anypb.MarshalFrom(out, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		// Only a message with invalid UTF-8 or a missing required field cannot be marshalled. An empty value makes Envoy
		// refuse the resource, which shows in the node's state, instead of ending the daemon.
		return &anypb.Any{TypeUrl: "type.googleapis.com/" + string(m.ProtoReflect().Descriptor().FullName())}
	}
	return out
}

// adsSource says that a resource comes over the same delta ADS stream.
func adsSource(timeout time.Duration) *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
		InitialFetchTimeout:   durationpb.New(timeout),
	}
}

// service says that a gRPC service of Gatehouse is asked, with a bound on the answer.
func service(cluster string, timeout time.Duration) *corev3.GrpcService {
	return &corev3.GrpcService{
		TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{ClusterName: cluster}},
		Timeout:         durationpb.New(timeout),
	}
}

// unary is service for calls of which each has one answer: a call whose connection ends, or that one replica does not answer
// within half of the timeout, is made once more, and then once more, at other replicas if there are any, and all within that timeout.
// All attempts carry the same headers. A status that Gatehouse answered with is asked for again only where more says so.
func unary(cluster string, timeout time.Duration, more ...string) *corev3.GrpcService {
	s := service(cluster, timeout)
	s.RetryPolicy = &corev3.RetryPolicy{
		RetryOn:    strings.Join(append([]string{"reset", "connect-failure", "refused-stream"}, more...), ","),
		NumRetries: wrapperspb.UInt32(2),
		RetryBackOff: &corev3.BackoffStrategy{
			BaseInterval: durationpb.New(retryPause),
			MaxInterval:  durationpb.New(max(timeout/2, retryPause)), // Envoy takes this for the timeout of each attempt.
		},
		RetryHostPredicate: []*corev3.RetryPolicy_RetryHostPredicate{{
			Name:       "envoy.retry_host_predicates.previous_hosts",
			ConfigType: &corev3.RetryPolicy_RetryHostPredicate_TypedConfig{TypedConfig: packed(&previoushostsv3.PreviousHostsPredicate{})},
		}},
		HostSelectionRetryMaxAttempts: selections,
		RetryPriority: &corev3.RetryPolicy_RetryPriority{
			Name: "envoy.retry_priorities.previous_priorities",
			ConfigType: &corev3.RetryPolicy_RetryPriority_TypedConfig{
				TypedConfig: packed(&previousprioritiesv3.PreviousPrioritiesConfig{UpdateFrequency: 1}),
			},
		},
	}
	return s
}

// setHeader returns the option that sets a header, over whatever was there.
func setHeader(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}

// marshalled returns the bytes of a message, always the same for equal ones.
func marshalled(m proto.Message) []byte { return packed(m).Value }
