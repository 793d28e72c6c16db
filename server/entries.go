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
	"github.com/gatehouse/gatehouse/server/compare"
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
	documents     *gateway.Documents // As they were loaded, nothing quarantined.
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

// record makes a history entry of a configuration. taken is which state of the watched directory comes in with it; "" for none.
// It returns store.ErrConflict where somebody else made an entry meanwhile.
func (s *Server) record(ctx context.Context, e *entry, taken string) error {
	if len(e.substitutions) > 0 { // Otherwise nothing: an entry that has some keeps its parent.
		var err error
		if e.Substitutions, err = json.Marshal(e.substitutions); err != nil {
			return fmt.Errorf("write down what is quarantined: %w", err)
		}
	}
	files := e.documents.Files
	if len(files) == 0 {
		files = map[string][]byte{nothing: nil}
	}
	e.Resources = compare.Digest(e.xds)
	err := s.store.Together(ctx, func(ctx context.Context, together *store.Store) error {
		added, err := together.History.AddAfter(ctx, e.Entry, files, s.latest.Number)
		if err != nil {
			return err
		}
		e.Entry = added
		e.Resources = nil
		if taken == "" {
			return nil
		}
		return together.Meta.Set(ctx, takenKey, taken)
	})
	if err == nil {
		s.events.Publish(admin.Event{Kind: admin.EventEntry, Entry: e.Number, State: e.State})
	}
	return err
}

// contentOf returns the files of a content.
func (s *Server) contentOf(ctx context.Context, id string) (map[string][]byte, error) {
	files, err := s.store.History.Files(ctx, id)
	delete(files, nothing)
	return files, err
}

// rebuild compiles an entry from the files in the store. What stood in for a quarantined API comes from the entries before
// it, so that a restart serves the same as the process before.
func (s *Server) rebuild(ctx context.Context, number int64, depth int) (*entry, error) {
	return s.rebuildWith(ctx, number, depth, s.observed.Prepare)
}

// rebuildWith is rebuild where learn returns what is observed for documents.
func (s *Server) rebuildWith(ctx context.Context, number int64, depth int, learn learner) (*entry, error) {
	if found := s.entries.get(number); found != nil {
		return found, nil
	}
	stored, err := s.store.History.Get(ctx, number)
	if err != nil {
		return nil, err
	}
	var before *compiled
	if stored.Of > 0 && depth < maxAncestors { // It is what that entry was, substitutions included.
		of, err := s.rebuildWith(ctx, stored.Of, depth+1, learn)
		switch {
		case err == nil && of.Content == stored.Content:
			return &entry{Entry: stored, compiled: of.compiled, documents: of.documents, substitutions: of.substitutions}, nil
		case err == nil:
			before = of.compiled
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		}
	}
	files, err := s.contentOf(ctx, stored.Content)
	if err != nil {
		return nil, err
	}
	var substitutions []gateway.Substitution
	if err := json.Unmarshal(stored.Substitutions, &substitutions); len(stored.Substitutions) > 0 && err != nil {
		return nil, fmt.Errorf("entry %d: what is quarantined cannot be read: %w", number, err)
	}
	if len(substitutions) > 0 && before == nil && stored.Parent > 0 && depth < maxAncestors {
		parent, err := s.rebuildWith(ctx, stored.Parent, depth+1, learn)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if parent != nil {
			before = parent.compiled
		}
	}
	sources, err := config.SplitSources(files)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", number, err)
	}
	docs, faults := s.loadSources(sources, nil)
	docs.Files = files
	from := s.tolerant()
	from.Learnt = learn(ctx, docs)
	next, done, remaining := propose(docs, faults, from, before)
	if len(remaining) > 0 {
		return nil, fmt.Errorf("entry %d of the history: %w", number, remaining)
	}
	return &entry{Entry: stored, compiled: next, documents: docs, substitutions: done}, nil
}

// learner returns what is observed for documents.
type learner func(ctx context.Context, docs *gateway.Documents) *gateway.Observed
