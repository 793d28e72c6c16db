package store_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// firstOf are the migrations of a dialect that the version with schema 1 had.
func firstOf(t *testing.T, dialect string) fs.FS {
	t.Helper()
	steps, err := store.StepsOf(dialect)
	if err != nil {
		t.Fatal(err)
	}
	data, err := fs.ReadFile(steps, "00001_first.sql")
	if err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{"00001_first.sql": {Data: data}}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestUpgradeFromSchema1 opens what the version with schema 1 wrote.
func TestUpgradeFromSchema1(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := open(t, store.WithSteps(store.Options{Dir: dir}, firstOf(t, "sqlite")))
	if err := errors.Join(old.Exec(t.Context(), read(t, "schema1.sqlite.sql")), old.Close()); err != nil {
		t.Fatal(err)
	}
	isOfSchema1(t, open(t, store.Options{Dir: dir}))
	if kept, err := filepath.Glob(filepath.Join(dir, store.File+".schema-1")); err != nil || len(kept) != 1 {
		t.Errorf("no copy of schema 1 was kept: %v", err)
	}
}

// TestPostgresUpgradeFromSchema1 is the same for PostgreSQL.
func TestPostgresUpgradeFromSchema1(t *testing.T) {
	t.Parallel()
	all := newSchemas(t)
	place := all.place()
	old := open(t, store.WithSteps(at(place), firstOf(t, "postgres")))
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	all.server.SQL(all.bank, "SET search_path TO "+schemaOf(place)+";\n"+read(t, "schema1.postgres.sql"))
	isOfSchema1(t, open(t, at(place)))
}

// TestDumpOfSchema2IsLoaded loads what the first version that could dump wrote, into every database.
func TestDumpOfSchema2IsLoaded(t *testing.T) {
	t.Parallel()
	for _, place := range []string{t.TempDir(), newSchemas(t).place()} {
		s := open(t, at(place))
		if err := s.Load(t.Context(), bytes.NewReader([]byte(read(t, "dump2.jsonl")))); err != nil {
			t.Fatal(err)
		}
		isOfSchema1(t, s)
	}
}

// isOfSchema1 checks that all that the version with schema 1 wrote is there, and that the store goes on from there.
func isOfSchema1(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	if err := s.Check(ctx); err != nil {
		t.Fatal(err)
	}
	e, err := s.History.Get(ctx, 2)
	if want := time.Date(2026, 3, 1, 9, 30, 2, 0, time.UTC); err != nil || e.Author != "olga" || e.State != "live" || !e.Created.Equal(want) || string(e.Substitutions) != `{"payments/v1":1}` {
		t.Errorf("entry 2: %+v, %v", e, err)
	}
	files, err := s.History.Files(ctx, "c2")
	if err != nil || len(files) != 3 || string(files["apis/payments.yaml"]) != "# Payments, second\nkind: Upstream\nname: payments\n" {
		t.Errorf("files of entry 2: %q, %v", files, err)
	}
	if n, err := s.Nodes.Get(ctx, "edge", "edge-1"); err != nil || n.Entry != 2 || n.Labels["zone"] != "a" {
		t.Errorf("node: %+v, %v", n, err)
	}
	if open, err := s.Rollouts.Open(ctx); err != nil || len(open) != 1 || open[0].Fleet != "branch" {
		t.Errorf("open rollouts: %+v, %v", open, err)
	}
	if v, err := s.Observed.Get(ctx, "endpoints", "payments"); err != nil || v.Version != 2 || len(v.Value) != 0 {
		t.Errorf("observed: %+v, %v", v, err)
	}
	if _, err := s.Tokens.Take(ctx, store.Claim{ID: "t1", Secret: []byte("the secret of a token, 32 bytes.")}); err != nil {
		t.Error(err)
	}
	if all, err := s.Authority.List(ctx); err != nil || len(all) != 1 || string(all[0].Key) != "key of ca-1" {
		t.Errorf("authorities: %d, %v", len(all), err)
	}
	if domain, err := s.Meta.Get(ctx, "domain"); err != nil || domain != "bank.test" {
		t.Errorf("domain %q, %v", domain, err)
	}
	if next, err := s.History.AddAfter(ctx, store.Entry{Content: "c1", State: "live"}, nil, 2); err != nil || next.Number != 3 {
		t.Errorf("the next entry: %+v, %v", next, err)
	}
	if v, err := s.Observed.Put(ctx, store.Value{Kind: "endpoints", Name: "payments"}, 2); err != nil || v.Version != 3 {
		t.Errorf("the next version: %+v, %v", v, err)
	}
	if err := errors.Join(s.Secrets.Put(ctx, "a", []byte("b")), s.Dump(ctx, &bytes.Buffer{})); err != nil {
		t.Error(err)
	}
}

// TestEveryTableIsDumped keeps a table from being forgotten: each is dumped or named as one that is not.
func TestEveryTableIsDumped(t *testing.T) {
	t.Parallel()
	all := newSchemas(t)
	for place, query := range map[string]string{
		t.TempDir(): "SELECT name FROM sqlite_master WHERE type = 'table'",
		all.place(): "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
	} {
		s := open(t, at(place))
		names, err := s.Names(t.Context(), query)
		if err != nil || len(names) < 10 {
			t.Fatalf("%d tables, %v", len(names), err)
		}
		known := store.KnownTables()
		for _, name := range names {
			if !known[name] {
				t.Errorf("table %s is neither dumped nor named as one that is not", name)
			}
		}
	}
}
