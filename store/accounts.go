package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Accounts keeps who calls APIs: applications, the credentials that they show, and what they subscribed to. Rows are changed one
// at a time, and each change is told by the feed: its key is the word application, credential or subscription, a slash and the
// id. Each change has a number, greater than those of all before, by which it is read: see Mark. Nothing is removed; what is
// revoked counts no more.
type Accounts struct {
	db   *database
	keys ring
}

// Application is who calls.
type Application struct {
	ID      string
	Name    string
	Team    string // Whose it is; "" for nobody's of this house.
	Owner   string // A person, as the caller of the management API or the portal is called.
	Plan    string // By which it calls all APIs to which no subscription of its says another; "" for none.
	Created time.Time
	Revoked time.Time // Its credentials and subscriptions count no more then. Zero for one that is not.
	Changed int64     // The number of its last change.
}

// Credential is what an application shows, without its secret.
type Credential struct {
	ID          string
	Application string
	Prefix      string // How what is shown begins: by this people know it again, and scanners find it.
	Name        string // What it is for, in a person's words.
	Author      string // Who made it.
	Scopes      []string
	Addresses   []netip.Prefix // From which alone it counts; empty: from everywhere.
	Created     time.Time
	Expires     time.Time // Zero for never.
	Used        time.Time // About when it was used last; zero for never.
	Revoked     time.Time
	Changed     int64 // The number of its last change, its use apart.
}

// Subscription lets an application call an API, by a plan.
type Subscription struct {
	ID          string
	Application string
	API         string
	Plan        string
	Created     time.Time
	Revoked     time.Time
	Changed     int64 // The number of its last change.
}

// CredentialHash is the HMAC-SHA-256 of a credential's secret, by the store's key. Who has only the table can neither guess a
// secret that is short of randomness, nor compare it with one stolen elsewhere.
type CredentialHash [sha256.Size]byte

// credentialKey is the name of that key among the secrets.
const credentialKey = "credentials"

// HashCredential is the hash of a secret by a key.
func HashCredential(key, secret []byte) (hash CredentialHash) {
	mac := hmac.New(sha256.New, key)
	mac.Write(secret)
	copy(hash[:], mac.Sum(nil))
	return hash
}

// Key returns the key by which secrets are hashed, and makes it where there is none yet.
func (a *Accounts) Key(ctx context.Context) (key []byte, err error) {
	secrets := &Secrets{a.db, a.keys}
	if key, err = secrets.Get(ctx, credentialKey); !errors.Is(err, ErrNotFound) {
		return key, err
	}
	fresh := make([]byte, sha256.Size)
	if _, err := rand.Read(fresh); err != nil {
		return nil, err
	}
	value, sealed := a.keys.seal(fresh, sealedSecret+credentialKey)
	err = a.db.change(ctx, "make the key of credentials", func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernSecrets, credentialKey)
		_, err := exec(ctx, tx, "INSERT INTO secrets (name, value, sealed, changed) VALUES ($1, $2, $3, $4) ON CONFLICT (name) DO NOTHING",
			credentialKey, value, sealed, moment(a.db.now()))
		return err
	})
	if err != nil {
		return nil, err
	}
	return secrets.Get(ctx, credentialKey) // Somebody else may have been first.
}

// AddApplication stores an application and returns it with its times. ErrConflict tells that there is one with this id.
func (a *Accounts) AddApplication(ctx context.Context, one Application) (Application, error) {
	if one.ID == "" || one.Name == "" {
		return Application{}, fmt.Errorf("create application %s: %w: it has an id and a name", one.ID, ErrInvalid)
	}
	one.Created, one.Revoked = stored(a.db.now()), time.Time{}
	err := a.change(ctx, "create", "application", one.ID, func(ctx context.Context, tx *transaction) (err error) {
		if one.Changed, err = nextChange(ctx, tx); err != nil {
			return err
		}
		_, err = exec(ctx, tx, "INSERT INTO applications (id, name, team, owner, plan, created, revoked, changed) VALUES ($1, $2, $3, $4, $5, $6, 0, $7)",
			one.ID, one.Name, one.Team, one.Owner, one.Plan, moment(one.Created), one.Changed)
		return err
	})
	return one, err
}

// SetPlan gives an application a plan in the place of the one it had, "" for none, and returns it as it is then. ErrNotFound and
// ErrRevoked tell that there is no such application, or not any more.
func (a *Accounts) SetPlan(ctx context.Context, id, plan string) (one Application, err error) {
	err = a.change(ctx, "change the plan of", "application", id, func(ctx context.Context, tx *transaction) error {
		if err := live(ctx, tx, id); err != nil {
			return err
		}
		number, err := nextChange(ctx, tx)
		if err != nil {
			return err
		}
		if _, err := exec(ctx, tx, "UPDATE applications SET plan = $1, changed = $2 WHERE id = $3", plan, number, id); err != nil {
			return err
		}
		found, err := collect(ctx, tx, scanApplication, "SELECT "+applicationColumns+" FROM applications WHERE id = $1", id)
		if err == nil {
			one = found[0]
		}
		return err
	})
	return one, err
}

// Subscribe stores a subscription and returns it with its times. ErrConflict tells that the id is known, or that the application
// has one to the API that is not revoked; ErrNotFound and ErrRevoked are about the application.
func (a *Accounts) Subscribe(ctx context.Context, one Subscription) (Subscription, error) {
	if one.ID == "" || one.Application == "" || one.API == "" {
		return Subscription{}, fmt.Errorf("create subscription %s: %w: it has an id, an application and an API", one.ID, ErrInvalid)
	}
	one.Created, one.Revoked = stored(a.db.now()), time.Time{}
	err := a.change(ctx, "create", "subscription", one.ID, func(ctx context.Context, tx *transaction) (err error) {
		if err := live(ctx, tx, one.Application); err != nil {
			return err
		}
		if one.Changed, err = nextChange(ctx, tx); err != nil {
			return err
		}
		_, err = exec(ctx, tx, "INSERT INTO subscriptions (id, application, api, plan, created, revoked, changed) VALUES ($1, $2, $3, $4, $5, 0, $6)",
			one.ID, one.Application, one.API, one.Plan, moment(one.Created), one.Changed)
		return err
	})
	return one, err
}

// live returns an error unless an application is there and not revoked.
func live(ctx context.Context, tx *transaction, application string) error {
	var revoked int64
	err := tx.QueryRowContext(ctx, "SELECT revoked FROM applications WHERE id = $1", application).Scan(&revoked)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("application %s: %w", application, ErrNotFound)
	case err == nil && revoked > 0:
		return fmt.Errorf("application %s: %w", application, ErrRevoked)
	}
	return err
}

// nextChange is the number of a change of accounts. The store is locked: numbers are given and seen in one order.
func nextChange(ctx context.Context, tx *transaction) (number int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT 1 + max(number) FROM (
		SELECT coalesce(max(changed), 0) AS number FROM applications UNION ALL
		SELECT coalesce(max(changed), 0) FROM credentials UNION ALL
		SELECT coalesce(max(changed), 0) FROM subscriptions) AS numbers`).Scan(&number)
	return number, err
}

// change makes one change and tells of it.
func (a *Accounts) change(ctx context.Context, verb, kind, id string, do func(ctx context.Context, tx *transaction) error) error {
	return a.db.change(ctx, verb+" "+kind+" "+id, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernAccounts, kind+"/"+id)
		return do(ctx, tx)
	})
}
