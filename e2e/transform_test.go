//go:build e2e

package e2e_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// mirrored is what a mirror tells of a request: its target, its headers and its body where that is JSON.
type mirrored struct {
	Target string              `json:"target"`
	Header map[string][]string `json:"header"`
	Body   map[string]any      `json:"body"`
	Length int                 `json:"length"`
	Pad    string              `json:"pad"`
}

// mirror starts a backend that answers with what it got, in a JSON document of some length, and tells what it is made of.
func mirror(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // The client went away, or was refused.
		}
		out := mirrored{Target: r.RequestURI, Header: r.Header, Length: len(body), Pad: strings.Repeat("x", 2048)}
		_ = json.Unmarshal(body, &out.Body) // Where it is JSON.
		w.Header().Set("content-type", "application/json")
		w.Header().Set("server", "mirror/1")
		w.Header().Set("x-powered-by", "mirrors")
		_ = json.NewEncoder(w).Encode(out)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// healthService starts a gRPC backend with the service grpc.health.v1.Health.
func healthService(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, state := grpc.NewServer(), health.NewServer()
	state.SetServingStatus("ledger", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(s, state)
	go func() { _ = s.Serve(l) }() // It ends by Stop.
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// shapes are the documents of a world in which much becomes of traffic.
const shapes = `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
max-body: 4KiB
---
kind: Upstream
name: mirror
endpoints: [{address: "${MIRROR}"}]
---
kind: Upstream
name: health
protocol: http2
endpoints: [{address: "${HEALTH}"}]
---
kind: Issuer
name: bank
issuer: https://id.bank.test
jwks: {file: ./keys/bank.json}
---
kind: API
name: pages
version: v1
expose: [{gateway: edge, base: /pages}]
to: mirror
authenticate: {jwt: bank}
cors: {origins: ["https://app.nordhaven.test", "https://*.suderbank.test"], methods: [GET, PUT], headers: [x-trace], expose: [x-total], max-age: 10m, credentials: true}
operations:
  - {id: read, method: GET, path: "/{id}"}
  - {id: own, method: PUT, path: "/{id}", cors: {origins: "https://admin.nordhaven.test", methods: [PUT]}}
  - {id: silent, method: DELETE, path: "/{id}", cors: none}
---
kind: Route
name: assets
expose: {gateway: edge, base: /assets}
match: {method: GET}
to: mirror
authenticate: none
cors: {origins: "*"}
compress: {minimum: 1KiB}
headers: {response: {keep: server}}
---
kind: API
name: plain
version: v1
expose: [{gateway: edge, base: /plain}]
to: mirror
authenticate: none
compress: {algorithms: gzip}
operations:
  - {id: small, method: POST, path: /small, max-body: 1KiB, compress: none}
  - {id: gateways, method: POST, path: /gateways, compress: none}
  - {id: any, method: POST, path: /any, max-body: none, compress: none}
  - id: query
    method: GET
    path: /query
    query: {set: {by: "{client.address} {operation}", limit: "10"}, add: {tag: "a&b=c"}, remove: [debug]}
  - id: headers
    method: GET
    path: /headers
    headers:
      request: {set: {x-all: "{request.path}|{request.protocol}|{gateway}|{api}|{version}|{operation}|100%"}}
      response: {set: {server: bank}}
  - id: caller
    method: GET
    path: /caller
    authenticate: {jwt: bank}
    headers: {request: {set: {x-caller: "{identity}/{consumer}", x-application: "{application}"}}}
  - id: body
    method: POST
    path: /body
    compress: {algorithms: gzip}
    body:
      request: {set: {operation: "{operation}", from: "{request.body.meta.from}", n: 3, sure: true, share: "100%", nested: {twice: "{client.address}"}}}
      response: {replace: true, set: {saw: "{response.body.body}", asked: "{request.body.amount}"}}
  - {id: slow, method: GET, path: /slow, faults: {delay: 1s, headers: [{header: x-drill, is: slow}], until: "${LATER}"}}
  - {id: drill, method: GET, path: /drill, faults: {abort: 503, headers: [{header: x-drill, is: "yes"}], until: "${LATER}"}}
  - {id: over, method: GET, path: /over, faults: {abort: 503, until: "${BEFORE}"}}
  - {id: banned, method: GET, path: /banned, addresses: {deny: 127.0.0.0/8}, authenticate: {jwt: bank}}
  - {id: others, method: GET, path: /others, addresses: {allow: [10.0.0.0/8]}}
  - {id: mine, method: GET, path: /mine, addresses: {allow: [127.0.0.1], deny: [10.0.0.0/8]}}
  - {id: flood, method: GET, path: /flood, authenticate: {jwt: bank}, limits: [{name: each, key: [header.x-caller], limit: 2, per: 1h, enforce: local}]}
---
kind: API
name: health
version: v1
expose: [{gateway: edge, base: /health}]
to: health
authenticate: none
grpc-web: true
transcode: {protos: ./protos/health.proto}
`

// healthProto describes the service with a rule for one of its methods.
const healthProto = `
syntax = "proto3";
package grpc.health.v1;
import "google/api/annotations.proto";
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse {
  enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
  ServingStatus status = 1;
}
service Health {
  rpc Check(HealthCheckRequest) returns (HealthCheckResponse) { option (google.api.http) = {get: "/services/{service}"}; }
  rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);
}
`

// TestTransform holds what becomes of requests and responses on their way, each feature by real traffic, in one world.
func TestTransform(t *testing.T) {
	t.Parallel()
	key := newKey(t, "one")
	w := newWorld(t, map[string]string{"shapes.yaml": shapes, "keys/bank.json": keySetOf(t, key), "protos/health.proto": healthProto}, map[string]string{
		"MIRROR": mirror(t), "HEALTH": healthService(t),
		"LATER": time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339), "BEFORE": time.Now().Add(-time.Hour).UTC().Format(time.RFC3339),
	})
	w.startEnvoy("edge", "edge-1")
	signed := signedBy(t, key)
	for _, one := range []struct {
		name string
		test func(t *testing.T, w *world, signed string)
	}{
		{"cors", crossOrigin},
		{"compress", compressed},
		{"max-body", bounded},
		{"query", queried},
		{"headers", described},
		{"body", rewritten},
		{"faults", injected},
		{"addresses", fromAddresses},
		{"local limits", counted},
		{"grpc", transcoded},
	} {
		t.Run(one.name, func(t *testing.T) { one.test(t, w, signed) })
	}
}
