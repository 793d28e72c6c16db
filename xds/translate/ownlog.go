package translate

import (
	"fmt"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	filelogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/file/v3"
	streamlogv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/stream/v3"
	celv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/formatter/cel/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// ownLog returns the access log that an Envoy writes itself, nothing where it writes none.
func ownLog(l *gateway.AccessLog) []*accesslogv3.AccessLog {
	if l == nil {
		return nil
	}
	lines := &corev3.SubstitutionFormatString{
		Format:     &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: logLine()},
		Formatters: celFormatter(),
	}
	out := &accesslogv3.AccessLog{Name: "envoy.access_loggers.stdout", Filter: loggedOnly(l.Only)}
	var config proto.Message = &streamlogv3.StdoutAccessLog{AccessLogFormat: &streamlogv3.StdoutAccessLog_LogFormat{LogFormat: lines}}
	if l.To != gateway.LogStdout {
		out.Name = "envoy.access_loggers.file"
		config = &filelogv3.FileAccessLog{Path: l.To, AccessLogFormat: &filelogv3.FileAccessLog_LogFormat{LogFormat: lines}}
	}
	out.ConfigType = &accesslogv3.AccessLog_TypedConfig{TypedConfig: packed(config)}
	return []*accesslogv3.AccessLog{out}
}

// celFormatter makes expressions take texts apart.
func celFormatter() []*corev3.TypedExtensionConfig {
	return []*corev3.TypedExtensionConfig{{
		Name:        "envoy.formatter.cel",
		TypedConfig: packed(&celv3.Cel{CelConfig: &corev3.CelExpressionConfig{EnableStringFunctions: true}}),
	}}
}

// logLine returns the fields of a line. There is no query among them, no header that a client sent but the name of its program,
// and no header of an answer: any of these may hold a secret. What a request lacks is null.
func logLine() *structpb.Struct {
	texts := map[string]string{
		"time":           "%START_TIME(%Y-%m-%dT%H:%M:%E3SZ)%",
		"request_id":     "%REQ(X-REQUEST-ID)%",
		"trace_id":       "%TRACE_ID%",
		"route":          "%ROUTE_NAME%",
		"api":            routePart("%[1]s.size() == 3 ? %[1]s[0] : null"),
		"version":        routePart("%[1]s.size() == 3 ? %[1]s[1] : null"),
		"operation":      routePart("%[1]s.size() == 3 ? %[1]s[2] : %[1]s[1]"),
		"rules":          "%TYPED_CEL(xds.route_name.split('@')[1])%",
		"identity":       "%REQ(" + envoy.HeaderIdentity + ")%",
		"consumer":       "%REQ(" + envoy.HeaderConsumer + ")%",
		"application":    "%REQ(" + envoy.HeaderApplication + ")%",
		"plan":           "%REQ(" + envoy.HeaderPlan + ")%",
		"method":         "%REQ(:METHOD)%",
		"scheme":         "%REQ(:SCHEME)%",
		"host":           "%REQ(:AUTHORITY)%",
		"path":           "%PATH(NQ:ORIG_OR_PATH)%",
		"protocol":       "%PROTOCOL%",
		"status":         "%RESPONSE_CODE%",
		"details":        "%RESPONSE_CODE_DETAILS%",
		"flags":          "%RESPONSE_FLAGS_LONG%",
		"grpc_status":    "%GRPC_STATUS%",
		"bytes_received": "%BYTES_RECEIVED%",
		"bytes_sent":     "%BYTES_SENT%",
		"duration_ms":    "%DURATION%",
		"upstream_us":    "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
		"upstream":       "%TYPED_CEL(xds.cluster_name.split('~')[0])%",
		"upstream_host":  "%UPSTREAM_HOST%",
		"attempts":       "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
		"client":         "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
		"peer":           "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
		"user_agent":     "%REQ(USER-AGENT):256%",
		"tls_version":    "%DOWNSTREAM_TLS_VERSION%",
		"server_name":    "%REQUESTED_SERVER_NAME%",
	}
	line := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for name, format := range texts {
		line.Fields[name] = structpb.NewStringValue(format)
	}
	return line
}

// routePart returns the format of a part of a route's name (envoy.RouteName): "api/version/operation", or "route/NAME" of what is no
// API's. The expression is given the list of them.
func routePart(expression string) string {
	const parts = "xds.route_name.split('@')[0].split('/')"
	return "%TYPED_CEL(" + fmt.Sprintf(expression, parts) + ")%"
}

// loggedOnly returns the filter of what is logged, nil for everything.
func loggedOnly(only gateway.LoggedOnly) *accesslogv3.AccessLogFilter {
	from := uint32(0)
	switch only {
	case gateway.LoggedAll:
		return nil
	case gateway.LoggedRefused:
		from = 400
	case gateway.LoggedFailed:
		from = 500
	}
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_StatusCodeFilter{StatusCodeFilter: &accesslogv3.StatusCodeFilter{
		Comparison: &accesslogv3.ComparisonFilter{
			Op:    accesslogv3.ComparisonFilter_GE,
			Value: &corev3.RuntimeUInt32{DefaultValue: from, RuntimeKey: "gatehouse.logged"},
		},
	}}}
}
