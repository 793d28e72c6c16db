package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/observed"
	"github.com/gatehouse/gatehouse/store"
)

// openStore opens what outlives the process: where the options say, or in the state directory.
func (s *Server) openStore(ctx context.Context) error {
	o := s.options.Store
	if o.Dir == "" && o.URL == "" {
		o.Dir = s.options.State
	}
	o.Now = s.options.Now
	opened, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	s.store = opened
	return nil
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
