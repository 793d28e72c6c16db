package server

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/server/compare"
)

// Rollback makes an entry with the content of an older one. What is observed stays as it is.
func (m management) Rollback(ctx context.Context, r admin.Rollback) (admin.Applied, error) {
	m.reloading.Lock()
	defer m.reloading.Unlock()
	if err := m.changeable(ctx); err != nil {
		return admin.Applied{}, err
	}
	if admin.CallerOf(ctx).Role == admin.Member {
		return admin.Applied{}, fmt.Errorf("%w: a rollback changes what is not the team's: apply what your source held before", admin.ErrRefused)
	}
	if err := m.settled(ctx); err != nil {
		return admin.Applied{}, err
	}
	base := m.live.Load()
	if r.Base != 0 && r.Base != base.entry {
		return admin.Applied{}, fmt.Errorf("%w: entry %d is live, not %d", admin.ErrConflict, base.entry, r.Base)
	}
	learn := learner(m.observed.Prepare)
	if r.DryRun {
		learn = m.foresee
	}
	old, err := m.rebuildWith(ctx, r.Entry, 0, learn)
	if err != nil {
		m.want()
		return admin.Applied{}, entryProblem(r.Entry, err)
	}
	if old, err = m.withPresent(ctx, old, base, learn); err != nil {
		m.want()
		return admin.Applied{}, entryProblem(r.Entry, err)
	}
	c := &candidate{base: base, plan: newPlan("", base.entry), documents: old.documents, next: old.compiled, substitutions: old.substitutions}
	c.plan.Result = old.Content
	c.plan.Changes = append(c.plan.Changes, compare.Documents(base.documents, old.documents)...)
	if r.DryRun {
		m.compare(c)
		return admin.Applied{Entry: base.entry, Plan: c.plan}, nil
	}
	return m.make(ctx, c, change{author: authorOf(ctx), message: r.Message, of: r.Entry})
}

// withPresent returns an older entry with the key sets and endpoints of today, where they were handed in with its documents: a key
// that was withdrawn since must open nothing again.
func (s *Server) withPresent(ctx context.Context, old *entry, base *live, learn learner) (*entry, error) {
	if base.documents == nil {
		return old, nil
	}
	files := maps.Clone(old.documents.Files)
	changed := false
	for file := range old.documents.Present {
		if now, is := base.documents.Files[file]; is && base.documents.Present[file] && !bytes.Equal(now, files[file]) {
			files[file], changed = now, true
		}
	}
	if !changed {
		return old, nil
	}
	sources, err := config.SplitSources(files)
	if err != nil {
		return nil, err
	}
	docs, faults := s.loadSources(sources, nil)
	docs.Files = files
	from := s.tolerant()
	from.Learnt = learn(ctx, docs)
	next, substitutions, remaining := propose(docs, faults, from, old.compiled)
	if len(remaining) > 0 {
		return nil, remaining
	}
	now := &entry{Entry: old.Entry, compiled: next, documents: docs, substitutions: substitutions}
	now.Content = next.revision.ID
	return now, nil
}
