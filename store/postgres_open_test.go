package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// TestPostgresOpens opens stores as replicas do, and where they must not be opened.
func TestPostgresOpens(t *testing.T) {
	t.Parallel()
	all := newSchemas(t)
	for name, test := range map[string]func(*testing.T, *schemas){
		"several at once":               opensTogether,
		"by another schema's side":      opensBeside,
		"not what is newer":             opensNothingNewer,
		"not what is another's":         opensNothingForeign,
		"not without a schema":          opensNothingUnnamed,
		"not where it must not write":   opensNothingReadOnly,
		"as before after a broken step": opensAfterBrokenStep,
		"by the Unix socket":            opensBySocket,
	} {
		t.Run(name, func(t *testing.T) { test(t, all) })
	}
}

func opensTogether(t *testing.T, all *schemas) {
	place := all.place()
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			s, err := store.Open(t.Context(), at(place))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			if _, err := s.History.Add(t.Context(), store.Entry{Content: fmt.Sprint(i), State: "live"}, derived("x", 1)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	entries, err := open(t, at(place)).History.List(t.Context(), store.Query{})
	if err != nil || len(entries) != 6 || entries[0].Number != 6 {
		t.Errorf("%d entries, %v, want 6", len(entries), err)
	}
}

// opensBeside lets two stores of one database work at once: they do not wait for each other, and hear nothing of each other.
func opensBeside(t *testing.T, all *schemas) {
	one, other := open(t, at(all.place())), open(t, at(all.place()))
	feed := other.Watch(t.Context())
	anything(t, feed)
	err := one.Together(t.Context(), func(ctx context.Context, one *store.Store) error {
		return errors.Join(one.Meta.Set(ctx, "a", "one"), other.Meta.Set(ctx, "b", "other"))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Meta.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another schema's value: %v", err)
	}
	if n := <-feed; n != (store.Notice{Concern: store.ConcernMeta, Key: "b"}) {
		t.Errorf("told of %v", n)
	}
}

// laterOnPostgres are the migrations of this version and one more.
func laterOnPostgres(t *testing.T, statements string) fs.FS {
	t.Helper()
	steps, err := store.StepsOf("postgres")
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs.Glob(steps, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	all := fstest.MapFS{"90000_later.sql": {Data: []byte("-- +goose Up\n" + statements)}}
	for _, name := range names {
		data, err := fs.ReadFile(steps, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = &fstest.MapFile{Data: data}
	}
	return all
}

// opensNothingNewer goes forward one version while the old one works on, and back again.
func opensNothingNewer(t *testing.T, all *schemas) {
	place := all.place()
	old := open(t, at(place))
	addEntry(t, old, "c1")
	newer := open(t, store.WithSteps(at(place), laterOnPostgres(t, "ALTER TABLE nodes ADD COLUMN region TEXT NOT NULL DEFAULT '';\n")))
	for _, s := range []*store.Store{old, newer} {
		if err := s.Nodes.Put(t.Context(), store.Node{Fleet: "edge", Name: "a"}); err != nil {
			t.Error(err)
		}
		if nodes, err := s.Nodes.List(t.Context(), ""); err != nil || len(nodes) != 1 {
			t.Errorf("%d nodes, %v", len(nodes), err)
		}
	}
	refusesAt(t, place, store.ErrNewer, "start the newer version")
}

func opensAfterBrokenStep(t *testing.T, all *schemas) {
	place := all.place()
	s := open(t, at(place))
	addEntry(t, s, "c1")
	broken := laterOnPostgres(t, "DELETE FROM entries;\nALTER TABLE none ADD COLUMN x TEXT;\n")
	if s, err := store.Open(t.Context(), store.WithSteps(at(place), broken)); err == nil {
		_ = s.Close()
		t.Fatal("a broken migration went through")
	}
	if _, err := open(t, at(place)).History.Get(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

// refusesAt checks that a store is not opened, and that the error says what to do and not the password.
func refusesAt(t *testing.T, place string, want error, advice string) {
	t.Helper()
	s, err := store.Open(t.Context(), at(place))
	if err == nil {
		_ = s.Close()
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), advice) {
		t.Errorf("error %v, want %v with %q", err, want, advice)
	}
	if password, _, _ := strings.Cut(strings.TrimPrefix(place, "postgres://gatehouse:"), "@"); err != nil && strings.Contains(err.Error(), password) {
		t.Errorf("the password is in %v", err)
	}
}

func opensNothingForeign(t *testing.T, all *schemas) {
	place := all.place()
	schema := schemaOf(place)
	all.server.SQL(all.bank, "CREATE TABLE "+schema+".theirs (x INT)")
	refusesAt(t, place, store.ErrForeign, "choose an empty database")
}

func opensNothingUnnamed(t *testing.T, all *schemas) {
	refusesAt(t, all.url+"&search_path=nowhere", store.ErrInvalid, "there is no schema to work in")
}

func opensNothingReadOnly(t *testing.T, all *schemas) {
	place := all.place()
	refusesAt(t, place+"&default_transaction_read_only=on", store.ErrReadOnly, "on a server that is no standby")
	schema := schemaOf(place)
	all.server.SQL(all.bank, "CREATE ROLE teller LOGIN PASSWORD 'teller'; GRANT USAGE ON SCHEMA "+schema+" TO teller")
	as := strings.Replace(place, "gatehouse:"+all.server.Password(), "teller:teller", 1)
	refusesAt(t, as, store.ErrReadOnly, "let the URL's user create and write tables")
	wrong := strings.Replace(place, all.server.Password(), "wrong", 1)
	refusesAt(t, wrong, store.ErrAway, "password authentication failed")
}

func opensBySocket(t *testing.T, all *schemas) {
	addEntry(t, open(t, store.Options{URL: all.server.SocketURL(all.bank) + "&search_path=" + schemaOf(all.place())}), "c1")
}

// schemaOf is the schema of a place.
func schemaOf(place string) string {
	return place[strings.LastIndex(place, "=")+1:]
}

// TestPostgresLocked holds the lock on the store in one and changes in another: it waits, and not for ever.
func TestPostgresLocked(t *testing.T) {
	t.Parallel()
	all := newSchemas(t)
	place := all.place()
	holder, hasty := open(t, at(place)), open(t, store.Options{URL: place, Wait: 50 * time.Millisecond})
	patient := open(t, at(place))
	set := make(chan error, 1)
	err := holder.Together(t.Context(), func(ctx context.Context, s *store.Store) error {
		if err := hasty.Meta.Set(ctx, "a", "hasty"); !errors.Is(err, store.ErrBusy) {
			t.Errorf("a change beside another: %v, want ErrBusy", err)
		}
		if _, err := hasty.Leases.Take(ctx, "rollouts", "a", time.Hour); err != nil {
			t.Errorf("a lease waits for a change: %v", err)
		}
		if err := hasty.Replicas.Beat(ctx, store.Replica{ID: "a"}); err != nil {
			t.Errorf("a sign of life waits for a change: %v", err)
		}
		go func() { set <- patient.Meta.Set(t.Context(), "a", "patient") }()
		return s.Meta.Set(ctx, "a", "holder")
	})
	if err := errors.Join(err, <-set); err != nil {
		t.Fatal(err)
	}
	if v, err := holder.Meta.Get(t.Context(), "a"); err != nil || v != "patient" {
		t.Errorf("%q, %v", v, err)
	}
}

// TestPostgresClock takes a lease by a store whose own clock is wrong: leases end by the server's.
func TestPostgresClock(t *testing.T) {
	t.Parallel()
	all := newSchemas(t)
	s := open(t, store.Options{URL: all.place(), Now: func() time.Time { return time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) }})
	lease, err := s.Leases.Take(t.Context(), "rollouts", "a", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if off := time.Since(lease.Taken).Abs(); off > time.Minute || lease.Ends.Sub(lease.Taken) != time.Hour {
		t.Errorf("taken at %v until %v", lease.Taken, lease.Ends)
	}
}

// TestPostgresBounded asks much at once, and counts the connections.
func TestPostgresBounded(t *testing.T) {
	t.Parallel()
	server := cluster.For(t)
	url := server.Database()
	s := open(t, store.Options{URL: url})
	anything(t, s.Watch(t.Context()))
	var group sync.WaitGroup
	for i := range 60 {
		group.Go(func() {
			err := errors.Join(s.Meta.Set(t.Context(), fmt.Sprint(i), "x"), s.Replicas.Beat(t.Context(), store.Replica{ID: fmt.Sprint(i)}))
			_, listErr := s.Replicas.List(t.Context(), 0)
			if err := errors.Join(err, listErr); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := server.SQL("postgres", "SELECT count(*) <= 9 FROM pg_stat_activity WHERE application_name = 'gatehouse' AND datname = '"+bankOf(url)+"'"); got != "t" {
		t.Errorf("more than 9 connections: %s", got)
	}
}

// TestPostgresTells measures how long it takes until another process hears of a change, also where far too much is changed for
// one notification.
func TestPostgresTells(t *testing.T) {
	t.Parallel()
	all := newSchemas(t)
	place := all.place()
	one, other := open(t, at(place)), open(t, at(place))
	feed := other.Watch(t.Context())
	anything(t, feed)
	var took []time.Duration
	for i := range 20 {
		began := time.Now()
		if err := one.Meta.Set(t.Context(), fmt.Sprint(i), "x"); err != nil {
			t.Fatal(err)
		}
		if n := <-feed; n != (store.Notice{Concern: store.ConcernMeta, Key: fmt.Sprint(i)}) {
			t.Fatalf("told of %v", n)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	if took[len(took)/2] > time.Second {
		t.Errorf("a change is told after %v", took[len(took)/2])
	}
	t.Logf("told after %v, at most %v", took[len(took)/2], took[len(took)-1])
	nodes := make([]store.Node, 500)
	for i := range nodes {
		nodes[i] = store.Node{Fleet: fmt.Sprint("a fleet with a long name ", i), Name: "n"}
	}
	if err := one.Nodes.Put(t.Context(), nodes...); err != nil {
		t.Fatal(err)
	}
	anything(t, feed)
}

// TestPostgresTexts stores what PostgreSQL cannot: it is an invalid value, and harms nothing.
func TestPostgresTexts(t *testing.T) {
	t.Parallel()
	s := open(t, at(newSchemas(t).place()))
	for _, text := range []string{"a\x00b", "\xff"} {
		if err := s.Meta.Set(t.Context(), "a", text); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", text, err)
		}
	}
	if err := s.Meta.Set(t.Context(), "a", "größe 🏦"); err != nil {
		t.Error(err)
	}
}
