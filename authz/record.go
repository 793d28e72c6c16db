package authz

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// Recorder is told of every decision.
type Recorder interface {
	// Record takes a decision. It is called before the answer is sent, by many Checks at once, and must return at once.
	Record(d *Decided)
}

// recorder makes what a Recorder is told.
type recorder struct {
	to     Recorder
	prefix string // Of this process, so that no two decisions have one id.
	count  atomic.Uint64
	input  build[*request] // The whole input document.
}

func newRecorder(to Recorder) *recorder {
	return &recorder{to: to, prefix: rand.Text()[:12] + "-", input: inputBuilder(&need{all: true})}
}

// Decided is one decision, with all that its record is made from. What it holds is not changed any more.
type Decided struct {
	from     *recorder
	number   uint64
	request  request
	node     string // FLEET/NODE.
	time     time.Time
	duration time.Duration

	result       Result
	status       int
	policy       string
	code         string
	reason       string
	detail       string
	withoutBody  bool
	unknownRules string // The hash, where nobody here knows it.
}

// began returns when a Check began, where somebody wants to know.
func (s *Service) began() time.Time {
	if s.recorder == nil {
		return time.Time{}
	}
	return s.evaluator.now()
}

// record tells the recorder, where there is one, what was decided about a request. A nil decision allowed it.
func (s *Service) record(ctx context.Context, r *request, began time.Time, d *decision) {
	if s.recorder == nil {
		return
	}
	out := &Decided{
		from: s.recorder, number: s.recorder.count.Add(1), request: *r, time: began, duration: s.evaluator.now().Sub(began),
	}
	if values := metadata.ValueFromIncomingContext(ctx, envoy.HeaderNode); len(values) > 0 {
		out.node = values[0]
	}
	if d != nil {
		out.result, out.reason, out.policy = d.result, d.reason, d.policy
		if d.result != Allowed {
			out.status, out.code, out.detail = d.status, d.code, d.detail
		}
	}
	if r.rules == nil {
		out.unknownRules = r.attributes.GetContextExtensions()[envoy.KeyRules]
	} else if out.policy == "" && out.result == Allowed && len(r.rules.policies) > 0 {
		out.policy = r.rules.policies[0].name
	}
	if http := r.http(); http.GetBody() != "" || len(http.GetRawBody()) > 0 {
		out.withoutBody = true
		out.request.attributes = sanitized(r.attributes, http, http.GetHeaders(), http.GetPath()) // It need not wait with the rest.
	}
	out.request.body, out.request.parameters = nil, nil
	s.recorder.to.Record(out)
}

// Fleet returns the fleet whose Envoy asked, "" where it did not say.
func (d *Decided) Fleet() string {
	fleet, _, _ := strings.Cut(d.node, "/")
	return fleet
}

// Weight returns about how many bytes are held for the record.
func (d *Decided) Weight() int {
	const frame = 2 << 10
	http := d.request.http()
	weight := frame + len(http.GetPath()) + len(d.request.attributes.GetSource().GetCertificate())
	for name, value := range http.GetHeaders() {
		weight += len(name) + len(value)
	}
	return weight
}

// Decision returns the record, without secrets; with its input where that is asked for.
func (d *Decided) Decision(input bool) gateway.Decision {
	r := &d.request
	fleet, node, _ := strings.Cut(d.node, "/")
	path, _ := r.splitPath()
	out := gateway.Decision{
		ID: d.from.prefix + strconv.FormatUint(d.number, 10), RequestID: r.header(headerRequestID), Time: d.time,
		Fleet: fleet, Node: node, By: gateway.ByGatehouse, Rules: d.unknownRules, Method: r.http().GetMethod(), Path: path,
		Policy: d.policy, Identity: identityRecord(r.identity), Result: d.result.String(), Status: d.status, Code: d.code,
		Reason: d.reason, Detail: d.detail, Duration: d.duration, Shadows: r.shadows,
	}
	if out.Status == 0 && d.result != Allowed {
		out.Status = 403
	}
	if r.rules != nil {
		out.API, out.Version, out.Operation, out.Rules = r.rules.api, r.rules.version, r.rules.operation, r.rules.hash
	}
	if r.rules == nil || !input && !r.rules.full {
		out.Lacks = []string{gateway.LacksInput}
		return out
	}
	if d.withoutBody {
		out.Lacks = []string{gateway.LacksBody}
	}
	d.addInput(&out)
	return out
}

const headerRequestID = "x-request-id"

// identityRecord returns an identity as records hold it.
func identityRecord(id *identity) *gateway.Identity {
	if id == nil {
		return nil
	}
	out := &gateway.Identity{Kind: gateway.ByJWT, Issuer: id.issuer, Consumer: id.text("sub")}
	for scope := range id.scopes() {
		out.Scopes = append(out.Scopes, scope)
	}
	return out
}

// sanitized returns attributes without the body, with these headers and this path.
func sanitized(a *attributes, http *httpRequest, headers map[string]string, path string) *attributes {
	return &attributes{
		Source: a.GetSource(), Destination: a.GetDestination(), ContextExtensions: a.GetContextExtensions(),
		MetadataContext: a.GetMetadataContext(), RouteMetadataContext: a.GetRouteMetadataContext(), TlsSession: a.GetTlsSession(),
		Request: &authv3.AttributeContext_Request{
			Time: a.GetRequest().GetTime(),
			Http: &httpRequest{
				Id: http.GetId(), Method: http.GetMethod(), Headers: headers, Path: path, Host: http.GetHost(), Scheme: http.GetScheme(),
				Query: http.GetQuery(), Fragment: http.GetFragment(), Size: http.GetSize(), Protocol: http.GetProtocol(),
				HeaderMap: withHeaders(http, headers),
			},
		},
	}
}
