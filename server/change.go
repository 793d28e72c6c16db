package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/store"
)

// change is a configuration that compiles, on its way to become an entry of the history.
type change struct {
	*compiled
	documents     *gateway.Documents
	substitutions []gateway.Substitution

	author, message string
	source          string // Which source changed; "" for the watched directory, and for a rollback.
	of              int64  // For a rollback: the entry whose content it is.
	taken           string // The state of the watched directory that comes in with it; "" for none.
}

// change makes an entry of a configuration and lets it take effect. The caller holds the lock of reloads.
func (s *Server) change(ctx context.Context, c change) error {
	e, err := s.enter(ctx, c)
	if err != nil {
		return err
	}
	return s.effect(ctx, e)
}

// enter makes a history entry of a configuration, one that waits for somebody to confirm it where the guard says so. Nothing
// takes effect by it. It returns store.ErrConflict, wrapped, where the history grew meanwhile.
func (s *Server) enter(ctx context.Context, c change) (*entry, error) {
	before := s.live.Load()
	e := &entry{compiled: c.compiled, documents: c.documents, substitutions: c.substitutions, Entry: store.Entry{
		Content: c.revision.ID, Author: c.author, Message: c.message, Source: c.source, Of: c.of, Parent: before.entry, State: stateRolling,
	}}
	if e.Reason = s.guarded(before, c.compiled); e.Reason != "" {
		e.State = stateHeld
	}
	taken, err := s.takenWith(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("record the configuration: %w", err)
	}
	if err := s.record(ctx, e, taken); err != nil {
		return nil, fmt.Errorf("record the configuration: %w", err)
	}
	s.supersedeHeld(ctx, e.Number)
	s.latest = e.Entry
	if taken == forgotten {
		s.tryAgain()
	}
	return e, nil
}

// guarded tells why a configuration would be held; "" where it would not.
func (s *Server) guarded(before *live, next *compiled) string {
	if before.compiled == nil {
		return ""
	}
	return s.options.Guard.holds(before.revision, next.revision)
}

// forgotten is the state of a watched directory that is to be taken in again.
const forgotten = "none"

// tryAgain lets the configuration be loaded again soon, also where nothing changes meanwhile.
func (s *Server) tryAgain() {
	s.stuck.Store(true)
	select {
	case s.retry <- struct{}{}:
	default: // It is told already.
	}
}

// takenWith returns which state of the watched directory is taken in with a change. A change that comes before somebody has
// confirmed the directory's last state supersedes that: the directory is then taken in again, and waits anew.
func (s *Server) takenWith(ctx context.Context, c change) (string, error) {
	if c.taken != "" || s.latest.Number == 0 {
		return c.taken, nil
	}
	newest, err := s.store.History.Get(ctx, s.latest.Number)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	if err == nil && newest.State == stateHeld && newest.Source == "" && newest.Of == 0 {
		return forgotten, nil
	}
	return "", nil
}

// effect lets an entry take effect that was entered: its rollout begins, unless it is held.
func (s *Server) effect(ctx context.Context, e *entry) error {
	if e.State != stateHeld {
		return s.rollOut(ctx, e)
	}
	now := *s.live.Load()
	now.faults = nil
	s.live.Store(&now)
	s.log.Warn("configuration held", "entry", e.Number, "reason", e.Reason, "confirm", fmt.Sprintf("gatehouse confirm %d", e.Number))
	return nil
}

// sources returns the sources of the configuration in use, none where there is none.
func (l *live) sources() ([]config.Source, error) {
	if l.documents == nil {
		return nil, nil
	}
	return config.SplitSources(l.documents.Files)
}
