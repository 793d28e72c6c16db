package authz_test

import (
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"

	"github.com/gatehouse/gatehouse/authz"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
)

// told keeps what a Recorder is told.
type told struct {
	mu  sync.Mutex
	all []*authz.Decided
}

func (r *told) Record(d *authz.Decided) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, d)
}

// recorded answers a check by a revision and returns the record of it.
func recorded(t *testing.T, rev *gateway.Revision, check *authv3.CheckRequest, input bool) gateway.Decision {
	t.Helper()
	var r told
	s := authz.New(authz.Options{Logger: slog.New(slog.DiscardHandler), Limit: patient, Recorder: &r})
	s.Use(compiled(t, rev, nil))
	ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs(envoy.HeaderNode, "edge/edge-1"))
	if _, err := s.Check(ctx, check); err != nil {
		t.Fatal(err)
	}
	if len(r.all) != 1 {
		t.Fatalf("%d records of one Check", len(r.all))
	}
	if fleet := r.all[0].Fleet(); fleet != "edge" {
		t.Errorf("fleet %q", fleet)
	}
	if r.all[0].Weight() <= 0 {
		t.Error("it weighs nothing")
	}
	return r.all[0].Decision(input)
}

func TestRecord(t *testing.T) {
	t.Parallel()
	rev := quickstart(t)
	rules := rev.Routes[0].Rules
	bob := aliceClaims()
	bob["sub"] = "bob"
	id := func(who string) *gateway.Identity {
		return &gateway.Identity{Kind: gateway.ByJWT, Consumer: who, Issuer: "https://id.nordhaven.test", Scopes: []string{"openid", "payments:read"}}
	}
	base := gateway.Decision{
		RequestID: "6d7a5e9f-6b8c-4a53-9a15-8bd8e0f2d7a1", Fleet: "edge", Node: "edge-1", By: gateway.ByGatehouse,
		API: "payments", Version: "v1", Operation: "listPayments", Rules: rules, Method: "GET", Path: "/payments/alice", Lacks: []string{"input"},
	}
	for name, c := range map[string]struct {
		check *authv3.CheckRequest
		want  func(*gateway.Decision)
	}{
		"allowed": {envoyCheck(t, rules, "GET", "/payments/alice", aliceClaims()), func(d *gateway.Decision) {
			d.Result, d.Policy, d.Identity = "allowed", "bank.payments", id("alice")
		}},
		"denied": {envoyCheck(t, rules, "GET", "/payments/alice?x=1", bob), func(d *gateway.Decision) {
			d.Result, d.Policy, d.Status, d.Code, d.Identity = "denied", "bank.payments", 403, gateway.ProblemDenied, id("bob")
		}},
		"unknown rules": {envoyCheck(t, "none", "GET", "/payments/alice", bob), func(d *gateway.Decision) {
			d.API, d.Version, d.Operation, d.Rules = "", "", "", "none"
			d.Result, d.Status, d.Code = "failed", 503, gateway.ProblemRulesUnknown
		}},
	} {
		got := recorded(t, rev, c.check, false)
		want := base
		c.want(&want)
		if got.ID == "" || got.Time.IsZero() || got.Duration < 0 || got.Duration > time.Minute {
			t.Errorf("%s: id %q, time %s, duration %s", name, got.ID, got.Time, got.Duration)
		}
		got.ID, got.Time, got.Duration, got.Reason, got.Detail = "", time.Time{}, 0, "", ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: record (-want +got):\n%s", name, diff)
		}
	}
}

// secretText stands in every secret place of a request of this test.
const secretText = "s3cr3t-that-nobody-writes-down"

// TestNoSecretIsRecorded puts a secret wherever one may stand, and looks for it in the record.
func TestNoSecretIsRecorded(t *testing.T) {
	t.Parallel()
	rev := quickstart(t)
	rev.Routes[0].Ways = append(rev.Routes[0].Ways,
		gateway.Way{{Kind: gateway.ByKey, Key: &gateway.KeyPlace{Header: "x-bank-key"}}},
		gateway.Way{{Kind: gateway.ByKey, Key: &gateway.KeyPlace{Query: "bank_key"}}},
		gateway.Way{{Kind: gateway.ByKey, Key: &gateway.KeyPlace{Cookie: "bank"}}})
	path := "/payments/alice?plain=1&bank_key=" + secretText + "&ACCESS_TOKEN=" + secretText + "&%62ank_key=" + secretText + "&api_key=" + secretText
	check := envoyCheck(t, rev.Routes[0].Rules, "POST", path, aliceClaims())
	http := check.Attributes.Request.Http
	for _, name := range []string{"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-bank-key"} {
		http.Headers[name] = "Bearer " + secretText
	}
	http.Headers["referer"] = "https://bank.test/x?token=" + secretText + "#y"
	http.Headers["content-type"] = "application/json"
	http.Body = `{"iban": "` + secretText + `"}`
	http.RawBody = []byte(secretText)
	d := recorded(t, rev, check, true)
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), secretText) {
		t.Errorf("the record holds a secret:\n%s", text)
	}
	var input struct {
		Attributes struct{ Request struct{ HTTP map[string]any } }
		Gatehouse  map[string]any
	}
	if err := json.Unmarshal(d.Input, &input); err != nil {
		t.Fatalf("%s: %v", d.Input, err)
	}
	if got := input.Attributes.Request.HTTP["path"]; got != "/payments/alice?plain=1&bank_key=***&ACCESS_TOKEN=***&%62ank_key=***&api_key=***" {
		t.Errorf("path %v", got)
	}
	if input.Gatehouse["api"] != "payments" {
		t.Errorf("input.gatehouse %v", input.Gatehouse)
	}
	for _, place := range []string{"/input/attributes/request/http/headers/authorization", "/input/attributes/request/http/body", "/input/parsed_body"} {
		if !slices.Contains(d.Erased, place) {
			t.Errorf("%s is not said to be erased: %v", place, d.Erased)
		}
	}
	if !slices.Contains(d.Masked, "/input/parsed_query") || !slices.Contains(d.Lacks, gateway.LacksBody) {
		t.Errorf("masked %v, lacks %v", d.Masked, d.Lacks)
	}
	if http.Body == "" || http.Headers["authorization"] == "" {
		t.Error("the request itself was changed")
	}
}

// TestFullDecisions have their input without anybody asking for it.
func TestFullDecisions(t *testing.T) {
	t.Parallel()
	rev := quickstart(t)
	rev.Routes[0].Decisions = gateway.RecordedFull
	if d := recorded(t, rev, envoyCheck(t, rev.Routes[0].Rules, "GET", "/payments/alice", aliceClaims()), false); len(d.Input) == 0 || len(d.Lacks) > 0 {
		t.Errorf("input %s, lacks %v", d.Input, d.Lacks)
	}
}

// TestRecordingAllocates nothing where nobody records.
func TestRecordingAllocates(t *testing.T) {
	rev := quickstart(t)
	check := envoyCheck(t, rev.Routes[0].Rules, "GET", "/payments/alice", aliceClaims())
	ctx := t.Context()
	measure := func(r authz.Recorder) float64 {
		s := authz.New(authz.Options{Logger: slog.New(slog.DiscardHandler), Limit: patient, Recorder: r})
		s.Use(compiled(t, rev, nil))
		return testing.AllocsPerRun(200, func() { _, _ = s.Check(ctx, check) })
	}
	with, without := measure(nobody{}), measure(nil)
	least, most := 1.0, 3.0
	if raced { // Then pools forget now and then.
		least, most = -3, 6
	}
	if more := with - without; more < least || more > most {
		t.Errorf("%.0f allocations with a recorder, %.0f without: a Check pays for its record with one or two", with, without)
	}
}

// nobody forgets what it is told.
type nobody struct{}

func (nobody) Record(*authz.Decided) {}

// TestReplay takes recorded decisions again by the policies that decided them, and by others.
func TestReplay(t *testing.T) {
	t.Parallel()
	rev := quickstart(t)
	rules := rev.Routes[0].Rules
	bob := aliceClaims()
	bob["sub"] = "bob"
	strict := quickstart(t)
	strict.Routes[0].Authorize[0].Policy.Source = "package bank.payments\ndefault allow := {\"allowed\": false, \"reason\": \"closed\"}"
	looking := quickstart(t)
	looking.Routes[0].Authorize[0].Policy.Source = "package bank.payments\nallow if startswith(input.attributes.request.http.headers.authorization, \"Bearer \")"
	for name, claims := range map[string]map[string]any{"alice": aliceClaims(), "bob": bob} {
		d := recorded(t, rev, envoyCheck(t, rules, "GET", "/payments/alice", claims), true)
		if got := replay(t, rev, &d); got.Result.String() != d.Result || len(got.Unsure) > 0 {
			t.Errorf("%s: %+v by the same policy, recorded %s", name, got, d.Result)
		}
		if got := replay(t, strict, &d); got.Result != authz.Denied || got.Reason != "closed" || got.Policy != "bank.payments" {
			t.Errorf("%s: %+v by the strict policy", name, got)
		}
		if got := replay(t, looking, &d); !slices.Equal(got.Unsure, []string{"/input/attributes/request/http/headers/authorization"}) {
			t.Errorf("%s: %+v by a policy that looks at what is masked", name, got)
		}
		d.Input = nil
		r, _ := authz.NewReplayer(rev)
		if _, err := r.Replay(t.Context(), &d); err != authz.ErrNoInput { //nolint:errorlint // Returned as it is.
			t.Errorf("without input: %v", err)
		}
	}
}

func replay(t *testing.T, rev *gateway.Revision, d *gateway.Decision) authz.Replay {
	t.Helper()
	r, faults := authz.NewReplayer(rev)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got, err := r.Replay(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
