package translate

import (
	"strings"

	accesslogv3 "github.com/envoyproxy/go-control-plane/envoy/config/accesslog/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	celv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/filters/cel/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// retryAfter is what a client is told to wait, in seconds, where Gatehouse or an upstream is away.
const retryAfter = "1"

// reply maps one kind of Envoy's own answers to a problem document.
type reply struct {
	details   string // A CEL condition on the response code details and on what filters wrote down, or
	flags     string // response flags, separated by commas.
	status    int    // What Envoy answers; 0: whatever it is.
	becomes   int    // The status in its place; 0: it stays.
	code      string
	detail    string // The document's detail; empty: what Envoy says of its answer.
	reason    string // The document's reason: a text, or what Envoy puts for it; empty: none.
	challenge string // WWW-Authenticate (RFC 6750 3), or empty.
	limit     string // The document's limit: what Envoy puts for it; empty: none.
	wait      bool   // Tells the client when to come back.
}

// replies lists Envoy's own answers, the first that fits counts. What a policy or a direct response said is not here: its
// bytes are its own.
func replies() []reply {
	return append(refused(), []reply{
		{details: begins("jwt_authn_access_denied"), status: 401, code: gateway.ProblemUnauthorized},
		wrongAudience(),
		{details: addressRefused(), code: gateway.ProblemForbidden, detail: "Requests from this address are refused.", reason: ReasonAddress},
		{details: begins(guardDenied), code: gateway.ProblemForbidden},
		{details: begins("ext_authz_error"), code: gateway.ProblemAuthzAway, wait: true},
		{details: begins("rate_limiter_error"), code: gateway.ProblemLimitsAway, wait: true},
		{details: begins("request_rate_limited"), code: gateway.ProblemLimited, limit: "%DYNAMIC_METADATA(" + envoy.MetadataRateLimit + ":" + envoy.MetadataRateLimitLimit + ")%"},
		{details: begins("local_rate_limited") + " && " + ceilingOf() + " != ''", code: gateway.ProblemLimited, limit: "%METADATA(ROUTE:" + envoy.MetadataCeiling + ":" + envoy.MetadataCeilingLimit + ")%"},
		{details: begins("local_rate_limited"), code: gateway.ProblemLimited},
		{details: begins(envoy.DetailsQuota), code: gateway.ProblemLimited, limit: "%DYNAMIC_METADATA(" + envoy.MetadataQuota + ":" + envoy.BucketLimit + ")%"},
		{details: begins("fault_filter_abort"), code: gateway.ProblemInjected},
		{details: "response.code == 413", code: gateway.ProblemBodyTooLarge},
		{flags: "UH,NC", code: gateway.ProblemNoUpstream, wait: true},
		{flags: "UT", code: gateway.ProblemUpstreamSlow},
		{flags: "UO,OM", code: gateway.ProblemOverload, wait: true},
		{flags: "UF,UC,URX,UR,LR,UPE", code: gateway.ProblemUpstreamFailed},
	}...)
}

// spoken is what a gRPC caller is told, as a plain grpc-message, where Envoy itself says nothing or a document would stand.
type spoken struct{ details, message string }

// grpcMessages lists them; the first that fits counts.
func grpcMessages() []spoken {
	const direct = "response.code_details == 'direct_response'"
	return []spoken{
		{direct + " && response.code >= 500", "the configuration of this API has faults"},
		{direct, "no operation can take this request"},
		{begins("ext_authz_error"), "authorization cannot be asked at the moment"},
		{begins("rate_limiter_error"), "limits cannot be asked at the moment"},
		{begins("request_rate_limited"), "a limit is reached"},
		{begins("local_rate_limited"), "a limit is reached"},
		{begins(envoy.DetailsQuota), "a limit is reached"},
	}
}

func begins(prefix string) string { return "response.code_details.startsWith('" + prefix + "')" }

// localReplies returns how Envoy's own answers are written: as problem documents (RFC 9457), except to gRPC callers, who get
// a plain grpc-message, and except for what a policy or a direct response wrote.
func localReplies() *hcmv3.LocalReplyConfig {
	out := &hcmv3.LocalReplyConfig{}
	add := func(m *hcmv3.ResponseMapper) { out.Mappers = append(out.Mappers, m) }
	for _, r := range refusedCalls() {
		add(r.grpcMapper())
	}
	for _, s := range grpcMessages() {
		add(&hcmv3.ResponseMapper{Filter: both(grpcCaller(), details(s.details)), BodyFormatOverride: textFormat(s.message)})
	}
	add(&hcmv3.ResponseMapper{Filter: grpcCaller()})
	add(&hcmv3.ResponseMapper{
		Filter: details("response.code_details in ['direct_response', 'ext_authz_denied']"),
	})
	// A page has its media type when it gets here, and nothing that Envoy itself answers has.
	add(&hcmv3.ResponseMapper{Filter: details("'content-type' in response.headers && response.headers['content-type'] != '" + gateway.ProblemType + "'")})
	for _, r := range replies() {
		add(r.mapper())
	}
	add(&hcmv3.ResponseMapper{Filter: status(accesslogv3.ComparisonFilter_GE, 500), BodyFormatOverride: problemFormat(gateway.ProblemInternal, "", "")})
	add(&hcmv3.ResponseMapper{Filter: status(accesslogv3.ComparisonFilter_GE, 400), BodyFormatOverride: problemFormat(gateway.ProblemBadRequest, "", "")})
	return out
}

// filter returns what tells this answer from others.
func (r reply) filter() *accesslogv3.AccessLogFilter {
	var filter *accesslogv3.AccessLogFilter
	if r.flags != "" {
		filter = &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ResponseFlagFilter{
			ResponseFlagFilter: &accesslogv3.ResponseFlagFilter{Flags: strings.Split(r.flags, ",")},
		}}
	} else {
		filter = details(r.details)
	}
	if r.status != 0 {
		filter = both(filter, status(accesslogv3.ComparisonFilter_EQ, uint32(r.status)))
	}
	return filter
}

func (r reply) mapper() *hcmv3.ResponseMapper {
	m := &hcmv3.ResponseMapper{Filter: r.filter(), BodyFormatOverride: problemFormat(r.code, r.detail, r.reason)}
	if r.limit != "" {
		m.BodyFormatOverride.GetJsonFormat().Fields["limit"] = structpb.NewStringValue(r.limit)
	}
	r.head(m)
	return m
}

// grpcMapper returns the same for a gRPC caller, who gets a plain grpc-message and the status that gRPC has for it.
func (r reply) grpcMapper() *hcmv3.ResponseMapper {
	m := &hcmv3.ResponseMapper{Filter: both(grpcCaller(), r.filter()), BodyFormatOverride: textFormat(r.message())}
	r.head(m)
	return m
}

// message returns what is wrong in words.
func (r reply) message() string {
	title := gateway.NewProblem(0, r.code, "").Title
	if r.detail != "" {
		title = r.detail // As Gatehouse tells gRPC callers.
	}
	if r.reason == "" {
		return title
	}
	return title + " (" + r.reason + ")"
}

// head sets the status and the headers of an answer.
func (r reply) head(m *hcmv3.ResponseMapper) {
	if r.becomes != 0 {
		m.StatusCode = wrapperspb.UInt32(uint32(r.becomes))
	}
	if r.challenge != "" {
		m.HeadersToAdd = append(m.HeadersToAdd, setHeader("www-authenticate", r.challenge))
	}
	if r.wait {
		m.HeadersToAdd = append(m.HeadersToAdd, setHeader("retry-after", retryAfter))
	}
}

// problemFormat returns the problem document of a code; Envoy fills in the status, and the detail where none is given.
func problemFormat(code, detail, reason string) *corev3.SubstitutionFormatString {
	p := gateway.NewProblem(0, code, "")
	if detail == "" {
		detail = "%LOCAL_REPLY_BODY%"
	}
	fields := map[string]*structpb.Value{
		"type":       structpb.NewStringValue(p.Type),
		"title":      structpb.NewStringValue(p.Title),
		"status":     structpb.NewStringValue("%RESPONSE_CODE%"),
		"detail":     structpb.NewStringValue(detail),
		"code":       structpb.NewStringValue(p.Code),
		"request_id": structpb.NewStringValue("%REQ(X-REQUEST-ID)%"),
	}
	if reason != "" {
		fields["reason"] = structpb.NewStringValue(reason)
	}
	return &corev3.SubstitutionFormatString{
		ContentType: gateway.ProblemType,
		Format:      &corev3.SubstitutionFormatString_JsonFormat{JsonFormat: &structpb.Struct{Fields: fields}},
	}
}

func textFormat(text string) *corev3.SubstitutionFormatString {
	return &corev3.SubstitutionFormatString{
		Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: text},
		}},
	}
}

func details(expression string) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_ExtensionFilter{
		ExtensionFilter: &accesslogv3.ExtensionFilter{
			Name: "envoy.access_loggers.extension_filters.cel",
			ConfigType: &accesslogv3.ExtensionFilter_TypedConfig{
				TypedConfig: packed(&celv3.ExpressionFilter{Expression: expression}),
			},
		},
	}}
}

func grpcCaller() *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_HeaderFilter{
		HeaderFilter: &accesslogv3.HeaderFilter{Header: &routev3.HeaderMatcher{
			Name: "content-type",
			HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
				MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "application/grpc"},
			}},
		}},
	}}
}

func status(op accesslogv3.ComparisonFilter_Op, code uint32) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_StatusCodeFilter{
		StatusCodeFilter: &accesslogv3.StatusCodeFilter{Comparison: &accesslogv3.ComparisonFilter{
			Op: op, Value: &corev3.RuntimeUInt32{DefaultValue: code, RuntimeKey: "gatehouse.local_reply.status"},
		}},
	}}
}

func both(a, b *accesslogv3.AccessLogFilter) *accesslogv3.AccessLogFilter {
	return &accesslogv3.AccessLogFilter{FilterSpecifier: &accesslogv3.AccessLogFilter_AndFilter{
		AndFilter: &accesslogv3.AndFilter{Filters: []*accesslogv3.AccessLogFilter{a, b}},
	}}
}
