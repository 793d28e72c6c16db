package store

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"
)

// insertCredential is a row's statement. Its application has no say in it: see live.
const insertCredential = `INSERT INTO credentials (id, application, prefix, name, author, hash, scopes, addresses, created, expires, used, revoked, changed)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, $11)`

func scanCredential(scan func(...any) error) (c Credential, err error) {
	var scopes, addresses string
	var created, expires, used, revoked int64
	err = scan(&c.ID, &c.Application, &c.Prefix, &c.Name, &c.Author, &scopes, &addresses, &created, &expires, &used, &revoked, &c.Changed)
	if err != nil {
		return c, err
	}
	c.Created, c.Expires, c.Used, c.Revoked = at(created), at(expires), at(used), at(revoked)
	if err := json.Unmarshal([]byte(scopes), &c.Scopes); err != nil {
		return c, fmt.Errorf("%w: the scopes of credential %s: %w", ErrCorrupt, c.ID, err)
	}
	if err := json.Unmarshal([]byte(addresses), &c.Addresses); err != nil {
		return c, fmt.Errorf("%w: the addresses of credential %s: %w", ErrCorrupt, c.ID, err)
	}
	return c, nil
}

// AddCredential stores a credential with its secret, of at least 32 random bytes, and returns it with its times. The errors are
// ErrNotFound where there is no such application, ErrRevoked where that is revoked, and ErrConflict where the id or the secret is known.
func (a *Accounts) AddCredential(ctx context.Context, one Credential, secret []byte) (Credential, error) {
	hash, err := a.hash(ctx, one, secret)
	if err != nil {
		return Credential{}, err
	}
	err = a.change(ctx, "create", "credential", one.ID, func(ctx context.Context, tx *transaction) (err error) {
		one, err = a.insert(ctx, tx, one, hash)
		return err
	})
	return one, err
}

// RotateCredential stores a credential with its secret in the place of another, and returns it: with the application, name, scopes
// and addresses of the other, which ends at a time if it does not end before. Of the new one the id, the prefix, the author and the
// end are given. The errors are those of AddCredential, and ErrNotFound, ErrRevoked and ErrExpired about the other.
func (a *Accounts) RotateCredential(ctx context.Context, old string, one Credential, secret []byte, ends time.Time) (Credential, error) {
	before, err := a.Credential(ctx, old)
	if err != nil {
		return Credential{}, err
	}
	one.Application, one.Name, one.Scopes, one.Addresses = before.Application, before.Name, before.Scopes, before.Addresses
	hash, err := a.hash(ctx, one, secret)
	if err != nil {
		return Credential{}, err
	}
	err = a.change(ctx, "create", "credential", one.ID, func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernAccounts, "credential/"+old)
		now := a.db.now()
		before, err := scanCredential(tx.QueryRowContext(ctx, "SELECT "+credentialColumns+" FROM credentials WHERE id = $1", old).Scan)
		switch {
		case err != nil:
			return err
		case !before.Revoked.IsZero():
			return fmt.Errorf("credential %s: %w", old, ErrRevoked)
		case !before.Expires.IsZero() && !now.Before(before.Expires):
			return fmt.Errorf("credential %s: %w", old, ErrExpired)
		}
		if one, err = a.insert(ctx, tx, one, hash); err != nil {
			return err
		}
		if !before.Expires.IsZero() && before.Expires.Before(ends) {
			return nil
		}
		_, err = exec(ctx, tx, "UPDATE credentials SET expires = $1, changed = $2 WHERE id = $3", moment(ends), one.Changed+1, old)
		return err
	})
	return one, err
}

// hash judges a credential and returns the hash of its secret.
func (a *Accounts) hash(ctx context.Context, one Credential, secret []byte) (CredentialHash, error) {
	if one.ID == "" || one.Application == "" || one.Prefix == "" || len(secret) < minSecret {
		return CredentialHash{}, fmt.Errorf("create credential %s: %w: it has an id, an application, a prefix, and a secret of %d bytes at least", one.ID, ErrInvalid, minSecret)
	}
	key, err := a.Key(ctx)
	if err != nil {
		return CredentialHash{}, err
	}
	return HashCredential(key, secret), nil
}

// insert stores a credential in a change under way.
func (a *Accounts) insert(ctx context.Context, tx *transaction, one Credential, hash CredentialHash) (Credential, error) {
	if err := live(ctx, tx, one.Application); err != nil {
		return Credential{}, err
	}
	scopes, err := json.Marshal(append([]string{}, one.Scopes...))
	if err != nil {
		return Credential{}, err
	}
	addresses, err := json.Marshal(append([]netip.Prefix{}, one.Addresses...))
	if err != nil {
		return Credential{}, err
	}
	one.Scopes, one.Addresses = append([]string{}, one.Scopes...), append([]netip.Prefix{}, one.Addresses...)
	one.Created, one.Expires = stored(a.db.now()), stored(one.Expires)
	one.Used, one.Revoked = time.Time{}, time.Time{}
	if one.Changed, err = nextChange(ctx, tx); err != nil {
		return Credential{}, err
	}
	_, err = exec(ctx, tx, insertCredential, one.ID, one.Application, one.Prefix, one.Name, one.Author, hash[:],
		string(scopes), string(addresses), moment(one.Created), moment(one.Expires), one.Changed)
	return one, err
}
