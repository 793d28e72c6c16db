package server_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/admin"
	"github.com/gatehouse/gatehouse/authz/keys"
	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/server"
	"github.com/gatehouse/gatehouse/store"
)

// keySoon is within what a change of a key reaches every replica.
const keySoon = time.Second

// within waits until a replica knows a key, or why it is none, and tells where that took too long.
func within(t *testing.T, s *server.Server, text string, want error) {
	t.Helper()
	begun := time.Now()
	eventually(t, fmt.Sprintf("the key is found: %v", want), func() bool {
		_, err := s.FindKey(text)
		return errors.Is(err, want)
	})
	if took := time.Since(begun); took > keySoon {
		t.Errorf("it took %s until %v", took, want)
	} else {
		t.Logf("%v after %s", want, took)
	}
}

// TestKeysReachEveryReplica makes, rotates and revokes keys at one of two replicas over PostgreSQL: the other one knows within a
// second, and makes no revision of it.
func TestKeysReachEveryReplica(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 2, nil)
	r.serving(1)
	a, b := r.all[0], r.all[1]
	boss := client(t, a)
	ctx := t.Context()
	_, err := boss.CreateApplication(ctx, admin.ApplicationGrant{ID: "till", Team: "payments"})
	if err != nil {
		t.Fatal(err)
	}
	made, err := boss.CreateKey(ctx, "till", admin.KeyGrant{Scopes: []string{"pay"}, Addresses: []string{"10.0.0.0/8"}, Expires: "24h"})
	if err != nil {
		t.Fatal(err)
	}
	if k, err := a.FindKey(made.Text); err != nil || k.Application != "till" || k.Scopes[0] != "pay" || len(k.Addresses) != 1 || k.ID != made.ID {
		t.Fatalf("where it was made, at once: %+v, %v", k, err)
	}
	within(t, b, made.Text, nil)

	if _, err := client(t, b).SetPlan(ctx, "till", "gold"); err != nil {
		t.Fatal(err)
	}
	planned := time.Now()
	eventually(t, "the other replica knows the plan", func() bool {
		k, err := a.FindKey(made.Text)
		return err == nil && k.Plan("payments", "v1") == "gold"
	})
	if took := time.Since(planned); took > keySoon {
		t.Errorf("it took %s until the other replica knew the plan", took)
	}

	next, err := client(t, b).RotateKey(ctx, made.ID, admin.KeyRotation{Overlap: "1h"})
	if err != nil {
		t.Fatal(err)
	}
	within(t, a, next.Text, nil)
	if _, err := a.FindKey(made.Text); err != nil {
		t.Errorf("the old one has an hour: %v", err)
	}
	if err := boss.RevokeKey(ctx, next.ID); err != nil {
		t.Fatal(err)
	}
	within(t, b, next.Text, keys.ErrRevoked)
	if err := client(t, b).RevokeApplication(ctx, "till"); err != nil {
		t.Fatal(err)
	}
	within(t, a, made.Text, keys.ErrRevoked)
	if got := entryOf(t, boss); got != 1 {
		t.Errorf("keys have made entry %d", got)
	}
}

// TestManyKeysAtOnce makes more keys at once than notices wait for anybody: none is missed.
func TestManyKeysAtOnce(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 2, nil)
	r.serving(1)
	boss := client(t, r.all[0])
	if _, err := boss.CreateApplication(t.Context(), admin.ApplicationGrant{ID: "till"}); err != nil {
		t.Fatal(err)
	}
	const each, makers = 40, 4
	var mu sync.Mutex
	var texts []string
	var group sync.WaitGroup
	for range makers {
		group.Go(func() {
			for range each {
				made, err := boss.CreateKey(t.Context(), "till", admin.KeyGrant{})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				texts = append(texts, made.Text)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for _, text := range texts {
		within(t, r.all[1], text, nil)
	}
	all, err := boss.Keys(t.Context(), admin.KeyQuery{Application: "till"})
	if err != nil || len(all) != each*makers {
		t.Errorf("%d keys are listed, %v", len(all), err)
	}
}

// TestKeysWithoutTheStore takes the store away: what is known counts on; what came meanwhile counts when it is back.
func TestKeysWithoutTheStore(t *testing.T) {
	t.Parallel()
	r := newReplicas(t, 2, nil)
	r.serving(1)
	boss := client(t, r.all[0])
	if _, err := boss.CreateApplication(t.Context(), admin.ApplicationGrant{ID: "till"}); err != nil {
		t.Fatal(err)
	}
	made, err := boss.CreateKey(t.Context(), "till", admin.KeyGrant{})
	if err != nil {
		t.Fatal(err)
	}
	within(t, r.all[1], made.Text, nil)
	r.ways[1].set(true) // From one replica alone.
	if err := boss.RevokeKey(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.all[1].FindKey(made.Text); err != nil {
		t.Errorf("what is known does not count on: %v", err)
	}
	if _, err := client(t, r.all[1]).CreateKey(t.Context(), "till", admin.KeyGrant{}); !errors.Is(err, admin.ErrUnable) {
		t.Errorf("without the store a key is made: %v", err)
	}
	r.ways[1].set(false)
	eventually(t, "the revocation is known", func() bool {
		_, err := r.all[1].FindKey(made.Text)
		return errors.Is(err, keys.ErrRevoked)
	})
}

// TestKeysAreThereBeforeADaemonServes starts a daemon over a store with keys: it knows them with its first answer, and keeps
// their last use when it stops.
func TestKeysAreThereBeforeADaemonServes(t *testing.T) {
	t.Parallel()
	state := needs.SocketDir(t)
	first, err := server.New(server.Options{State: state})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := first.FindKey("ghk_x"); !errors.Is(err, keys.ErrMalformed) {
		t.Errorf("without any key: %v", err)
	}
	if _, err := first.FindKey(keys.Text(keys.Fresh())); !errors.Is(err, keys.ErrUnknown) {
		t.Errorf("without any key: %v", err)
	}
	boss := client(t, first)
	if _, err := boss.CreateApplication(t.Context(), admin.ApplicationGrant{ID: "till"}); err != nil {
		t.Fatal(err)
	}
	made, err := boss.CreateKey(t.Context(), "till", admin.KeyGrant{Name: "branch 12"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(made.Text, made.Prefix+".") || made.Author == "" {
		t.Errorf("made %+v", made.APIKey)
	}
	stop(t, first)

	second := start(t, server.Options{State: state})
	if _, err := second.FindKey(made.Text); err != nil {
		t.Fatal(err)
	}
	stop(t, second)
	kept, err := store.Open(t.Context(), store.Options{Dir: state})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	if c, err := kept.Accounts.Credential(t.Context(), made.ID); err != nil || c.Used.IsZero() {
		t.Errorf("its use was not kept: %+v, %v", c, err)
	}
}
