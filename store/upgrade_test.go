package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gatehouse/gatehouse/store"
)

// firstOf are the migrations of a dialect that the version with schema 1 had.
func firstOf(t *testing.T, dialect string) fs.FS { return upTo(t, dialect, 1) }

// upTo are the migrations of a dialect that the version with a schema had.
func upTo(t *testing.T, dialect string, schema int) fs.FS {
	t.Helper()
	steps, err := store.StepsOf(dialect)
	if err != nil {
		t.Fatal(err)
	}
	had := fstest.MapFS{}
	for number := range schema {
		names, err := fs.Glob(steps, fmt.Sprintf("%05d_*.sql", number+1))
		if err != nil || len(names) != 1 {
			t.Fatalf("migration %d: %v, %v", number+1, names, err)
		}
		data, err := fs.ReadFile(steps, names[0])
		if err != nil {
			t.Fatal(err)
		}
		had[names[0]] = &fstest.MapFile{Data: data}
	}
	return had
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
	hasWhatIsNew(t, s)
}

// hasWhatIsNew uses what schema 5 and those after it brought.
func hasWhatIsNew(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	certificate := store.Certificate{Serial: "01", Fleet: "edge", Node: "edge-1", Expires: time.Now().Add(time.Hour)}
	_, revokeErr := s.Certificates.Revoke(ctx, store.Revocation{Fleet: "edge", Node: "edge-1"})
	_, applicationErr := s.Accounts.AddApplication(ctx, store.Application{ID: "a1", Name: "Shop"})
	usage := []store.Hourly{{Hour: time.Now(), API: "payments", Class: "2xx", Requests: 1}}
	if err := errors.Join(revokeErr, applicationErr, s.Certificates.Add(ctx, certificate, nil), s.Usage.Put(ctx, "a", usage)); err != nil {
		t.Error(err)
	}
}

// TestUpgradeFromSchema4 opens what the version with schema 4 wrote, which goes on beside the new one.
func TestUpgradeFromSchema4(t *testing.T) {
	t.Parallel()
	for dialect, o := range map[string]store.Options{"sqlite": {Dir: t.TempDir()}, "postgres": {URL: newSchemas(t).place()}} {
		old := open(t, store.WithSteps(o, upTo(t, dialect, 4)))
		ctx := t.Context()
		first, err := old.History.Add(ctx, store.Entry{Content: "c1", State: "live", Source: "cli", Resources: []byte("{}")}, derived("x", 1))
		if err != nil {
			t.Fatal(err)
		}
		_, backErr := old.History.Add(ctx, store.Entry{Content: "c1", State: "live", Of: first.Number}, nil)
		_, accessErr := old.Access.Create(ctx, store.AccessToken{ID: "x", Role: "viewer", Expires: time.Now().Add(time.Hour)}, make([]byte, 32))
		_, head, auditErr := old.Audit.Append(ctx, store.Audited{Caller: "olga", Operation: "applyChange", Result: "done"})
		if err := errors.Join(backErr, accessErr, auditErr); err != nil {
			t.Fatal(err)
		}
		s := open(t, o)
		hasWhatIsNew(t, s)
		if e, err := s.History.Get(ctx, 2); err != nil || e.Of != first.Number {
			t.Errorf("%s: the rollback: %+v, %v", dialect, e, err)
		}
		if report, err := s.Audit.Verify(ctx, head); err != nil || len(report.Findings) > 0 || report.Records != 1 {
			t.Errorf("%s: the audit: %+v, %v", dialect, report, err)
		}
		if _, _, err := s.Access.Find(ctx, "x"); err != nil {
			t.Error(err)
		}
		if _, err := old.History.Add(ctx, store.Entry{Content: "c1", State: "live"}, nil); err != nil {
			t.Errorf("%s: the old one beside the new one: %v", dialect, err)
		}
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
