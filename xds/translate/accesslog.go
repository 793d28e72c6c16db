package translate

import (
	"time"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	grpclogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/type/metadata/v3"
	tagv3 "github.com/envoyproxy/go-control-plane/envoy/type/tracing/v3"
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

// accessLog returns the gRPC access log of every listener. Route metadata is not part of an entry (envoy-facts 13), so the
// route's identity travels as tags.
func accessLog() []*accesslogv3.AccessLog {
	config := &grpclogv3.HttpGrpcAccessLogConfig{
		CommonConfig: &grpclogv3.CommonGrpcAccessLogConfig{
			LogName:             envoy.AccessLogName,
			GrpcService:         service(envoy.ClusterAccessLog, logTimeout),
			TransportApiVersion: corev3.ApiVersion_V3,
			BufferFlushInterval: durationpb.New(logFlush),
			BufferSizeBytes:     wrapperspb.UInt32(logBuffer),
			CustomTags: []*tagv3.CustomTag{
				routeTag(envoy.KeyRules), routeTag(envoy.KeyAPI), routeTag(envoy.KeyVersion), routeTag(envoy.KeyOperation),
			},
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

// routeTag returns the tag that copies one key of the route's metadata into each entry.
func routeTag(key string) *tagv3.CustomTag {
	return &tagv3.CustomTag{
		Tag: key,
		Type: &tagv3.CustomTag_Metadata_{Metadata: &tagv3.CustomTag_Metadata{
			Kind: &metadatav3.MetadataKind{Kind: &metadatav3.MetadataKind_Route_{Route: &metadatav3.MetadataKind_Route{}}},
			MetadataKey: &metadatav3.MetadataKey{
				Key: envoy.MetadataRoute,
				Path: []*metadatav3.MetadataKey_PathSegment{{
					Segment: &metadatav3.MetadataKey_PathSegment_Key{Key: key},
				}},
			},
		}},
	}
}
