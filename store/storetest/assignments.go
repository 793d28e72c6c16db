package storetest

import (
	"testing"

	"github.com/gatehouse/gatehouse/store"
)

// assignments keeps the last state, and takes none that follows another than it.
func assignments(t *testing.T, s Subject) {
	ctx := t.Context()
	other := s.Open(t, store.Options{Now: s.Clock.Now})
	if state, version, err := s.Store.Assignments.Load(ctx); err != nil || state != nil || version != 0 {
		t.Fatalf("at first there is %q of version %d: %v", state, version, err)
	}
	versions := make([]int64, 4)
	won := 0
	for i, err := range race(len(versions), func(i int) (err error) {
		versions[i], err = []*store.Store{s.Store, other}[i%2].Assignments.Save(ctx, []byte{byte(i)}, 0)
		return err
	}) {
		if err == nil {
			won++
			equal(t, "version", versions[i], int64(1))
			continue
		}
		is(t, "one that came late", err, store.ErrConflict)
	}
	equal(t, "how many could save first", won, 1)
	equal(t, "version", must(other.Assignments.Save(ctx, []byte("two"), 1))(t), int64(2))
	_, err := s.Store.Assignments.Save(ctx, []byte("old"), 1)
	is(t, "one that follows what is not there any more", err, store.ErrConflict)
	state, version, err := s.Store.Assignments.Load(ctx)
	if err != nil || string(state) != "two" || version != 2 {
		t.Errorf("in the end there is %q of version %d: %v", state, version, err)
	}
}
