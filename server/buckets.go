package server

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/ratelimit/memory"
)

const (
	// bucketsFile is where the counts of limits that are in memory outlive the process, in the state directory.
	bucketsFile = "buckets"
	// bucketsEvery is how long what was spent may be in memory alone.
	bucketsEvery = 2 * time.Second
	// bucketsPart is which part of the time is spent on writing them at most: where a disk is slow, the wait grows.
	bucketsPart = 20
)

// savedBuckets is what became of writing the buckets.
type savedBuckets struct {
	failed  atomic.Uint64
	last    atomic.Pointer[memory.Saved] // That wrote something; nil: none yet.
	took    atomic.Int64                 // How many nanoseconds that took.
	failing bool                         // By whoever saves: it was told that it fails, or that the file has no room.
	full    bool                         // As failing.
}

// loadBuckets takes up the counts of limits of a process that ended. What cannot be read is told and left alone until it is
// written over: limits then count anew.
func (s *Server) loadBuckets() {
	if s.buckets == nil {
		return
	}
	age, found, err := s.buckets.Load(filepath.Join(s.options.State, bucketsFile))
	switch {
	case err != nil:
		s.log.Warn("limits begin to count anew", "error", err)
	case found:
		s.log.Info("limits count on", "buckets", s.buckets.Buckets(), "age", age.Round(time.Millisecond))
	}
}

// savingBuckets writes the counts of limits again and again. Its goroutine ends when it is stopped, after the write under way.
func (s *Server) savingBuckets() alone {
	return newAlone("saving buckets", func(ctx context.Context, tasks *sync.WaitGroup) error {
		tasks.Go(func() {
			for wait := bucketsEvery; ; wait = max(bucketsEvery, bucketsPart*s.saveBuckets()) {
				timer := time.NewTimer(wait)
				select {
				case <-ctx.Done():
					timer.Stop()
					return
				case <-timer.C:
				}
			}
		})
		return nil
	})
}

// saveBuckets writes the counts of limits, if any has changed, and returns how long it took. One at a time.
func (s *Server) saveBuckets() time.Duration {
	if s.buckets == nil {
		return 0
	}
	began := s.options.Now()
	saved, err := s.buckets.Save(filepath.Join(s.options.State, bucketsFile), 0)
	took := s.options.Now().Sub(began)
	b := &s.savedBuckets
	if err != nil {
		b.failed.Add(1)
		if !b.failing {
			s.log.Warn("counts of limits cannot be written: a restart would forget them", "error", err)
		}
		b.failing = true
		return took
	}
	if b.failing {
		b.failing = false
		s.log.Info("counts of limits are written again")
	}
	if saved.Unchanged {
		return took
	}
	if full := saved.LeftOut > 0; full != b.full {
		b.full = full
		s.log.Warn("the file of the counts of limits is full, or has room again", "left_out", saved.LeftOut, "written", saved.Buckets)
	}
	b.took.Store(int64(took))
	b.last.Store(&saved)
	return took
}
