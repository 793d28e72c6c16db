// Package xds brings a Revision to the Envoys: it compiles what every fleet gets, and serves it.
//
// In: a gateway.Revision. Out: a Table with each fleet's resources and snapshot; Use hands the snapshots to the delta ADS
// server in cache, which tells what every node has acknowledged or refused.
package xds

import (
	"fmt"
	"maps"

	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/xds/cache"
	"github.com/gatehouse/gatehouse/xds/translate"
)

// Table is a compiled revision: what each fleet's Envoys get.
type Table struct {
	Fleets    map[string]*translate.Resources
	snapshots map[string]*cache.Snapshot
}

// Compile translates a revision for each of its fleets, with what is observed now (nil: nothing). prev (nil: nothing) is what
// they have now. It touches nothing live. What Envoy could not be told is a fault.
func Compile(rev *gateway.Revision, observed *gateway.Observed, prev *Table) (*Table, []gateway.Fault) {
	t := &Table{Fleets: map[string]*translate.Resources{}, snapshots: map[string]*cache.Snapshot{}}
	if prev == nil {
		prev = &Table{}
	}
	var faults []gateway.Fault
	for _, fleet := range translate.Fleets(rev) {
		res, found := translate.Fleet(rev, observed, fleet, prev.Fleets[fleet])
		faults = append(faults, found...)
		t.Fleets[fleet] = res
		snapshot, err := cache.NewSnapshotAfter(prev.snapshots[fleet], fleet, rev.ID, items(res))
		if err != nil {
			faults = append(faults, gateway.Fault{
				Code:    gateway.CodeTranslate,
				Message: fmt.Sprintf("fleet %s cannot be served: %v", fleet, err),
			})
			continue
		}
		t.snapshots[fleet] = snapshot
	}
	return t, faults
}

// Use hands the snapshots of a table to the server: every node gets its fleet's at once.
func (t *Table) Use(s *cache.Server) {
	plans := make([]cache.Plan, 0, len(t.snapshots))
	for fleet, snapshot := range t.snapshots {
		plans = append(plans, cache.Plan{Fleet: fleet, Default: snapshot})
	}
	s.Use(plans)
}

// Snapshot returns what a fleet gets by this table, nil for a fleet that is not in it. A rollout hands it out node by node.
func (t *Table) Snapshot(fleet string) *cache.Snapshot { return t.snapshots[fleet] }

// Observe returns the table with what is observed now: only the resources in which that shows are made anew, all else is taken
// over. It returns the receiver itself where nothing changed.
func (t *Table) Observe(observed *gateway.Observed) (*Table, error) {
	next := &Table{Fleets: maps.Clone(t.Fleets), snapshots: maps.Clone(t.snapshots)}
	changed := false
	for fleet, before := range t.Fleets {
		res := before.Observe(observed)
		if res == before || t.snapshots[fleet] == nil {
			continue
		}
		var changes []cache.Item
		for _, m := range res.Changes(before) {
			changes = append(changes, cache.Item{Message: m, Zoned: res.Zoned(m)})
		}
		snapshot, err := t.snapshots[fleet].With(changes)
		if err != nil {
			return nil, fmt.Errorf("take over what is observed: %w", err)
		}
		next.Fleets[fleet], next.snapshots[fleet], changed = res, snapshot, true
	}
	if !changed {
		return t, nil
	}
	return next, nil
}

// Awaited reports whether a revision has to be compiled again, as routes wait for what is observed now, or wait no more.
func (t *Table) Awaited(rev *gateway.Revision, observed *gateway.Observed) bool {
	for _, res := range t.Fleets {
		if res.Awaited(rev.Routes, observed) {
			return true
		}
	}
	return false
}

// items returns all resources of a fleet with the places they come from.
func items(res *translate.Resources) []cache.Item {
	var out []cache.Item
	add := func(name string, m proto.Message) {
		item := cache.Item{Message: m, Zoned: res.Zoned(m)}
		if place, ok := res.Origins[name]; ok {
			item.Origin = place.String()
		}
		out = append(out, item)
	}
	for _, c := range res.Clusters {
		add(c.Name, c)
	}
	for _, e := range res.Endpoints {
		add(e.ClusterName, e)
	}
	for _, c := range res.Certificates {
		add(c.Name, c.Secret())
	}
	for _, a := range res.Authorities {
		add(a.Name, a.Secret())
	}
	for _, e := range res.Extensions() {
		add(e.Name, e)
	}
	for _, l := range res.Listeners {
		add(l.Name, l)
	}
	for _, r := range res.Routes {
		add(r.Name, r)
	}
	for _, vh := range res.VirtualHosts {
		add(vh.Name, vh)
	}
	return out
}
