package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// classify gives an error of PostgreSQL, or of the way to it, its meaning, and remembers that a connection was lost.
func (p *postgres) classify(err error) error {
	err = p.meaning(err)
	if errors.Is(err, ErrAway) {
		p.lost.Store(time.Now().UnixNano())
	}
	return err
}

func (p *postgres) meaning(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	if _, connecting := errors.AsType[*pgconn.ConnectError](err); connecting {
		return meaning(ErrAway, unconnected{err})
	}
	if failure, ok := errors.AsType[*pgconn.PgError](err); ok {
		return meaning(ofState(failure.Code), err)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrAway) {
		return err // The caller's, or that of a call that nobody answered.
	}
	_, network := errors.AsType[net.Error](err)
	_, connection := errors.AsType[interface {
		error
		SafeToRetry() bool
	}](err)
	if network || connection || oneOf(err, io.EOF, io.ErrUnexpectedEOF, driver.ErrBadConn, sql.ErrConnDone, pgx.ErrTxClosed, net.ErrClosed) {
		return meaning(ErrAway, err)
	}
	return err
}

// unconnected is an error of connecting, in one line: pgx tells of each address on one of its own, and of some twice.
type unconnected struct{ error }

// Error returns what went wrong at each address.
func (u unconnected) Error() string {
	var said []string
	for line := range strings.Lines(u.error.Error()) {
		if line = strings.TrimSpace(line); !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}

// Unwrap returns the error.
func (u unconnected) Unwrap() error { return u.error }

func meaning(means, err error) error {
	if means == nil || errors.Is(err, means) {
		return err
	}
	return fmt.Errorf("%w (%w)", means, err)
}

func oneOf(err error, known ...error) bool {
	for _, k := range known {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// ofState says what an SQLSTATE means (PostgreSQL's manual, appendix A); nil for what has no meaning of its own here.
func ofState(code string) error {
	switch code {
	case "57P01", "57P02", "57P03", "57P05", "53300", "25P03": // It ends, starts, has no connection left, or threw us out.
		return ErrAway
	case "25006", "42501": // A standby, or no right.
		return ErrReadOnly
	case "53100":
		return ErrFull
	case "40001", "40P01", "55P03", "57014":
		return ErrBusy
	case "XX001", "XX002":
		return ErrCorrupt
	}
	switch {
	case strings.HasPrefix(code, "08"):
		return ErrAway
	case strings.HasPrefix(code, "22"):
		return ErrInvalid
	case strings.HasPrefix(code, "23"):
		return ErrConflict
	}
	return nil
}

// advise says what an operator can do about an error.
func (p *postgres) advise(err error) string {
	switch {
	case errors.Is(err, ErrAway):
		return "see that PostgreSQL runs and can be reached from here; it is asked again by itself"
	case errors.Is(err, ErrCorrupt):
		return "restore the database, or load a dump into an empty one"
	case errors.Is(err, ErrNewer):
		return "start the newer version, or load a dump of the older one into an empty database"
	case errors.Is(err, ErrForeign):
		return "choose an empty database, or a schema of its own by search_path in the URL"
	case errors.Is(err, ErrReadOnly):
		return "let the URL's user create and write tables in the schema, on a server that is no standby"
	case errors.Is(err, ErrFull):
		return "make room on the disk of PostgreSQL"
	}
	return ""
}
