package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

func authority(id, state string) store.CA {
	return store.CA{ID: id, Certificate: []byte("certificate of " + id), Key: []byte("key of " + id), State: state}
}

func authorityOneActive(t *testing.T, s Subject) {
	ctx := t.Context()
	other := s.Open(t, store.Options{})
	won := 0
	for _, err := range race(8, func(i int) error {
		return failure([]*store.Store{s.Store, other}[i%2].Authority.Add(ctx, authority(fmt.Sprint("ca-", i), store.Active)))
	}) {
		if err == nil {
			won++
		} else {
			is(t, "one that came late", err, store.ErrConflict)
		}
	}
	equal(t, "how many added the first CA", won, 1)
	for what, c := range map[string]store.CA{
		"no key": {ID: "x", Certificate: []byte("c"), State: store.Next}, "no certificate": {ID: "x", Key: []byte("k"), State: store.Next},
		"no id": authority("", store.Next), "another state": authority("x", "eternal"),
	} {
		is(t, what, failure(s.Authority.Add(ctx, c)), store.ErrInvalid)
	}
}

func authorityRotates(t *testing.T, s Subject) {
	ctx := t.Context()
	created := s.Clock.Now()
	must(s.Authority.Add(ctx, authority("old", store.Active)))(t)
	must(s.Authority.Add(ctx, authority("new", store.Next)))(t)
	s.Clock.Advance(time.Hour)
	is(t, "two active ones", s.Authority.Move(ctx, store.Move{ID: "new", From: store.Next, To: store.Active}), store.ErrConflict)
	is(t, "half a rotation", s.Authority.Move(ctx,
		store.Move{ID: "old", From: store.Active, To: store.Retired}, store.Move{ID: "none", From: store.Next, To: store.Active}), store.ErrConflict)
	is(t, "an unknown state", s.Authority.Move(ctx, store.Move{ID: "old", From: store.Active, To: "gone"}), store.ErrInvalid)
	done(t, s.Authority.Move(ctx, store.Move{ID: "old", From: store.Active, To: store.Retired}, store.Move{ID: "new", From: store.Next, To: store.Active}))
	retired, active := authority("old", store.Retired), authority("new", store.Active)
	retired.Created, retired.Changed, active.Created, active.Changed = created, s.Clock.Now(), created, s.Clock.Now()
	equal(t, "after the rotation", must(s.Authority.List(ctx))(t), []store.CA{active, retired})
	is(t, "removing the active one", s.Authority.Remove(ctx, "new"), store.ErrConflict)
	done(t, s.Authority.Remove(ctx, "old"))
	equal(t, "left", len(must(s.Authority.List(ctx))(t)), 1)
}

func authoritySealed(t *testing.T, s Subject) {
	ctx := t.Context()
	must(s.Authority.Add(ctx, authority("plain", store.Retired)))(t)
	key := bytes.Repeat([]byte{7}, 32)
	sealing := s.Open(t, store.Options{SealingKey: key})
	must(sealing.Authority.Add(ctx, authority("sealed", store.Active)))(t)
	for _, c := range must(sealing.Authority.List(ctx))(t) {
		equal(t, "key", string(c.Key), "key of "+c.ID)
	}
	is(t, "without a sealing key", failure(s.Authority.List(ctx)), store.ErrSealed)
	another := s.Open(t, store.Options{SealingKey: bytes.Repeat([]byte{8}, 32)})
	is(t, "with another sealing key", failure(another.Authority.List(ctx)), store.ErrSealed)
}
