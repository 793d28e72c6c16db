package store

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

// sealedColumn is a column whose values are sealed for an owner: a word and the row's key.
type sealedColumn struct{ table, key, value, owner string }

// sealedColumns are all of them; each table has a column "sealed" too.
func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{"authorities", "id", "private_key", sealedAuthority},
		{"secrets", "name", "value", sealedSecret},
	}
}

// sealedValue is a row of a sealed column.
type sealedValue struct {
	key    string
	value  []byte
	sealed bool
}

// Reseal seals every secret with the first sealing key: those sealed with another key that the store was opened with, and those
// not sealed yet. It returns how many there are; all are sealed anew, or none where one opens with no key (ErrSealed).
func (s *Store) Reseal(ctx context.Context) (count int, err error) {
	keys := s.Secrets.keys
	if len(keys) == 0 {
		return 0, fmt.Errorf("seal the secrets anew: %w: no sealing key is given", ErrInvalid)
	}
	err = s.db.change(ctx, "seal the secrets anew", func(ctx context.Context, tx *transaction) error {
		tx.notice(ConcernAuthority, "")
		tx.notice(ConcernSecrets, "")
		count = 0
		for _, c := range sealedColumns() {
			resealed, err := c.reseal(ctx, tx, keys)
			if err != nil {
				return err
			}
			count += resealed
		}
		return nil
	})
	return count, err
}

func (c sealedColumn) read(ctx context.Context, q querier) ([]sealedValue, error) {
	return collect(ctx, q, func(scan func(...any) error) (v sealedValue, err error) {
		return v, scan(&v.key, &v.value, &v.sealed)
	}, fmt.Sprintf("SELECT %s, %s, sealed FROM %s ORDER BY %s", c.key, c.value, c.table, c.key))
}

func (c sealedColumn) reseal(ctx context.Context, tx *transaction, keys ring) (int, error) {
	values, err := c.read(ctx, tx)
	if err != nil {
		return 0, err
	}
	for _, v := range values {
		secret, err := keys.open(v.value, v.sealed, c.owner+v.key)
		if err != nil {
			return 0, fmt.Errorf("%s%s: %w", c.owner, v.key, err)
		}
		value, sealed := keys.seal(secret, c.owner+v.key)
		if _, err := exec(ctx, tx, fmt.Sprintf("UPDATE %s SET %s = $1, sealed = $2 WHERE %s = $3", c.table, c.value, c.key),
			value, sealed, v.key); err != nil {
			return 0, err
		}
	}
	return len(values), nil
}

// ParseSealingKey reads a key of 32 bytes written in hexadecimal or in base64, such as `openssl rand -base64 32` prints. What is
// wrong with a key is told without its words.
func ParseSealingKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	for _, decode := range []func(string) ([]byte, error){
		hex.DecodeString, base64.StdEncoding.DecodeString, base64.URLEncoding.DecodeString, base64.RawStdEncoding.DecodeString, base64.RawURLEncoding.DecodeString,
	} {
		if key, err := decode(text); err == nil && len(key) == sealingKeySize {
			return key, nil
		}
	}
	return nil, fmt.Errorf("%w: a sealing key is %d bytes, in hexadecimal or base64", ErrInvalid, sealingKeySize)
}

// CheckSeals returns ErrSealed where a secret opens with none of the sealing keys.
func (s *Store) CheckSeals(ctx context.Context) error {
	return s.db.view(ctx, "open the secrets", func(ctx context.Context, q querier) error {
		for _, c := range sealedColumns() {
			values, err := c.read(ctx, q)
			if err != nil {
				return err
			}
			for _, v := range values {
				if _, err := s.Secrets.keys.open(v.value, v.sealed, c.owner+v.key); err != nil {
					return fmt.Errorf("%s%s: %w", c.owner, v.key, err)
				}
			}
		}
		return nil
	})
}
