package authz_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// ledger is the limits of a test: it notes what is spent, and answers as it is told.
type ledger struct {
	spent  []authz.Spending
	answer authz.Spent
	err    error
}

func (l *ledger) Spend(_ context.Context, s authz.Spending) (authz.Spent, error) {
	l.spent = append(l.spent, s)
	return l.answer, l.err
}

// spender returns a service whose one route has a limit and some policies, and a Check that spends it.
func spender(t *testing.T, limits authz.Limits, away gateway.FailureMode, sources ...string) (*authz.Service, *authv3.CheckRequest) {
	t.Helper()
	s := authz.New(authz.Options{Logger: slog.New(slog.DiscardHandler), Limit: patient, Limits: limits})
	r := publicRoute("spends", sources...)
	r.Limits, r.WhenAway = []gateway.Limit{{Name: "each", Windows: []gateway.Window{{Limit: 5}}}}, gateway.WhenAway{Limits: away}
	s.Use(compiled(t, revision(r), nil))
	check := envoyCheck(t, "spends", "GET", "/payments/alice", aliceClaims())
	check.Attributes.ContextExtensions[envoy.KeyLimits] = envoy.LimitsSpend
	return s, check
}

// within is how limits stand that let a request through.
func within() authz.Spent { return authz.Spent{Limit: "5, 5;w=60", Remaining: "4", Reset: "60"} }

func checkedBy(t *testing.T, s *authz.Service, check *authv3.CheckRequest) *authv3.CheckResponse {
	t.Helper()
	answer, err := s.Check(t.Context(), check)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// headersOf returns the headers that a client gets with an allowing answer.
func headersOf(answer *authv3.CheckResponse) map[string]string {
	told := map[string]string{}
	for _, h := range answer.GetOkResponse().GetResponseHeadersToAdd() {
		told[h.GetHeader().GetKey()] = h.GetHeader().GetValue()
	}
	return told
}

// TestCheckSpends spends of an allowed request alone, and tells client and guard.
func TestCheckSpends(t *testing.T) {
	t.Parallel()
	want := map[string]string{"x-ratelimit-limit": "5, 5;w=60", "x-ratelimit-remaining": "4", "x-ratelimit-reset": "60"}
	for name, source := range map[string]string{
		"plain":       "package p\nallow := true",
		"with words":  `package p` + "\n" + `allow := {"allowed": true, "response_headers_to_add": {"x-said": "welcome"}}`,
		"with claims": `package p` + "\n" + `allow := {"allowed": true, "dynamic_metadata": {"gatehouse.limits": "unasked", "rules": "x", "own": 1}}`,
	} {
		l := &ledger{answer: within()}
		s, check := spender(t, l, gateway.Open, source)
		for range 2 { // Answers share parts.
			answer := checkedBy(t, s, check)
			got := headersOf(answer)
			if name == "with words" && got["x-said"] != "welcome" {
				t.Errorf("%s: %v", name, got)
			}
			delete(got, "x-said")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: headers (-want +got):\n%s", name, diff)
			}
			fields := answer.GetDynamicMetadata().GetFields()
			if fields["rules"].GetStringValue() != "spends" || fields["gatehouse.limits"].GetStringValue() != "counted" {
				t.Errorf("%s: evidence %v", name, fields)
			}
		}
		if len(l.spent) != 2 || l.spent[0].Rules != "spends" || l.spent[0].Cost != 1 || l.spent[0].Call != 17238437238473298 {
			t.Errorf("%s: spent %+v", name, l.spent)
		}
	}
}

// TestCheckSpendsCost spends what the policies say that the request costs, in whole numbers, and nothing where they say 0.
func TestCheckSpendsCost(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]uint64{
		`true`: 1, `{"allowed": true, "cost": 7}`: 7, `{"allowed": true, "cost": 2.1}`: 3, `{"allowed": true, "cost": 0}`: 0,
		`{"allowed": true, "cost": 1000000}`: 1_000_000,
	} {
		l := &ledger{answer: within()}
		s, check := spender(t, l, gateway.Open, "package p\nallow := "+answer)
		if checkedBy(t, s, check).GetOkResponse() == nil || len(l.spent) != 1 || l.spent[0].Cost != want {
			t.Errorf("%s: spent %+v, want %d", answer, l.spent, want)
		}
	}
}

// TestCheckSpendsNothing spends of no denied request, and of none whose Envoy makes a call of its own for that.
func TestCheckSpendsNothing(t *testing.T) {
	t.Parallel()
	l := &ledger{answer: within()}
	s, check := spender(t, l, gateway.Open, "package p\nallow := input.attributes.request.http.method == \"GET\"")
	delete(check.Attributes.ContextExtensions, envoy.KeyLimits)
	if answer := checkedBy(t, s, check); len(headersOf(answer)) > 0 || answer.GetDynamicMetadata().GetFields()["gatehouse.limits"] != nil {
		t.Errorf("the answer tells of limits: %v", answer)
	}
	check.Attributes.ContextExtensions[envoy.KeyLimits] = envoy.LimitsSpend
	check.Attributes.Request.Http.Method = "POST"
	if answer := checkedBy(t, s, check); answer.GetDeniedResponse().GetStatus().GetCode() != 403 {
		t.Errorf("%v", answer)
	}
	if len(l.spent) > 0 {
		t.Errorf("spent %+v", l.spent)
	}
}

// TestCheckBeyondLimit refuses with 429 where a limit is reached, which is no denial, and by gRPC as its callers expect.
func TestCheckBeyondLimit(t *testing.T) {
	t.Parallel()
	l := &ledger{answer: authz.Spent{Refused: true, Reached: "each", Limit: "5, 5;w=60", Remaining: "0", Reset: "60", RetryAfter: "12"}}
	s, check := spender(t, l, gateway.Open, "package p\nallow := true")
	denied := func() (*authv3.DeniedHttpResponse, map[string]string) {
		t.Helper()
		answer := checkedBy(t, s, check)
		if got := answer.GetDynamicMetadata().GetFields()["gatehouse.limits"].GetStringValue(); got != "refused" {
			t.Errorf("the access log learns %q", got)
		}
		told := map[string]string{}
		for _, h := range answer.GetDeniedResponse().GetHeaders() {
			told[h.GetHeader().GetKey()] = h.GetHeader().GetValue()
		}
		return answer.GetDeniedResponse(), told
	}
	want := map[string]string{
		"x-envoy-ratelimited": "true", "x-ratelimit-limit": "5, 5;w=60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "60",
		"retry-after": "12", "content-type": gateway.ProblemType,
	}
	answer, told := denied()
	if diff := cmp.Diff(want, told); diff != "" || answer.GetStatus().GetCode() != 429 {
		t.Errorf("status %d, headers (-want +got):\n%s", answer.GetStatus().GetCode(), diff)
	}
	const body = `{"code":"rate-limited","detail":"","limit":"each","request_id":"6d7a5e9f-6b8c-4a53-9a15-8bd8e0f2d7a1","status":429,"title":"rate limited","type":"urn:gatehouse:problem:rate-limited"}` + "\n"
	if answer.GetBody() != body {
		t.Errorf("body %s", answer.GetBody())
	}
	check.Attributes.Request.Http.Headers["content-type"] = "application/grpc"
	if answer, told = denied(); told["grpc-status"] != "8" || answer.GetBody() != "a limit is reached" {
		t.Errorf("to gRPC: %v, %q", told, answer.GetBody())
	}
	for _, c := range s.Counts().Decisions {
		if c.Result != authz.Limited || c.Count != 2 {
			t.Errorf("counted: %+v", c)
		}
	}
}

// TestCheckLimitsAway goes on where limits cannot be asked and the route is open then, and says so; where it is closed it tells
// Envoy to ask elsewhere.
func TestCheckLimitsAway(t *testing.T) {
	t.Parallel()
	for _, limits := range []authz.Limits{nil, &ledger{err: errors.New("away")}} {
		s, check := spender(t, limits, gateway.Open, "package p\nallow := true")
		answer := checkedBy(t, s, check)
		if got := answer.GetDynamicMetadata().GetFields()["gatehouse.limits"].GetStringValue(); got != "unasked" || len(headersOf(answer)) > 0 {
			t.Errorf("open: %v", answer)
		}
		s, check = spender(t, limits, gateway.Closed, "package p\nallow := true")
		if answer, err := s.Check(t.Context(), check); answer != nil || status.Code(err) != codes.Unavailable {
			t.Errorf("closed: %v, %v", answer, err)
		}
		s, check = spender(t, limits, gateway.Closed, "package p\nallow := false")
		if answer := checkedBy(t, s, check); answer.GetDeniedResponse() == nil {
			t.Errorf("closed, denied: %v", answer)
		}
	}
}

// TestKeyParts finds the parts of limits' keys in a request, as Envoy's rate limit filter does.
func TestKeyParts(t *testing.T) {
	t.Parallel()
	l := &ledger{answer: within()}
	s, check := spender(t, l, gateway.Open, "package p\nallow := true")
	claims := aliceClaims()
	claims["bank"] = map[string]any{"branch": "nord", "level": 7, "a.b": "dots"}
	claims["empty"] = ""
	check.Attributes.MetadataContext = envoyCheck(t, "spends", "GET", "/", claims).GetAttributes().GetMetadataContext()
	check.Attributes.Request.Http.Headers["x-none"] = ""
	for part, want := range map[string]string{
		"client.address": "127.0.0.1", "header.user-agent": "curl/8.14.1", "header.x-none": "",
		"token.sub": "alice", "token.bank.branch": "nord",
	} {
		checkedBy(t, s, check)
		if got, ok := l.spent[len(l.spent)-1].Request.Value(part); got != want || !ok {
			t.Errorf("%s is %q (%v), want %q", part, got, ok, want)
		}
	}
	for _, part := range []string{"header.x-other", "token.bank", "token.bank.level", "token.exp", "token.bank.a.b", "token.empty", "token.sub.name", "token.none.at.all"} {
		if got, ok := l.spent[0].Request.Value(part); ok {
			t.Errorf("%s is %q", part, got)
		}
	}
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(envoy.HeaderClient, "2001:db8::1"))
	if _, err := s.Check(ctx, check); err != nil {
		t.Fatal(err)
	}
	if got, _ := l.spent[len(l.spent)-1].Request.Value("client.address"); got != "2001:db8::1" {
		t.Errorf("the address that Envoy tells is %q", got)
	}
	check.Attributes.Request.Http.Id = strings.Repeat("9", 40)
	checkedBy(t, s, check)
	if got := l.spent[len(l.spent)-1].Call; got != 0 {
		t.Errorf("an id that is no number names the call %d", got)
	}
}
