package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Bounds of what one process asks of PostgreSQL: connections, and time.
const (
	pgWriters     = 3 // Changes are made one after the other; more than one only waits closer.
	pgReaders     = 4
	pgConnect     = 2 * time.Second  // To be connected, for each address.
	pgStatement   = time.Minute      // One statement, by the server's watch: the last resort where the client is gone.
	pgIdle        = 10 * time.Second // Between two statements of a transaction; then the server gives its locks back.
	pgPause       = 300 * time.Millisecond
	maxNotify     = 7900 // Bytes of what one NOTIFY carries; the server takes fewer than 8,000.
	pgKeepAlive   = "5"  // Seconds without a sign after which a connection is looked after, by the server.
	pgUserTimeout = "10000"
)

// postgres is the dialect of PostgreSQL: one schema of one database, which any number of processes may use.
type postgres struct {
	config  *pgx.ConnConfig // It has the password: it goes into no log and no error.
	key     int64           // Of the lock on the store, and of the channel on which changes are told.
	channel string
	away    atomic.Int64 // Until when nobody tries to connect, in nanoseconds since 1970.
	lost    atomic.Int64 // When a connection was last found lost, in nanoseconds since 1970: others of its age are likely lost too.
}

// pgConfig reads a URL. What is wrong with it is not told in the URL's words, which may have the password among them.
func pgConfig(url string, wait time.Duration) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("%w: the URL is not of the form postgres://user:password@host:port/database?sslmode=verify-full", ErrInvalid)
	}
	if !strings.Contains(url, "connect_timeout=") {
		config.ConnectTimeout = pgConnect
	}
	maps.Copy(config.RuntimeParams, map[string]string{
		"application_name":                    "gatehouse",
		"statement_timeout":                   strconv.FormatInt(pgStatement.Milliseconds(), 10),
		"lock_timeout":                        strconv.FormatInt(wait.Milliseconds(), 10),
		"idle_in_transaction_session_timeout": strconv.FormatInt(pgIdle.Milliseconds(), 10),
		"tcp_keepalives_idle":                 pgKeepAlive,
		"tcp_keepalives_interval":             "2",
		"tcp_keepalives_count":                "3",
		"tcp_user_timeout":                    pgUserTimeout,
		"default_transaction_isolation":       "read committed",
	})
	return config, nil
}

// pool returns a bounded pool of connections, with settings of its own.
func (p *postgres) pool(most int, settings map[string]string) *sql.DB {
	config := p.config.Copy()
	maps.Copy(config.RuntimeParams, settings)
	db := sql.OpenDB(watchful{stdlib.GetConnector(*config, stdlib.OptionAfterConnect(durable), stdlib.OptionShouldPing(p.doubtful)), p})
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	db.SetConnMaxLifetime(time.Hour)
	return db
}

// pgSure is how long a connection that was not used is taken for alive without a question.
const pgSure = time.Second

// doubtful says whether a connection has to answer before it is used: it was idle for long, or one of its age was lost since.
// So calls after a restart of the server meet none of the connections that it cut.
func (p *postgres) doubtful(_ context.Context, conn stdlib.ShouldPingParams) bool {
	return conn.IdleDuration > pgSure || time.Now().Add(-conn.IdleDuration).UnixNano() <= p.lost.Load()
}

// durable sees to it that what is confirmed is on the server's disk, also where the server is set up to confirm earlier. What
// asks for more than that is left as it is.
func durable(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'")
	return err
}

// watchful makes connections, and remembers for a moment that none could be made: so calls fail at once while nobody answers.
type watchful struct {
	driver.Connector
	p *postgres
}

// Connect makes a connection.
func (w watchful) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := w.Connector.Connect(ctx)
	if err != nil && !errors.Is(ctx.Err(), context.Canceled) {
		w.p.away.Store(time.Now().Add(pgPause).UnixNano())
	}
	return conn, err
}

// ready returns ErrAway for a moment after a connection could not be made.
func (p *postgres) ready() error {
	if time.Now().UnixNano() < p.away.Load() {
		return fmt.Errorf("%w: no connection could be made a moment ago", ErrAway)
	}
	return nil
}

func (p *postgres) late() error { return ErrAway }

// lock waits until no other process changes the store. PostgreSQL gives the lock back with the end of the transaction, and with
// that of the connection.
func (p *postgres) lock(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", p.key)
	return err
}

// told is what one NOTIFY carries.
type told struct {
	Number  int64    `json:"number,omitempty"` // Of the change; 0 for one that has none.
	Notices []Notice `json:"notices"`
}

func (p *postgres) announce(ctx context.Context, tx *sql.Tx, notices []Notice) (number int64, err error) {
	if err := tx.QueryRowContext(ctx, "UPDATE feed SET number = number + 1 WHERE id = 1 RETURNING number").Scan(&number); err != nil {
		return 0, err
	}
	return number, p.notify(ctx, tx, told{number, notices})
}

func (p *postgres) whisper(ctx context.Context, tx *sql.Tx, notices []Notice) error {
	if len(notices) == 0 {
		return nil
	}
	return p.notify(ctx, tx, told{Notices: notices})
}

func (p *postgres) notify(ctx context.Context, tx *sql.Tx, what told) error {
	text, err := json.Marshal(what)
	if err == nil && len(text) > maxNotify {
		what.Notices = []Notice{{}}
		text, err = json.Marshal(what)
	}
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "SELECT pg_notify($1, $2)", p.channel, string(text))
	return err
}

// clock returns the server's time.
func (p *postgres) clock(ctx context.Context, q querier) (time.Time, error) {
	var now int64
	err := q.QueryRowContext(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&now)
	return at(now), err
}

// check does nothing: PostgreSQL looks after its pages by checksums, where its cluster has them, and by amcheck.
func (p *postgres) check(context.Context, querier) error { return nil }

func (p *postgres) finish(*database) {}

func (p *postgres) counted(ctx context.Context, q querier, table string) (value int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT coalesce(max(value), 0) FROM counters WHERE name = $1", table).Scan(&value)
	return value, err
}

func (p *postgres) count(ctx context.Context, tx *sql.Tx, table string, value int64) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO counters (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
		table, value)
	return err
}

func (p *postgres) patient(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, "SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)")
	return err
}

func (p *postgres) snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

// keyOf is the number by which processes that use one schema know each other, within one database.
func keyOf(purpose, schema string) int64 {
	sum := sha256.Sum256([]byte("gatehouse/" + purpose + "/" + schema))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 1)
}
