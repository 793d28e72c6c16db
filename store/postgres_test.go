package store_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse/gatehouse/internal/needs"
	"github.com/gatehouse/gatehouse/store"
	"github.com/gatehouse/gatehouse/store/storetest"
)

// cluster is the PostgreSQL of all tests that leave it running.
var cluster needs.SharedPostgres //nolint:gochecknoglobals // TestMain ends it, and tests are not called with it.

// bankOf is the name of the database in a URL.
func bankOf(url string) string {
	name, _, _ := strings.Cut(url[strings.LastIndex(url, "/")+1:], "?")
	return name
}

// schemas gives each test a schema of its own in one database.
type schemas struct {
	server *needs.PostgresServer
	url    string
	bank   string // The database.
	count  atomic.Int64
}

func newSchemas(t *testing.T) *schemas {
	t.Helper()
	server := cluster.For(t)
	url := server.Database()
	return &schemas{server: server, url: url, bank: bankOf(url)}
}

// place makes an empty schema and returns the URL of a store in it.
func (s *schemas) place() string {
	name := fmt.Sprint("place", s.count.Add(1))
	s.server.SQL(s.bank, "CREATE SCHEMA "+name)
	return s.url + "&search_path=" + name
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	all := newSchemas(t)
	t.Run("suite", func(t *testing.T) {
		storetest.Run(t, 25, func(*testing.T) storetest.Open {
			url := all.place()
			return func(t *testing.T, o store.Options) *store.Store {
				o.URL = url
				return open(t, o)
			}
		})
	})
	at := func(t *testing.T, url string) *store.Store { return open(t, store.Options{URL: url}) }
	file := func(t *testing.T) *store.Store { return open(t, store.Options{Dir: t.TempDir()}) }
	t.Run("moves to PostgreSQL", func(t *testing.T) { storetest.Moves(t, file(t), at(t, all.place())) })
	t.Run("moves to SQLite", func(t *testing.T) { storetest.Moves(t, at(t, all.place()), file(t)) })
	t.Run("moves to another PostgreSQL", func(t *testing.T) { storetest.Moves(t, at(t, all.place()), at(t, all.place())) })
}
