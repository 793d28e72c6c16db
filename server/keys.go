package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/authz/keys"
	"github.com/gatehouse/gatehouse/store"
)

const (
	// keysAtOnce is how many rows are read from the store at once.
	keysAtOnce = 10_000
	// keysLimit bounds the reading of what has changed; a replica that starts reads all, for as long as its start may take.
	keysLimit = 30 * time.Second
	// keysEnded is how long a key is told apart from one that never was after it has ended.
	keysEnded = 30 * 24 * time.Hour
	// usesEvery is how often last uses are kept, and usesAtOnce how many by one change of the store, which others wait for.
	usesEvery  = time.Minute
	usesAtOnce = 500
	usesLast   = 2 * time.Second
)

// errKeysUnread tells that it is not known yet which keys there are.
var errKeysUnread = errors.New("the API keys are not read yet")

// accountKeys holds the API keys of the store in memory, and follows what changes of them.
type accountKeys struct {
	server *Server
	table  atomic.Pointer[keys.Table] // nil while the store has no credential: then its HMAC key need not exist.
	read   atomic.Bool                // All were read once.
	failed atomic.Uint64

	mu                                       sync.Mutex // Of who reads.
	credentials, subscriptions, applications store.Mark
	full                                     bool // More credentials than are held; logged once.
}

// Find returns the key of a text, or one of the errors of keys; any other error is about this daemon, and later another.
func (k *accountKeys) Find(text string) (keys.Key, error) {
	if table := k.table.Load(); table != nil {
		return table.Find(text)
	}
	if _, err := keys.ID(text); err != nil {
		return keys.Key{}, err
	}
	if !k.read.Load() {
		return keys.Key{}, errKeysUnread
	}
	return keys.Key{}, keys.ErrUnknown
}

// held is how many credentials are in memory.
func (k *accountKeys) held() int {
	if table := k.table.Load(); table != nil {
		return table.Len()
	}
	return 0
}

// catchUp takes in what has changed in the store. Each kind refers to those read after it, so that what is referred to is there in
// the end; until then a key does not count.
func (k *accountKeys) catchUp(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	table, err := k.open(ctx)
	if table == nil || err != nil {
		return err
	}
	from := k.server.store.Accounts
	err = errors.Join(
		drain(ctx, &k.credentials, from.CredentialsAfter, func(c store.Hashed) { k.put(table, c) }),
		drain(ctx, &k.subscriptions, from.SubscriptionsAfter, func(s store.Subscription) {
			if s.Revoked.IsZero() {
				table.Subscribe(s.Application, keys.Subscription{ID: s.ID, API: s.API, Plan: s.Plan})
			} else {
				table.Unsubscribe(s.Application, s.ID)
			}
		}),
		drain(ctx, &k.applications, from.ApplicationsAfter, func(a store.Application) { table.PutApplication(a.ID, a.Plan, !a.Revoked.IsZero()) }),
	)
	if err == nil {
		k.table.Store(table)
		k.read.Store(true)
	}
	return err
}

// open returns the table, a new one where the store has its first credential; nil where it has none.
func (k *accountKeys) open(ctx context.Context) (*keys.Table, error) {
	if table := k.table.Load(); table != nil {
		return table, nil
	}
	accounts := k.server.store.Accounts
	some, _, err := accounts.CredentialsAfter(ctx, store.Mark{}, 1)
	if err != nil {
		return nil, err
	}
	if len(some) == 0 {
		k.read.Store(true)
		return nil, nil
	}
	key, err := accounts.Key(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the key by which API keys are hashed: %w", err)
	}
	k.credentials, k.subscriptions, k.applications = store.Mark{}, store.Mark{}, store.Mark{}
	return keys.New(key, k.server.options.Now), nil
}

// drain reads a kind of account to its end.
func drain[T any](
	ctx context.Context, mark *store.Mark, read func(context.Context, store.Mark, int) ([]T, store.Mark, error), take func(T),
) error {
	for {
		some, end, err := read(ctx, *mark, keysAtOnce)
		if err != nil {
			return err
		}
		for _, one := range some {
			take(one)
		}
		*mark = end
		if len(some) < keysAtOnce {
			return nil
		}
	}
}

// put takes in a credential. One that cannot be held is no key here, and the log says so.
func (k *accountKeys) put(table *keys.Table, c store.Hashed) {
	ago := k.server.options.Now().Add(-keysEnded)
	if !c.Revoked.IsZero() && c.Revoked.Before(ago) || !c.Expires.IsZero() && c.Expires.Before(ago) {
		table.Remove(c.ID)
		return
	}
	err := table.Put(keys.Row{
		ID: c.ID, Hash: keys.Hash(c.Hash), Application: c.Application, Scopes: c.Scopes, Addresses: c.Addresses,
		Expires: c.Expires, Revoked: c.Revoked,
	})
	switch {
	case errors.Is(err, keys.ErrFull) && !k.full:
		k.full = true
		k.server.log.Error("there are more API keys than are held in memory: those made last are unknown here", "most", keys.Most)
	case err != nil && !errors.Is(err, keys.ErrFull):
		k.server.log.Error("a credential cannot be used as an API key", "credential", c.ID, "error", err)
	}
}

// follow takes in what changes until ctx ends. What fails is logged once, and tried again; what is known is served on.
func (k *accountKeys) follow(ctx context.Context) {
	notices := k.server.store.Watch(ctx)
	again := time.NewTicker(jittered(followEvery))
	defer again.Stop()
	away, due := false, true
	for {
		if due {
			err := k.catchUpWithin(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil && !away:
				k.server.log.Error("API keys cannot be followed: those that are known count on", "error", err)
			case err == nil && away:
				k.server.log.Info("API keys are followed again")
			}
			if away = err != nil; away {
				k.failed.Add(1)
			}
		}
		select {
		case <-ctx.Done():
			return
		case n, open := <-notices:
			if !open {
				return
			}
			due = n.Concern == "" || n.Concern == store.ConcernAccounts
		case <-again.C:
			due = true
		}
	}
}

func (k *accountKeys) catchUpWithin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keysLimit)
	defer cancel()
	return k.catchUp(ctx)
}

// keepUses keeps again and again about when keys were used last, until ctx ends, and then once more.
func (k *accountKeys) keepUses(ctx context.Context) {
	failed := false
	for {
		timer := time.NewTimer(jittered(usesEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), usesLast)
			defer cancel()
			if err := k.writeUses(last); err != nil {
				k.server.log.Warn("the last uses of API keys cannot be kept", "error", err)
			}
			return
		case <-timer.C:
		}
		err := k.writeUses(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			k.server.log.Error("the last uses of API keys cannot be kept: those of some minutes are lost", "error", err)
		}
		failed = err != nil
	}
}

// writeUses writes the uses that were not kept yet, and forgets the keys that ended long ago.
func (k *accountKeys) writeUses(ctx context.Context) error {
	table := k.table.Load()
	if table == nil {
		return nil
	}
	table.Forget(k.server.options.Now().Add(-keysEnded))
	for {
		used := table.Used(usesAtOnce)
		if len(used) == 0 {
			return nil
		}
		kept := make([]store.Use, len(used))
		for i, u := range used {
			kept[i] = store.Use(u)
		}
		if err := k.server.store.Accounts.Touch(ctx, kept...); err != nil {
			return err
		}
		if len(used) < usesAtOnce {
			return nil
		}
	}
}
