package server

import (
	"cmp"
	"context"
	"maps"
	"net"
	"slices"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/observed"
	"github.com/gatehouse/gatehouse/xds"
)

// newObserver returns what watches names, files and pushes.
func (s *Server) newObserver() *observed.Observer {
	resolver := s.options.Resolver
	if resolver == nil {
		resolver = &net.Resolver{PreferGo: true} // The system's own has no bound that a context could set.
	}
	return observed.New(observed.Options{
		Resolver: resolver, Reader: config.Watched{Dir: cmp.Or(s.options.Config, ".")}, Store: keptObserved{s}, Refresh: s.options.Refresh, Now: s.options.Now, Log: s.log,
	})
}

// observe brings what is observed to the Envoys until ctx ends.
func (s *Server) observe(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.observed.Changes():
			s.useObserved()
		}
	}
}

// useObserved takes what is observed now over into every entry that some node has or is to have. A reload does the same for
// its own; whichever comes second sees what the first did, as both hold the same lock.
func (s *Server) useObserved() {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.observeEach(func(before *compiled) (*compiled, bool) {
		learnt := *before.observed
		now := s.learnt(before)
		learnt.Endpoints, learnt.KeySets = now.Endpoints, now.KeySets
		table, err := observeTable(before, &learnt)
		if err != nil {
			s.log.Error("what is observed cannot be sent", "error", err)
			return nil, false
		}
		if table == before.xds {
			return nil, false
		}
		next := *before
		next.xds, next.observed = table, &learnt
		return &next, true
	})
}

// observeTable returns what Envoys get with what is observed now.
func observeTable(before *compiled, learnt *gateway.Observed) (*xds.Table, error) {
	if !before.xds.Awaited(before.revision, learnt) {
		return before.xds.Observe(learnt)
	}
	table, faults := xds.Compile(before.revision, learnt, before.xds)
	if len(faults) > 0 {
		return nil, gateway.Faults(faults)
	}
	return table, nil
}

// observeEach puts what again makes of each entry in its place (nil: it stays), and delivers what changed for Envoys. The caller
// holds the lock of reloads.
func (s *Server) observeEach(again func(*compiled) (next *compiled, changed bool)) {
	deliver := false
	for _, e := range s.entries.all() {
		next, changed := again(e.compiled)
		if next == nil {
			continue
		}
		deliver = deliver || changed
		now := *e
		now.compiled = next
		s.entries.put(&now)
		if before := s.live.Load(); before.entry == e.Number {
			after := *before
			after.compiled = next
			s.live.Store(&after)
		}
	}
	if deliver {
		s.rollouts.Deliver()
	}
}

// learnt returns what is observed for a configuration. Where an older one learns the endpoints or keys of a name elsewhere than the
// newest does, it keeps what it has: what is watched under the name now is not what it means.
func (s *Server) learnt(of *compiled) *gateway.Observed {
	now := s.observed.Now()
	newest := s.live.Load()
	if newest.compiled == nil || newest.compiled == of {
		return now
	}
	out := &gateway.Observed{Endpoints: maps.Clone(now.Endpoints), KeySets: maps.Clone(now.KeySets)}
	for _, u := range of.revision.Upstreams {
		i := slices.IndexFunc(newest.revision.Upstreams, func(w *gateway.Upstream) bool { return w.Name == u.Name })
		if i < 0 || sameSource(u, newest.revision.Upstreams[i]) {
			continue
		}
		delete(out.Endpoints, u.Name)
		if kept, known := of.observed.Endpoints[u.Name]; known {
			out.Endpoints[u.Name] = kept
		}
	}
	for _, issuer := range of.revision.Issuers {
		i := slices.IndexFunc(newest.revision.Issuers, func(w *gateway.Issuer) bool { return w.Name == issuer.Name })
		if i >= 0 && newest.revision.Issuers[i].KeySource() != issuer.KeySource() {
			out.KeySets[issuer.Name] = of.observed.KeySets[issuer.Name]
		}
	}
	return out
}

// sameSource reports whether two upstreams learn their endpoints in the same way.
func sameSource(a, b *gateway.Upstream) bool {
	return a == b || gateway.ContentHash([]any{a.Endpoints, a.Discovery}) == gateway.ContentHash([]any{b.Endpoints, b.Discovery})
}
