package authz_test

import (
	"errors"
	"log/slog"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// spenderOf is spender for a route of its own.
func spenderOf(t *testing.T, limits authz.Limits, change func(*gateway.Route), sources ...string) (*authz.Service, *authv3.CheckRequest) {
	t.Helper()
	s := authz.New(authz.Options{Logger: slog.New(slog.DiscardHandler), Limit: patient, Limits: limits})
	r := publicRoute("spends", sources...)
	r.Limits = []gateway.Limit{{Name: "each", Windows: []gateway.Window{{Limit: 5}}}}
	change(r)
	s.Use(compiled(t, revision(r), nil))
	check := envoyCheck(t, "spends", "GET", "/payments/alice?page=2&kind=a%20b&page=3", aliceClaims())
	check.Attributes.ContextExtensions[envoy.KeyLimits] = envoy.LimitsSpend
	return s, check
}

// TestCheckSpendsRefused spends of a denied request from limits that ask for that, whose refusal is the answer then.
func TestCheckSpendsRefused(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	s, check := spenderOf(t, l, func(r *gateway.Route) { r.Limits[0].SpendRefused = true }, "package p\nallow := false")
	if answer := checkedBy(t, s, check); answer.GetDeniedResponse().GetStatus().GetCode() != 403 {
		t.Errorf("within the limit: %v", answer)
	}
	if len(l.spent) != 1 || !l.spent[0].Denied || l.spent[0].Cost != 1 || l.spent[0].Call == 0 {
		t.Errorf("spent %+v", l.spent)
	}
	l.answer = authz.Spent{Refused: true, Reached: "each", RetryAfter: "9"}
	if answer := checkedBy(t, s, check); answer.GetDeniedResponse().GetStatus().GetCode() != 429 {
		t.Errorf("beyond the limit: %v", answer)
	}
	l.err = errors.New("away")
	if answer := checkedBy(t, s, check); answer.GetDeniedResponse().GetStatus().GetCode() != 403 {
		t.Errorf("with the store away: %v", answer)
	}
	l = &ledger{}
	s, check = spenderOf(t, l, func(*gateway.Route) {}, "package p\nallow := false")
	checkedBy(t, s, check)
	if len(l.spent) != 0 {
		t.Errorf("a limit that does not ask spends %+v", l.spent)
	}
}

// TestCheckStoreAway does what the limits say of their stores, whatever the route says of Gatehouse.
func TestCheckStoreAway(t *testing.T) {
	t.Parallel()
	open := func(r *gateway.Route) { r.WhenAway.Limits = gateway.Open }
	l := &ledger{answer: authz.Spent{Closed: true}, err: errors.New("away")}
	s, check := spenderOf(t, l, open, "package p\nallow := true")
	if answer, err := s.Check(t.Context(), check); answer != nil || status.Code(err) != codes.Unavailable {
		t.Errorf("closed: %v, %v", answer, err)
	}
	closed := func(r *gateway.Route) { r.WhenAway.Limits = gateway.Closed }
	s, check = spenderOf(t, &ledger{answer: authz.Spent{Unasked: true, Standing: `"other";r=1;t=2`, Policy: `"other";q=2;w=3`}}, closed, "package p\nallow := true")
	answer := checkedBy(t, s, check)
	if got := answer.GetDynamicMetadata().GetFields()["gatehouse.limits"].GetStringValue(); got != "unasked" {
		t.Errorf("let through: %v", answer)
	}
	if diff := cmp.Diff(map[string]string{"ratelimit": `"other";r=1;t=2`, "ratelimit-policy": `"other";q=2;w=3`}, headersOf(answer)); diff != "" {
		t.Errorf("of the limit that was asked (-want +got):\n%s", diff)
	}
}

// TestCheckTellsOfShadowsAndBuckets writes down which limit in shadow mode would have refused, and what is to be told when the stream
// ends; no policy can.
func TestCheckTellsOfShadowsAndBuckets(t *testing.T) {
	t.Parallel()
	forging := `package p
allow := {"allowed": true, "dynamic_metadata": {"own": "x", "gatehouse.buckets": {"each": "forged"}, "gatehouse.limits.shadow": "forged"}}`
	for _, source := range []string{"package p\nallow := true", forging} {
		l := &ledger{answer: authz.Spent{Shadow: "tried", Buckets: map[string]string{"each": "AAAA"}}}
		s, check := spenderOf(t, l, func(*gateway.Route) {}, source)
		told := func() map[string]any {
			fields := checkedBy(t, s, check).GetDynamicMetadata().AsMap()
			delete(fields, "own")
			return fields
		}
		want := map[string]any{
			"rules": "spends", "gatehouse.limits": "counted", "gatehouse.limits.shadow": "tried", "gatehouse.buckets": map[string]any{"each": "AAAA"},
		}
		if diff := cmp.Diff(want, told()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		l.answer = authz.Spent{}
		if diff := cmp.Diff(map[string]any{"rules": "spends", "gatehouse.limits": "counted"}, told()); diff != "" {
			t.Errorf("where there is nothing to tell (-want +got):\n%s", diff)
		}
	}
}

// TestSpendingRequest answers what limits ask about a request: more parts of keys, costs and conditions.
func TestSpendingRequest(t *testing.T) {
	t.Parallel()
	l := &ledger{}
	s, check := spenderOf(t, l, func(r *gateway.Route) {
		p, err := gateway.ParsePath("/payments/{id}")
		if err != nil {
			t.Fatal(err)
		}
		r.Match.Path = p
	}, "package p\nallow := true")
	claims := aliceClaims()
	claims["cost"], claims["roles"], claims["text"] = 2.5, []any{"a", "teller"}, "12"
	check.Attributes.MetadataContext = envoyCheck(t, "spends", "GET", "/", claims).GetAttributes().GetMetadataContext()
	check.Attributes.Request.Http.Headers["content-length"] = "17"
	check.Attributes.Request.Http.Path = "/payments/%61lice?page=2&kind=a%20b&page=3"
	checkedBy(t, s, check)
	r := l.spent[0].Request
	for part, want := range map[string]string{
		"path.id": "alice", "query.page": "2", "query.kind": "a b", "consumer": "https://id.nordhaven.test alice",
		"path.none": "", "query.none": "", "plan": "", "application": "",
	} {
		if got, ok := r.Value(part); got != want || ok != (want != "") {
			t.Errorf("%s is %q, %t, want %q", part, got, ok, want)
		}
	}
	for from, want := range map[string]string{
		"token.cost": "2.5", "token.text": "12", "body.size": "17", "header.accept": "*/*", "header.none": "", "token.none": "", "token.roles": "",
	} {
		if got, _ := r.Amount(from); got != want {
			t.Errorf("%s is %q, want %q", from, got, want)
		}
	}
	delete(check.Attributes.Request.Http.Headers, "content-length")
	if got, ok := r.Amount("body.size"); ok {
		t.Errorf("a size that nobody knows is %q", got)
	}
	for i, c := range []struct {
		when gateway.LimitWhen
		want bool
	}{
		{gateway.LimitWhen{}, true},
		{gateway.LimitWhen{Headers: []gateway.HeaderTest{{Name: "accept", Values: []string{"x", "*/*"}}, {Name: "user-agent"}}}, true},
		{gateway.LimitWhen{Headers: []gateway.HeaderTest{{Name: "accept", Values: []string{"x"}}}}, false},
		{gateway.LimitWhen{Headers: []gateway.HeaderTest{{Name: "x-none"}}}, false},
		{gateway.LimitWhen{Query: []gateway.Condition{{Name: "page"}, {Name: "kind", Value: "a b"}}}, true},
		{gateway.LimitWhen{Query: []gateway.Condition{{Name: "page", Value: "3"}}}, false},
		{gateway.LimitWhen{Claims: []gateway.ClaimTest{{Name: "roles", Values: []string{"teller"}}}}, true},
		{gateway.LimitWhen{Claims: []gateway.ClaimTest{{Name: "roles", Values: []string{"guard"}}}}, false},
		{gateway.LimitWhen{Plans: []string{"gold"}}, false},
	} {
		if got := r.Holds(&c.when); got != c.want {
			t.Errorf("case %d holds: %t", i, got)
		}
	}
	check.Attributes.MetadataContext.FilterMetadata[envoy.MetadataJWT] = &structpb.Struct{}
	if r.Holds(&gateway.LimitWhen{Claims: []gateway.ClaimTest{{Name: "sub", Values: []string{"alice"}}}}) {
		t.Error("a claim of nobody holds")
	}
	if _, ok := r.Value("consumer"); ok {
		t.Error("nobody is a consumer")
	}
}
