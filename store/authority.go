package store

import (
	"context"
	"fmt"
	"time"
)

// Authority holds the certificate authorities that sign for nodes, with their keys.
type Authority struct {
	db   *database
	keys ring
}

// The states of a CA. At most one is active, and at most one is next.
const (
	Next    = "next"    // Nodes trust it already, it signs nothing yet.
	Active  = "active"  // It signs.
	Retired = "retired" // It signs no more; nodes trust it until what it signed has expired.
)

// CA is a certificate authority.
type CA struct {
	ID          string
	Certificate []byte // PEM.
	Key         []byte // PEM. It never reaches a log, an error or a page.
	State       string // Next, Active or Retired.
	Created     time.Time
	Changed     time.Time
}

// Move is a change of a CA's state.
type Move struct{ ID, From, To string }

// sealedAuthority, with the id behind it, is for whom a key is sealed.
const sealedAuthority = "authority/"

const authorityColumns = "id, certificate, private_key, sealed, state, created, changed"

func (a *Authority) scan(scan func(...any) error) (c CA, err error) {
	var created, changed int64
	var sealed bool
	if err := scan(&c.ID, &c.Certificate, &c.Key, &sealed, &c.State, &created, &changed); err != nil {
		return CA{}, err
	}
	c.Created, c.Changed = at(created), at(changed)
	if c.Key, err = a.keys.open(c.Key, sealed, sealedAuthority+c.ID); err != nil {
		return CA{}, fmt.Errorf("the key of authority %s: %w", c.ID, err)
	}
	return c, nil
}

// Add stores a new CA and returns it with its times. ErrConflict tells that there is one with this id, or another that is in
// this state already: of two daemons that make the first CA at once, one gets its own, and the other lists what is there.
func (a *Authority) Add(ctx context.Context, c CA) (CA, error) {
	what := "add authority " + c.ID
	if c.ID == "" || len(c.Certificate) == 0 || len(c.Key) == 0 || !known(c.State) {
		return CA{}, fmt.Errorf("%s: %w: it has an id, a certificate, a key and a state", what, ErrInvalid)
	}
	key, sealed := a.keys.seal(c.Key, sealedAuthority+c.ID)
	c.Created = stored(a.db.now())
	c.Changed = c.Created
	err := a.db.change(ctx, what, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernAuthority, c.ID)
		_, err := exec(ctx, tx, "INSERT INTO authorities ("+authorityColumns+") VALUES ($1, $2, $3, $4, $5, $6, $6)",
			c.ID, c.Certificate, key, sealed, c.State, moment(c.Created))
		return err
	})
	if err != nil {
		return CA{}, err
	}
	return c, nil
}

// Move changes the state of CAs in the order given, all or none: a rotation retires the active one and then makes the next
// one active. ErrConflict tells that one is not in the state From, or that another is in the state To already.
func (a *Authority) Move(ctx context.Context, moves ...Move) error {
	return a.db.change(ctx, "change the state of authorities", func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernAuthority, "")
		for _, m := range moves {
			if !known(m.To) {
				return fmt.Errorf("%w: an authority has no state %q", ErrInvalid, m.To)
			}
			changed, err := exec(ctx, tx, "UPDATE authorities SET state = $1, changed = $2 WHERE id = $3 AND state = $4",
				m.To, moment(a.db.now()), m.ID, m.From)
			if err != nil {
				return err
			}
			if changed == 0 {
				return fmt.Errorf("%w: %s is not %s", ErrConflict, m.ID, m.From)
			}
		}
		return nil
	})
}

// List returns all CAs, oldest first. ErrSealed tells that a key cannot be read with the sealing key given.
func (a *Authority) List(ctx context.Context) (authorities []CA, err error) {
	err = a.db.view(ctx, "list authorities", func(ctx context.Context, q querier) error {
		authorities, err = collect(ctx, q, a.scan, "SELECT "+authorityColumns+" FROM authorities ORDER BY created, id")
		return err
	})
	return authorities, err
}

// Remove removes a retired CA and its key. ErrConflict tells that it is not retired, or that there is none.
func (a *Authority) Remove(ctx context.Context, id string) error {
	return a.db.change(ctx, "remove authority "+id, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernAuthority, id)
		removed, err := exec(ctx, tx, "DELETE FROM authorities WHERE id = $1 AND state = $2", id, Retired)
		if err == nil && removed == 0 {
			err = fmt.Errorf("%w: it is not %s", ErrConflict, Retired)
		}
		return err
	})
}

func known(state string) bool { return state == Next || state == Active || state == Retired }
