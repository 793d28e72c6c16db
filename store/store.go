package store

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"
)

// File is the name of the database in the state directory. While it is in use, two files with its name and -wal and -shm
// stand beside it and belong to it.
const File = "gatehouse.db"

// Bounds of a call whose context has no deadline, of waiting for another process, and of opening.
const (
	defaultTimeout = 10 * time.Second
	openTimeout    = time.Minute
	readers        = 4
)

// Options say where a store is and how it behaves. Only Dir or URL must be given.
type Options struct {
	Dir string // SQLite in the state directory, which is made with mode 0700 where it is missing.
	// URL of a database of PostgreSQL 13 or later: postgres://user:password@host:port/database, with libpq's parameters behind a
	// question mark. The tables are in the first schema of its search_path. The password appears in no error.
	URL string
	// Timeout bounds a call whose context has no deadline of its own. 0 stands for 10 s.
	Timeout time.Duration
	// Wait bounds how long a change waits for another process that is changing something. 0 stands for 5 s.
	Wait time.Duration
	// SealingKey encrypts every secret (AES-256-GCM), such as the private keys of authorities. It has 32 bytes and comes from outside of the state
	// directory. Without it they are protected by the file's mode, 0600, alone.
	SealingKey []byte
	// Sealing are several sealing keys, in the place of SealingKey: the first one seals, all of them open. So keys are rotated.
	Sealing [][]byte
	// Trail is how many changes of observed state are remembered. 0 stands for 1,000.
	Trail int
	Now   func() time.Time // nil stands for time.Now.

	steps fs.FS // The migrations; nil stands for those of this version.
}

// Store is one open store. Each concern is a field.
type Store struct {
	History      *History
	Nodes        *Nodes
	Rollouts     *Rollouts
	Observed     *Observed
	Tokens       *Tokens
	Authority    *Authority
	Meta         *Meta
	Access       *Access
	Audit        *Audit
	Leases       *Leases
	Replicas     *Replicas
	Secrets      *Secrets
	Certificates *Certificates
	Usage        *Usage
	Accounts     *Accounts
	Assignments  *Assignments
	Questions    *Questions

	db   *database
	path string
}

// Open opens the store, makes it where there is none, and brings an older schema up to date. It checks a file of SQLite whole
// for damage. It waits for another process that is opening the same store. The errors are ErrNewer, ErrForeign, ErrCorrupt,
// ErrReadOnly, ErrFull, ErrBusy and ErrAway; after each of them the store is as it was.
func Open(ctx context.Context, o Options) (*Store, error) {
	if (o.Dir == "") == (o.URL == "") {
		return nil, fmt.Errorf("open the store: %w: it is in a directory, or at a URL", ErrInvalid)
	}
	if len(o.SealingKey) > 0 {
		o.Sealing = [][]byte{o.SealingKey}
	}
	keys, err := newRing(o.Sealing)
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	ctx, cancel := deadline(ctx, openTimeout)
	defer cancel()
	var db *database
	var path string
	if o.URL != "" {
		db, path, err = openPostgres(ctx, o)
	} else {
		db, path, err = openFile(ctx, o)
	}
	if err != nil {
		return nil, fmt.Errorf("open the store %s: %w", path, err)
	}
	return assemble(db, path, positive(o.Trail, defaultTrail), keys), nil
}

// openFile opens the SQLite store in a directory, and returns it with its path.
func openFile(ctx context.Context, o Options) (*database, string, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, o.Dir, err
	}
	path := filepath.Join(dir, File)
	db, err := open(ctx, path, o)
	if err != nil {
		return nil, path, named(&sqliteFile{}, classify(err))
	}
	return db, path, nil
}

func assemble(db *database, path string, trail int, keys ring) *Store {
	return &Store{
		History:      &History{db},
		Nodes:        &Nodes{db},
		Rollouts:     &Rollouts{db},
		Observed:     &Observed{db, trail},
		Tokens:       &Tokens{db},
		Authority:    &Authority{db, keys},
		Meta:         &Meta{db},
		Access:       &Access{db},
		Audit:        &Audit{db},
		Leases:       &Leases{db},
		Replicas:     &Replicas{db},
		Secrets:      &Secrets{db, keys},
		Certificates: &Certificates{db},
		Usage:        &Usage{db},
		Accounts:     &Accounts{db, keys},
		Assignments:  &Assignments{db},
		Questions:    &Questions{db},
		db:           db,
		path:         path,
	}
}

// Close waits for the calls under way, moves what is in the log into the file and closes it. Calls after it fail with
// ErrClosed. A store that was not closed loses nothing: the log is read when it is opened again.
func (s *Store) Close() error {
	if err := s.db.close(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	return nil
}

// Path returns where the database is, for people: a path, or a URL without user and password.
func (s *Store) Path() string { return s.path }

func positive[T int | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// named adds what an operator can do to the errors that need one.
func named(d dialect, err error) error {
	if advice := d.advise(err); advice != "" {
		return fmt.Errorf("%w: %s", err, advice)
	}
	return err
}
