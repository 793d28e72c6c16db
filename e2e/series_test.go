//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestSeriesAreBounded counts what a scraper of an Envoy gets of 5,000 routes to 500 Upstreams, each of which was called.
func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	first, _ := backend(t, "first", "")
	var documents strings.Builder
	documents.WriteString("schema: 1\nkind: Gateway\nname: edge\nlisteners: [{name: http, address: 127.0.0.1, port: ${PORT}}]\n")
	for i := range 500 {
		fmt.Fprintf(&documents, "---\nkind: Upstream\nname: u%d\nendpoints: [{address: \"${ECHO}\"}]\nseries: %t\n", i, i == 7)
		fmt.Fprintf(&documents, "---\nkind: API\nname: a%d\nversion: v1\nexpose: [{gateway: edge, base: /a%d}]\nauthenticate: none\nto: u%d\noperations:\n", i, i, i)
		for o := range 10 {
			fmt.Fprintf(&documents, "  - {id: o%d, method: GET, path: /o%d}\n", o, o)
		}
	}
	w := newWorld(t, map[string]string{"all.yaml": documents.String()}, map[string]string{"ECHO": first})
	w.startEnvoy("edge", "edge-1")
	for i := range 500 {
		if got := w.get(w.url("PORT", fmt.Sprintf("/a%d/o%d", i, i%10))); got.status != http.StatusOK {
			t.Fatalf("API %d: %d %s", i, got.status, got.body)
		}
	}
	text, err := w.envoys["edge-1"].Admin().Get(t.Context(), "/stats/prometheus")
	if err != nil {
		t.Fatal(err)
	}
	kinds, series := map[string]int{}, 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		series++
		name, _, _ := strings.Cut(line, "{")
		kinds[name]++
	}
	if most := 2000; series >= most {
		t.Errorf("%d series, want less than %d: %v", series, most, kinds)
	}
	t.Logf("%d series", series)
	if requests := kinds["envoy_cluster_upstream_rq_total"]; requests != 6 {
		t.Errorf("requests are counted for %d clusters, want the four to Gatehouse, all Upstreams together, and the one that asks for its own", requests)
	}
}
