package server

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/envoy"
	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/xds/cache"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// Nodes returns every node that the delta server knows, and those of the store that have not come back since this process
// started.
func (m management) Nodes() []admin.Node {
	numbers := m.numbers()
	connected := m.xds.Nodes()
	out := make([]admin.Node, len(connected))
	seen := map[nodeKey]bool{}
	for i, n := range connected {
		out[i] = nodeOf(n)
	}
	out = m.addElsewhere(out)
	for _, n := range out {
		seen[nodeKey{n.Fleet, n.Name}] = true
	}
	for _, n := range m.known.of("", m.options.Now()) {
		if !seen[nodeKey{n.Fleet, n.Name}] {
			out = append(out, admin.Node{
				Fleet: n.Fleet, Name: n.Name, Address: n.Address, Envoy: n.Envoy, Bootstrap: n.Bootstrap, State: admin.Disconnected,
				Disconnected: n.LastSeen, Acknowledged: n.Content, Types: []admin.TypeStatus{},
			})
		}
	}
	for i := range out {
		numbers.add(&out[i])
	}
	slices.SortFunc(out, func(a, b admin.Node) int { return cmp.Or(cmp.Compare(a.Fleet, b.Fleet), cmp.Compare(a.Name, b.Name)) })
	return out
}

// nodeOf returns what is known of a node, in the API's words.
func nodeOf(n cache.Node) admin.Node {
	out := admin.Node{
		Fleet: n.Fleet, Name: n.Name, Address: n.Address, Envoy: n.Envoy, Bootstrap: n.Bootstrap, Admin: n.Admin, Warning: n.Warning,
		State: admin.State(n.State), Connected: n.Connected, Disconnected: n.Disconnected,
		Revision: n.Revision, Acknowledged: n.Acknowledged, Sent: n.Sent(), Types: make([]admin.TypeStatus, len(n.Types)),
	}
	for k, t := range n.Types {
		out.Types[k] = admin.TypeStatus(t)
	}
	if n.LastRefusal != nil {
		out.LastRefusal = refusal(n.LastRefusal)
	}
	return out
}

// numbers tells which entries of the history nodes should have and have: the delta server knows them by their content alone,
// which several entries may share.
type numbers struct {
	server  *Server
	fleets  map[string]rollout.State
	created map[int64]time.Time
}

func (s *Server) numbers() numbers {
	out := numbers{server: s, fleets: map[string]rollout.State{}, created: map[int64]time.Time{}}
	for _, state := range s.rollouts.States() {
		out.fleets[state.Fleet] = state
	}
	return out
}

// add adds the numbers to a node.
func (x numbers) add(n *admin.Node) {
	state := x.fleets[n.Fleet]
	assigned := state.Assignment()
	should := []rollout.Version{cmp.Or(assigned.Nodes[n.Name], assigned.Default)}
	if n.Revision == "" && n.State == admin.Disconnected {
		n.Revision = should[0].Revision
	}
	n.Entry = numberOf(n.Revision, append(should, state.Versions()...))
	last := x.server.known.get(n.Fleet, n.Name)
	n.AcknowledgedEntry = numberOf(n.Acknowledged, append(append(should, rollout.Version{Entry: last.Entry, Revision: last.Content}), state.Versions()...))
	n.AcknowledgedCreated = x.when(n.AcknowledgedEntry)
}

// numberOf returns the number of the first version of a content, 0 where there is none.
func numberOf(content string, among []rollout.Version) int64 {
	for _, v := range among {
		if content != "" && v.Revision == content {
			return v.Entry
		}
	}
	return 0
}

// when returns when an entry was made; zero where it is not known.
func (x numbers) when(number int64) time.Time {
	if number == 0 {
		return time.Time{}
	}
	if e := x.server.entries.get(number); e != nil {
		return e.Created
	}
	if at, ok := x.created[number]; ok {
		return at
	}
	ctx, cancel := context.WithTimeout(context.Background(), storeTimeout)
	defer cancel()
	e, err := x.server.store.History.Get(ctx, number)
	if err != nil {
		e = store.Entry{} // It was pruned: its age is not known.
	}
	x.created[number] = e.Created
	return e.Created
}

// Resources returns what a node should have and has.
func (m management) Resources(fleet, node string) []admin.Resource {
	all, _ := m.xds.Holdings(fleet, node)
	out := make([]admin.Resource, len(all))
	for i, h := range all {
		out[i] = admin.Resource{Type: h.Type, Name: h.Name, Version: h.Version, Held: h.Held, Refused: h.Refused, Origin: h.Origin}
		if h.Body == nil || !slices.Contains([]string{cache.TypeListener, cache.TypeRouteConfiguration, cache.TypeVirtualHost}, h.Type) {
			continue
		}
		if body, err := h.Body.UnmarshalNew(); err == nil { // We marshalled it ourselves.
			out[i].Fingerprint, err = envoy.Fingerprint(body)
			if err != nil {
				m.log.Error("fingerprint", "resource", h.Name, "error", err)
			}
		}
	}
	return out
}

// Retry sends a node once more what it refused.
func (m management) Retry(fleet, node string) bool {
	if m.cluster != nil && !m.serves(fleet, node) && m.retryElsewhere(fleet, node) {
		return true
	}
	return m.xds.Retry(fleet, node)
}

func refusal(r *cache.Refusal) *admin.Refusal {
	out := &admin.Refusal{Type: r.Type, Text: r.Text, Time: r.Time, Total: r.Total, Suspects: make([]admin.Suspect, len(r.Suspects))}
	for i, s := range r.Suspects {
		out.Suspects[i] = admin.Suspect{Name: s.Name, Origin: s.Origin, Named: s.Named}
	}
	return out
}
