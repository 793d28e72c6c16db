package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/store"
)

// Apply makes a history entry of a proposal and begins its rollout.
func (m management) Apply(ctx context.Context, p admin.Proposal) (admin.Applied, error) {
	m.reloading.Lock()
	defer m.reloading.Unlock()
	if err := m.changeable(ctx); err != nil {
		return admin.Applied{}, err
	}
	if p.Upgrade {
		return admin.Applied{}, fmt.Errorf("%w: an upgrade can be planned, and happens when the other version starts", admin.ErrRefused)
	}
	if err := m.settled(ctx); err != nil {
		return admin.Applied{}, err
	}
	base := m.live.Load()
	c, err := m.candidate(ctx, base, p, &m.memory, func(ctx context.Context, docs *gateway.Documents) *gateway.Observed {
		m.followAlso(docs.Certificates)
		return m.observed.Prepare(ctx, docs)
	})
	if err != nil {
		return admin.Applied{}, err
	}
	if len(c.plan.Faults) > 0 {
		m.want() // What was watched for it is not needed.
		return admin.Applied{Entry: base.entry, Plan: c.plan}, refused(c.plan.Faults)
	}
	if p.Result != "" && p.Result != c.plan.Result {
		m.want()
		return admin.Applied{}, fmt.Errorf("%w: another configuration would come out than was planned: plan again", admin.ErrConflict)
	}
	return m.make(ctx, c, change{author: authorOf(ctx), message: p.Message, source: p.Source})
}

// settled lets an entry take effect first that could not when it was made: what comes now must not be built on what was before.
func (s *Server) settled(ctx context.Context) error {
	if !s.stuck.Load() || s.cluster != nil { // Of several replicas each takes up what the store says first.
		return nil
	}
	if err := s.reload(ctx); s.stuck.Load() {
		return fmt.Errorf("%w: the change before is not in use yet: %w", admin.ErrUnable, err)
	}
	return nil
}

// refused is the error of documents that have faults.
func refused(faults gateway.Faults) error {
	reason := "refused: the documents have a fault"
	if len(faults) > 1 {
		reason = fmt.Sprintf("refused: the documents have %d faults", len(faults))
	}
	return &admin.FaultyError{Reason: reason, Faults: faults}
}

// authorOf returns who changes something, for the history.
func authorOf(ctx context.Context) string { return cmp.Or(admin.CallerOf(ctx).Name, "nobody") }

// make makes a candidate the configuration, unless it is that already.
func (m management) make(ctx context.Context, c *candidate, as change) (admin.Applied, error) {
	m.compare(c)
	if c.unchanged() {
		state, err := m.stateOf(ctx, c.base.entry)
		return admin.Applied{Entry: c.base.entry, State: state, Plan: c.plan}, err
	}
	as.compiled, as.documents, as.substitutions = c.next, c.documents, c.substitutions
	// What is begun is ended, also where the caller goes meanwhile; the store bounds each step.
	ctx = context.WithoutCancel(ctx)
	e, err := m.enter(ctx, as)
	if err != nil {
		m.want()
		return admin.Applied{}, storeProblem(err)
	}
	m.log.Info("configuration changed", "entry", e.Number, "author", as.author, "of_source", as.source, "of_entry", as.of)
	if err := m.effect(ctx, e); err != nil {
		m.log.Error("configuration not in use, though it is good: it is tried again", "entry", e.Number, "error", err)
		m.tryAgain()
		return admin.Applied{}, fmt.Errorf("%w: entry %d is made, and its rollout begins as soon as the store can be written: %w", admin.ErrUnable, e.Number, err)
	}
	state, err := m.stateOf(ctx, e.Number)
	return admin.Applied{Entry: e.Number, Made: true, State: state, Plan: c.plan}, err
}

// stateOf returns the state of an entry.
func (s *Server) stateOf(ctx context.Context, number int64) (string, error) {
	if number == 0 {
		return "", nil
	}
	e, err := s.store.History.Get(ctx, number)
	return e.State, storeProblem(err)
}

// storeProblem returns an error of the store in the words of the management API.
func storeProblem(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: %w", admin.ErrNotFound, err)
	case errors.Is(err, store.ErrConflict):
		return fmt.Errorf("%w: %w", admin.ErrConflict, err)
	}
	return fmt.Errorf("%w: %w", admin.ErrUnable, err)
}

// entryProblem returns why an entry cannot be had, in the words of the management API.
func entryProblem(number int64, err error) error {
	if faults, ok := errors.AsType[gateway.Faults](err); ok {
		return &admin.FaultyError{Reason: fmt.Sprintf("refused: entry %d of the history has faults now", number), Faults: faults}
	}
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: there is no entry %d", admin.ErrNotFound, number)
	}
	return storeProblem(err)
}
