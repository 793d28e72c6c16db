//go:build e2e

package e2e_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	datav3 "github.com/envoyproxy/go-control-plane/envoy/data/accesslog/v3"
	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	alsv3 "github.com/envoyproxy/go-control-plane/envoy/service/accesslog/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/join"
	"github.com/gatehouse/gatehouse/server"
)

// twoFleets is a gateway for each of two fleets, with an API of its own that has a policy and a limit.
const twoFleets = `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
---
kind: Gateway
name: vault
listeners: [{name: http, address: 127.0.0.1, port: ${VAULT_PORT}}]
---
kind: Upstream
name: bank
endpoints: [{address: "${FIRST}"}]
---
kind: Policy
name: anybody
rego: |
  package anybody
  allow := true
---
kind: API
name: open
version: v1
expose: [{gateway: edge}]
authenticate: none
to: bank
operations:
  - {id: get, path: /, authorize: [anybody], limits: [{name: all, limit: 1000, per: 1m}]}
---
kind: API
name: secret
version: v1
expose: [{gateway: vault}]
authenticate: none
to: bank
operations:
  - {id: get, path: /, authorize: [anybody], limits: [{name: all, limit: 1000, per: 1m}]}
`

// config returns the TLS settings with which the host's Envoy would call.
func (h *host) config() *tls.Config {
	h.w.t.Helper()
	dir := filepath.Join(h.settings.IdentityDir(), envoy.CurrentIdentity)
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, envoy.FileCertificate), filepath.Join(dir, envoy.FileKey))
	if err != nil {
		h.w.t.Fatal(err)
	}
	roots, err := os.ReadFile(filepath.Join(dir, envoy.FileBundle))
	if err != nil {
		h.w.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(roots)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS13}
}

// dial connects to the daemon's door for nodes.
func (w *world) dial(config *tls.Config) *grpc.ClientConn {
	w.t.Helper()
	c, err := grpc.NewClient(w.server.Addrs().Nodes, grpc.WithTransportCredentials(credentials.NewTLS(config)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// rulesOf returns the rules hash of an API's route.
func (w *world) rulesOf(api string) string {
	w.t.Helper()
	checked, faults := server.Check(w.dir, nil)
	if len(faults) > 0 {
		w.t.Fatal(faults)
	}
	for _, r := range checked.Revision.Routes {
		if r.API == api && r.Action == gateway.ActionForward {
			return r.Rules
		}
	}
	w.t.Fatalf("no route of %s", api)
	return ""
}

func checkOf(rules string) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{envoy.KeyRules: rules},
		Request:           &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Method: "GET", Path: "/", Host: "bank.test"}},
	}}
}

func limitOf(rules string) *rlsv3.RateLimitRequest {
	return &rlsv3.RateLimitRequest{Domain: envoy.RateLimitDomain, Descriptors: []*ratelimitcommonv3.RateLimitDescriptor{{
		Entries: []*ratelimitcommonv3.RateLimitDescriptor_Entry{{Key: envoy.DescriptorRules, Value: rules}, {Key: envoy.DescriptorLimit, Value: "all"}},
	}}}
}

// TestAnotherFleet holds that a node fetches, asks and reports only as what its certificate says, whatever it says itself.
func TestAnotherFleet(t *testing.T) {
	t.Parallel()
	w := newFar(t, map[string]string{"all.yaml": twoFleets}, time.Hour)
	h := w.joined("edge", "edge-1")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn := w.dial(h.config())
	as := func(node string) context.Context {
		return metadata.AppendToOutgoingContext(ctx, envoy.HeaderNode, node)
	}
	own, foreign := w.rulesOf("open"), w.rulesOf("secret")

	authorize, limit := authv3.NewAuthorizationClient(conn), rlsv3.NewRateLimitServiceClient(conn)
	for _, step := range []struct {
		node, rules string
		good        bool
	}{
		{"edge/edge-1", own, true},
		{"edge/edge-1", foreign, false},
		{"vault/vault-1", foreign, false},
		{"vault/vault-1", own, false},
		{"edge/edge-2", own, false},
	} {
		answer, err := authorize.Check(as(step.node), checkOf(step.rules))
		if err != nil {
			t.Fatalf("a check ends in an error, which a failure mode may let pass: %v", err)
		}
		if good := answer.GetStatus().GetCode() == int32(codes.OK); good != step.good {
			t.Errorf("a check as %s by rules of its own %v: %v", step.node, step.rules == own, answer)
		}
		if _, err := limit.ShouldRateLimit(as(step.node), limitOf(step.rules)); (err == nil) != step.good {
			t.Errorf("a limit call as %s by rules of its own %v: %v", step.node, step.rules == own, err)
		}
	}
	for _, want := range []string{
		`gatehouse_strangers_total{service="authorization"} 4`, `gatehouse_strangers_total{service="limits"} 4`,
	} {
		if !strings.Contains(w.metrics(), want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	w.asksFor(as("edge/edge-1"), conn, &corev3.Node{Id: "vault-1", Cluster: "vault"})
	w.asksFor(as("edge/edge-1"), conn, &corev3.Node{Id: "edge-2", Cluster: "edge"})
	w.asksFor(as("vault/vault-1"), conn, &corev3.Node{Id: "edge-1", Cluster: "edge"})
	w.reports(as("edge/edge-1"), conn)
}

// asksFor asks for everything as a node that the certificate does not name.
func (w *world) asksFor(ctx context.Context, conn grpc.ClientConnInterface, node *corev3.Node) {
	w.t.Helper()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, kind := range []string{"envoy.config.cluster.v3.Cluster", "envoy.extensions.transport_sockets.tls.v3.Secret"} {
		_ = stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: node, TypeUrl: "type.googleapis.com/" + kind, ResourceNamesSubscribe: []string{"*"}})
	}
	if answer, err := stream.Recv(); status.Code(err) != codes.PermissionDenied {
		w.t.Errorf("%s/%s asked by another's certificate: %v, %v; want it refused", node.GetCluster(), node.GetId(), answer, err)
	}
}

// reports sends an access log that names another node, which counts as the certificate's.
func (w *world) reports(ctx context.Context, conn grpc.ClientConnInterface) {
	w.t.Helper()
	stream, err := alsv3.NewAccessLogServiceClient(conn).StreamAccessLogs(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	err = stream.Send(&alsv3.StreamAccessLogsMessage{
		Identifier: &alsv3.StreamAccessLogsMessage_Identifier{LogName: envoy.AccessLogName, Node: &corev3.Node{Id: "vault-1", Cluster: "vault"}},
		LogEntries: &alsv3.StreamAccessLogsMessage_HttpLogs{HttpLogs: &alsv3.StreamAccessLogsMessage_HTTPAccessLogEntries{
			LogEntry: []*datav3.HTTPAccessLogEntry{{CommonProperties: &datav3.AccessLogCommon{}}},
		}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		w.t.Error(err)
	}
	w.eventually("the entry is counted", func() bool { return strings.Contains(w.metrics(), "gatehouse_access_log_entries_total 1\n") })
}

// TestDoorForNodes holds who gets through the door at all.
func TestDoorForNodes(t *testing.T) {
	t.Parallel()
	w, other := newFar(t, map[string]string{"all.yaml": twoFleets}, 3*time.Second), newFar(t, map[string]string{"all.yaml": twoFleets}, time.Hour)
	h, stranger := w.joined("edge", "edge-1"), other.joined("edge", "edge-1")
	rules := w.rulesOf("open")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	call := func(config *tls.Config) error {
		_, err := authv3.NewAuthorizationClient(w.dial(config)).Check(ctx, checkOf(rules))
		return err
	}
	good := h.config()
	if err := call(good); err != nil {
		t.Errorf("a node: %v", err)
	}
	none := good.Clone()
	none.Certificates = nil
	if err := call(none); status.Code(err) != codes.Unavailable {
		t.Errorf("without a certificate: %v", err)
	}
	foreign := good.Clone()
	foreign.Certificates = stranger.config().Certificates
	if err := call(foreign); status.Code(err) != codes.Unavailable {
		t.Errorf("a node of another authority: %v", err)
	}
	old := good.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if err := call(old); status.Code(err) != codes.Unavailable {
		t.Errorf("TLS 1.2: %v", err)
	}
	if err := call(stranger.config()); status.Code(err) != codes.Unavailable {
		t.Errorf("a client of another authority accepts the server: %v", err)
	}
	w.until(h.expires().Add(time.Second))
	if err := call(good); status.Code(err) != codes.Unavailable {
		t.Errorf("an expired certificate: %v", err)
	}
	if err := h.renew(); err != nil {
		t.Fatalf("renew after the end: %v", err)
	}
	if err := call(h.config()); err != nil {
		t.Errorf("renewed after the end: %v", err)
	}
}

// renew renews the host's certificate once.
func (h *host) renew() error {
	ctx, cancel := context.WithTimeout(h.w.t.Context(), patience)
	defer cancel()
	_, err := h.place().Renew(ctx, h.kept, time.Now)
	return err
}

// TestConnectionOutlivesNothing holds that a connection made while a certificate was good is of no use after its end.
func TestConnectionOutlivesNothing(t *testing.T) {
	t.Parallel()
	w := newFar(t, map[string]string{"all.yaml": twoFleets}, 4*time.Second)
	h := w.joined("edge", "edge-1")
	config, rules := h.config(), w.rulesOf("open")
	conn := w.dial(config)
	good := func() bool {
		answer, err := authv3.NewAuthorizationClient(conn).Check(t.Context(), checkOf(rules))
		return err == nil && answer.GetStatus().GetCode() == int32(codes.OK)
	}
	if !good() {
		t.Fatal("a good certificate is refused")
	}
	for time.Now().Before(h.expires()) {
		good()
	}
	w.until(h.expires().Add(time.Second)) // Certificates tell time in seconds.
	if good() {
		t.Error("a connection is of use after its certificate's end")
	}
}

// TestJoinDoor holds who gets a certificate, over the real store.
func TestJoinDoor(t *testing.T) {
	t.Parallel()
	w := newFar(t, map[string]string{"all.yaml": twoFleets}, time.Hour)
	other := newFar(t, map[string]string{"all.yaml": twoFleets}, time.Hour)
	h := w.joined("edge", "edge-1")
	first := func(token, node string) error {
		_, _, err := join.Join(t.Context(), join.First{Server: w.server.Addrs().Join, Token: token, Node: node})
		return err
	}
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.HasSuffix(err.Error(), join.ErrRefused.Error()) {
			t.Errorf("%s: %v, want %q", what, err, join.ErrRefused)
		}
	}
	refused("a token that was stolen after its use", first(h.token, "edge-2"))
	revoked := w.joinToken(grantFor("edge"))
	tokens, err := w.admin().Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.admin().RevokeToken(t.Context(), tokens[0].ID); err != nil {
		t.Fatal(err)
	}
	refused("a revoked token", first(revoked, "edge-2"))
	named := grantFor("edge")
	named.Node = "edge-9"
	refused("another node's token", first(w.joinToken(named), "edge-2"))
	late := grantFor("edge")
	late.Expires = "1s"
	token := w.joinToken(late)
	w.until(time.Now().Add(1100 * time.Millisecond))
	refused("an expired token", first(token, "edge-2"))
	if err := first(other.joinToken(grantFor("edge")), "edge-2"); err == nil || !strings.Contains(err.Error(), join.ErrPin.Error()) {
		t.Errorf("another authority's token: %v", err)
	}
	if other.logs("joining refused") || !w.logs(`reason="used up"`) || !w.logs("reason=revoked") || !w.logs("reason=expired") {
		t.Error("the log does not say why")
	}
	w.noSecrets(h, &host{token: revoked}, &host{token: token})
}

// logs tells whether the daemon's log holds a text.
func (w *world) logs(text string) bool { return strings.Contains(w.log.String(), text) }

// TestRotationWhileConnected rotates the authority's root while an Envoy is connected that renews only after: it stays, comes
// back after a restart with its old bundle, and after its next renewal with the new one.
func TestRotationWhileConnected(t *testing.T) {
	t.Parallel()
	needs.Envoy(t)
	w := newFar(t, map[string]string{"all.yaml": outage}, 12*time.Second)
	h := w.joined("edge", "edge-1")
	child := h.envoy()
	good := func(when string) {
		t.Helper()
		if a := w.get(w.url("PORT", "/decided")); a.status != 200 {
			t.Errorf("%s: status %d: %s", when, a.status, a.body)
		}
	}
	for range 2 { // Made, then signing.
		if _, err := w.admin().RotateRoot(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	good("rotated")
	w.stopEnvoy(child)
	child = h.envoy() // Its bundle holds the first root alone: it follows the cross certificate.
	good("restarted with the bundle from before")
	if err := h.renew(); err != nil {
		t.Fatal(err)
	}
	late := w.joined("edge", "edge-2") // Knows both roots.
	good("renewed")
	w.stopEnvoy(child)
	h.envoy()
	good("restarted with the bundle from after")
	if _, err := authv3.NewAuthorizationClient(w.dial(late.config())).Check(t.Context(), checkOf(w.rulesOf("bank"))); err != nil {
		t.Errorf("a node that joined after: %v", err)
	}
}
