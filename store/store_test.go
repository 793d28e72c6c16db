package store_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/store/storetest"
)

func TestSQLite(t *testing.T) {
	t.Parallel()
	storetest.Run(t, 50, func(t *testing.T) storetest.Open {
		dir := t.TempDir()
		return func(t *testing.T, o store.Options) *store.Store {
			o.Dir = dir
			return open(t, o)
		}
	})
}

// open opens a store for the length of a test.
func open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // Some tests have closed it.
	return s
}

func TestMoves(t *testing.T) {
	t.Parallel()
	storetest.Moves(t, open(t, store.Options{Dir: t.TempDir()}), open(t, store.Options{Dir: t.TempDir()}))
}
