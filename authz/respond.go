package authz

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// allowPlain returns the answer that allows a request of a route and changes nothing. It is made once and sent many times.
func allowPlain(rules string) *authv3.CheckResponse {
	return &authv3.CheckResponse{
		Status:          &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse:    &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{}},
		DynamicMetadata: evidence(rules, nil),
	}
}

// evidence returns the dynamic metadata of an allowing answer: what the policies wrote, and the rules hash, by which the
// guard knows that this route's rules were asked. No policy can write that key, nor the one by which limits are told of.
func evidence(rules string, fields map[string]*structpb.Value) *structpb.Struct {
	if fields == nil {
		fields = map[string]*structpb.Value{}
	}
	fields[envoy.MetadataAuthzRules] = structpb.NewStringValue(rules)
	return &structpb.Struct{Fields: fields}
}

// carriable reports whether the headers of an allowing decision can be sent. One that cannot must not be left out: it may
// be there to replace what the client says of itself.
func (d *decision) carriable() bool {
	wrong := func(h header) bool { return !isFieldValue(h.value) }
	return !slices.ContainsFunc(d.headers, wrong) && !slices.ContainsFunc(d.appended, wrong)
}

// allow returns the answer for an allowing decision that changes something.
func (d *decision) allow(rules string, n *tally) *authv3.CheckResponse {
	for _, ours := range []string{envoy.MetadataAuthzLimits, envoy.MetadataAuthzShadow, envoy.MetadataBuckets} {
		delete(d.metadata, ours)
	}
	ok := &authv3.OkHttpResponse{
		Headers:              append(options(d.headers, n), appending(d.appended, n)...),
		ResponseHeadersToAdd: options(d.responseHeaders, n),
	}
	for _, name := range d.removeHeaders {
		if mayChange(name) {
			ok.HeadersToRemove = append(ok.HeadersToRemove, name)
		} else {
			n.droppedHeaders.Add(1)
		}
	}
	for _, q := range d.setQuery {
		ok.QueryParametersToSet = append(ok.QueryParametersToSet, &corev3.QueryParameter{Key: queryText(validText(q.name), true), Value: queryText(validText(q.value), false)})
	}
	for _, name := range d.removeQuery {
		ok.QueryParametersToRemove = append(ok.QueryParametersToRemove, queryText(validText(name), true))
	}
	return &authv3.CheckResponse{
		Status:          &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse:    &authv3.CheckResponse_OkResponse{OkResponse: ok},
		DynamicMetadata: evidence(rules, d.metadata),
	}
}

// refuse returns the answer for a refusal. It is never an error: an Envoy told to fail open would let an error pass.
func (d *decision) refuse(grpc bool, n *tally) *authv3.CheckResponse {
	status := typev3.StatusCode(d.status)
	if _, known := typev3.StatusCode_name[int32(status)]; !known || d.status < 200 {
		n.mappedStatuses.Add(1)
		status = typev3.StatusCode_Forbidden
	}
	denied := &authv3.DeniedHttpResponse{
		Status:  &typev3.HttpStatus{Code: status},
		Headers: append(options(d.headers, n), options(d.appended, n)...), // Envoy puts all of one name beside another.
	}
	switch {
	case d.body != nil:
		denied.Body = validText(*d.body)
	case grpc:
		denied.Body = validText(d.plain())
	case status >= 400:
		denied.Headers = append(withoutContentType(denied.Headers), option("content-type", gateway.ProblemType))
		denied.Body = d.problem(int(status))
	}
	response := &authv3.CheckResponse{
		Status:       &rpcstatus.Status{Code: int32(codes.PermissionDenied)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: denied},
	}
	if len(d.metadata) > 0 {
		delete(d.metadata, envoy.MetadataAuthzRules)
		if d.result != Limited {
			delete(d.metadata, envoy.MetadataAuthzLimits)
			delete(d.metadata, envoy.MetadataAuthzShadow)
		}
		delete(d.metadata, envoy.MetadataBuckets)
		response.DynamicMetadata = &structpb.Struct{Fields: d.metadata}
	}
	return response
}

// plain returns the refusal as text, for a grpc-message.
func (d *decision) plain() string {
	if d.reason == "" {
		return d.detail
	}
	return d.detail + " (" + d.reason + ")"
}

func (d *decision) problem(status int) string {
	p := gateway.NewProblem(status, d.code, d.detail)
	p.Reason, p.RequestID = validText(d.reason), validText(d.request)
	return string(p.JSON())
}

// options returns headers in the form of the wire, without those that a policy may not write and those that no message can
// carry. As in opa-envoy-plugin's answers append is not said, so that Envoy does with them what it does there.
func options(headers []header, n *tally) []*corev3.HeaderValueOption {
	if len(headers) == 0 {
		return nil
	}
	list := make([]*corev3.HeaderValueOption, 0, len(headers))
	for _, h := range headers {
		if !mayChange(h.name) || !isFieldValue(h.value) {
			n.droppedHeaders.Add(1)
			continue
		}
		list = append(list, option(h.name, h.value))
	}
	return list
}

// appending returns headers that are put beside those there are.
func appending(headers []header, n *tally) []*corev3.HeaderValueOption {
	list := options(headers, n)
	for _, o := range list {
		o.Append = wrapperspb.Bool(true) //nolint:staticcheck // Envoy's filter reads this field alone.
	}
	return list
}

func option(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value}}
}

func withoutContentType(list []*corev3.HeaderValueOption) []*corev3.HeaderValueOption {
	kept := list[:0]
	for _, o := range list {
		if !strings.EqualFold(o.GetHeader().GetKey(), "content-type") {
			kept = append(kept, o)
		}
	}
	return kept
}

// mayChange reports whether a policy may write or remove a header: not what routes the request, not what Gatehouse tells,
// not what says how a message is framed (RFC 9112, section 6: another request could hide behind it), and nothing that is no
// header name (RFC 9110, section 5.1), as pseudo-headers are none.
func mayChange(name string) bool {
	for i := range len(name) {
		if !isToken(name[i]) {
			return false
		}
	}
	canonical := strings.ToLower(name)
	switch canonical {
	case "content-length", "transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "http2-settings":
		return false
	}
	return name != "" && canonical != "host" && canonical != envoy.HeaderFailureModeAllowed &&
		!strings.HasPrefix(canonical, envoy.HeaderPrefix)
}

// isFieldValue reports whether text can be a header's value (RFC 9110, section 5.5) in a message of protobuf.
func isFieldValue(text string) bool {
	return !strings.ContainsAny(text, "\r\n\x00") && utf8.ValidString(text)
}

func isToken(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// unknownRules is the decision about a request whose rules nobody here knows: this replica is behind, and will know soon.
func unknownRules() *decision {
	return refuse(Failed, http.StatusServiceUnavailable, gateway.ProblemRulesUnknown,
		"The rules of this operation are not known here yet.", header{"retry-after", "1"})
}

// strange is the decision about a request of an Envoy that may not ask for this route. It is told no more than about rules that
// do not exist.
func strange() *decision {
	return refuse(Failed, http.StatusServiceUnavailable, gateway.ProblemRulesUnknown,
		"The rules of this operation are not known here.", header{"retry-after", "1"})
}

// expired is the decision about a request whose Envoy has stopped waiting.
func expired() *decision {
	return refuse(Failed, http.StatusServiceUnavailable, gateway.ProblemAuthzAway,
		"The authorization took too long.", header{"retry-after", "1"})
}

// refuse returns the answer to a request that is refused, with its id.
func (s *Service) refuse(r *request, d *decision) *authv3.CheckResponse {
	d.request = r.header(headerRequestID)
	return d.refuse(r.grpc(), &s.tally)
}
