package main

import (
	"strings"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
)

// TestNodesComment holds what stands below the table: what a node refuses, also where the trouble is its own, and what is to be
// minded about it.
func TestNodesComment(t *testing.T) {
	t.Parallel()
	refusal := &admin.Refusal{
		Type: "type.googleapis.com/envoy.config.listener.v3.Listener", Text: "cannot bind", Time: time.Unix(0, 0), Total: 1,
		Suspects: []admin.Suspect{{Name: "http", Origin: "edge.yaml:4"}},
	}
	for name, test := range map[string]struct {
		node admin.Node
		want string
	}{
		"refused":       {admin.Node{State: admin.Refused, LastRefusal: refusal}, "cannot bind\n  http edge.yaml:4\n"},
		"refused local": {admin.Node{State: admin.RefusedLocal, LastRefusal: refusal}, "cannot bind\n  http edge.yaml:4\n"},
		"has refused":   {admin.Node{State: admin.Synced, LastRefusal: refusal}, ""},
		"too old":       {admin.Node{Fleet: "edge", Name: "edge-1", State: admin.Synced, Warning: "it is too old"}, "edge/edge-1: it is too old\n"},
	} {
		var out strings.Builder
		comment(&out, []admin.Node{test.node})
		if got := out.String(); !strings.HasSuffix(got, test.want) || (got == "") != (test.want == "") {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
