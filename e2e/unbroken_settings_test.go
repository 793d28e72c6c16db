//go:build e2e

package e2e_test

import (
	"strings"
	"testing"
)

// settingsChange gives an upstream one setting after another of those that Envoy cannot change in a cluster, and of those that it
// can.
func settingsChange(t *testing.T) {
	documents := func(settings string) map[string]string {
		_, route, _ := strings.Cut(site()["site.yaml"], "---\n")
		return map[string]string{"site.yaml": upstream("site", "${FIRST}", "${SECOND}") + settings + "---\n" + route}
	}
	w := twoBackends(t, documents(""))
	before := w.clusters()
	r := w.traffic("PORT", aim{path: "/anything", backends: []string{"first", "second"}})
	all := []string{
		"balance: {method: ring-hash, by: header.x-user}\n",
		"balance: {method: maglev, by: cookie.session, ttl: 1h}\n",
		"balance: {method: round-robin, slow-start: 1s, panic: 10%, zones: own-first}\n",
		"eject: {}\nconnections: {idle: 30s, requests: 100}\n",
		"bulkhead: {connections: 200, per-endpoint: 100}\n",
		"health: {check: tcp, interval: 100ms}\nconnect-timeout: 2s\n",
		"health: {path: /healthz, host: site.bank.test, statuses: [\"200-299\"]}\n",
		"retries: {on: [gateway-error, reset], statuses: [503], timeout: 5s, budget: 30%, backoff: {base: 10ms}}\n",
		"",
	}
	for range times(1, 10) {
		for _, settings := range all {
			w.change(documents(settings))
		}
	}
	w.retired(before)
	r.stop()
}
