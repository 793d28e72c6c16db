package translate

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	connectionlimitv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/connection_limit/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/gateway"
)

// Windows of HTTP/2 in bytes (RFC 9113 5.2), after Envoy's own advice for proxies at the edge.
const (
	streamWindow = 64 << 10
	connWindow   = 1 << 20
)

// clusterBuffer is how much of an upstream's connection an Envoy holds before it stops reading. What it may hold of one
// response for those that look at it whole is the listener's to say.
const clusterBuffer = 32 << 10

// boundsOf returns the bounds of a listener, complete.
func boundsOf(l *gateway.Listener) gateway.Bounds { return l.Bounds.Over(gateway.StandardBounds()) }

// bound sets what one connection and one request may take.
func bound(m *hcmv3.HttpConnectionManager, b gateway.Bounds) {
	m.MaxRequestHeadersKb = wrapperspb.UInt32(uint32(b.HeaderSize >> 10))
	m.RequestHeadersTimeout = durationpb.New(b.Headers)
	m.RequestTimeout = durationpb.New(b.Request)
	m.StreamIdleTimeout = durationpb.New(b.Quiet)
	m.CommonHttpProtocolOptions = &corev3.HttpProtocolOptions{
		IdleTimeout:                  durationpb.New(b.Idle),
		MaxHeadersCount:              wrapperspb.UInt32(uint32(b.HeaderCount)),
		HeadersWithUnderscoresAction: corev3.HttpProtocolOptions_REJECT_REQUEST,
	}
	if b.Age > 0 {
		m.CommonHttpProtocolOptions.MaxConnectionDuration = durationpb.New(b.Age)
		m.Http1SafeMaxConnectionDuration = true // Told in an answer, and not closed under a request on its way.
	}
	if b.RequestsPerConnection > 0 {
		m.CommonHttpProtocolOptions.MaxRequestsPerConnection = wrapperspb.UInt32(uint32(b.RequestsPerConnection))
	}
	m.Http2ProtocolOptions = &corev3.Http2ProtocolOptions{
		MaxConcurrentStreams:        wrapperspb.UInt32(uint32(b.Streams)),
		InitialStreamWindowSize:     wrapperspb.UInt32(streamWindow),
		InitialConnectionWindowSize: wrapperspb.UInt32(connWindow),
	}
}

// connectionLimit returns the filter that closes a connection which is one too many, before anything is read of it; none where
// there is no bound.
func connectionLimit(name string, b gateway.Bounds) []*listenerv3.Filter {
	if b.Connections == 0 {
		return nil
	}
	return []*listenerv3.Filter{{
		Name: "envoy.filters.network.connection_limit",
		ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: packed(&connectionlimitv3.ConnectionLimit{
			StatPrefix: name, MaxConnections: wrapperspb.UInt64(uint64(b.Connections)),
		})},
	}}
}
