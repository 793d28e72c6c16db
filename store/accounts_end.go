package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// RevokeApplication ends an application with its credentials and subscriptions, RevokeCredential a credential and Unsubscribe a
// subscription, or they return ErrNotFound. What is revoked stays as it is.
func (a *Accounts) RevokeApplication(ctx context.Context, id string) error {
	return a.change(ctx, "revoke", "application", id, func(ctx context.Context, tx *transaction) error {
		if err := a.end(ctx, tx, "application", "id", id); err != nil {
			return err
		}
		for _, kind := range []string{"credential", "subscription"} {
			if err := a.end(ctx, tx, kind, "application", id); err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
		}
		return nil
	})
}

// RevokeCredential ends a credential: see RevokeApplication.
func (a *Accounts) RevokeCredential(ctx context.Context, id string) error {
	return a.revoke(ctx, "credential", id)
}

// Unsubscribe ends a subscription: see RevokeApplication.
func (a *Accounts) Unsubscribe(ctx context.Context, id string) error {
	return a.revoke(ctx, "subscription", id)
}

func (a *Accounts) revoke(ctx context.Context, kind, id string) error {
	return a.change(ctx, "revoke", kind, id, func(ctx context.Context, tx *transaction) error { return a.end(ctx, tx, kind, "id", id) })
}

// end revokes all of a kind with a value in a column, by one change. It returns ErrNotFound where there is none.
func (a *Accounts) end(ctx context.Context, tx *transaction, kind, column, value string) error {
	number, err := nextChange(ctx, tx)
	if err != nil {
		return err
	}
	changed, err := exec(ctx, tx, "UPDATE "+kind+`s SET changed = CASE WHEN revoked = 0 THEN $1 ELSE changed END,
		revoked = CASE WHEN revoked = 0 THEN $2 ELSE revoked END WHERE `+column+` = $3`, number, moment(a.db.now()), value)
	if err == nil && changed == 0 {
		err = ErrNotFound
	}
	return err
}

// Use is about when a credential was used last.
type Use struct {
	ID   string
	Last time.Time
}

// usesAtOnce is how many uses one statement keeps.
const usesAtOnce = 100

// Touch keeps when credentials were used, where they were not used later. It is not told by the feed. Ids that are not known, and
// what others of the same call make double, are no error.
func (a *Accounts) Touch(ctx context.Context, uses ...Use) error {
	return a.db.change(ctx, fmt.Sprintf("keep the last use of %d credentials", len(uses)), func(ctx context.Context, tx *transaction) error {
		for len(uses) > 0 {
			some := uses[:min(len(uses), usesAtOnce)]
			uses = uses[len(some):]
			var rows []string
			var args []any
			for _, u := range some {
				rows = append(rows, fmt.Sprintf("(CAST($%d AS TEXT), CAST($%d AS BIGINT))", len(args)+1, len(args)+2))
				args = append(args, u.ID, moment(u.Last))
			}
			_, err := exec(ctx, tx, `WITH seen (id, used) AS (VALUES `+strings.Join(rows, ", ")+`)
				UPDATE credentials SET used = (SELECT max(seen.used) FROM seen WHERE seen.id = credentials.id)
				WHERE EXISTS (SELECT 1 FROM seen WHERE seen.id = credentials.id AND seen.used > credentials.used)`, args...)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
