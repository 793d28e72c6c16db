package server

import (
	"cmp"
	"context"
	"net"

	"github.com/gatehouse/gatehouse/config"
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
			s.useObserved()
		}
	}
}

// useObserved takes what is observed now over into what is live. A reload does the same for its own revision; whichever comes
// second sees what the first did, as both hold the same lock.
func (s *Server) useObserved() {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	before := s.live.Load()
	if before.compiled == nil {
		return
	}
	learnt := *before.observed
	now := s.observed.Now()
	learnt.Endpoints, learnt.KeySets = now.Endpoints, now.KeySets
	table, err := before.xds.Observe(&learnt)
	if err != nil {
		s.log.Error("what is observed cannot be sent", "error", err)
		return
	}
	if table == before.xds {
		return
	}
	after, next := *before, *before.compiled
	next.xds, next.observed = table, &learnt
	after.compiled = &next
	next.xds.Use(s.xds)
	s.live.Store(&after)
}
