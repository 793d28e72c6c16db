package authz

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// Headers by which a client is told how its limits stand (draft-polli-ratelimit-headers-03, as Envoy writes them).
const (
	headerLimit     = "x-ratelimit-limit"
	headerRemaining = "x-ratelimit-remaining"
	headerReset     = "x-ratelimit-reset"
)

// Limits spends what requests cost. A Check spends the limits of its route itself, so that no request waits for two calls.
type Limits interface {
	// Spend takes the cost of a request from every limit of its route or, where a single one is reached, from none. An error
	// tells that they could not be asked; whether something was spent is unknown then.
	Spend(ctx context.Context, s Spending) (Spent, error)
}

// Spending is one request that was allowed, and is to be counted.
type Spending struct {
	Rules string // The rules hash, whose limits are meant.
	// Call is the request's in all attempts of its Check, and no other's for some seconds: what was spent under it is not spent
	// again. 0: nothing names it.
	Call uint64
	Cost uint64 // What it costs; 0 only looks.
	// Value returns a part of a limit's key, named as in documents: "client.address", "header.NAME" with the name in lower case,
	// "token.CLAIM". It is false where the request has none.
	Value func(part string) (string, bool)
}

// Spent tells how the limits of a request stand. Its texts are values of headers, as Envoy's rate limit filter writes them.
type Spent struct {
	Refused    bool   // A limit is reached, and nothing was spent.
	Reached    string // Its name; empty where none is. That of the first of several.
	Limit      string // x-ratelimit-limit: of the limit of which least remains, and the windows of all.
	Remaining  string // x-ratelimit-remaining, of the same.
	Reset      string // x-ratelimit-reset: seconds.
	RetryAfter string // retry-after: seconds; only where refused.
}

// spends is how the Checks of a route spend its limits.
type spends struct {
	away           gateway.FailureMode // What holds while they cannot be asked.
	counted, blind *structpb.Struct    // Dynamic metadata of plain answers: limits counted the request, or could not be asked.
}

// newSpends returns how a route's limits are spent; nil where it has none.
func newSpends(route *gateway.Route) *spends {
	if len(route.CountedLimits()) == 0 {
		return nil
	}
	return &spends{
		away:    route.WhenAway.Limits,
		counted: evidence(route.Rules, map[string]*structpb.Value{envoy.MetadataAuthzLimits: structpb.NewStringValue(envoy.LimitsCounted)}),
		blind:   evidence(route.Rules, map[string]*structpb.Value{envoy.MetadataAuthzLimits: structpb.NewStringValue(envoy.LimitsUnasked)}),
	}
}

// spendsLimits reports whether this Check spends the limits of its route. Its Envoy says so: one whose routes are of before
// makes a call of its own for that.
func (r *request) spendsLimits() bool {
	return r.rules.spends != nil && r.attributes.GetContextExtensions()[envoy.KeyLimits] == envoy.LimitsSpend
}

// counted is what became of the limits of a request that is allowed.
type counted struct {
	evidence *structpb.Struct // Of a plain answer.
	spent    Spent            // Zero where the limits could not be asked.
}

// spend counts a request that is allowed, d being nil or what policies said beside. It returns the refusal where a limit is
// reached, or where limits cannot be asked and the route is closed then.
func (s *Service) spend(ctx context.Context, r *request, d *decision) (*counted, *decision) {
	spent, err := s.limits.Spend(ctx, Spending{Rules: r.rules.hash, Call: r.call(), Cost: d.hits(), Value: r.keyPart(ctx)})
	switch {
	case err != nil && r.rules.spends.away == gateway.Closed:
		return nil, refuse(Failed, http.StatusServiceUnavailable, gateway.ProblemLimitsAway, "The limits cannot be asked.")
	case err != nil:
		return &counted{evidence: r.rules.spends.blind}, nil
	case spent.Refused:
		return nil, limited(&spent, r)
	}
	return &counted{evidence: r.rules.spends.counted, spent: spent}, nil
}

// unasked returns the error by which Envoy learns that limits cannot be asked here: it asks another replica, where there is one,
// and then answers 503 itself, as a route whose limits are closed has no Check that is open. nil for any other refusal.
func (d *decision) unasked() error {
	if d.code != gateway.ProblemLimitsAway {
		return nil
	}
	return status.Error(codes.Unavailable, "the limits cannot be asked")
}

// allow returns the answer for a request that the limits let through, d being nil or what policies said beside.
func (c *counted) allow(d *decision, hash string, n *tally) *authv3.CheckResponse {
	if d == nil {
		d = &decision{}
	}
	response := d.allow(hash, n)
	if len(d.metadata) > 0 {
		response.DynamicMetadata.Fields[envoy.MetadataAuthzLimits] = c.evidence.GetFields()[envoy.MetadataAuthzLimits]
	} else {
		response.DynamicMetadata = c.evidence
	}
	if c.spent.Limit != "" {
		ok := response.GetOkResponse()
		ok.ResponseHeadersToAdd = append(ok.ResponseHeadersToAdd, c.spent.headers()...)
	}
	return response
}

// hits is what a request costs by what its policies said, rounded up; 1 where they say nothing.
func (d *decision) hits() uint64 { return uint64(math.Ceil(d.spends())) }

// headers are what a client is told. Like the rate limit filter's they come beside those of the same name from an upstream.
func (s *Spent) headers() []*corev3.HeaderValueOption {
	list := []*corev3.HeaderValueOption{
		option(headerLimit, s.Limit), option(headerRemaining, s.Remaining), option(headerReset, s.Reset),
	}
	for _, o := range list {
		o.AppendAction = corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD
	}
	return list
}

// limited is the refusal of a request beyond a limit, as Envoy's rate limit filter would give it.
func limited(spent *Spent, r *request) *decision {
	d := refuse(Limited, http.StatusTooManyRequests, gateway.ProblemLimited, "A limit is reached.",
		header{"x-envoy-ratelimited", "true"}, header{headerLimit, spent.Limit}, header{headerRemaining, spent.Remaining},
		header{headerReset, spent.Reset}, header{"retry-after", spent.RetryAfter})
	d.reason = spent.Reached
	body := "a limit is reached"
	if r.grpc() { // Their libraries expect RESOURCE_EXHAUSTED; Envoy would make UNAVAILABLE of 429.
		d.headers = append(d.headers, header{"grpc-status", strconv.Itoa(int(codes.ResourceExhausted))})
	} else {
		d.headers = append(d.headers, header{"content-type", gateway.ProblemType})
		body = limitedBody(r.header("x-request-id"))
	}
	d.body = &body
	d.metadata = map[string]*structpb.Value{envoy.MetadataAuthzLimits: structpb.NewStringValue(envoy.LimitsRefused)}
	return d
}

// limitedBody returns the problem document of a limit that is reached, byte for byte as Envoy writes it where its rate limit filter
// refuses.
func limitedBody(requestID string) string {
	p := gateway.NewProblem(http.StatusTooManyRequests, gateway.ProblemLimited, "")
	text, err := json.Marshal(struct {
		Code      string `json:"code"`
		Detail    string `json:"detail"`
		RequestID string `json:"request_id"`
		Status    int    `json:"status"`
		Title     string `json:"title"`
		Type      string `json:"type"`
	}{p.Code, p.Detail, requestID, p.Status, p.Title, p.Type})
	if err != nil { // Strings and an int always marshal.
		return string(p.JSON())
	}
	return string(text) + "\n"
}

// call returns what names the request in all attempts of its Check: the number that Envoy gave it at random, which no client
// chooses, as a client may choose its x-request-id.
func (r *request) call() uint64 {
	id, err := strconv.ParseUint(r.http().GetId(), 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// keyPart returns a lookup of the parts of limits' keys.
func (r *request) keyPart(ctx context.Context) func(string) (string, bool) {
	return func(part string) (string, bool) {
		if name, ok := strings.CutPrefix(part, "header."); ok {
			value, ok := headers(r.http())[name]
			return value, ok
		}
		if path, ok := strings.CutPrefix(part, "token."); ok {
			return r.claim(path)
		}
		return r.clientAddress(ctx)
	}
}

// claim returns a claim of the verified token that is a text, by its path with dots between the names. An empty one is none, as
// it is to Envoy.
func (r *request) claim(path string) (string, bool) {
	id := r.identity
	if id == nil {
		if id = r.verified(); id == nil {
			return "", false
		}
	}
	at := id.claims
	for {
		name, rest, deeper := strings.Cut(path, ".")
		value := at.GetFields()[name]
		if !deeper {
			text := value.GetStringValue()
			return text, text != ""
		}
		at, path = value.GetStructValue(), rest
	}
}

// clientAddress returns the address of the client, without its port: what Envoy took it to be by the Gateway's trust, which it
// says where it need not be the connection's.
func (r *request) clientAddress(ctx context.Context) (string, bool) {
	if told := metadata.ValueFromIncomingContext(ctx, envoy.HeaderClient); len(told) == 1 {
		return told[0], true
	}
	address := r.attributes.GetSource().GetAddress().GetSocketAddress().GetAddress()
	return address, address != ""
}

// noLimits are limits that nobody can ask.
type noLimits struct{}

// Spend returns an error.
func (noLimits) Spend(context.Context, Spending) (Spent, error) {
	return Spent{}, errors.New("nobody counts limits here")
}
