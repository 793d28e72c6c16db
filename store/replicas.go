package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"
)

// Replicas are the daemons that share the store, as far as they gave a sign of life.
type Replicas struct{ db *database }

// Replica is one of them.
type Replica struct {
	ID        string
	Addresses map[string]string // Where it can be reached, by what: words of those who read them.
	Report    []byte            // JSON of those who read it, such as its nodes; nil for none.
	Version   string            // Of Gatehouse.
	Started   time.Time         // When it gave its first sign of life; by the store's clock, as is Seen.
	Seen      time.Time
}

// maxReport is how many bytes a report has at most.
const maxReport = 4 << 20

const replicaColumns = "id, addresses, report, version, started, seen"

func scanReplica(scan func(...any) error) (r Replica, err error) {
	var started, seen int64
	var addresses []byte
	if err := scan(&r.ID, &addresses, &r.Report, &r.Version, &started, &seen); err != nil {
		return Replica{}, err
	}
	r.Started, r.Seen = at(started), at(seen)
	if err := json.Unmarshal(addresses, &r.Addresses); err != nil {
		return Replica{}, fmt.Errorf("%w: addresses of replica %s: %w", ErrCorrupt, r.ID, err)
	}
	return r, nil
}

const putReplica = `INSERT INTO replicas (` + replicaColumns + `) VALUES ($1, $2, $3, $4, $5, $5)
	ON CONFLICT (id) DO UPDATE SET addresses = excluded.addresses, report = excluded.report, version = excluded.version, seen = excluded.seen`

// Beat is a sign of life: it stores a replica, seen now. Started and Seen of the argument are ignored. It waits for no change
// under way.
func (r *Replicas) Beat(ctx context.Context, replica Replica) error {
	what := "give a sign of life of replica " + replica.ID
	if replica.ID == "" || len(replica.Report) > maxReport {
		return fmt.Errorf("%s: %w: a replica has an id, and a report of at most %d bytes", what, ErrInvalid, maxReport)
	}
	addresses, err := json.Marshal(replica.Addresses)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return r.db.beside(ctx, what, func(ctx context.Context, tx *transaction) error {
		now, err := r.db.dialect.clock(ctx, tx)
		if err != nil {
			return err
		}
		before, err := collect(ctx, tx, scanReplica, "SELECT "+replicaColumns+" FROM replicas WHERE id = $1", replica.ID)
		if err != nil {
			return err
		}
		if len(before) == 0 || !maps.Equal(before[0].Addresses, replica.Addresses) {
			tx.notice(ConcernReplicas, replica.ID)
		}
		_, err = exec(ctx, tx, putReplica, replica.ID, string(addresses), replica.Report, replica.Version, moment(now))
		return err
	})
}

// List returns the replicas that gave a sign of life within a time until now, by id; all that are known where it is 0.
func (r *Replicas) List(ctx context.Context, within time.Duration) (replicas []Replica, err error) {
	err = r.db.view(ctx, "list replicas", func(ctx context.Context, q querier) error {
		var since int64
		if within > 0 {
			now, err := r.db.dialect.clock(ctx, q)
			if err != nil {
				return err
			}
			since = moment(now.Add(-within))
		}
		replicas, err = collect(ctx, q, scanReplica, "SELECT "+replicaColumns+" FROM replicas WHERE seen >= $1 ORDER BY id", since)
		return err
	})
	return replicas, err
}

// Remove removes a replica that ends. One that is not there is no error.
func (r *Replicas) Remove(ctx context.Context, id string) error {
	return r.db.beside(ctx, "remove replica "+id, func(ctx context.Context, tx *transaction) error {
		removed, err := exec(ctx, tx, "DELETE FROM replicas WHERE id = $1", id)
		if removed > 0 {
			tx.notice(ConcernReplicas, id)
		}
		return err
	})
}

// Forget removes the replicas that gave no sign of life within a time until now, and returns how many.
func (r *Replicas) Forget(ctx context.Context, within time.Duration) (forgotten int, err error) {
	err = r.db.beside(ctx, "forget replicas", func(ctx context.Context, tx *transaction) error {
		now, err := r.db.dialect.clock(ctx, tx)
		if err != nil {
			return err
		}
		forgotten, err = exec(ctx, tx, "DELETE FROM replicas WHERE seen < $1", moment(now.Add(-within)))
		if forgotten > 0 {
			tx.notice(ConcernReplicas, "")
		}
		return err
	})
	return forgotten, err
}
