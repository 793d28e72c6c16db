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

// useObserved takes what is observed now over into every entry that some node has or is to have. A reload does the same for
// its own; whichever comes second sees what the first did, as both hold the same lock.
func (s *Server) useObserved() {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	now := s.observed.Now()
	s.observeEach(func(before *compiled) (*compiled, bool) {
		learnt := *before.observed
		learnt.Endpoints, learnt.KeySets = now.Endpoints, now.KeySets
		table, err := before.xds.Observe(&learnt)
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
