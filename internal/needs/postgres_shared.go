package needs

import (
	"context"
	"slices"
	"sync"
	"testing"
)

// SharedPostgres is one PostgreSQL for all tests of a package, as to make a cluster takes longer than most of them: each has a
// database of its own in it. A test that stops, kills or sets up the server takes one of its own, by Postgres. The zero value is
// ready; TestMain keeps it and ends it.
type SharedPostgres struct {
	mu       sync.Mutex
	server   *PostgresServer
	cleanups []func()
}

// For returns the server for one test; the first one starts it. As nothing of it outlives the tests, it waits for no disk.
func (p *SharedPostgres) For(t testing.TB) *PostgresServer {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.server == nil {
		p.server = Postgres(outliving{t, p}, "fsync=off", "full_page_writes=off", "max_connections=400")
	}
	s := p.server
	return &PostgresServer{t: t, bin: s.bin, dir: s.dir, port: s.port, password: s.password, user: s.user, databases: s.databases}
}

// End ends the server, if one was started.
func (p *SharedPostgres) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, do := range slices.Backward(p.cleanups) {
		do()
	}
	p.server, p.cleanups = nil, nil
}

// outliving is a test whose cleaning up is left to whoever ends the server.
type outliving struct {
	testing.TB

	shared *SharedPostgres
}

// Cleanup keeps what is to be done at the end.
func (o outliving) Cleanup(do func()) { o.shared.cleanups = append(o.shared.cleanups, do) }

// Context does not end with the test.
func (outliving) Context() context.Context { return context.Background() }
