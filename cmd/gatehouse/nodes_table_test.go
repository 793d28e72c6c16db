package main

import (
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gatehouse/gatehouse/admin"
)

// TestNodesTable holds the table to what people read, and to the width of a terminal.
func TestNodesTable(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 4, 1, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const newer, older = "3f9a2b1c77", "a00c51e2d8"
	refused := &admin.Refusal{
		Type: "type.googleapis.com/envoy.config.listener.v3.Listener", Text: "cannot bind '10.20.0.12:8443'", Time: ago(time.Minute), Total: 2,
		Suspects: []admin.Suspect{{Name: "edge/https", Origin: "gateway.yaml:4:3", Named: true}, {Name: "edge/http", Origin: "gateway.yaml:3:3"}},
	}
	nodes := []admin.Node{
		{
			Fleet: "edge", Name: "edge-1", State: admin.Synced, Envoy: "1.40.0", Bootstrap: "1", Address: "unix", Connected: ago(90 * time.Second),
			Entry: 118, Revision: newer, Acknowledged: newer, AcknowledgedEntry: 118, AcknowledgedCreated: ago(26 * time.Hour), Sent: 412_160,
			LastRefusal: refused,
		},
		{
			Fleet: "edge", Name: "edge-12", State: admin.RefusedLocal, Envoy: "1.40.0", Bootstrap: "1", Address: "10.20.0.12:50122", Connected: ago(3 * time.Hour),
			Entry: 118, Revision: newer, Acknowledged: older, AcknowledgedEntry: 117, AcknowledgedCreated: ago(72 * time.Hour), Sent: 2_300_000,
			LastRefusal: refused,
		},
		{
			Fleet: "branch", Name: "branch-1", State: admin.Disconnected, Envoy: "1.40.0", Disconnected: ago(5 * time.Second), Revision: newer, Entry: 118,
		},
		{Fleet: "lost", Name: "new", State: admin.Waiting, Connected: now, Sent: 12},
	}
	var out, below strings.Builder
	columns := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	nodesTable(columns, nodes, now)
	if err := columns.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `FLEET   NODE      STATE            ENVOY   BOOT  ADDRESS           WANTED      HAS         AGE  SENT  SINCE
edge    edge-1    synced           1.40.0  1     unix              118 3f9a2b  118 3f9a2b  26h  402K  1m
edge    edge-12   refused (local)  1.40.0  1     10.20.0.12:50122  118 3f9a2b  117 a00c51  3d   2.2M  3h
branch  branch-1  disconnected     1.40.0  -     -                 118 3f9a2b  -           -    0B    5s
lost    new       waiting          -       -     -                 -           -           -    12B   0s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	for line := range strings.Lines(out.String()) {
		if len(strings.TrimSuffix(line, "\n")) > 120 {
			t.Errorf("wider than 120 columns: %s", line)
		}
	}
	comment(&below, nodes)
	want = `edge/edge-12 refused at 2030-04-01T11:59:00Z, envoy.config.listener.v3.Listener: cannot bind '10.20.0.12:8443'
  edge/https gateway.yaml:4:3
`
	if diff := cmp.Diff(want, below.String()); diff != "" {
		t.Error(diff)
	}
}
