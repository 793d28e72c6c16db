package translate

import (
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	grpclogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
)

// Entries are sent in batches: at the latest after logFlush, or when logBuffer bytes have gathered.
const (
	logFlush   = time.Second
	logBuffer  = 64 << 10
	logTimeout = 5 * time.Second
)

// accessLog returns the gRPC access log of every listener. An entry names its route, and the name says all of whose it is
// (envoy.RouteName).
func accessLog() []*accesslogv3.AccessLog {
	config := &grpclogv3.HttpGrpcAccessLogConfig{
		CommonConfig: &grpclogv3.CommonGrpcAccessLogConfig{
			LogName:             envoy.AccessLogName,
			GrpcService:         service(envoy.ClusterAccessLog, logTimeout),
			TransportApiVersion: corev3.ApiVersion_V3,
			BufferFlushInterval: durationpb.New(logFlush),
			BufferSizeBytes:     wrapperspb.UInt32(logBuffer),
		},
		AdditionalRequestHeadersToLog: []string{envoy.HeaderFailureModeAllowed},
	}
	// A stream lives as long as its Envoy: the timeout of a unary call would end it.
	config.CommonConfig.GrpcService.Timeout = nil
	return []*accesslogv3.AccessLog{{
		Name:       "envoy.access_loggers.http_grpc",
		ConfigType: &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(config)},
	}}
}
