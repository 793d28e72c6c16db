package authz

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// Limits spends what requests cost. A Check spends the limits of its route itself, so that no request waits for two calls.
type Limits interface {
	// Spend takes the cost of a request from every limit of its route or, where a single one is reached, from none. An error
	// tells that they could not be asked; whether something was spent is unknown then, and of Spent Closed alone counts.
	Spend(ctx context.Context, s Spending) (Spent, error)
}

// Spending is one request that was decided, and is to be counted.
type Spending struct {
	Rules string // The rules hash, whose limits are meant.
	// Call is the request's in all attempts of its Check, and no other's for some seconds: what was spent under it is not spent
	// again. 0: nothing names it.
	Call    uint64
	Cost    uint64 // How many requests it counts as; 0 only looks.
	Denied  bool   // It was refused: only limits that say so count it.
	Request SpendingRequest
}

// SpendingRequest is what limits ask about a request.
type SpendingRequest interface {
	// Value returns a part of a limit's key, named as in documents: "client.address", "header.NAME" with the name in lower case,
	// "query.NAME", "path.PARAMETER", "token.CLAIM", "consumer", "application", "plan". It is false where the request has none.
	Value(part string) (string, bool)
	// Amount returns the text of what is to be the number that a cost is, named as in gateway.Cost; false where there is none.
	Amount(from string) (string, bool)
	// Holds reports whether the request is one that a limit counts.
	Holds(when *gateway.LimitWhen) bool
}

// Spent tells how the limits of a request stand. Its texts from Policy on are values of headers; those are empty that clients are
// not told.
type Spent struct {
	Refused bool   // A limit is reached.
	Reached string // Its name; empty where none is. That of the first of several.
	Shadow  string // That of the first limit in shadow mode that would have refused; empty: none.
	Unasked bool   // A limit could not be asked, and lets requests pass then.
	Closed  bool   // One could not be asked, and refuses them then.
	// Buckets has, by the name of each limit that may cost more when the stream ends, what is to be told of it then
	// (envoy.MetadataBuckets); nil: there is none.
	Buckets map[string]string

	Policy     string // ratelimit-policy.
	Standing   string // ratelimit.
	Limit      string // x-ratelimit-limit: of the limit of which least remains, and the windows of all.
	Remaining  string // x-ratelimit-remaining, of the same.
	Reset      string // x-ratelimit-reset: seconds.
	RetryAfter string // retry-after: seconds; only where refused.
}

// spends is how the Checks of a route spend its limits.
type spends struct {
	away           gateway.FailureMode // What holds while they cannot be asked.
	denied         bool                // Some count refused requests too.
	counted, blind *structpb.Struct    // Dynamic metadata of plain answers: limits counted the request, or could not be asked.
}

// newSpends returns how a route's limits are spent; nil where it has none.
func newSpends(route *gateway.Route) *spends {
	if len(route.CountedLimits()) == 0 {
		return nil
	}
	return &spends{
		away:    route.WhenAway.Limits,
		denied:  slices.ContainsFunc(route.Limits, func(l gateway.Limit) bool { return l.SpendRefused }),
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

// spend counts a decided request, d being nil or what policies said. What it returns in place of d is the refusal where a limit is
// reached, or where limits cannot be asked and are closed then; otherwise it is d, and, of an allowed request, what became of the limits.
func (s *Service) spend(ctx context.Context, r *request, d *decision) (*counted, *decision) {
	asked := Spending{Rules: r.rules.hash, Call: r.call(), Cost: 1, Request: &spending{ctx, r}}
	if d != nil && d.result != Allowed {
		return nil, s.spendDenied(ctx, r, d, asked)
	}
	asked.Cost = d.hits()
	spent, err := s.limits.Spend(ctx, asked)
	switch {
	case err != nil && (spent.Closed || r.rules.spends.away == gateway.Closed):
		return nil, refuse(Failed, http.StatusServiceUnavailable, gateway.ProblemLimitsAway, "The limits cannot be asked.")
	case err != nil || spent.Unasked:
		if err != nil {
			spent = Spent{}
		}
		return &counted{evidence: r.rules.spends.blind, spent: spent}, d
	case spent.Refused:
		return nil, limited(&spent, r)
	}
	return &counted{evidence: r.rules.spends.counted, spent: spent}, d
}

// spendDenied counts a request that a policy refused, or that proved no caller, by those limits that count such requests. Where one is
// reached its refusal is the answer, so that whoever tries many keys does not learn beyond it which one is good.
func (s *Service) spendDenied(ctx context.Context, r *request, d *decision, asked Spending) *decision {
	if !r.rules.spends.denied || d.result != Denied && d.result != Unauthenticated {
		return d
	}
	asked.Denied = true
	if spent, err := s.limits.Spend(ctx, asked); err == nil && spent.Refused {
		return limited(&spent, r)
	}
	return d
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
	if d == nil && c.spent.Shadow == "" && c.spent.Buckets == nil {
		return c.plain()
	}
	if d == nil {
		d = &decision{}
	}
	response := d.allow(hash, n)
	if len(d.metadata) > 0 || c.spent.Shadow != "" || c.spent.Buckets != nil {
		fields := response.DynamicMetadata.Fields
		fields[envoy.MetadataAuthzLimits] = c.evidence.GetFields()[envoy.MetadataAuthzLimits]
		if c.spent.Shadow != "" {
			fields[envoy.MetadataAuthzShadow] = structpb.NewStringValue(c.spent.Shadow)
		}
		if c.spent.Buckets != nil {
			buckets := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(c.spent.Buckets))}
			for limit, bucket := range c.spent.Buckets {
				buckets.Fields[limit] = structpb.NewStringValue(bucket)
			}
			fields[envoy.MetadataBuckets] = structpb.NewStructValue(buckets)
		}
	} else {
		response.DynamicMetadata = c.evidence
	}
	if told := c.spent.headers(); len(told) > 0 {
		ok := response.GetOkResponse()
		ok.ResponseHeadersToAdd = append(ok.ResponseHeadersToAdd, told...)
	}
	return response
}

// hits is what a request costs by what its policies said, rounded up; 1 where they say nothing.
func (d *decision) hits() uint64 { return uint64(math.Ceil(d.spends())) }

// limited is the refusal of a request beyond a limit, as Envoy's rate limit filter would give it.
func limited(spent *Spent, r *request) *decision {
	d := refuse(Limited, http.StatusTooManyRequests, gateway.ProblemLimited, "A limit is reached.",
		append(spent.told(), header{"x-envoy-ratelimited", "true"}, header{"retry-after", spent.RetryAfter})...)
	d.reason = spent.Reached
	body := "a limit is reached"
	if r.grpc() { // Their libraries expect RESOURCE_EXHAUSTED; Envoy would make UNAVAILABLE of 429.
		d.headers = append(d.headers, header{"grpc-status", strconv.Itoa(int(codes.ResourceExhausted))})
	} else {
		d.headers = append(d.headers, header{"content-type", gateway.ProblemType})
		body = limitedBody(spent.Reached, r.header("x-request-id"))
	}
	d.body = &body
	d.metadata = map[string]*structpb.Value{envoy.MetadataAuthzLimits: structpb.NewStringValue(envoy.LimitsRefused)}
	if spent.Shadow != "" {
		d.metadata[envoy.MetadataAuthzShadow] = structpb.NewStringValue(spent.Shadow)
	}
	return d
}

// limitedBody returns the problem document of a limit that is reached, byte for byte as Envoy writes it where its rate limit filter
// refuses.
func limitedBody(limit, requestID string) string {
	p := gateway.NewProblem(http.StatusTooManyRequests, gateway.ProblemLimited, "")
	text, err := json.Marshal(struct {
		Code      string `json:"code"`
		Detail    string `json:"detail"`
		Limit     string `json:"limit"`
		RequestID string `json:"request_id"`
		Status    int    `json:"status"`
		Title     string `json:"title"`
		Type      string `json:"type"`
	}{p.Code, p.Detail, limit, requestID, p.Status, p.Title, p.Type})
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

// noLimits are limits that nobody can ask.
type noLimits struct{}

// Spend returns an error.
func (noLimits) Spend(context.Context, Spending) (Spent, error) {
	return Spent{}, errors.New("nobody counts limits here")
}
