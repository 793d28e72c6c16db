package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// cluster is what a server has when it shares its store with others: it is one replica of several.
type cluster struct {
	name     string // Of this replica, also after a restart.
	process  string // Of this process.
	election *election
	leading  []alone // What only the leader runs.
	leads    atomic.Bool
	followed atomic.Pointer[time.Time] // When all that the store says was taken over last; nil: never.
	beat     chan struct{}             // Something changed that the others should know.
	peers    atomic.Pointer[peers]
	resting  map[int64]rest // By the server's reloading: entries that could not be rebuilt here.

	mu        sync.Mutex
	complains map[string]bool // Fleets of which was said that they cannot be served here, and "" for the replica itself; by mu.
}

// joinCluster makes the server one of several replicas where its store is one that several can share.
func (s *Server) joinCluster() error {
	if s.options.Store.URL == "" {
		return nil
	}
	name := s.options.Replica
	if name == "" {
		var err error
		if name, err = os.Hostname(); err != nil || name == "" {
			return errors.Join(errors.New("this host has no name: name the replica with --replica"), err)
		}
	}
	c := &cluster{name: name, process: name + "/" + rand.Text(), beat: make(chan struct{}, 1), complains: map[string]bool{}, resting: map[int64]rest{}}
	c.peers.Store(&peers{})
	c.election = &election{
		server: s, leases: s.store.Leases, holder: c.process, ttl: cmp.Or(s.options.Lease, leaseTime), wake: make(chan struct{}, 1),
	}
	s.cluster = c
	s.observed.Lead(false)
	c.leading = []alone{s.rollingOutAsLeader(), s.fetching(), s.watchingDirectory(), s.chores(choresFirst)}
	s.alone = []alone{s.following(), s.noting(), s.beating(), s.answering(), c.election.electing()}
	return nil
}

// complain says something about a fleet once, until it is well again (nil).
func (c *cluster) complain(fleet string, say func()) {
	c.mu.Lock()
	said := c.complains[fleet]
	c.complains[fleet] = say != nil
	c.mu.Unlock()
	if say != nil && !said {
		say()
	}
}

// rollingOutAsLeader takes rollouts further, from where the leader before was seen last.
func (s *Server) rollingOutAsLeader() alone {
	return newAlone("rollouts", func(ctx context.Context, tasks *sync.WaitGroup) error {
		tasks.Go(func() {
			for s.takeUpAnew(ctx) != nil && ctx.Err() == nil {
				again := time.NewTimer(jittered(firstAgain))
				select {
				case <-ctx.Done():
				case <-again.C:
				}
				again.Stop()
			}
			s.rollouts.Run(ctx)
		})
		return nil
	})
}

func (s *Server) takeUpAnew(ctx context.Context) error {
	if err := s.reloading.LockUntil(ctx); err != nil {
		return err
	}
	defer s.reloading.Unlock()
	reading, done := context.WithTimeout(ctx, handOverLimit)
	defer done()
	err := s.takeUp(reading, true)
	if err != nil && ctx.Err() == nil {
		s.log.Error("the rollouts cannot be taken up", "error", err)
	}
	return err
}

// fetching asks names and reads files for all replicas.
func (s *Server) fetching() alone {
	return alone{
		name:  "fetching",
		start: func() error { s.observed.Lead(true); return nil },
		stop:  func(context.Context) error { s.observed.Lead(false); return nil },
	}
}

// watchingDirectory takes in the documents of the watched directory, and, where there is none and the history is empty, the
// configuration without documents.
func (s *Server) watchingDirectory() alone {
	return newAlone("directory", func(ctx context.Context, tasks *sync.WaitGroup) error {
		tasks.Go(func() {
			if s.options.Config == "" && s.live.Load().compiled != nil {
				return
			}
			if s.options.Config != "" { // First, so that no change is missed.
				if err := s.watch(ctx, tasks); err != nil {
					s.fail(fmt.Errorf("watch the directory: %w", err))
				}
			}
			if err := s.Reload(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("configuration refused", "faults", err.Error())
			}
		})
		return nil
	})
}

// noting writes down what changes about the nodes of this replica.
func (s *Server) noting() alone {
	return newAlone("nodes", func(ctx context.Context, tasks *sync.WaitGroup) error {
		tasks.Go(func() { s.noteNodes(ctx) })
		return nil
	})
}
