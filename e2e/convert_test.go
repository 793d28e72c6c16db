//go:build e2e

package e2e_test

import (
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/config/convert"
	"github.com/gatehouse/gatehouse/server"
)

// clusterObjects are objects of the Gateway API whose Services are one backend.
const clusterObjects = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shop, namespace: shop}
spec:
  gatewayClassName: any
  listeners:
    - {name: plain, port: ${PLAIN_PORT}, protocol: HTTP}
    - {name: second, port: ${SECOND_PORT}, protocol: HTTP, hostname: "*.shop.test"}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: moved, namespace: shop}
spec:
  parentRefs: [{name: shop, sectionName: plain}]
  hostnames: [www.shop.test]
  rules:
    - matches: [{path: {value: /old}}]
      filters: [{type: RequestRedirect, requestRedirect: {scheme: https, hostname: new.shop.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /fresh}}}]
    - matches: [{path: {type: Exact, value: /gone}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: site, namespace: shop, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  parentRefs: [{name: shop}]
  hostnames: [www.shop.test, other.test]
  rules:
    - matches:
        - {path: {value: /cart}, headers: [{name: version, value: "2"}]}
      filters:
        - {type: URLRewrite, urlRewrite: {hostname: carts.test, path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2}}}
        - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-set, value: 100%}], remove: [x-gone]}}
        - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-said, value: shop}]}}
      backendRefs: [{name: carts, port: 80}]
    - matches: [{path: {value: /cart}}]
      backendRefs: [{name: carts, port: 80, weight: 1}, {name: never, port: 80, weight: 0}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: younger, namespace: shop, creationTimestamp: "2026-02-01T00:00:00Z"}
spec:
  parentRefs: [{name: shop}]
  hostnames: [www.shop.test]
  rules:
    - matches: [{path: {value: /cart}}]
      backendRefs: [{name: never, port: 80}]
`

// TestGatewayAPI sends requests through what is made of objects of the Gateway API: they go where that wants them.
func TestGatewayAPI(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	never, _ := backend(t, "never", "")
	w := prepare(t, map[string]string{"cluster.yaml": clusterObjects}, nil)
	result, err := convert.GatewayAPI([]convert.File{{Name: "cluster.yaml", Text: []byte(w.read("cluster.yaml"))}})
	if err != nil {
		t.Fatal(err)
	}
	w.remove("cluster.yaml")
	documents := strings.NewReplacer("carts.shop.svc.cluster.local:80", first, "never.shop.svc.cluster.local:80", never).Replace(string(result.Documents))
	w.write("shop.yaml", documents)
	if _, faults := server.Check(w.dir, nil); len(faults) > 0 {
		t.Fatalf("%v\n%s", faults, documents)
	}
	w.startServer()
	w.startEnvoy("shop", "shop-1")
	for _, c := range []struct {
		port, path string
		headers    []string
		status     int
		path2      string // At the backend.
		host       string
		location   string
	}{
		{"PLAIN_PORT", "/old/a?b=1", []string{"host: www.shop.test"}, 302, "", "", "https://new.shop.test/fresh/a?b=1"},
		{"SECOND_PORT", "/old/a", []string{"host: www.shop.test"}, 404, "", "", ""},
		{"PLAIN_PORT", "/gone", []string{"host: www.shop.test"}, 500, "", "", ""},
		{"PLAIN_PORT", "/cart/7", []string{"host: www.shop.test", "version: 2"}, 200, "/v2/7", "carts.test", ""},
		{"SECOND_PORT", "/cart", []string{"host: www.shop.test", "version: 2"}, 200, "/v2", "carts.test", ""},
		{"PLAIN_PORT", "/cart/7", []string{"host: www.shop.test", "version: 3"}, 200, "/cart/7", "www.shop.test", ""},
		{"PLAIN_PORT", "/cart/7", []string{"host: other.test"}, 200, "/cart/7", "other.test", ""},
		{"SECOND_PORT", "/cart/7", []string{"host: other.test"}, 404, "", "", ""},
		{"PLAIN_PORT", "/carts", []string{"host: www.shop.test"}, 404, "", "", ""},
	} {
		got := w.get(w.url(c.port, c.path), append(c.headers, "x-gone: 1")...)
		if got.status != c.status || got.header.Get("location") != c.location {
			t.Errorf("%s %s %v: %d to %q, want %d to %q: %s", c.port, c.path, c.headers, got.status, got.header.Get("location"), c.status, c.location, got.body)
			continue
		}
		if c.path2 == "" {
			continue
		}
		echoed := got.echoed(t)
		if echoed.Name != "first" || echoed.Path != c.path2 || echoed.Host != c.host {
			t.Errorf("%s %s %v: %s got %s%s, want %s%s", c.port, c.path, c.headers, echoed.Name, echoed.Host, echoed.Path, c.host, c.path2)
		}
		if rewritten := c.host == "carts.test"; rewritten != (len(echoed.Headers["x-set"]) == 1) || rewritten != (len(echoed.Headers["x-gone"]) == 0) || rewritten != (got.header.Get("x-said") == "shop") {
			t.Errorf("%s %s %v: headers %v, answered with %v", c.port, c.path, c.headers, echoed.Headers, got.header)
		} else if rewritten && echoed.Headers["x-set"][0] != "100%" {
			t.Errorf("a header's value became %q", echoed.Headers["x-set"])
		}
	}
}
