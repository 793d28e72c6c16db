package server

import "github.com/gatehouse/gatehouse/ratelimit/memory"

// countLocally lets limits that say so be counted here, each for its part, while the shared store does not answer. What limits are
// patient with where they do not say is the store's own patience, where that is set.
func (s *Server) countLocally() {
	if s.options.Limits == nil {
		return
	}
	s.ratelimit.CountLocally(memory.New(memory.Options{Clock: s.options.Now}), func() int { return 1 + len(s.others()) })
	if patience := s.options.Limits.Timeout; patience > 0 {
		s.ratelimit.Wait(patience)
	}
}
