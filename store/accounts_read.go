package store

import (
	"context"
)

const (
	applicationColumns  = "id, name, team, owner, plan, created, revoked, changed"
	credentialColumns   = "id, application, prefix, name, author, scopes, addresses, created, expires, used, revoked, changed"
	subscriptionColumns = "id, application, api, plan, created, revoked, changed"
)

func scanApplication(scan func(...any) error) (a Application, err error) {
	var created, revoked int64
	err = scan(&a.ID, &a.Name, &a.Team, &a.Owner, &a.Plan, &created, &revoked, &a.Changed)
	a.Created, a.Revoked = at(created), at(revoked)
	return a, err
}

func scanSubscription(scan func(...any) error) (s Subscription, err error) {
	var created, revoked int64
	err = scan(&s.ID, &s.Application, &s.API, &s.Plan, &created, &revoked, &s.Changed)
	s.Created, s.Revoked = at(created), at(revoked)
	return s, err
}

// accountsAtOnce is how many rows one call returns at most.
const accountsAtOnce = 10_000

// AccountQuery selects applications or credentials. An empty field selects all.
type AccountQuery struct {
	Team        string // Whose the application is.
	Application string // Of credentials.
	After       string // Only greater ids.
	Most        int    // How many at most; 0: 10,000, and never more.
}

func (q AccountQuery) most() int {
	if q.Most <= 0 || q.Most > accountsAtOnce {
		return accountsAtOnce
	}
	return q.Most
}

// Applications returns some, by id.
func (a *Accounts) Applications(ctx context.Context, query AccountQuery) (all []Application, err error) {
	err = a.db.view(ctx, "list applications", func(ctx context.Context, q querier) error {
		all, err = collect(ctx, q, scanApplication, "SELECT "+applicationColumns+
			" FROM applications WHERE ($1 = '' OR team = $1) AND id > $2 ORDER BY id LIMIT $3", query.Team, query.After, query.most())
		return err
	})
	return all, err
}

// Credentials returns some, by id.
func (a *Accounts) Credentials(ctx context.Context, query AccountQuery) (all []Credential, err error) {
	err = a.db.view(ctx, "list credentials", func(ctx context.Context, q querier) error {
		all, err = collect(ctx, q, scanCredential, "SELECT "+credentialColumns+` FROM credentials
			WHERE ($1 = '' OR application = $1) AND ($2 = '' OR application IN (SELECT id FROM applications WHERE team = $2))
			AND id > $3 ORDER BY id LIMIT $4`, query.Application, query.Team, query.After, query.most())
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
