package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

const (
	applicationColumns  = "id, name, team, owner, created, revoked"
	credentialColumns   = "id, application, prefix, scopes, created, expires, used, revoked"
	subscriptionColumns = "id, application, api, plan, created, revoked"
)

func scanApplication(scan func(...any) error) (a Application, err error) {
	var created, revoked int64
	err = scan(&a.ID, &a.Name, &a.Team, &a.Owner, &created, &revoked)
	a.Created, a.Revoked = at(created), at(revoked)
	return a, err
}

func scanCredential(scan func(...any) error) (c Credential, err error) {
	var scopes string
	var created, expires, used, revoked int64
	if err := scan(&c.ID, &c.Application, &c.Prefix, &scopes, &created, &expires, &used, &revoked); err != nil {
		return c, err
	}
	c.Created, c.Expires, c.Used, c.Revoked = at(created), at(expires), at(used), at(revoked)
	if err := json.Unmarshal([]byte(scopes), &c.Scopes); err != nil {
		return c, fmt.Errorf("%w: the scopes of credential %s: %w", ErrCorrupt, c.ID, err)
	}
	return c, nil
}

func scanSubscription(scan func(...any) error) (s Subscription, err error) {
	var created, revoked int64
	err = scan(&s.ID, &s.Application, &s.API, &s.Plan, &created, &revoked)
	s.Created, s.Revoked = at(created), at(revoked)
	return s, err
}

// accountsAtOnce is how many rows one call returns at most.
const accountsAtOnce = 10_000

// Applications returns those of a team, or of all where it is "", by id: those after one, at most 10,000.
func (a *Accounts) Applications(ctx context.Context, team, after string) (all []Application, err error) {
	err = a.db.view(ctx, "list applications", func(ctx context.Context, q querier) error {
		all, err = collect(ctx, q, scanApplication, "SELECT "+applicationColumns+
			" FROM applications WHERE ($1 = '' OR team = $1) AND id > $2 ORDER BY id LIMIT $3", team, after, accountsAtOnce)
		return err
	})
	return all, err
}

// Credentials returns those of an application, or of all where it is "", by id: those after one, at most 10,000.
func (a *Accounts) Credentials(ctx context.Context, application, after string) (all []Credential, err error) {
	err = a.db.view(ctx, "list credentials", func(ctx context.Context, q querier) error {
		all, err = collect(ctx, q, scanCredential, "SELECT "+credentialColumns+
			" FROM credentials WHERE ($1 = '' OR application = $1) AND id > $2 ORDER BY id LIMIT $3", application, after, accountsAtOnce)
		return err
	})
	return all, err
}

// Subscriptions returns those of an application, or of all where it is "", by id: those after one, at most 10,000.
func (a *Accounts) Subscriptions(ctx context.Context, application, after string) (all []Subscription, err error) {
	err = a.db.view(ctx, "list subscriptions", func(ctx context.Context, q querier) error {
		all, err = collect(ctx, q, scanSubscription, "SELECT "+subscriptionColumns+
			" FROM subscriptions WHERE ($1 = '' OR application = $1) AND id > $2 ORDER BY id LIMIT $3", application, after, accountsAtOnce)
		return err
	})
	return all, err
}

// Application returns one, or ErrNotFound.
func (a *Accounts) Application(ctx context.Context, id string) (one Application, err error) {
	return find(ctx, a.db, "read application "+id, scanApplication, "SELECT "+applicationColumns+" FROM applications WHERE id = $1", id)
}

// Credential returns one, or ErrNotFound.
func (a *Accounts) Credential(ctx context.Context, id string) (one Credential, err error) {
	return find(ctx, a.db, "read credential "+id, scanCredential, "SELECT "+credentialColumns+" FROM credentials WHERE id = $1", id)
}

// Subscription returns one, or ErrNotFound.
func (a *Accounts) Subscription(ctx context.Context, id string) (one Subscription, err error) {
	return find(ctx, a.db, "read subscription "+id, scanSubscription, "SELECT "+subscriptionColumns+" FROM subscriptions WHERE id = $1", id)
}

// ByHash returns the credential with a hash, or ErrNotFound. Whether it, or its application, has ended is for the caller to judge.
func (a *Accounts) ByHash(ctx context.Context, hash CredentialHash) (one Credential, err error) {
	return find(ctx, a.db, "find a credential", scanCredential, "SELECT "+credentialColumns+" FROM credentials WHERE hash = $1", hash[:])
}

func find[T any](ctx context.Context, db *database, what string, scan func(func(...any) error) (T, error), query string, args ...any) (found T, err error) {
	err = db.view(ctx, what, func(ctx context.Context, q querier) error {
		found, err = one(ctx, q, scan, query, args...)
		return err
	})
	return found, err
}

// RevokeApplication ends an application, RevokeCredential a credential and Unsubscribe a subscription, or they return
// ErrNotFound. What is revoked stays as it is.
func (a *Accounts) RevokeApplication(ctx context.Context, id string) error {
	return a.revoke(ctx, "application", id)
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
	return a.change(ctx, "revoke", kind, id, func(ctx context.Context, tx *transaction) error {
		changed, err := exec(ctx, tx, "UPDATE "+kind+"s SET revoked = CASE WHEN revoked = 0 THEN $1 ELSE revoked END WHERE id = $2", moment(a.db.now()), id)
		if err == nil && changed == 0 {
			err = ErrNotFound
		}
		return err
	})
}

// Touch keeps that a credential was used at a time, where it was not used later. It is not told by the feed.
func (a *Accounts) Touch(ctx context.Context, id string, used time.Time) error {
	return a.db.change(ctx, "keep the use of credential "+id, func(ctx context.Context, tx *transaction) error {
		_, err := exec(ctx, tx, "UPDATE credentials SET used = $1 WHERE id = $2 AND used < $1", moment(used), id)
		return err
	})
}
