package server

import (
	"os"
	"path/filepath"
	"testing"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/internal/needs"
)

const decided = `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, port: 8080}]
---
kind: Upstream
name: bank
endpoints: [{address: "127.0.0.1:9001"}]
---
kind: Policy
name: anybody
rego: |
  package anybody
  allow := true
---
kind: API
name: bank
version: v1
expose: [{gateway: edge}]
authenticate: none
to: bank
operations: [{id: get, path: /, authorize: [anybody], limits: [{name: all, limit: 5, per: 1m}]}]
`

// TestRulesOfAnotherVersion knows the rules of a predecessor that hashed them otherwise: each decides as it does under its own
// hash, gives evidence under the one that was asked for, and a limit counts under both together.
func TestRulesOfAnotherVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bank.yaml"), []byte(decided), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{Config: dir, State: needs.SocketDir(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.openStore(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.store.Close() }()
	if err := s.restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	const former = "0123456789abcdef0123456789abcdef"
	now := rulesOf(s.live.Load().compiled)
	own := now["edge/bank/v1/get"]
	if own == "" {
		t.Fatalf("rules by route: %v", now)
	}
	s.carried = map[string]string{"edge/bank/v1/get": former, "edge/bank/v1/gone": "nobody"}
	s.alias(s.live.Load().compiled)
	for i, hash := range []string{former, own, former} {
		check, err := s.authz.Check(t.Context(), &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
			ContextExtensions: map[string]string{envoy.KeyRules: hash},
			Request:           &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Method: "GET", Path: "/", Host: "bank.test"}},
		}})
		evidence := check.GetDynamicMetadata().GetFields()[envoy.MetadataAuthzRules].GetStringValue()
		if err != nil || check.GetStatus().GetCode() != 0 || evidence != hash {
			t.Errorf("a Check by %s: %v, %v", hash, check, err)
		}
		limit, err := s.ratelimit.ShouldRateLimit(t.Context(), &rlsv3.RateLimitRequest{
			Domain: envoy.RateLimitDomain,
			Descriptors: []*ratelimitcommonv3.RateLimitDescriptor{{Entries: []*ratelimitcommonv3.RateLimitDescriptor_Entry{
				{Key: envoy.DescriptorRules, Value: hash}, {Key: envoy.DescriptorLimit, Value: "all"},
			}}},
		})
		if err != nil || limit.GetStatuses()[0].GetLimitRemaining() != uint32(4-i) {
			t.Errorf("a limit call by %s: %v, %v, want %d remaining", hash, limit, err, 4-i)
		}
		if got := limit.GetDynamicMetadata().GetFields()[envoy.MetadataRateLimitRules].GetStringValue(); got != hash {
			t.Errorf("evidence of a limit call by %s is %s", hash, got)
		}
	}
}
