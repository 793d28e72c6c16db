package server

import (
	"context"
	"fmt"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/config"
	"github.com/gatehouse/gatehouse/gateway"
	"github.com/gatehouse/gatehouse/server/compare"
	"github.com/gatehouse/gatehouse/store"
)

// History returns entries of the history, newest first.
func (m management) History(ctx context.Context, before int64, limit int) ([]admin.Entry, error) {
	found, err := m.store.History.List(ctx, store.Query{Before: before, Limit: limit})
	if err != nil {
		return nil, storeProblem(err)
	}
	out := make([]admin.Entry, len(found))
	for i, e := range found {
		out[i] = m.entryOf(e)
	}
	return out, nil
}

// entryOf returns an entry in the words of the management API.
func (m management) entryOf(e store.Entry) admin.Entry {
	return admin.Entry{
		Number: e.Number, Content: e.Content, Author: e.Author, Message: e.Message, Source: e.Source, Parent: e.Parent, Of: e.Of,
		Created: e.Created, State: e.State, Reason: e.Reason, Changed: e.Changed, Live: e.Number == m.live.Load().entry,
	}
}

// Entry returns one entry; 0 is the one that is live.
func (m management) Entry(ctx context.Context, number int64) (admin.Entry, error) {
	e, err := m.stored(ctx, number)
	if err != nil {
		return admin.Entry{}, err
	}
	return m.entryOf(e), nil
}

// stored returns an entry of the store; 0 is the one that is live.
func (m management) stored(ctx context.Context, number int64) (store.Entry, error) {
	if number == 0 {
		if number = m.live.Load().entry; number == 0 {
			return store.Entry{}, fmt.Errorf("%w: no entry is live yet", admin.ErrNotFound)
		}
	}
	e, err := m.store.History.Get(ctx, number)
	if err != nil {
		return store.Entry{}, entryProblem(number, err)
	}
	return e, nil
}

// Documents returns the configuration of an entry, source by source.
func (m management) Documents(ctx context.Context, number int64, canonical bool) ([]admin.SourceFiles, error) {
	e, err := m.stored(ctx, number)
	if err != nil {
		return nil, err
	}
	files, err := m.contentOf(ctx, e.Content)
	if err != nil {
		return nil, storeProblem(err)
	}
	sources, err := config.SplitSources(files)
	if err != nil {
		return nil, err
	}
	var out []admin.SourceFiles
	for _, s := range sources {
		shown := admin.SourceFiles{Source: s.Name, Team: s.Team, Files: s.Files}
		if canonical {
			docs, _ := m.loadSources([]config.Source{s}, nil) // What is there was loaded before.
			shown.Files = config.Dump(docs)
		}
		out = append(out, shown)
	}
	return out, nil
}

// Compare tells what changes from one entry to another; 0 is the one that is live.
func (m management) Compare(ctx context.Context, from, to int64) (admin.Comparison, error) {
	before, err := m.asItWas(ctx, from)
	if err != nil {
		return admin.Comparison{}, err
	}
	after, err := m.asItWas(ctx, to)
	if err != nil {
		return admin.Comparison{}, err
	}
	out := admin.Comparison{From: before.Number, To: after.Number, Changes: []gateway.Change{}, Fleets: []admin.FleetChange{}}
	if before.Content == after.Content {
		return out, nil
	}
	out.Changes = append(out.Changes, compare.Documents(before.documents, after.documents)...)
	out.Fleets = m.withNodes(compare.Fleets(before.xds, after.xds, true))
	return out, nil
}

// asItWas returns an entry as the services understand it, watching nothing for it; 0 is the one that is live.
func (m management) asItWas(ctx context.Context, number int64) (*entry, error) {
	e, err := m.stored(ctx, number)
	if err != nil {
		return nil, err
	}
	built, err := m.rebuildWith(ctx, e.Number, 0, m.foresee)
	if err != nil {
		return nil, entryProblem(e.Number, err)
	}
	return built, nil
}
