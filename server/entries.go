package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/xds/rollout"
)

// States of a history entry. Those of a rollout that ended are its phase.
const (
	stateHeld       = "held"       // Waits for somebody to confirm it.
	stateRolling    = "rolling"    // Some fleet does not have it wholly yet.
	stateLive       = "live"       // Every fleet has it, or had it.
	stateAborted    = "aborted"    // Somebody ended its rollout in some fleet.
	stateRefused    = "refused"    // A gate broke in some fleet.
	stateSuperseded = "superseded" // A newer entry came first.
)

// maxAncestors bounds how far back a rebuild looks for what stands in for quarantined APIs.
const maxAncestors = 50

// nothing is the file of a configuration without files: a content in the store has at least one.
const nothing = ".nothing"

// entry is a history entry as every service understands it.
type entry struct {
	store.Entry
	*compiled
	substitutions []gateway.Substitution
}

// version returns how rollouts call it.
func (e *entry) version() rollout.Version {
	return rollout.Version{Entry: e.Number, Revision: e.Content}
}

// entries are those that some node has or is to have.
type entries struct {
	mu       sync.Mutex
	byNumber map[int64]*entry
}

func (s *entries) get(number int64) *entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byNumber[number]
}

func (s *entries) put(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byNumber[e.Number] = e
}

// all returns them, in no order.
func (s *entries) all() []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.byNumber))
}

// prune forgets all but some.
func (s *entries) prune(keep map[int64]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for number := range s.byNumber {
		if !keep[number] {
			delete(s.byNumber, number)
		}
	}
}

// record makes a history entry of a configuration.
func (s *Server) record(ctx context.Context, docs *gateway.Documents, e *entry) error {
	if len(e.substitutions) > 0 { // Otherwise nothing: an entry that has some keeps its parent.
		var err error
		if e.Substitutions, err = json.Marshal(e.substitutions); err != nil {
			return fmt.Errorf("write down what is quarantined: %w", err)
		}
	}
	files := docs.Files
	if len(files) == 0 {
		files = map[string][]byte{nothing: nil}
	}
	added, err := s.store.History.Add(ctx, e.Entry, files)
	if err != nil {
		return err
	}
	e.Entry = added
	s.events.Publish(admin.Event{Kind: admin.EventEntry, Entry: added.Number, State: added.State})
	return nil
}

// rebuild compiles an entry from the files in the store. What stood in for a quarantined API comes from the entries before
// it, so that a restart serves the same as the process before.
func (s *Server) rebuild(ctx context.Context, number int64, depth int) (*entry, error) {
	if found := s.entries.get(number); found != nil {
		return found, nil
	}
	stored, err := s.store.History.Get(ctx, number)
	if err != nil {
		return nil, err
	}
	files, err := s.store.History.Files(ctx, stored.Content)
	if err != nil {
		return nil, err
	}
	var substitutions []gateway.Substitution
	if err := json.Unmarshal(stored.Substitutions, &substitutions); len(stored.Substitutions) > 0 && err != nil {
		return nil, fmt.Errorf("entry %d: what is quarantined cannot be read: %w", number, err)
	}
	var before *compiled
	if len(substitutions) > 0 && stored.Parent > 0 && depth < maxAncestors {
		parent, err := s.rebuild(ctx, stored.Parent, depth+1)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if parent != nil {
			before = parent.compiled
		}
	}
	delete(files, nothing)
	docs, faults := config.LoadFiles(files, s.options.Config, config.Options{LookupEnv: s.options.Lookup})
	docs.Files = files
	from := s.tolerant()
	from.Learnt = s.observed.Prepare(ctx, docs)
	next, done, remaining := propose(docs, faults, from, before)
	if len(remaining) > 0 {
		return nil, fmt.Errorf("entry %d of the history: %w", number, remaining)
	}
	return &entry{Entry: stored, compiled: next, substitutions: done}, nil
}
