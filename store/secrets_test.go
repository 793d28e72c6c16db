package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// holds says whether any file of a directory holds some bytes.
func holds(t *testing.T, dir string, secret []byte) bool {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(data, secret) {
			return true
		}
	}
	return false
}

// TestSecretsInTheFile looks at what is really on the disk.
func TestSecretsInTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, store.Options{Dir: dir, SealingKey: bytes.Repeat([]byte{1}, 32)})
	plain := open(t, store.Options{Dir: dir})
	add := func(s *store.Store, id, key, state string) {
		t.Helper()
		if _, err := s.Authority.Add(t.Context(), store.CA{ID: id, Certificate: []byte("c"), Key: []byte(key), State: state}); err != nil {
			t.Fatal(err)
		}
	}
	add(s, "sealed", "the key that is sealed", store.Active)
	add(plain, "plain", "the key that is plain", store.Retired)
	token := store.Token{ID: "t", Fleet: "edge", Uses: 1, Expires: time.Now().Add(time.Hour)}
	if _, err := s.Tokens.Create(t.Context(), token, []byte("the secret of a token, 32 bytes.")); err != nil {
		t.Fatal(err)
	}
	for secret, want := range map[string]bool{"the key that is sealed": false, "the secret of a token": false, "the key that is plain": true} {
		if got := holds(t, dir, []byte(secret)); got != want {
			t.Errorf("%q is on the disk: %v, want %v", secret, got, want)
		}
	}
	if err := errors.Join(plain.Authority.Remove(t.Context(), "plain"), plain.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if holds(t, dir, []byte("the key that is plain")) {
		t.Error("a key that was removed is still on the disk")
	}
}

// TestSealedForItsOwner puts the sealed key of one authority in the place of another's.
func TestSealedForItsOwner(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{Dir: t.TempDir(), SealingKey: bytes.Repeat([]byte{1}, 32)})
	for id, state := range map[string]string{"one": store.Active, "two": store.Next} {
		if _, err := s.Authority.Add(t.Context(), store.CA{ID: id, Certificate: []byte("c"), Key: []byte("key of " + id), State: state}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Exec(t.Context(), "UPDATE authorities SET private_key = (SELECT private_key FROM authorities WHERE id = 'two') WHERE id = 'one'"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authority.List(t.Context()); !errors.Is(err, store.ErrSealed) {
		t.Errorf("%v, want ErrSealed", err)
	}
}
