package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Observed is what was learnt while the daemon ran and stands in no document, such as pushed endpoints.
type Observed struct {
	db    *database
	trail int
}

const (
	defaultTrail = 1000
	trailValue   = 4 << 10 // Bytes of a value above which the trail does without it.
	maxValue     = 4 << 20 // Bytes of the largest value that is taken.
)

// AnyVersion is what Put and Delete expect where the value may be any.
const AnyVersion int64 = -1

// Value is one observed thing. Its key is kind and name.
type Value struct {
	Kind    string
	Name    string
	Value   []byte
	Version int64 // Rises with each change of any value, and none is ever given twice.
	Author  string
	Message string
	Changed time.Time
}

// Change is one line of the trail.
type Change struct {
	Value        // What it became, by whom; without its bytes where these are more than 4 KiB, or where it was deleted.
	Size    int  // Bytes of the value.
	Deleted bool // Whether it was deleted.
}

const valueColumns = "kind, name, value, version, author, message, changed"

func scanValue(scan func(...any) error) (v Value, err error) {
	var changed int64
	err = scan(&v.Kind, &v.Name, &v.Value, &v.Version, &v.Author, &v.Message, &changed)
	v.Changed = at(changed)
	if v.Value == nil {
		v.Value = []byte{} // The driver tells none from empty only when it writes.
	}
	return v, err
}

func scanChange(scan func(...any) error) (c Change, err error) {
	var changed int64
	err = scan(&c.Kind, &c.Name, &c.Value.Value, &c.Version, &c.Author, &c.Message, &changed, &c.Size, &c.Deleted)
	c.Changed = at(changed)
	return c, err
}

// Put stores a value and returns it with its version and time. It expects a version to be stored: 0 for none, AnyVersion for
// any; ErrConflict tells that another one is. A value of more than 4 MiB is ErrInvalid.
func (o *Observed) Put(ctx context.Context, v Value, expected int64) (Value, error) {
	what := fmt.Sprintf("store %s %s", v.Kind, v.Name)
	if v.Kind == "" || v.Name == "" || len(v.Value) > maxValue {
		return Value{}, fmt.Errorf("%s: %w: it has a kind, a name and at most %d bytes, not %d", what, ErrInvalid, maxValue, len(v.Value))
	}
	if v.Value == nil {
		v.Value = []byte{}
	}
	v.Changed = stored(o.db.now())
	err := o.db.change(ctx, what, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernObserved, v.Kind+"/"+v.Name)
		err := o.expect(ctx, tx, v, expected)
		if err != nil {
			return err
		}
		if v.Version, err = o.note(ctx, tx, v, false); err != nil {
			return err
		}
		_, err = exec(ctx, tx, "INSERT INTO observed ("+valueColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (kind, name) DO UPDATE SET value = excluded.value, version = excluded.version,
				author = excluded.author, message = excluded.message, changed = excluded.changed`,
			v.Kind, v.Name, v.Value, v.Version, v.Author, v.Message, moment(v.Changed))
		return err
	})
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

// Delete removes the value with the kind and name of the argument, whose Author and Message say who does it and why. It
// expects a version as Put does; ErrNotFound tells that there is none.
func (o *Observed) Delete(ctx context.Context, v Value, expected int64) error {
	v.Value, v.Changed = nil, stored(o.db.now())
	return o.db.change(ctx, fmt.Sprintf("delete %s %s", v.Kind, v.Name), func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernObserved, v.Kind+"/"+v.Name)
		if err := o.expect(ctx, tx, v, expected); err != nil {
			return err
		}
		deleted, err := exec(ctx, tx, "DELETE FROM observed WHERE kind = $1 AND name = $2", v.Kind, v.Name)
		if err != nil {
			return err
		}
		if deleted == 0 {
			return ErrNotFound
		}
		_, err = o.note(ctx, tx, v, true)
		return err
	})
}

// expect returns ErrConflict where the stored version is not the expected one.
func (o *Observed) expect(ctx context.Context, tx *transaction, v Value, expected int64) error {
	if expected == AnyVersion {
		return nil
	}
	var current int64
	err := tx.QueryRowContext(ctx, "SELECT version FROM observed WHERE kind = $1 AND name = $2", v.Kind, v.Name).Scan(&current)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if current != expected {
		return fmt.Errorf("%w: version %d is stored, not %d", ErrConflict, current, expected)
	}
	return nil
}

// note adds a line to the trail, cuts the trail to its bound, and returns the number of the line.
func (o *Observed) note(ctx context.Context, tx *transaction, v Value, deleted bool) (version int64, err error) {
	kept := v.Value
	if len(kept) > trailValue {
		kept = nil
	}
	if err := tx.QueryRowContext(ctx, `INSERT INTO changes (kind, name, deleted, size, value, author, message, changed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
		v.Kind, v.Name, deleted, len(v.Value), kept, v.Author, v.Message, moment(v.Changed)).Scan(&version); err != nil {
		return 0, err
	}
	_, err = exec(ctx, tx, "DELETE FROM changes WHERE id <= $1", version-int64(o.trail))
	return version, err
}

// Get returns one value, or ErrNotFound.
func (o *Observed) Get(ctx context.Context, kind, name string) (v Value, err error) {
	err = o.db.view(ctx, fmt.Sprintf("read %s %s", kind, name), func(ctx context.Context, q querier) error {
		v, err = one(ctx, q, scanValue, "SELECT "+valueColumns+" FROM observed WHERE kind = $1 AND name = $2", kind, name)
		return err
	})
	return v, err
}

// List returns the values of a kind, or of all where it is "", by kind and name.
func (o *Observed) List(ctx context.Context, kind string) (values []Value, err error) {
	err = o.db.view(ctx, "list observed state", func(ctx context.Context, q querier) error {
		values, err = collect(ctx, q, scanValue,
			"SELECT "+valueColumns+" FROM observed WHERE kind = $1 OR $1 = '' ORDER BY kind, name", kind)
		return err
	})
	return values, err
}

// Trail returns the last changes of one value, newest first; of all values of a kind where name is "", and of all where kind
// is "" too. A limit of 0 stands for 100; there is no way to ask for more than 1,000.
func (o *Observed) Trail(ctx context.Context, kind, name string, limit int) (changes []Change, err error) {
	err = o.db.view(ctx, "read the trail of observed state", func(ctx context.Context, q querier) error {
		changes, err = collect(ctx, q, scanChange, `SELECT kind, name, value, id, author, message, changed, size, deleted FROM changes
			WHERE (kind = $1 OR $1 = '') AND (name = $2 OR $2 = '') ORDER BY id DESC LIMIT $3`, kind, name, Query{Limit: limit}.limit())
		return err
	})
	return changes, err
}
