package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
)

// quarantineRounds bounds how often documents are compiled again without their faulty APIs: what stands in for one may show
// a fault that was hidden before.
const quarantineRounds = 3

// live is what the server serves, and what it thought of the last reload.
type live struct {
	*compiled
	documents     *gateway.Documents // As they were loaded, nothing quarantined.
	entry         int64              // Of the history.
	since         time.Time
	substitutions []gateway.Substitution
	faults        gateway.Faults // Of the last reload; what is served may be older.
}

// Reload loads the configuration and compiles it whole. What is good is used by every service; a faulty API is replaced by
// its last good version, or by 503; with any other fault everything stays as it was, and the faults are the error. It may be
// called at any time, by many.
func (s *Server) Reload(ctx context.Context) error {
	if s.cluster != nil && !s.cluster.leads.Load() {
		return s.catchUp(ctx) // The leader's directory counts.
	}
	if err := s.reloading.LockUntil(ctx); err != nil {
		return err
	}
	defer s.reloading.Unlock()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if !s.restored {
		return errors.New("the server has not started: it loads its documents when it does")
	}
	if err := s.takeUpAll(ctx); err != nil {
		s.stuck.Store(true)
		return err
	}
	return s.reload(ctx)
}

// reload is Reload for who holds the lock.
func (s *Server) reload(ctx context.Context) error {
	s.stuck.Store(false)
	read, err := s.readDirectory(ctx)
	if err != nil {
		s.stuck.Store(true)
		s.log.Error("the configuration cannot be read, it is tried again", "error", err)
		return err
	}
	docs, faults := read.documents, read.faults
	before := s.live.Load()
	s.followAlso(docs.Certificates)
	from := s.sources()
	from.Learnt = s.observed.Prepare(ctx, docs)
	for _, f := range docs.Watched {
		if !s.observed.Knows(f.Object) {
			faults = append(faults, f)
		}
	}
	if before.compiled != nil { // At a start routes that wait for keys answer 503, and the others serve.
		faults = append(faults, s.unknownKeys(docs.Issuers, from.Learnt)...)
	}
	next, substitutions, remaining := propose(docs, faults, from, before.compiled)
	if len(remaining) > 0 {
		s.want()
		refused := *before
		refused.faults = remaining
		s.live.Store(&refused)
		for _, f := range remaining {
			s.log.Error("fault", "code", string(f.Code), "place", f.Place.String(), "object", f.Object.String(), "message", f.Message)
		}
		return remaining
	}
	// What is begun is ended, also where the server stops meanwhile; the store bounds each step.
	err = s.take(context.WithoutCancel(ctx), read, next, substitutions)
	s.stuck.Store(err != nil)
	if err != nil {
		s.log.Error("configuration not in use, though it is good: it is tried again", "error", err)
	}
	return err
}

// take makes what was read the configuration: a new entry, or the newest one with what its names stand for now.
func (s *Server) take(ctx context.Context, read *directory, next *compiled, substitutions []gateway.Substitution) error {
	if read.changed && s.latest.Content != next.revision.ID {
		return s.change(ctx, change{
			documents: read.documents, compiled: next, substitutions: substitutions,
			author: "directory", message: "directory changed", taken: read.digest,
		})
	}
	if read.changed {
		if err := s.store.Meta.Set(ctx, takenKey, read.digest); err != nil {
			return err
		}
	}
	return s.renew(ctx, &entry{Entry: s.latest, compiled: next, documents: read.documents, substitutions: substitutions})
}

// propose compiles documents, with faulty APIs quarantined. It returns what can be used, or the faults that stand against it.
func propose(docs *gateway.Documents, faults gateway.Faults, from files, before *compiled) (*compiled, []gateway.Substitution, gateway.Faults) {
	var revision *gateway.Revision
	if before != nil {
		revision = before.revision
	}
	var substitutions []gateway.Substitution
	var written gateway.Faults // Those of all rounds: the first are what somebody wrote, and others follow from what stands in.
	for range quarantineRounds {
		next, found := compile(docs, from, before)
		faults = append(faults, found...)
		if len(faults) == 0 {
			return next, substitutions, nil
		}
		for _, f := range faults {
			if !hasFault(written, f) {
				written = append(written, f)
			}
		}
		var shared gateway.Faults
		var done []gateway.Substitution
		docs, shared, done = gateway.Quarantine(docs, revision, faults.Sort())
		if len(shared) > 0 || len(done) == 0 {
			break
		}
		substitutions, faults = append(substitutions, done...), nil
	}
	return nil, nil, written.Sort()
}

// Between two attempts to use a good configuration that could not be used, as with a full disk.
const (
	firstAgain = time.Second
	lastAgain  = 30 * time.Second
)

// watch reloads whenever the directory changes, if there is one, and while a good configuration could not be used, until ctx
// ends.
func (s *Server) watch(ctx context.Context, tasks *sync.WaitGroup) error {
	var changes <-chan struct{}
	if s.options.Config != "" {
		var err error
		if changes, err = config.Watch(ctx, s.options.Config, s.log); err != nil {
			return fmt.Errorf("watch %s: %w", s.options.Config, err)
		}
	}
	tasks.Go(func() {
		wait := firstAgain
		for {
			var again <-chan time.Time
			if s.stuck.Load() {
				again = time.After(wait/2 + rand.N(wait/2))
				wait = min(2*wait, lastAgain)
			} else {
				wait = firstAgain
			}
			select {
			case <-ctx.Done():
				return
			case _, open := <-changes:
				if !open {
					return
				}
			case <-s.retry:
				continue
			case <-again:
			}
			// Faults are logged where they are found, and shown by the management API.
			_ = s.Reload(ctx)
		}
	})
	return nil
}
