package store

import "errors"

// Errors that callers tell apart. Each is wrapped with what was being done and what to do about it.
var (
	ErrNotFound = errors.New("not found")
	// ErrConflict tells that what is stored is not what the caller expected, so nothing was changed.
	ErrConflict = errors.New("changed by somebody else meanwhile")
	// ErrThere tells that a file or a store is where a new one is to be. It was left as it is.
	ErrThere = errors.New("something is there already")
	// ErrInvalid tells that a value cannot be stored as it is.
	ErrInvalid = errors.New("invalid value")

	// ErrNewer tells that a newer version of Gatehouse wrote the store. Nothing in it was touched.
	ErrNewer = errors.New("a newer version wrote this store")
	// ErrForeign tells that the file is a database of another program. Nothing in it was touched.
	ErrForeign = errors.New("a database of another program")
	// ErrCorrupt tells that the file is no database, or a damaged one. Nothing in it was touched.
	ErrCorrupt = errors.New("damaged")
	// ErrReadOnly tells that the file or its directory cannot be written to.
	ErrReadOnly = errors.New("not writable")
	// ErrGone tells that the file was removed or replaced while it was in use: what is written to it would be lost.
	ErrGone = errors.New("removed while it was in use")
	// ErrFull tells that the disk is full. What was stored before is still there.
	ErrFull = errors.New("the disk is full")
	// ErrBusy tells that another process kept the store locked for longer than a call waits.
	ErrBusy = errors.New("locked by another process")
	// ErrAway tells that PostgreSQL cannot be reached, or does not answer. It is asked again with the next call.
	ErrAway = errors.New("the store is away")
	// ErrClosed tells that the store was closed.
	ErrClosed = errors.New("the store is closed")

	// ErrExpired, ErrRevoked and ErrSpent tell why a token whose secret is right gives no use any more.
	ErrExpired = errors.New("expired")
	ErrRevoked = errors.New("revoked")
	ErrSpent   = errors.New("no use left")
	// ErrSealed tells that a private key was sealed with another sealing key than the one given, or with one where none is.
	ErrSealed = errors.New("the sealing key does not open it")
)
