package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// leaderLease is the name of the lease whose holder leads.
const leaderLease = "leader"

// By default a lease lasts for leaseTime. Its holder renews it leaseParts times meanwhile, and stops to lead when a share
// of it is still left: what it then has under way ends before another can begin.
const (
	leaseTime   = 5 * time.Second
	leaseParts  = 4
	leaseMargin = 4 // A leaseMargin-th of the lease.
)

// leases is where replicas agree on who leads.
type leases interface {
	Take(ctx context.Context, name, holder string, ttl time.Duration) (store.Lease, error)
	Renew(ctx context.Context, lease store.Lease, ttl time.Duration) (store.Lease, error)
	Release(ctx context.Context, lease store.Lease) error
}

// election makes this replica the leader whenever it can be, and runs what only the leader may run.
type election struct {
	server *Server
	leases leases
	holder string // This process, not its host: of two with one name one leads at most.
	ttl    time.Duration
	wake   chan struct{} // The lease may be free.
}

// electing is the election as what one process of a name alone runs: it ends before a successor's begins.
func (e *election) electing() alone {
	return newAlone("election", func(ctx context.Context, tasks *sync.WaitGroup) error {
		tasks.Go(func() { e.run(ctx) })
		return nil
	})
}

// poke says that the lease may be free.
func (e *election) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// run tries to get the lease, and leads while it has it, until ctx ends.
func (e *election) run(ctx context.Context) {
	for ctx.Err() == nil {
		asked := time.Now() // The lease ends by our own clock, from before it was asked for.
		trying, cancel := context.WithTimeout(ctx, e.ttl)
		lease, err := e.leases.Take(trying, leaderLease, e.holder, e.ttl)
		cancel()
		if err == nil {
			e.lead(ctx, lease, asked)
			continue
		}
		if !errors.Is(err, store.ErrConflict) && ctx.Err() == nil {
			e.server.log.Debug("nobody can be elected", "error", err)
		}
		again := time.NewTimer(jittered(e.ttl / leaseParts))
		select {
		case <-ctx.Done():
		case <-again.C:
		case <-e.wake:
		}
		again.Stop()
	}
}

// lead runs what the leader runs, until the lease is lost or ctx ends.
func (e *election) lead(ctx context.Context, lease store.Lease, asked time.Time) {
	s := e.server
	s.log.Info("this replica leads", "replica", s.cluster.name, "term", lease.Fence)
	leading, cancel := context.WithCancel(ctx)
	defer cancel()
	s.cluster.leads.Store(true)
	begun := make(chan struct{})
	go func() { // To begin takes a while where much has to be compiled, and the lease must be renewed meanwhile.
		defer close(begun)
		for _, a := range s.cluster.leading {
			if leading.Err() != nil {
				return
			}
			if err := a.start(); err != nil {
				s.log.Error("not everything runs at the leader", "what", a.name, "error", err)
			}
		}
	}()
	why := e.hold(ctx, &lease, asked)
	s.cluster.leads.Store(false)
	cancel()
	s.log.Warn("this replica leads no more", "replica", s.cluster.name, "term", lease.Fence, "reason", why.Error())
	stop := func() { // What waits for the store ends within the store's own bound; by then another may lead, and it writes nothing.
		for _, a := range s.cluster.leading {
			_ = a.stop(context.WithoutCancel(ctx)) // It only waits.
		}
	}
	stop() // What is begun already first: beginning ends by it.
	<-begun
	stop()
	if ctx.Err() != nil { // It ends by itself: another may begin at once.
		letting, done := context.WithTimeout(context.WithoutCancel(ctx), e.ttl/leaseParts)
		defer done()
		if err := e.leases.Release(letting, lease); err != nil {
			s.log.Debug("the lease ends by itself", "error", err)
		}
	}
}

// hold renews a lease as long as that can be done in time, and returns why it ended.
func (e *election) hold(ctx context.Context, lease *store.Lease, asked time.Time) error {
	until := asked.Add(e.ttl - e.ttl/leaseMargin)
	for {
		wait := time.NewTimer(min(e.ttl/leaseParts, time.Until(until)))
		select {
		case <-ctx.Done():
			wait.Stop()
			return context.Cause(ctx)
		case <-wait.C:
		}
		if time.Until(until) <= 0 {
			return errors.New("the lease could not be renewed in time")
		}
		asked = time.Now()
		renewing, cancel := context.WithDeadline(ctx, until)
		renewed, err := e.leases.Renew(renewing, *lease, e.ttl)
		cancel()
		switch {
		case err == nil:
			*lease, until = renewed, asked.Add(e.ttl-e.ttl/leaseMargin)
		case errors.Is(err, store.ErrConflict):
			return err
		case ctx.Err() == nil:
			e.server.log.Warn("the lease cannot be renewed", "error", err)
		}
	}
}
