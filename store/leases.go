package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Leases say who does what only one may do at a time. They end by the store's clock: on PostgreSQL that of the server, which
// all replicas share.
type Leases struct{ db *database }

// Lease is the right to do something until it ends. A holder counts its end on its own clock from before it asked: so it
// stops before another begins, however long the answer took.
type Lease struct {
	Name   string
	Holder string // Who has it: one process, not a host.
	// Fence rises with each taking. Whoever writes under a lease shows it (see Check): who lost it without noticing writes nothing.
	Fence int64
	Taken time.Time
	Ends  time.Time
}

const leaseColumns = "name, holder, fence, taken, ends"

func scanLease(scan func(...any) error) (l Lease, err error) {
	var taken, ends int64
	err = scan(&l.Name, &l.Holder, &l.Fence, &taken, &ends)
	l.Taken, l.Ends = at(taken), at(ends)
	return l, err
}

// takeLease gives a lease that has ended, or that the holder has already, with the next number.
const takeLease = `INSERT INTO leases (` + leaseColumns + `) VALUES ($1, $2, 1, $3, $4)
	ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, fence = leases.fence + 1, taken = excluded.taken, ends = excluded.ends
	WHERE leases.ends <= excluded.taken OR leases.holder = excluded.holder RETURNING ` + leaseColumns

// Take takes a lease for a time from now. Where another has it, it returns ErrConflict and the lease as the other has it. It
// waits for no change under way.
func (l *Leases) Take(ctx context.Context, name, holder string, ttl time.Duration) (lease Lease, err error) {
	what := "take the lease " + name
	if name == "" || holder == "" || ttl < time.Microsecond {
		return Lease{}, fmt.Errorf("%s: %w: it has a name, a holder and a time", what, ErrInvalid)
	}
	err = l.db.beside(ctx, what, func(ctx context.Context, tx *transaction) error {
		now, err := l.db.dialect.clock(ctx, tx)
		if err != nil {
			return err
		}
		lease, err = one(ctx, tx, scanLease, takeLease, name, holder, moment(now), moment(now.Add(ttl)))
		if err == nil {
			tx.notice(ConcernLeases, name)
		}
		return err
	})
	if !errors.Is(err, ErrNotFound) {
		return lease, err
	}
	err = l.db.view(ctx, what, func(ctx context.Context, q querier) error {
		lease, err = one(ctx, q, scanLease, "SELECT "+leaseColumns+" FROM leases WHERE name = $1", name)
		if err == nil {
			err = fmt.Errorf("%w: %s has it until %s", ErrConflict, lease.Holder, lease.Ends.Format(time.RFC3339))
		}
		return err
	})
	return lease, err
}

// Renew lets a lease end a time from now. ErrConflict tells that it has ended, or that another has it.
func (l *Leases) Renew(ctx context.Context, lease Lease, ttl time.Duration) (renewed Lease, err error) {
	what := "renew the lease " + lease.Name
	if ttl < time.Microsecond {
		return Lease{}, fmt.Errorf("%s: %w: a lease has a time", what, ErrInvalid)
	}
	err = l.db.beside(ctx, what, func(ctx context.Context, tx *transaction) error {
		now, err := l.db.dialect.clock(ctx, tx)
		if err != nil {
			return err
		}
		renewed, err = one(ctx, tx, scanLease, `UPDATE leases SET ends = $1 WHERE name = $2 AND holder = $3 AND fence = $4 AND ends > $5
			RETURNING `+leaseColumns, moment(now.Add(ttl)), lease.Name, lease.Holder, lease.Fence, moment(now))
		return lost(err)
	})
	return renewed, err
}

// Release ends a lease now. One that has ended, or that another has, stays as it is.
func (l *Leases) Release(ctx context.Context, lease Lease) error {
	return l.db.beside(ctx, "release the lease "+lease.Name, func(ctx context.Context, tx *transaction) error {
		now, err := l.db.dialect.clock(ctx, tx)
		if err != nil {
			return err
		}
		released, err := exec(ctx, tx, "UPDATE leases SET ends = $1 WHERE name = $2 AND holder = $3 AND fence = $4 AND ends > $1",
			moment(now), lease.Name, lease.Holder, lease.Fence)
		if released > 0 {
			tx.notice(ConcernLeases, lease.Name)
		}
		return err
	})
}

// Check returns ErrConflict where a lease has ended or another has it. Within Together it guards the other changes: whoever takes the lease
// later makes its own changes after them.
func (l *Leases) Check(ctx context.Context, lease Lease) error {
	return l.db.view(ctx, "check the lease "+lease.Name, func(ctx context.Context, q querier) error {
		now, err := l.db.dialect.clock(ctx, q)
		if err != nil {
			return err
		}
		_, err = one(ctx, q, scanLease, "SELECT "+leaseColumns+" FROM leases WHERE name = $1 AND holder = $2 AND fence = $3 AND ends > $4",
			lease.Name, lease.Holder, lease.Fence, moment(now))
		return lost(err)
	})
}

// lost says what it means that a lease is not found as its holder knows it.
func lost(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: the lease has ended, or another has it", ErrConflict)
	}
	return err
}

// List returns all leases that were ever taken, by name: one that has ended has no holder, though it names the last one.
func (l *Leases) List(ctx context.Context) (leases []Lease, err error) {
	err = l.db.view(ctx, "list leases", func(ctx context.Context, q querier) error {
		leases, err = collect(ctx, q, scanLease, "SELECT "+leaseColumns+" FROM leases ORDER BY name")
		return err
	})
	return leases, err
}
