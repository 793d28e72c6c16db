package store

import (
	"context"
	"fmt"
)

// Pruned says how much was removed.
type Pruned struct{ Entries, Contents, Files, Rollouts int }

// maxRollouts is how many finished rollouts stay at most, beside the last one of each fleet in each state.
const maxRollouts = 1000

// pruneAtOnce is how many entries one transaction removes, so that other changes need not wait long.
const pruneAtOnce = 50

// last are the last finished rollouts of each fleet, one for each state in which one ended.
const last = "SELECT max(id) FROM rollouts WHERE finished > 0 GROUP BY fleet, state"

// needed are the entries that stay however old they are: those in a state that is kept, those that an open rollout or the
// last finished one of a fleet leads to or from, and those of a content that a node runs.
const needed = `SELECT number FROM entries WHERE content IN (SELECT content FROM nodes)
	UNION SELECT entry FROM nodes
	UNION SELECT entry FROM rollouts WHERE finished = 0 UNION SELECT previous FROM rollouts WHERE finished = 0
	UNION SELECT entry FROM rollouts WHERE id IN (` + last + `)
	UNION SELECT previous FROM rollouts WHERE id IN (` + last + ")"

// ancestors are the parents of entries that stay and have substitutions, and theirs: what stands in for a quarantined object is
// found in them. So are the entries that a rollback which stays goes back to.
//
// PostgreSQL allows a recursive query only one part that looks at itself.
const ancestors = `
	UNION SELECT older.number FROM (
		SELECT number AS child, parent AS number FROM entries WHERE length(substitutions) > 0
		UNION ALL SELECT number, of_entry FROM entries WHERE of_entry > 0
	) AS older JOIN stays ON older.child = stays.number`

// Prune removes all entries but the newest and those that are needed, with the finished rollouts that led to them, and then
// every content and file that no entry has. An entry is needed while it is in one of the states given, while a node that was
// not forgotten acknowledged it or its content last, or while an open rollout, or the last finished one of a fleet in each
// state, leads to it or from it; and where an entry that stays has substitutions, its
// parent is needed too, and where it is a rollback, the entry to which that goes back. Of the finished rollouts that remain, the newest 1,000 and those last ones stay. It
// works in small steps, and where it fails in between, what is left is whole.
func (h *History) Prune(ctx context.Context, keep int, states ...string) (Pruned, error) {
	if keep < 1 {
		return Pruned{}, fmt.Errorf("prune the history: %w: at least one entry is kept, not %d", ErrInvalid, keep)
	}
	var total Pruned
	for {
		step, err := h.pruneStep(ctx, keep, states)
		if err != nil {
			return total, err
		}
		total.Entries += step.Entries
		total.Contents += step.Contents
		total.Files += step.Files
		total.Rollouts += step.Rollouts
		if step.Entries < pruneAtOnce {
			return total, nil
		}
	}
}

func (h *History) pruneStep(ctx context.Context, keep int, states []string) (p Pruned, err error) {
	stays := "SELECT number FROM (SELECT number FROM entries ORDER BY number DESC LIMIT $1) AS newest UNION " + needed
	args := []any{keep}
	if len(states) > 0 {
		stays += " UNION SELECT number FROM entries WHERE state IN " + placeholders(2, len(states))
		args = append(args, texts(states)...)
	}
	old := "WITH RECURSIVE stays (number) AS (" + stays + ancestors + ") SELECT number FROM entries WHERE number NOT IN (SELECT number FROM stays)"
	err = h.db.change(ctx, "prune the history", func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernHistory, "")
		var more int
		gone := fmt.Sprintf(" IN (%s ORDER BY number LIMIT %d)", old, pruneAtOnce)
		for _, step := range []struct {
			count *int
			query string
			args  []any
		}{
			{&p.Rollouts, "DELETE FROM rollouts WHERE finished > 0 AND entry" + gone, args},
			{&more, "DELETE FROM rollouts WHERE finished > 0 AND id NOT IN (SELECT id FROM rollouts ORDER BY id DESC LIMIT $1) AND id NOT IN (" + last + ")", []any{maxRollouts}},
			{&p.Entries, "DELETE FROM entries WHERE number" + gone, args},
			{&p.Contents, "DELETE FROM contents WHERE id NOT IN (SELECT content FROM entries)", nil},
			{&p.Files, "DELETE FROM files WHERE hash NOT IN (SELECT file FROM content_files)", nil},
		} {
			if *step.count, err = exec(ctx, tx, step.query, step.args...); err != nil {
				return err
			}
		}
		p.Rollouts += more
		return nil
	})
	return p, err
}
