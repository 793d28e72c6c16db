//go:build e2e

package e2e_test

import (
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
	"github.com/gatehouse/gatehouse/server"
)

// limitsAway is an API whose limits say each for itself what is done while their store is away, whatever the API says.
const limitsAway = `
schema: 1
kind: Gateway
name: edge
listeners: [{name: http, address: 127.0.0.1, port: ${PORT}}]
timeouts: {authorization: 2s, limits: 2s}
---
kind: Upstream
name: bank
endpoints: [{address: "${FIRST}"}]
---
kind: Policy
name: anybody
rego: "package anybody\nallow := true"
---
kind: API
name: bank
version: v1
expose: [{gateway: edge}]
authenticate: none
to: bank
when-away: {authorization: AWAY, limits: AWAY}
operations:
  - {id: open, path: /open, limits: [{name: open, limit: 100, per: 1h, store-away: open}]}
  - {id: closed, path: /closed, limits: [{name: closed, limit: 100, per: 1h, store-away: closed}]}
  - {id: local, path: /local, limits: [{name: local, limit: 3, per: 1h, store-away: local}]}
  - {id: both, path: /both, limits: [{name: both-open, limit: 100, per: 1h, store-away: open}, {name: both-local, limit: 3, per: 1h, store-away: local}]}
  - {id: shadow, path: /shadow, limits: [{name: shadow, limit: 100, per: 1h, store-away: closed, mode: shadow}]}
`

// TestLimitsWhileTheStoreIsAway does as each limit says while its store is away, in limit calls and in Checks, and counts what is let
// through.
func TestLimitsWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]*strings.Replacer{
		"by calls, open otherwise":    strings.NewReplacer("AWAY", "open"),
		"by calls, closed otherwise":  strings.NewReplacer("AWAY", "closed"),
		"by Checks, open otherwise":   strings.NewReplacer("AWAY", "open", "to: bank\nwhen", "to: bank\nauthorize: [anybody]\nwhen"),
		"by Checks, closed otherwise": strings.NewReplacer("AWAY", "closed", "to: bank\nwhen", "to: bank\nauthorize: [anybody]\nwhen"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := needs.Redis(t)
			address, err := redis.ParseAddress("unix:" + store.Socket)
			if err != nil {
				t.Fatal(err)
			}
			first, _ := backend(t, "first", "")
			w := prepare(t, map[string]string{"bank.yaml": change.Replace(limitsAway)}, map[string]string{"FIRST": first})
			w.tune = func(o *server.Options) { o.Limits = &redis.Options{Address: address, Timeout: patience} }
			w.startServer()
			w.startEnvoy("edge", "edge-1")
			w.eventually("limits are counted", func() bool { return left(w.get(w.url("PORT", "/open"))) != "" })
			store.Stop()
			w.eventually("the store is away", func() bool { return strings.Contains(w.metrics(), "gatehouse_limit_store_up 0\n") })
			for _, c := range []struct {
				path     string
				statuses [5]int
			}{
				{"/open", [5]int{200, 200, 200, 200, 200}},
				{"/closed", [5]int{503, 503, 503, 503, 503}},
				{"/local", [5]int{200, 200, 200, 429, 429}},
				{"/both", [5]int{200, 200, 200, 429, 429}},
				{"/shadow", [5]int{200, 200, 200, 200, 200}},
			} {
				for i, want := range c.statuses {
					if a := w.get(w.url("PORT", c.path)); a.status != want {
						t.Errorf("%s, request %d: %+v, want %d", c.path, i+1, a, want)
					}
				}
			}
			for _, want := range []string{
				`gatehouse_limit_requests_total{api="bank",limit="open",operation="open",result="let-through",version="v1"} 5`,
				`gatehouse_limit_requests_total{api="bank",limit="both-open",operation="both",result="let-through",version="v1"} 3`,
				`gatehouse_limit_requests_total{api="bank",limit="local",operation="local",result="spent",version="v1"} 3`,
				`gatehouse_let_through_total{api="bank",call="limits"} 8`,
			} {
				w.eventually("the metrics hold "+want, func() bool { return strings.Contains(w.metrics(), want+"\n") })
			}
			store.Start(t)
			w.eventually("the limit is counted again", func() bool { return left(w.get(w.url("PORT", "/local"))) == "2" })
		})
	}
}
