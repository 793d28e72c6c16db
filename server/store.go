package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/observed"
	"github.com/gatehouse/gatehouse/store"
)

// storeAgain is the longest time between two tries to reach a store that was never there.
const storeAgain = 5 * time.Second

// openStore opens what outlives the process: where the options say, or in the state directory.
func (s *Server) openStore(ctx context.Context) error {
	o := s.options.Store
	if o.Dir == "" && o.URL == "" {
		o.Dir = s.options.State
	}
	o.Now = s.options.Now
	opened, err := s.awaitStore(ctx, o)
	if err != nil {
		return err
	}
	s.store = opened
	return nil
}

// awaitStore opens the store. A PostgreSQL that is away is waited for until ctx ends, as a replica that starts with it, after
// the machine did, must: nothing is served meanwhile. A successor does not wait, as whoever it is to follow serves on.
func (s *Server) awaitStore(ctx context.Context, o store.Options) (*store.Store, error) {
	wait := firstAgain
	for tries := 1; ; tries++ {
		opened, err := store.Open(ctx, o)
		switch {
		case err == nil && tries > 1:
			s.log.Info("the store is there", "tries", tries)
			return opened, nil
		case !errors.Is(err, store.ErrAway) || s.options.Predecessor != nil || ctx.Err() != nil:
			return opened, err
		case tries == 1:
			s.log.Error("the store is away: nothing is served until it is there", "error", err)
		}
		again := time.NewTimer(jittered(wait))
		select {
		case <-ctx.Done():
		case <-again.C:
		}
		again.Stop()
		wait = min(2*wait, storeAgain)
	}
}

// closeStore closes the store, the last of all.
func (s *Server) closeStore() error {
	if s.store == nil {
		return nil
	}
	if err := s.store.Close(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// keptObserved keeps what is observed in the server's store.
type keptObserved struct{ *Server }

// Get returns a value, of version 0 where there is none.
func (k keptObserved) Get(ctx context.Context, kind, name string) (observed.Stored, error) {
	if k.store == nil {
		return observed.Stored{}, store.ErrClosed
	}
	v, err := k.store.Observed.Get(ctx, kind, name)
	if errors.Is(err, store.ErrNotFound) {
		return observed.Stored{}, nil
	}
	return stored(v), err
}

// Put replaces a value of the version given.
func (k keptObserved) Put(ctx context.Context, kind, name string, version int64, value []byte, author string) (observed.Stored, error) {
	if k.store == nil {
		return observed.Stored{}, store.ErrClosed
	}
	v, err := k.store.Observed.Put(ctx, store.Value{Kind: kind, Name: name, Value: value, Author: author}, version)
	if errors.Is(err, store.ErrConflict) {
		return observed.Stored{}, fmt.Errorf("%w: %w", observed.ErrConflict, err)
	}
	return stored(v), err
}

func stored(v store.Value) observed.Stored {
	return observed.Stored{Value: v.Value, Version: v.Version, Author: v.Author, Changed: v.Changed}
}
