//go:build e2e

package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestHeaders changes headers at three levels: of each header the narrowest level that names it decides, of requests and of
// responses, also where Gatehouse or Envoy answers.
func TestHeaders(t *testing.T) {
	t.Parallel()
	address, _ := backend(t, "first", "")
	documents := site()
	documents["gateway.yaml"] = strings.TrimSpace(documents["gateway.yaml"]) + `
headers:
  request: {set: {x-level: gateway, x-gateway: "100% {{sure}}"}, add: {x-via: gateway}, remove: [x-secret]}
  response: {set: {x-level: gateway, strict-transport-security: max-age=60}, remove: [x-powered-by]}
`
	documents["api.yaml"] = `
schema: 1
kind: API
name: cards
version: v1
expose: [{gateway: edge, base: /cards}]
authenticate: none
to: site
headers:
  request: {set: {x-level: api, x-api: "{client.address} {request.method} {request.host} {route}"}, add: {x-via: api}}
  response: {set: {x-level: api, x-id: "{request.id}"}}
operations:
  - {id: plain, method: GET, path: /plain}
  - {id: own, method: GET, path: /own, headers: {request: {set: {x-level: operation}, remove: [x-via]}, response: {set: {x-level: operation}}}}
  - {id: closed, method: GET, path: /closed, authenticate: {jwt: bank}, headers: {request: {remove: [authorization]}}}
---
kind: Issuer
name: bank
issuer: https://id.bank.test
jwks: {file: ./keys/bank.json}
`
	key := newKey(t, "one")
	documents["keys/bank.json"] = keySetOf(t, key)
	w := newWorld(t, documents, map[string]string{"FIRST": address})
	w.startEnvoy("edge", "edge-1")
	for path, want := range map[string]struct {
		request  map[string][]string
		response map[string]string
	}{
		"/": {
			map[string][]string{"x-level": {"gateway"}, "x-gateway": {"100% {sure}"}, "x-via": {"client", "gateway"}, "x-secret": nil},
			map[string]string{"x-level": "gateway", "strict-transport-security": "max-age=60"},
		},
		"/cards/plain": {
			map[string][]string{"x-level": {"api"}, "x-gateway": {"100% {sure}"}, "x-via": {"client", "api"}, "x-api": {"127.0.0.1 GET bank.test cards/v1/plain"}, "x-secret": nil},
			map[string]string{"x-level": "api", "strict-transport-security": "max-age=60"},
		},
		"/cards/own": {
			map[string][]string{"x-level": {"operation"}, "x-via": nil, "x-secret": nil},
			map[string]string{"x-level": "operation", "strict-transport-security": "max-age=60"},
		},
	} {
		a := w.get(w.url("PORT", path), "x-level: client", "x-via: client", "x-secret: s", "x-gatehouse-subject: mallory", "host: bank.test")
		got := a.echoed(t).Headers
		for name, values := range want.request {
			if joined := strings.Split(strings.Join(got[name], ","), ","); !slices.Equal(got[name], values) && !slices.Equal(joined, values) {
				t.Errorf("%s: the upstream gets %s: %q, want %q", path, name, got[name], values)
			}
		}
		for name, value := range want.response {
			if got := a.header.Values(name); len(got) != 1 || got[0] != value {
				t.Errorf("%s: the client gets %s: %q, want %s", path, name, got, value)
			}
		}
		if path != "/" && len(a.header.Get("x-id")) < 30 {
			t.Errorf("%s: the request's id is %q", path, a.header.Get("x-id"))
		}
	}
	for path, status := range map[string]int{"/cards/none": 404, "/cards/closed": 401} {
		a := w.get(w.url("PORT", path))
		if a.status != status || a.header.Get("x-level") != "api" || a.header.Get("strict-transport-security") == "" || a.problem(t) == "" {
			t.Errorf("%s: %+v", path, a)
		}
	}
	if a, err := w.do(http.MethodPost, w.url("PORT", "/cards/plain")); err != nil || a.status != 405 || a.header.Get("x-level") != "api" {
		t.Errorf("405: %+v, %v", a, err)
	}
	if a := w.get(w.url("PORT", "/cards/closed"), signedBy(t, key)); a.status != 200 || a.echoed(t).Headers["authorization"] != nil || a.echoed(t).Headers["x-gatehouse-subject"] == nil {
		t.Errorf("a token that the upstream must not get: %+v", a)
	}
	w.write("gateway.yaml", strings.ReplaceAll(documents["gateway.yaml"], "max-age=60", "max-age=90"))
	w.eventually("a changed header of the Gateway is everywhere", func() bool {
		return w.get(w.url("PORT", "/cards/none")).header.Get("strict-transport-security") == "max-age=90"
	})
}
