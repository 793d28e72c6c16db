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
			s.refresh()
		}
	}
}

// want makes the observer watch what the newest configuration in use wants, and what older ones want that some node still has.
func (s *Server) want() {
	all := &gateway.Revision{}
	upstreams, issuers := map[string]bool{}, map[string]bool{}
	add := func(rev *gateway.Revision) {
		for _, u := range rev.Upstreams {
			if !upstreams[u.Name] {
				upstreams[u.Name] = true
				all.Upstreams = append(all.Upstreams, u)
			}
		}
		for _, i := range rev.Issuers {
			if !issuers[i.Name] {
				issuers[i.Name] = true
				all.Issuers = append(all.Issuers, i)
			}
		}
	}
	if now := s.live.Load(); now.compiled != nil {
		add(now.revision)
	}
	for _, e := range s.entries.all() {
		add(e.revision)
	}
	s.observed.Want(all)
}

// learnt returns what is observed for a configuration. Where an older one learns the endpoints or keys of a name elsewhere than the
// newest does, it keeps what it has: what is watched under the name now is not what it means.
func (s *Server) learnt(of *compiled) *gateway.Observed {
	now := s.observed.Now()
	newest := s.live.Load()
	if newest.compiled == nil || newest.compiled == of || of.observed == nil {
		return now
	}
	out := &gateway.Observed{Endpoints: maps.Clone(now.Endpoints), KeySets: maps.Clone(now.KeySets)}
	keep := func(name string, kept []gateway.Endpoint, known bool) {
		if delete(out.Endpoints, name); known {
			out.Endpoints[name] = kept
		}
	}
	for _, u := range of.revision.Upstreams {
		i := slices.IndexFunc(newest.revision.Upstreams, func(w *gateway.Upstream) bool { return w.Name == u.Name })
		if i >= 0 && !sameSource(u, newest.revision.Upstreams[i]) {
			kept, known := of.observed.Endpoints[u.Name]
			keep(u.Name, kept, known)
		}
	}
	for _, issuer := range of.revision.Issuers {
		i := slices.IndexFunc(newest.revision.Issuers, func(w *gateway.Issuer) bool { return w.Name == issuer.Name })
		if i >= 0 && newest.revision.Issuers[i].KeyFile != issuer.KeyFile {
			out.KeySets[issuer.Name] = of.observed.KeySets[issuer.Name]
		}
	}
	return out
}

// sameSource reports whether two upstreams learn their endpoints in the same way.
func sameSource(a, b *gateway.Upstream) bool {
	return a == b || gateway.ContentHash([]any{a.Endpoints, a.Discovery}) == gateway.ContentHash([]any{b.Endpoints, b.Discovery})
}
