package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Rollouts are the ways of entries through fleets. A fleet has at most one that is open, which is to say not finished.
type Rollouts struct{ db *database }

// Rollout is one of them. What its waves and gates are is in Body, as JSON of those who roll out.
type Rollout struct {
	ID       int64 // Rising, and none is ever given twice. 0 for one that is to be stored for the first time.
	Fleet    string
	Entry    int64 // The entry that is rolled out.
	Previous int64 // The entry that the fleet had before; 0 for none.
	State    string
	Body     []byte
	Version  int64 // Counts how often it was stored; 0 for one that is to be stored for the first time.
	Started  time.Time
	Changed  time.Time
	Finished time.Time // Zero as long as it is open.
}

const rolloutColumns = "id, fleet, entry, previous, state, body, version, started, changed, finished"

func scanRollout(scan func(...any) error) (r Rollout, err error) {
	var started, changed, finished int64
	err = scan(&r.ID, &r.Fleet, &r.Entry, &r.Previous, &r.State, &r.Body, &r.Version, &started, &changed, &finished)
	r.Started, r.Changed, r.Finished = at(started), at(changed), at(finished)
	return r, err
}

// Put stores rollouts in the order given, all or none, and returns them with id, version and times. One with an ID replaces
// what is stored under it, if that has the Version of the argument: two daemons cannot undo each other's steps. ErrConflict
// tells that it has another, or that the fleet has an open rollout already; to replace that one, put it first, finished.
// A zero Started stands for now.
func (r *Rollouts) Put(ctx context.Context, rollouts ...Rollout) ([]Rollout, error) {
	now := stored(r.db.now())
	out := make([]Rollout, len(rollouts))
	err := r.db.change(ctx, "store a rollout", func(ctx context.Context, tx *transaction) error {
		for i, rollout := range rollouts {
			if rollout.Fleet == "" || rollout.State == "" {
				return fmt.Errorf("%w: a rollout has a fleet and a state", ErrInvalid)
			}
			rollout.Changed, rollout.Finished = now, stored(rollout.Finished)
			if rollout.Started = stored(rollout.Started); rollout.Started.IsZero() {
				rollout.Started = now
			}
			if err := putRollout(ctx, tx, &rollout); err != nil {
				return fmt.Errorf("of fleet %s: %w", rollout.Fleet, err)
			}
			out[i] = rollout
			tx.notice(ConcernRollouts, rollout.Fleet)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func putRollout(ctx context.Context, tx *transaction, r *Rollout) error {
	values := []any{r.Fleet, r.Entry, r.Previous, r.State, r.Body, moment(r.Started), moment(r.Changed), moment(r.Finished)}
	var row *sql.Row
	if r.ID == 0 {
		row = tx.QueryRowContext(ctx, `INSERT INTO rollouts (fleet, entry, previous, state, body, started, changed, finished, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1) RETURNING id, version`, values...)
	} else {
		row = tx.QueryRowContext(ctx, `UPDATE rollouts SET fleet = $1, entry = $2, previous = $3, state = $4, body = $5, started = $6,
			changed = $7, finished = $8, version = version + 1 WHERE id = $9 AND version = $10 RETURNING id, version`,
			append(values, r.ID, r.Version)...)
	}
	err := row.Scan(&r.ID, &r.Version)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: rollout %d is not in version %d", ErrConflict, r.ID, r.Version)
	}
	return err
}

// Get returns one rollout, or ErrNotFound.
func (r *Rollouts) Get(ctx context.Context, id int64) (rollout Rollout, err error) {
	err = r.db.view(ctx, fmt.Sprintf("read rollout %d", id), func(ctx context.Context, q querier) error {
		rollout, err = one(ctx, q, scanRollout, "SELECT "+rolloutColumns+" FROM rollouts WHERE id = $1", id)
		return err
	})
	return rollout, err
}

// Open returns the rollouts that are not finished, by fleet.
func (r *Rollouts) Open(ctx context.Context) (rollouts []Rollout, err error) {
	err = r.db.view(ctx, "list open rollouts", func(ctx context.Context, q querier) error {
		rollouts, err = collect(ctx, q, scanRollout, "SELECT "+rolloutColumns+" FROM rollouts WHERE finished = 0 ORDER BY fleet")
		return err
	})
	return rollouts, err
}

// List returns the newest rollouts of a fleet, or of all where it is "", newest first. A limit of 0 stands for 100; there is
// no way to ask for more than 1,000.
func (r *Rollouts) List(ctx context.Context, fleet string, limit int) (rollouts []Rollout, err error) {
	err = r.db.view(ctx, "list rollouts", func(ctx context.Context, q querier) error {
		rollouts, err = collect(ctx, q, scanRollout,
			"SELECT "+rolloutColumns+" FROM rollouts WHERE fleet = $1 OR $1 = '' ORDER BY id DESC LIMIT $2", fleet, Query{Limit: limit}.limit())
		return err
	})
	return rollouts, err
}

// LastFinished returns the newest finished rollout of a fleet that ended in one of the states, or in any where none is given.
// ErrNotFound tells that there is none.
func (r *Rollouts) LastFinished(ctx context.Context, fleet string, states ...string) (rollout Rollout, err error) {
	query := "SELECT " + rolloutColumns + " FROM rollouts WHERE finished > 0 AND fleet = $1"
	if len(states) > 0 {
		query += " AND state IN " + placeholders(2, len(states))
	}
	err = r.db.view(ctx, "find the last finished rollout of fleet "+fleet, func(ctx context.Context, q querier) error {
		rollout, err = one(ctx, q, scanRollout, query+" ORDER BY id DESC LIMIT 1", append([]any{fleet}, texts(states)...)...)
		return err
	})
	return rollout, err
}
