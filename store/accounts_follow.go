package store

import (
	"context"
)

// Mark is how far somebody has read a kind of account: to this change, of this id. The zero Mark is before all. Changes are
// numbered in the order in which they are made and seen, so nothing comes before a Mark later. A store that was loaded from
// a dump keeps its numbers.
type Mark struct {
	Changed int64
	ID      string
}

// Hashed is a credential with the hash of its secret.
type Hashed struct {
	Credential

	Hash CredentialHash
}

// ApplicationsAfter returns applications that were made or changed after a Mark, as they are now and in the order of their
// changes, and where they end; at most so many, and 10,000. None: there are no more.
func (a *Accounts) ApplicationsAfter(ctx context.Context, mark Mark, most int) (all []Application, end Mark, err error) {
	all, err = after(ctx, a.db, "applications", applicationColumns, scanApplication, mark, most)
	if len(all) > 0 {
		last := all[len(all)-1]
		mark = Mark{last.Changed, last.ID}
	}
	return all, mark, err
}

// SubscriptionsAfter does the same for subscriptions.
func (a *Accounts) SubscriptionsAfter(ctx context.Context, mark Mark, most int) (all []Subscription, end Mark, err error) {
	all, err = after(ctx, a.db, "subscriptions", subscriptionColumns, scanSubscription, mark, most)
	if len(all) > 0 {
		last := all[len(all)-1]
		mark = Mark{last.Changed, last.ID}
	}
	return all, mark, err
}

// CredentialsAfter does the same for credentials, with their hashes. A use is no change.
func (a *Accounts) CredentialsAfter(ctx context.Context, mark Mark, most int) (all []Hashed, end Mark, err error) {
	all, err = after(ctx, a.db, "credentials", credentialColumns+", hash", scanHashed, mark, most)
	if len(all) > 0 {
		last := all[len(all)-1]
		mark = Mark{last.Changed, last.ID}
	}
	return all, mark, err
}

func scanHashed(scan func(...any) error) (h Hashed, err error) {
	var hash []byte
	h.Credential, err = scanCredential(func(into ...any) error { return scan(append(into, &hash)...) })
	if err == nil && copy(h.Hash[:], hash) != len(h.Hash) {
		err = ErrCorrupt
	}
	return h, err
}

func after[T any](ctx context.Context, db *database, table, columns string, scan func(func(...any) error) (T, error), mark Mark, most int) (all []T, err error) {
	err = db.view(ctx, "read changes of "+table, func(ctx context.Context, q querier) error {
		all, err = collect(ctx, q, scan, "SELECT "+columns+" FROM "+table+" WHERE (changed, id) > ($1, $2) ORDER BY changed, id LIMIT $3",
			mark.Changed, mark.ID, AccountQuery{Most: most}.most())
		return err
	})
	return all, err
}
