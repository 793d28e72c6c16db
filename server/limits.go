package server

import (
	"fmt"

	"github.com/gatehouse/gatehouse/ratelimit"
	"github.com/gatehouse/gatehouse/ratelimit/assign"
	"github.com/gatehouse/gatehouse/ratelimit/memory"
	"github.com/gatehouse/gatehouse/ratelimit/redis"
)

// openLimits makes the rate limit service over its store. The shared one connects once the server starts, and is waited for by
// nobody.
func (s *Server) openLimits() {
	var store ratelimit.Store
	if s.options.Limits != nil {
		o := *s.options.Limits
		o.Log = s.log
		s.shared = redis.New(o)
		store = s.shared
	} else {
		s.buckets = memory.New(memory.Options{Clock: s.options.Now})
		store = s.buckets
	}
	s.ratelimit = ratelimit.New(store, s.log, s.options.Now)
	s.ratelimit.Ask(s.callerFleet)
	s.assign = assign.New(assign.Options{
		Log: s.log, Now: s.options.Now, Book: assignments{s}, Shared: s.options.Store.URL != "", Caller: s.callerFleet,
	})
	s.countLocally()
}

// startLimits lets the shared store connect.
func (s *Server) startLimits() {
	if s.shared != nil {
		s.shared.Start()
	}
}

// closeLimits ends the shared store.
func (s *Server) closeLimits() {
	if s.shared != nil {
		s.shared.Close()
	}
}

// exportBuckets gives a successor the counts of limits that are in memory, until Seal; those that are shared stay where they are.
func (s *Server) exportBuckets(send func([]byte) error) error {
	if s.buckets == nil {
		return nil
	}
	if err := s.buckets.Export(send); err != nil {
		return fmt.Errorf("hand over buckets: %w", err)
	}
	return nil
}

// sealBuckets stops counting in memory, and gives a successor what changed since exportBuckets.
func (s *Server) sealBuckets(send func([]byte) error) error {
	if s.buckets == nil {
		return nil
	}
	for _, piece := range s.buckets.Seal() {
		if err := send(piece); err != nil {
			return fmt.Errorf("hand over buckets: %w", err)
		}
	}
	return nil
}

// unsealBuckets goes on counting, where a hand-over failed.
func (s *Server) unsealBuckets() {
	if s.buckets != nil {
		s.buckets.Unseal()
	}
}

// importBuckets takes over a part of what a predecessor has counted. Where the counts are shared now, it is of no use.
func (s *Server) importBuckets(piece []byte) error {
	if s.buckets == nil {
		return nil
	}
	return s.buckets.Import(piece)
}
