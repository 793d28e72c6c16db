package server

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/internal/version"
	"github.com/gatehouse/gatehouse/xds/cache"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// others returns the replicas beside this one that are alive; none where the store is not shared.
func (s *Server) others() []peer {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.peers.Load().all
}

// elsewhere returns the nodes of a fleet, or of all where it is "", that are connected to another replica, by name and with the
// name of the replica. Of a node that moved it knows the newer connection.
func (s *Server) elsewhere(fleet string) map[nodeKey]reportedNode {
	out := map[nodeKey]reportedNode{}
	for _, p := range s.others() {
		for _, n := range p.report.Nodes {
			key := nodeKey{n.Fleet, n.Name}
			if fleet != "" && n.Fleet != fleet {
				continue
			}
			if before, is := out[key]; !is || before.Connected.Before(n.Connected) {
				n.Replica = p.ID
				out[key] = n
			}
		}
	}
	return out
}

// observeAll adds to the nodes of a fleet that this replica serves those of the others.
func (f fleets) observeAll(fleet string, own []rollout.Node, connected []cache.Node) []rollout.Node {
	for key, n := range f.elsewhere(fleet) {
		one := rollout.Node{Name: n.Name, Envoy: n.Envoy, Labels: n.Labels, Connected: true, Acknowledged: n.Acknowledged}
		i := slices.IndexFunc(own, func(o rollout.Node) bool { return o.Name == key.name })
		switch {
		case i < 0:
			own = append(own, one)
		case !own[i].Connected || connected[i].Connected.Before(n.Connected):
			own[i] = one
		}
	}
	slices.SortFunc(own, func(a, b rollout.Node) int { return strings.Compare(a.Name, b.Name) })
	return own
}

// refused returns what nodes of a fleet refused alone, at any replica.
func (f fleets) refused(fleet string) []cache.Verdict {
	all := f.xds.Refused()
	for _, p := range f.others() {
		all = append(all, p.report.Refused...)
	}
	return slices.DeleteFunc(all, func(v cache.Verdict) bool { return v.Fleet != fleet })
}

// addElsewhere adds to the nodes that this replica knows those that others serve.
func (m management) addElsewhere(own []admin.Node) []admin.Node {
	if m.cluster == nil {
		return own
	}
	for i := range own {
		own[i].Replica = m.cluster.name
	}
	for key, n := range m.elsewhere("") {
		i := slices.IndexFunc(own, func(o admin.Node) bool { return o.Fleet == key.fleet && o.Name == key.name })
		switch {
		case i < 0:
			own = append(own, n.Node)
		case own[i].State == admin.Disconnected || own[i].Connected.Before(n.Connected):
			own[i] = n.Node
		}
	}
	return own
}

// Replicas returns the replicas that share the store, this one first; none where nobody can.
func (m management) Replicas(context.Context) ([]admin.Replica, error) {
	if m.cluster == nil {
		return []admin.Replica{}, nil
	}
	peers := m.cluster.peers.Load()
	own := m.report()
	out := []admin.Replica{{
		ID: m.cluster.name, Self: true, Version: version.Read().Version, Leads: own.Leads, Entry: own.Entry, Nodes: own.Count,
		Addresses: shown(m.reached()), Seen: m.options.Now(),
	}}
	for _, p := range peers.all {
		out = append(out, admin.Replica{
			ID: p.ID, Version: p.Version, Leads: p.ID == peers.leader, Entry: p.report.Entry, Nodes: p.report.Count, Addresses: shown(p.Addresses),
			Started: p.Started, Seen: p.Seen,
		})
	}
	return out, nil
}

// shown returns the addresses of a replica that are anybody's business. They are a copy: many read what a replica told.
func shown(addresses map[string]string) map[string]string {
	out := maps.Clone(addresses)
	delete(out, addressProcess)
	return out
}

// toldOf adds to endpoints what the leader alone knows of them: that an empty answer is held back, or that there is none.
func (s *Server) toldOf(set admin.EndpointSet) admin.EndpointSet {
	for _, p := range s.others() {
		for _, told := range p.report.Sets {
			if told.Upstream == set.Upstream && !s.cluster.leads.Load() {
				set.Held, set.Failure = told.Held, told.Failure
			}
		}
	}
	return set
}

// tellSoon has the other replicas told soon that something about nodes changed.
func (s *Server) tellSoon() {
	if s.cluster == nil {
		return
	}
	select {
	case s.cluster.beat <- struct{}{}:
	default: // They are to be told already.
	}
}
