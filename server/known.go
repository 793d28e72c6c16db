package server

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/xds/cache"
)

const (
	// knownFor is how long a node that has gone counts as one of its fleet.
	knownFor = time.Hour
	// noteEvery is how often what changed about nodes is written down.
	noteEvery = 2 * time.Second
	// maxOlder bounds for how many entries the services answer because nodes acknowledged them last.
	maxOlder = 50
)

// known are the nodes of the store: who they are and what they acknowledged last.
type known struct {
	mu    sync.Mutex
	nodes map[nodeKey]store.Node
}

type nodeKey struct{ fleet, name string }

// load reads them.
func (k *known) load(ctx context.Context, from *store.Nodes) error {
	all, err := from.List(ctx, "")
	if err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range all {
		k.nodes[nodeKey{n.Fleet, n.Name}] = n
	}
	return nil
}

// get returns what is known of a node, nothing of one that is not known.
func (k *known) get(fleet, name string) store.Node {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.nodes[nodeKey{fleet, name}]
}

// of returns the nodes of a fleet, or of all where it is "", that were seen in the last hour.
func (k *known) of(fleet string, now time.Time) []store.Node {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []store.Node
	for _, n := range k.nodes {
		if (fleet == "" || n.Fleet == fleet) && now.Sub(n.LastSeen) <= knownFor {
			out = append(out, n)
		}
	}
	return out
}

// acknowledged returns the entries that nodes acknowledged last, newest last, at most 50.
func (k *known) acknowledged() []int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	numbers := map[int64]bool{}
	for _, n := range k.nodes {
		if n.Entry > 0 {
			numbers[n.Entry] = true
		}
	}
	sorted := slices.Sorted(maps.Keys(numbers))
	return sorted[max(0, len(sorted)-maxOlder):]
}

// differ takes in what is known now and returns what of it must be written down. Times alone are written every few minutes.
func (k *known) differ(nodes []store.Node) []store.Node {
	k.mu.Lock()
	defer k.mu.Unlock()
	var changed []store.Node
	for _, n := range nodes {
		old, is := k.nodes[nodeKey{n.Fleet, n.Name}]
		if n.Content == "" {
			n.Entry, n.Content = old.Entry, old.Content
		}
		if is && old.Envoy == n.Envoy && old.Bootstrap == n.Bootstrap && old.Address == n.Address && old.Content == n.Content &&
			maps.Equal(old.Labels, n.Labels) && n.LastSeen.Sub(old.LastSeen) < knownFor/10 {
			continue
		}
		changed = append(changed, n)
	}
	return changed
}

// took notes that nodes were written down.
func (k *known) took(nodes []store.Node) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, n := range nodes {
		k.nodes[nodeKey{n.Fleet, n.Name}] = n
	}
}

// forget drops the nodes that were not seen since.
func (k *known) forget(before time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.nodes, func(_ nodeKey, n store.Node) bool { return n.LastSeen.Before(before) })
}

// noteNodes writes down what changed about nodes, again and again until ctx ends, and then once more.
func (s *Server) noteNodes(ctx context.Context) {
	ticker := time.NewTicker(noteEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
			defer cancel()
			s.note(last)
			return
		case <-ticker.C:
			s.note(ctx)
		}
	}
}

func (s *Server) note(ctx context.Context) {
	if !s.nodesChanged.Swap(false) {
		return
	}
	now := s.options.Now()
	numbers := map[string]int64{}
	for _, state := range s.rollouts.States() {
		for _, v := range state.Versions() {
			numbers[v.Revision] = v.Entry
		}
	}
	var nodes []store.Node
	elsewhere := s.elsewhere("")
	for _, n := range s.xds.Nodes() {
		seen := now
		if n.State == cache.StateDisconnected {
			if _, moved := elsewhere[nodeKey{n.Fleet, n.Name}]; moved {
				continue // Another replica writes down what it does now.
			}
			seen = n.Disconnected
		}
		node := store.Node{Fleet: n.Fleet, Name: n.Name, Envoy: n.Envoy, Bootstrap: n.Bootstrap, Address: n.Address, Labels: n.Labels, LastSeen: seen}
		if number := numbers[n.Acknowledged]; number > 0 {
			node.Entry, node.Content = number, n.Acknowledged
		}
		nodes = append(nodes, node)
	}
	changed := s.known.differ(nodes)
	if err := s.store.Nodes.Put(ctx, changed...); err != nil {
		s.nodesChanged.Store(true)
		s.log.Error("nodes cannot be written down", "error", err)
		return
	}
	s.known.took(changed)
}
